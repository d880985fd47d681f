"""Where a model meets a search: one step of the decoder behind the search's `Stepper` protocol."""

from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor

from nmt.models.decoder import DecoderState, Memory, reorder_state
from nmt.models.translation import TranslationModel
from nmt.search.stepper import Scored


class StepperState(NamedTuple):
    """The decoder's rows and the memory they attend to."""

    decoder: DecoderState
    memory: Memory


class DecoderStepper:
    """Scores the continuations of B sources that were encoded, and their keys projected, once."""

    def __init__(self, model: TranslationModel, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"]) -> None:
        self.model = model
        self.memory = model.encode(source, lengths)
        self.vocabulary_size = model.vocabulary_size

    def start(self) -> StepperState:
        """One row a source, before `<s>`."""
        return StepperState(self.model.initial_state(self.memory), self.memory)

    def step(self, tokens: Int[Tensor, "B K"], state: StepperState) -> tuple[Scored, StepperState]:
        """Read one token a row; log-probabilities in float32."""
        said, decoder = self.model.step(tokens, state.memory, state.decoder)
        return Scored(said.logits.float().log_softmax(-1), said.attention), StepperState(decoder, state.memory)

    def reorder(self, state: StepperState, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> StepperState:
        """Keep the sentences named; row j of the new sentence i continues its old row `rows[i, j]`."""
        return StepperState(*reorder_state(state.decoder, state.memory, sentences, rows))
