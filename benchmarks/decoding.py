"""Sentences per CPU-second of our decoding, beside a naive loop and other toolkits: one thread, the arms in turns.

    python benchmarks/decoding.py
    python benchmarks/decoding.py --checkpoint runs/mine --input corpus/test.en

Without a checkpoint the model has random weights and the sentences are random. Every arm must then say exactly as many
tokens for a sentence: `</s>` is made impossible before a length drawn for the sentence, and certain there, so that
arms differ in how fast they are and in nothing else. With a checkpoint, every arm ends where its search ends.

The arms (c) are recurrent models of OpenNMT-py and Joey NMT with their own searches, where they are installed and
weights are random (peers/ says which options); they too say exactly those tokens, which is checked.

The naive loop sorts by length as ours does, and encodes once. At each step it projects the keys of every row anew,
takes a log-softmax and a top-k over everything, gathers all states and memories, and goes on until the whole batch has
ended; finished hypotheses keep their place in the beam. (So it ranks a little differently, where `</s>` is free.)
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import peers
import torch
from jaxtyping import Int
from torch import Tensor
from turns import columns, rows, take_turns

from nmt.checkpoint import read_checkpoint
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import ConfigError
from nmt.inference.decoding import maximum_lengths
from nmt.inference.quantize import Precision, prepare_for_inference
from nmt.inference.stepper import DecoderStepper, StepperState
from nmt.models.build import build_translation
from nmt.models.decoder import DecoderState, Memory
from nmt.models.translation import TranslationModel
from nmt.search.beam import SearchOptions, beam_search
from nmt.search.greedy import greedy_search
from nmt.search.penalties import length_penalty
from nmt.search.stepper import Scored
from nmt.text.tokenizer import END, PAD, START, UNKNOWN

FORBIDDEN = (PAD, UNKNOWN, START)
ALPHA = 0.6


class Batch(NamedTuple):
    """Sources with their `</s>`, and how many tokens each target may have (must have, where lengths are forced)."""

    source: Int[Tensor, "B S"]
    lengths: Int[Tensor, " B"]
    limits: Int[Tensor, " B"]


class Decode(Protocol):
    """An arm: translate all sentences of a batch; a beam of 1 is greedy."""

    def __call__(self, batch: Batch, beam: int) -> None: ...


# --- ours ------------------------------------------------------------------------------------------------------------


class ForcedState(NamedTuple):
    """The model's state, the length each sentence must have, and how many tokens there are."""

    inner: StepperState
    limits: Int[Tensor, " b"]
    spoken: int


class ForcedLengths:
    """A Stepper that makes `</s>` certain at each sentence's length and impossible before."""

    def __init__(self, inner: DecoderStepper, limits: Int[Tensor, " B"]) -> None:
        self.inner, self.limits = inner, limits
        self.vocabulary_size = inner.vocabulary_size

    def start(self) -> ForcedState:
        return ForcedState(self.inner.start(), self.limits, 0)

    def step(self, tokens: Int[Tensor, "B K"], state: ForcedState) -> tuple[Scored, ForcedState]:
        scored, inner = self.inner.step(tokens, state.inner)
        force_end(scored.log_probabilities, state.limits, state.spoken + 1)
        return scored, ForcedState(inner, state.limits, state.spoken + 1)

    def reorder(self, state: ForcedState, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> ForcedState:
        return ForcedState(self.inner.reorder(state.inner, sentences, rows), state.limits[sentences], state.spoken)


def force_end(log_probabilities: Tensor, limits: Int[Tensor, " B"], length: int) -> None:
    """In place: `</s>` has log-probability 0 where a sentence's length is reached, and does not exist before."""
    log_probabilities[..., END] = torch.where(limits > length, -torch.inf, 0.0)[:, None]
    if bool((limits <= length).any()):
        log_probabilities[limits <= length, :, END + 1 :] = -1e4


def ours(model: TranslationModel, *, forced: bool) -> Decode:
    def decode(batch: Batch, beam: int) -> None:
        inner = DecoderStepper(model, batch.source, batch.lengths)
        stepper = ForcedLengths(inner, batch.limits) if forced else inner
        common: dict[str, Any] = {
            "start": START,
            "end": END,
            "maximum_lengths": batch.limits,
            "forbidden": FORBIDDEN,
            "source_lengths": batch.lengths,
            "with_attention": False,
        }
        if beam == 1:
            greedy_search(stepper, **common)
        else:
            beam_search(stepper, options=SearchOptions(beam_size=beam, length_penalty=ALPHA), **common)

    return decode


# --- the naive loop --------------------------------------------------------------------------------------------------


def naive(model: TranslationModel, *, forced: bool) -> Decode:
    def decode(batch: Batch, beam: int) -> None:
        memory = model.encode(batch.source, batch.lengths)
        count, vocabulary = len(batch.lengths), model.vocabulary_size
        limits = batch.limits.repeat_interleave(beam)
        memory = Memory(*(part.repeat_interleave(beam, 0) for part in memory))
        state = model.initial_state(memory)
        tokens = torch.full((count * beam, 1), START)
        totals = torch.full((count, beam), -torch.inf)
        totals[:, 0] = 0.0
        finished = torch.zeros(count * beam, dtype=torch.bool)
        spoken = torch.zeros(count * beam)
        for length in range(1, int(limits.max()) + 1):
            memory = memory._replace(keys=model.decoder.attention.project_keys(memory.values))
            said, state = model.step(tokens[:, -1:], memory, state)
            log_probabilities = said.logits[:, 0].log_softmax(-1)
            log_probabilities[:, FORBIDDEN] = -torch.inf
            if forced:
                force_end(log_probabilities[:, None], limits, length)
            log_probabilities[finished] = -torch.inf
            log_probabilities[finished, END] = 0.0
            scores = (totals.view(-1, 1) + log_probabilities).view(count, beam * vocabulary)
            totals, best = scores.topk(beam)
            rows = (best // vocabulary + torch.arange(count)[:, None] * beam).flatten()
            state = DecoderState(
                tuple(tuple(tensor[rows] for tensor in layer) for layer in state.layers),
                None if state.context is None else state.context[rows],
            )
            memory = Memory(*(part[rows] for part in memory))
            tokens = torch.cat([tokens[rows], (best % vocabulary).view(-1, 1)], dim=1)
            spoken = spoken[rows] + ~finished[rows]
            finished = finished[rows] | (tokens[:, -1] == END) | (limits <= length)
            if bool(finished.all()):
                break
        (totals / length_penalty(spoken, ALPHA).view(count, beam)).argmax(1).tolist()

    return decode


# --- other toolkits ---------------------------------------------------------------------------------------------------


def other(search: peers.Search) -> Decode:
    """Raises RuntimeError if it has not said as many tokens as it must."""

    def decode(batch: Batch, beam: int) -> None:
        said = search(*batch, beam)
        if said != batch.limits.tolist():
            raise RuntimeError(f"sentences of {said} tokens instead of {batch.limits.tolist()}")

    return decode


# --- what is decoded, measuring, printing ---------------------------------------------------------------------------


class Task(NamedTuple):
    """A model, sources of ids without `</s>`, and the number of tokens each target must have, or may have at most."""

    model: TranslationModel
    sources: Sequence[Sequence[int]]
    limits: Int[Tensor, " N"]
    forced: bool
    recipe: peers.Recipe | None  # what other toolkits have to build; they cannot read a checkpoint


def random_task(arguments: argparse.Namespace) -> Task:
    """Sentences of 5 to 25 tokens, with targets from 0.7 to 1.3 times as long."""
    torch.manual_seed(arguments.seed)
    sizes = {"hidden_size": arguments.hidden_size, "embedding_size": arguments.hidden_size}
    options = {"attention": arguments.attention, "deep_output": True, "bidirectional_size": arguments.hidden_size // 2}
    config = ModelConfig.model_validate(sizes | options)
    model = build_translation(config, arguments.vocabulary, arguments.vocabulary)
    lengths = torch.randint(5, 26, (arguments.sentences,))
    sources = [torch.randint(4, arguments.vocabulary, (length,)).tolist() for length in lengths.tolist()]
    limits = (lengths * (0.7 + 0.6 * torch.rand(arguments.sentences))).long() + 1
    recipe = peers.Recipe(
        **sizes,
        layers=config.encoder_layers,
        vocabulary_size=arguments.vocabulary,
        additive_attention="additive" in arguments.attention,
    )
    return Task(model.eval(), sources, limits, forced=True, recipe=recipe)


def real_task(arguments: argparse.Namespace) -> Task:
    checkpoint = read_checkpoint(arguments.checkpoint)
    lines = arguments.input.read_text(encoding="utf-8").splitlines()
    sources = [ids for ids in checkpoint.tokenizers.source.encode_batch(lines) if ids][: arguments.sentences]
    limits = maximum_lengths(torch.tensor([len(ids) + 1 for ids in sources]), SearchConfig())
    return Task(checkpoint.build().eval(), sources, limits, forced=False, recipe=None)


def batches(task: Task, size: int) -> list[Batch]:
    """All sentences, the longest first."""
    order = sorted(range(len(task.sources)), key=lambda i: -len(task.sources[i]))
    made = []
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        ids = [torch.tensor([*task.sources[i], END]) for i in chosen]
        source = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
        made.append(Batch(source, torch.tensor([len(row) for row in ids]), task.limits[chosen]))
    return made


def arms(task: Task) -> dict[str, Decode]:
    """Ours in every number format, the naive loop, and what other toolkits are installed, if weights are random."""
    found = {"naive fp32": naive(task.model, forced=task.forced)}
    precisions: tuple[Precision, ...] = ("32", "fp16", "bf16", "int8")
    for precision in precisions:
        name = f"ours {'fp32' if precision == '32' else precision}"
        try:
            found[name] = ours(prepare_for_inference(task.model, precision), forced=task.forced)
        except ConfigError as error:
            print(f"{name}: not here ({error})")
    if task.recipe is not None:
        found |= {f"(c) {name}": other(peer.search(task.recipe)) for name, peer in peers.installed().items()}
    return found


def compare(task: Task, arguments: argparse.Namespace) -> None:
    """Print a row for each search, batch size and arm."""
    decoders = arms(task)
    references = [name for name in decoders if name.startswith(("naive", "(c)"))]
    heads = ["search", "batch", "arm", "sentences / CPU-second", *columns(references)]
    print(f"\n| {' | '.join(heads)} |\n|{'-|' * len(heads)}")
    for beam in arguments.beams:
        for size in arguments.batches:
            searches = {name: partial(decode, beam=beam) for name, decode in decoders.items()}
            with torch.inference_mode():
                seconds = take_turns(searches, batches(task, size), rounds=arguments.repeats, warm_up=1)
            for name, cells in rows(seconds, len(task.sources), references):
                search = "greedy" if beam == 1 else f"beam {beam}"
                print(f"| {search} | {size} | {name} | {' | '.join(cells)} |", flush=True)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a run's folder or a checkpoint; default: random weights")
    parser.add_argument("--input", type=Path, help="sources for the checkpoint, one a line")
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--attention", default="normalized_additive", help="of the model with random weights")
    parser.add_argument("--sentences", type=int, default=128, help="how many, at most")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if (arguments.checkpoint is None) != (arguments.input is None):
        parser.error("--checkpoint and --input go together")
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {arguments.threads} thread(s)")
    compare(random_task(arguments) if arguments.checkpoint is None else real_task(arguments), arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
