"""Where a model meets a search: one step of the decoder behind the search's `Stepper` protocol."""

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from nmt.models.decoder import DecoderState, Memory, reorder_state
from nmt.models.translation import TranslationModel
from nmt.search.stepper import Scored

_FEWEST_POSITIONS, _ALIKE = 16, 8  # kernels over source positions differ below 16, and for what is over a multiple of 8
_FEWEST_SENTENCES = 2  # oneDNN's LSTM uses another kernel for one sentence than for several


class StepperState(NamedTuple):
    """The decoder's rows and the memory they attend to."""

    decoder: DecoderState
    memory: Memory


class DecoderStepper:
    """Scores the continuations of B sources that were encoded, and their keys projected, once."""

    def __init__(self, model: TranslationModel, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"]) -> None:
        self.model = model
        self.memory = _encoded(model, source, lengths)
        self.vocabulary_size = model.vocabulary_size

    def start(self) -> StepperState:
        """One row a source, before `<s>`."""
        return StepperState(self.model.initial_state(self.memory), self.memory)

    def step(self, tokens: Int[Tensor, "B K"], state: StepperState) -> tuple[Scored, StepperState]:
        """Read one token a row; log-probabilities in float32."""
        said, decoder = self.model.step(tokens, state.memory, state.decoder)
        logits = said.logits.float()
        spoken = torch.log_softmax(logits, -1, out=None if logits.requires_grad else logits)
        return Scored(spoken, said.attention), StepperState(decoder, state.memory)

    def reorder(self, state: StepperState, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> StepperState:
        """Keep the sentences named; row j of the new sentence i continues its old row `rows[i, j]`."""
        return StepperState(*reorder_state(state.decoder, state.memory, sentences, rows))


def _encoded(model: TranslationModel, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"]) -> Memory:
    """Sources read so that a sentence's numbers are the same bits whatever its companions.

    A single sentence is read twice, and memories are padded to 16 positions or a greater multiple of 8: what is behind
    the end of a sentence has no weight in attention, and adding its zeros changes nothing.
    """
    batch, positions = source.shape
    if batch == 1:
        source, lengths = source.expand(_FEWEST_SENTENCES, -1), lengths.expand(_FEWEST_SENTENCES)
    memory = model.encode(source, lengths)
    spare = max(_FEWEST_POSITIONS - positions, -positions % _ALIKE)
    values = F.pad(memory.values[:batch], (0, 0, 0, spare))
    keys = values if memory.keys is memory.values else F.pad(memory.keys[:batch], (0, 0, 0, spare))
    return Memory(keys, values, F.pad(memory.mask[:batch], (0, spare)))
