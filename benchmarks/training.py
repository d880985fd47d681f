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
    (c) others  Joey NMT and OpenNMT-py, where they can be imported

Ratios are medians over rounds; a noisy neighbour then hits all arms alike. The loader is not counted.
"""

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.training.levers import apply, choose_levers, limit_kernels
from nmt.training.precision import multiplies_bf16
from nmt.training.sequence_task import build_optimizer
from nmt.training.task import batch_loss

Step = Callable[[TranslationBatch], None]
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


class LoopModel(nn.Module):
    """GNMT's first wiring (context fed back) at the sizes of a configuration, one target position at a time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, width = config.model.hidden_size, config.model.embedding_size
        self.p = config.model.dropout.input
        self.embedding = nn.Embedding(config.tokenizer.vocabulary_size, width)
        self.both_ways = nn.LSTM(width, size, batch_first=True, bidirectional=True)
        above = config.model.encoder_layers - 1
        self.above = nn.LSTM(2 * size, size, above, batch_first=True, dropout=self.p if above > 1 else 0.0)
        inputs = [width + size] + [2 * size] * (config.model.decoder_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(i, size) for i in inputs)
        self.output = nn.Linear(size, config.tokenizer.vocabulary_size)
        if width == size:
            self.output.weight = self.embedding.weight

    def forward(self, batch: TranslationBatch) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            F.dropout(self.embedding(batch.source), self.p),
            *(batch.source_lengths, True, False),
        )
        middle = nn.utils.rnn.pad_packed_sequence(self.both_ways(packed)[0], batch_first=True)[0]
        packed = nn.utils.rnn.pack_padded_sequence(F.dropout(middle, self.p), batch.source_lengths, True, False)
        memory = nn.utils.rnn.pad_packed_sequence(self.above(packed)[0], batch_first=True)[0]
        padding = ~padding_mask(batch.source_lengths, memory.shape[1])
        zeros = memory.new_zeros(len(memory), memory.shape[2])
        states, context, outputs = [(zeros, zeros)] * len(self.cells), zeros, []
        for embedded in self.embedding(batch.target_input).unbind(1):
            values = torch.cat([embedded, context], dim=-1)
            for i, cell in enumerate(self.cells):
                states[i] = cell(F.dropout(values, self.p), states[i])
                if i == 0:
                    scores = torch.bmm(memory, states[0][0][:, :, None])[:, :, 0].masked_fill(padding, -1e9)
                    context = torch.bmm(scores.softmax(-1)[:, None], memory)[:, 0]
                values = torch.cat([states[i][0], context], dim=-1)
            outputs.append(states[-1][0])
        logits: Tensor = self.output(torch.stack(outputs, dim=1))
        return logits


def textbook_loop(config: Config) -> Step:
    """(a): what one writes first."""
    model = LoopModel(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.train.optimizer.learning_rate)

    def step(batch: TranslationBatch) -> None:
        optimizer.zero_grad()
        real = padding_mask(batch.target_lengths, batch.target_input.shape[1])
        targets = batch.target_output.masked_fill(~real, -100)
        smoothing = config.train.label_smoothing
        F.cross_entropy(model(batch).flatten(0, 1), targets.flatten(), label_smoothing=smoothing).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def bare_products(config: Config, *, dtype: torch.dtype) -> Step:
    """(b): the matrix products of our step and nothing else, on matrices that lie ready."""
    matrices: dict[tuple[int, ...], Tensor] = {}

    def matrix(*shape: int) -> Tensor:
        if shape not in matrices:
            matrices[shape] = torch.randn(shape).to(dtype)
        return matrices[shape]

    def step(batch: TranslationBatch) -> None:
        for n, k, m, times in products(config, batch):
            for _ in range(times):
                torch.mm(matrix(n, k), matrix(k, m))
        size = config.model.hidden_size
        sentences, source, target = *batch.source.shape, batch.target_input.shape[1]
        for _ in range(2):  # scores, and contexts: T×S×H each, once forward and twice backward
            torch.bmm(matrix(sentences, target, size), matrix(sentences, size, source))
            torch.bmm(matrix(sentences, target, source), matrix(sentences, source, size))
            torch.bmm(matrix(sentences, source, target), matrix(sentences, target, size))

    return step


def products(config: Config, batch: TranslationBatch) -> Iterator[tuple[int, int, int, int]]:
    """(n, k, m, how often) of every product `n×k · k×m` of a step, forward, for inputs and for weights."""
    model = config.model
    size, width = model.hidden_size, model.embedding_size
    each_way = model.bidirectional_size or size
    lstms = [(width, each_way, batch.source)] * 2 + [(2 * each_way, size, batch.source)]
    lstms += [(size, size, batch.source)] * (model.encoder_layers - 2)
    lstms += [(width, size, batch.target_input)] + [(2 * size, size, batch.target_input)] * (model.decoder_layers - 1)
    for inputs, hidden, tokens in lstms:
        sentences, length = tokens.shape
        yield sentences * length, inputs, 4 * hidden, 1  # W x of all positions
        yield sentences * length, 4 * hidden, inputs, 1
        yield 4 * hidden, sentences * length, inputs, 1
        yield sentences, hidden, 4 * hidden, length  # U h, one position after the other
        yield sentences, 4 * hidden, hidden, length
        yield 4 * hidden, sentences * length, hidden, 1
    real, vocabulary = int(batch.target_lengths.sum()), config.tokenizer.vocabulary_size
    linear = [(real, width, vocabulary)]
    if model.deep_output:
        linear.append((batch.target_input.numel(), 2 * size + width, size))
        size_of_output = size
    else:
        size_of_output = size
    if size_of_output != width:
        linear.append((real, size_of_output, width))
    for n, k, m in linear:
        yield from ((n, k, m, 1), (n, m, k, 1), (m, n, k, 1))


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


def measure(arms: dict[str, Step], batches: list[TranslationBatch], *, rounds: int) -> dict[str, list[float]]:
    """CPU-seconds of all batches, for every arm and round; the arms take turns at every batch."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(WARM_UP + rounds):
        spent = dict.fromkeys(arms, 0.0)
        for batch in batches:
            for name, step in arms.items():
                begin = time.process_time()
                step(batch)
                spent[name] += time.process_time() - begin
        if number >= WARM_UP:
            for name in arms:
                seconds[name].append(spent[name])
    return seconds


def table(seconds: dict[str, list[float]], tokens: int) -> Iterator[str]:
    """Rows of tokens per CPU-second and of ratios to (a) and (b)."""
    yield "| arm | target tokens / CPU-second | × (a) | % of (b) in the same numbers |"
    yield "|-|-|-|-|"

    def ratio(above: str, below: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[above], seconds[below], strict=True))

    for name, spent in seconds.items():
        bare = "(b) bare bf16" if name.endswith("bf16") else "(b) bare fp32"
        share = "" if name == "(a) loop fp32" else f"{100 * ratio(bare, name):.0f} %"
        yield f"| {name} | {tokens / statistics.median(spent):,.0f} | {ratio('(a) loop fp32', name):.2f} | {share} |"


def others() -> str:
    """What can be said of (c) here."""
    found = [name for name in ("joeynmt", "onmt") if importlib.util.find_spec(name)]
    if not found:
        return "(c) neither Joey NMT (joeynmt) nor OpenNMT-py (onmt) is installed here: not measured"
    return f"(c) {', '.join(found)} found; time their own training on the same sizes beside this table"


def profile(step: Step, batches: list[TranslationBatch]) -> None:
    """Print which operators the step's time goes to."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    step(batches[0])
    with profiler(activities=[ProfilerActivity.CPU]) as recorded:
        for batch in batches:
            step(batch)
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))


def compare(config: Config, arguments: Any) -> None:
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
    if multiplies_bf16(on_gpu=False):
        arms["ours bf16"] = ours(config, bf16=True)
        arms["(b) bare bf16"] = bare_products(config, dtype=torch.bfloat16)
    tokens = sum(int(batch.target_lengths.sum()) for batch in batches)
    for row in table(measure(arms, batches, rounds=arguments.rounds), tokens):
        print(row, flush=True)


def configuration(name: str | None, overrides: list[str], size: int | None, threads: int) -> Config:
    """The one named; without a name, the plain model that other toolkits are compared with."""
    plain = "--model.attention dot --model.deep_output false --model.bidirectional_size null --model.dropout.input 0.2"
    given = [*plain.split(), "--tokenizer.vocabulary_size", "8000"] if name is None else []
    if size is not None:
        given += ["--model.hidden_size", str(size), "--model.embedding_size", str(size)]
    return load_config(name or "gnmt_small", [*given, "--train.threads", str(threads), *overrides])


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
    print(f"torch {torch.__version__}, {arguments.threads} thread(s)\n{others()}")
    for size in arguments.sizes or ([256, 512] if arguments.config is None else [None]):
        compare(configuration(arguments.config, overrides, size, arguments.threads), arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
