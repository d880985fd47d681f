"""Other toolkits' recurrent translators as arms of the benchmarks, where they are installed.

Each adapter builds the toolkit's model by its own builder, and lets its own trainer and its own search run. What they
share is below: the sizes asked for, the ids that both toolkits give to special tokens, and how lengths are forced.
Nothing here is needed by `nmt`; docs/benchmarks.md says how to install them.
"""

import importlib
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from nmt.data.batch import TranslationBatch

UNKNOWN, PAD, START, END = range(4)  # in the vocabularies of both; ours begins with padding
ADAPTERS = {"OpenNMT-py": "peers.opennmt", "Joey NMT": "peers.joey"}

TrainingStep = Callable[[TranslationBatch], None]
Search = Callable[[Tensor, Tensor, Tensor, int], list[int]]  # sources, lengths, limits, beam → tokens said by each


class Recipe(NamedTuple):
    """What both sides have in common. `hidden_size` is that of the decoder and of the encoder's outputs."""

    hidden_size: int
    embedding_size: int
    layers: int  # of the encoder, and as many of the decoder
    vocabulary_size: int
    additive_attention: bool  # Bahdanau's, else Luong's "general"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    learning_rate: float = 1e-3
    clip_norm: float = 1.0


class Peer(Protocol):
    """What the module of an adapter has."""

    def training_step(self, recipe: Recipe) -> TrainingStep:
        """A whole step: loss, backward, clipping, optimiser."""

    def search(self, recipe: Recipe) -> Search:
        """Decoding with random weights, where each sentence has exactly as many tokens as its limit says."""


def installed() -> dict[str, Peer]:
    """The adapters that can be imported; says of the others why not."""
    found: dict[str, Peer] = {}
    for name, module in ADAPTERS.items():
        try:
            found[name] = cast(Peer, importlib.import_module(module))
        except ImportError as error:
            print(f"(c) {name}: not here ({error})")
    return found


def renumber(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Our padded ids as theirs: other padding, and `</s>` as the last token of each row; words keep their numbers."""
    positions = torch.arange(tokens.shape[1])
    return tokens.masked_fill(positions >= lengths[:, None], PAD).masked_fill(positions == lengths[:, None] - 1, END)


def pairs(batch: TranslationBatch) -> tuple[Tensor, Tensor]:
    """Sources `x … </s>` and whole targets `<s> y … </s>` in their numbers."""
    targets = renumber(batch.target_output, batch.target_lengths)
    starts = torch.full((len(targets), 1), START)
    return renumber(batch.source, batch.source_lengths), torch.cat([starts, targets], dim=1)


def force_end(scores: Tensor, limits: Tensor, length: int) -> None:
    """In place, in each row of `scores`: `</s>` is certain where the limit is reached, and impossible before."""
    ends = limits <= length
    if bool(ends.any()):
        scores[ends] = -1e4
    scores[:, END] = torch.where(ends, 0.0, -torch.inf)
