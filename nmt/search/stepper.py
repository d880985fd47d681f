"""The one thing a search knows about whatever scores: it can begin, go on by one token, and re-order its beams."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


class Scored(NamedTuple):
    """What one step says about the next token of K rows of each of B sentences."""

    log_probabilities: Float[Tensor, "B K V"]  # natural logarithm, normalised over V
    attention: Float[Tensor, "B K S"] | None  # where each row looked; None where the scorer has no source


@runtime_checkable
class Stepper(Protocol):
    """Scores continuations of B sentences at once. Holds no state of its own: states go in and come out.

    A state's tensors lead with `B K`; `start` gives K = 1. Anything that is the same for all rows of a sentence
    (the memory, its keys) belongs in the state too, leading with `B`, so that `reorder` can drop finished sentences.
    """

    vocabulary_size: int

    def start(self) -> Any:
        """The state before the first token, of all B sentences with one row each."""
        ...

    def step(self, tokens: Int[Tensor, "B K"], state: Any) -> tuple[Scored, Any]:
        """Read one token a row and score the next one."""
        ...

    def reorder(self, state: Any, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> Any:
        """Keep the sentences named, in that order; row j of the new sentence i continues its old row `rows[i, j]`."""
        ...
