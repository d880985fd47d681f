"""How fast one training step is, and how far that is from a textbook loop and from the machine's matrix products.

    python benchmarks/training.py
    python benchmarks/training.py --sizes 512 --rounds 20
    python benchmarks/training.py --profile --sizes 256
    python benchmarks/training.py --config gnmt_multi30k --model.attention general

Arms, all on the same random batches of sentences, one thread, in turn within each round, in processor time:

    ours        the whole step of `nmt`: dropout, loss, backward, clipping, optimiser, by the levers chosen here
    (a) loop    the same sizes as one writes them first: packed nn.LSTM encoder, LSTMCell and attention at every target
                position with the context fed back into the first layer, all logits kept, plain Adam
    (b) bare    nothing but the step's matrix products, forward and backward, by torch.mm and torch.bmm
    (c) others  recurrent models of OpenNMT-py and Joey NMT, by their own code, where they are installed (peers/)

Ratios are medians over rounds; a noisy neighbour then hits all arms alike. The loader is not counted. At equal
`hidden_size` the encoders of (c) are smaller than ours: half of the units each way, in all layers. Ours is as small, at
256, with `--model.bidirectional_layers 2 --model.bidirectional_size 128`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import peers
import torch
from baselines import Step, bare_products, textbook_loop
from torch import nn
from turns import columns, rows, take_turns, times_as_fast

from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.training.machine.levers import apply, choose_levers, limit_kernels
from nmt.training.machine.precision import multiplies_bf16
from nmt.training.sequence_task import build_optimizer
from nmt.training.translation.task import batch_loss

WARM_UP = 2  # rounds before measuring


# --- the arms ----------------------------------------------------------------------------------------------------


def ours(config: Config, *, bf16: bool) -> Step:
    """The step that training takes."""
    model = fresh_model(config)
    optimizer = build_optimizer(config.train.optimizer, list(model.parameters()))

    def step(batch: TranslationBatch) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            sums = batch_loss(model, batch, label_smoothing=config.train.label_smoothing)
        (sums.loss / batch.target_lengths.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.train.clip_norm or float("inf"))
        optimizer.step()

    return step


def fresh_model(config: Config) -> TranslationModel:
    """Always the same weights."""
    torch.manual_seed(config.seed)
    size = config.tokenizer.vocabulary_size
    return build_translation(config.model, size, size).train()


# --- batches, measuring, printing --------------------------------------------------------------------------------


def random_batches(config: Config, *, count: int, sentences: int) -> list[TranslationBatch]:
    """Sentences of near-equal length, 8 to 25 tokens, as a bucketed corpus gives them."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for longest in torch.linspace(8, 25, count).round().int().tolist():
        lengths = torch.randint(longest - 2, longest + 1, (2, sentences), generator=generator)
        source_length, target_length = int(lengths[0].max()), int(lengths[1].max())
        tokens = torch.randint(4, config.tokenizer.vocabulary_size, (3, sentences, longest), generator=generator)
        source = tokens[0, :, :source_length] * padding_mask(lengths[0], source_length)
        target = tokens[1:, :, :target_length] * padding_mask(lengths[1], target_length)
        batches.append(TranslationBatch(source, lengths[0], target[0], target[1], lengths[1], torch.arange(sentences)))
    return batches


def table(seconds: Mapping[str, Sequence[float]], tokens: int) -> Iterator[str]:
    """Rows of tokens per CPU-second, of ratios to (a) and (c), and of the share of (b)."""
    references = [name for name in seconds if name.startswith(("(a)", "(c)"))]
    heads = ["arm", "target tokens / CPU-second", *columns(references), "% of (b) in the same numbers"]
    yield f"| {' | '.join(heads)} |\n|{'-|' * len(heads)}"
    for name, cells in rows(seconds, tokens, references):
        bare = "(b) bare bf16" if name.endswith("bf16") else "(b) bare fp32"
        yield f"| {name} | {' | '.join(cells)} | {100 * times_as_fast(seconds, name, bare):.0f} % |"


def profile(step: Step, batches: list[TranslationBatch]) -> None:
    """Print which operators the step's time goes to."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    step(batches[0])
    with profiler(activities=[ProfilerActivity.CPU]) as recorded:
        for batch in batches:
            step(batch)
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))


def compare(config: Config, found: Mapping[str, peers.Peer], arguments: Any) -> None:
    """One table for one configuration."""
    batches = random_batches(config, count=arguments.batches, sentences=arguments.sentences)
    model = config.model
    print(
        f"\n{model.encoder_layers}+{model.decoder_layers} layers of {model.hidden_size}, embeddings of"
        f" {model.embedding_size}, {model.attention} attention, vocabulary {config.tokenizer.vocabulary_size},"
        f" {arguments.sentences} sentences a batch"
    )
    with tempfile.TemporaryDirectory() as folder:
        levers = choose_levers(config, Path(folder), on_gpu=False)
    apply(levers)
    print(f"{levers.report()}\n")
    if arguments.profile:
        profile(ours(config, bf16=False), batches)
        return
    arms: dict[str, Step] = {"ours fp32": ours(config, bf16=False)}
    arms["(a) loop fp32"] = textbook_loop(config)
    arms["(b) bare fp32"] = bare_products(config, dtype=torch.float32)
    if model.encoder_layers == model.decoder_layers:  # else OpenNMT-py builds none
        arms |= {f"(c) {name}": peer.training_step(recipe(config)) for name, peer in found.items()}
    if multiplies_bf16(on_gpu=False):
        arms["ours bf16"] = ours(config, bf16=True)
        arms["(b) bare bf16"] = bare_products(config, dtype=torch.bfloat16)
    tokens = sum(int(batch.target_lengths.sum()) for batch in batches)
    seconds = take_turns(arms, batches, rounds=arguments.rounds, warm_up=WARM_UP)
    for row in table(seconds, tokens):
        print(row, flush=True)


def recipe(config: Config) -> peers.Recipe:
    """What other toolkits are asked to build: the nearest they have to this configuration."""
    return peers.Recipe(
        hidden_size=config.model.hidden_size,
        embedding_size=config.model.embedding_size,
        layers=config.model.encoder_layers,
        vocabulary_size=config.tokenizer.vocabulary_size,
        additive_attention="additive" in config.model.attention,
        dropout=config.model.dropout.input,
        label_smoothing=config.train.label_smoothing,
        learning_rate=config.train.optimizer.learning_rate,
        clip_norm=config.train.clip_norm or float("inf"),
    )


def configuration(name: str | None, overrides: list[str], size: int | None, threads: int) -> Config:
    """The one named; without a name, the plain model that other toolkits are compared with."""
    plain = "--model.attention dot --model.deep_output false --model.bidirectional_size null --model.dropout.input 0.2"
    given = [*plain.split(), "--tokenizer.vocabulary_size", "8000"] if name is None else []
    if size is not None:
        given += ["--model.hidden_size", str(size), "--model.embedding_size", str(size)]
    config = load_config(name or "gnmt_small", [*given, "--train.threads", str(threads), *overrides])
    if not isinstance(config, Config):
        raise SystemExit(f"{name} is no translator's configuration")
    return config


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="name or path (default: 2+2 layers, dot attention, vocabulary 8000)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", help="hidden sizes, a table each (default: 256 512, or what --config has)"
    )
    parser.add_argument("--sentences", type=int, default=64, help="of each batch")
    parser.add_argument("--batches", type=int, default=4, help="different batches, all measured in every round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="print which operators our step spends its time in")
    arguments, overrides = parser.parse_known_args()
    torch.set_num_threads(arguments.threads)
    limit_kernels()
    print(f"torch {torch.__version__}, {arguments.threads} thread(s)")
    found = peers.installed()
    for size in arguments.sizes or ([256, 512] if arguments.config is None else [None]):
        compare(configuration(arguments.config, overrides, size, arguments.threads), found, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
