"""Which continuations of a beam live on and which may end: the part of beam search that can be exchanged.

`BestFirst` is the rule of sentences 2 and 3 of `beam.py`; `constrained.py` and `diverse.py` have others.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.selection import Candidates, best_candidates


class Choice(NamedTuple):
    """What becomes of the continuations of b sentences at one step."""

    candidates: Candidates  # C of each sentence, best first
    survivors: Int[Tensor, "b k"]  # which candidates are the rows of the next step, ascending; never `</s>`
    finishing: Bool[Tensor, "b C"]  # those that end in `</s>` and may
    complete: Bool[Tensor, "b C"] | None  # those that may be cut and count; None: all of them


@runtime_checkable
class Chooser(Protocol):
    """Chooses for B sentences. Holds no state of a search: like a stepper's, states go in and come out."""

    def start(self, sentences: Int[Tensor, " b"]) -> Any:
        """The state of the sentences named, one row each."""
        ...

    def choose(
        self,
        log_probabilities: Float[Tensor, "b K V"],
        totals: Float[Tensor, "b K"],
        state: Any,
        *,
        end: int,
        beam_size: int,
        banned: tuple[int, ...],
    ) -> tuple[Choice, Any]:
        """The choice among `totals[b, k] + log_probabilities[b, k, v]`, and the state of the candidates."""
        ...

    def reorder(self, state: Any, sentences: Int[Tensor, " b"], candidates: Int[Tensor, "b k"]) -> Any:
        """The state of rows: keep the sentences named; row j of the new sentence i is its candidate `[i, j]`."""
        ...

    def may_fail(self, sentence: int) -> bool:
        """Whether the sentence may be without any hypothesis; otherwise that is an error."""
        ...


class BestFirst:
    """The most probable candidates live on, and a `</s>` among the first K finishes."""

    def start(self, sentences: Int[Tensor, " b"]) -> None:
        """Needs to know nothing."""

    def choose(
        self,
        log_probabilities: Float[Tensor, "b K V"],
        totals: Float[Tensor, "b K"],
        state: None,
        *,
        end: int,
        beam_size: int,
        banned: tuple[int, ...],
    ) -> tuple[Choice, None]:
        """Rank the candidates and tell `</s>` from the others."""
        rows, vocabulary = log_probabilities.shape[1:]
        # At most one candidate a row ends in </s>, so 2 K of them hold K that do not. At first there may be fewer.
        count = min(2 * beam_size, rows * vocabulary)
        candidates = best_candidates(log_probabilities, totals, count, banned=banned)
        finishing = candidates.tokens == end
        order = finishing.byte().sort(dim=1, stable=True).indices  # the ranking, less </s>
        finishing[:, beam_size:] = False
        return Choice(candidates, order[:, : min(beam_size, count - rows)], finishing, None), None

    def reorder(self, state: None, sentences: Int[Tensor, " b"], candidates: Int[Tensor, "b k"]) -> None:
        """Has nothing to re-order."""

    def may_fail(self, sentence: int) -> bool:
        """Never."""
        return False


def every_rows_best(
    log_probabilities: Float[Tensor, "b K V"], totals: Float[Tensor, "b K"], count: int, *, banned: tuple[int, ...]
) -> Candidates:
    """The `count` best continuations of each row, or all that there are, row by row."""
    rows, vocabulary = log_probabilities.shape[1:]
    count = min(count, vocabulary)
    best = best_candidates(log_probabilities.flatten(0, 1).unsqueeze(1), totals.view(-1, 1), count, banned=banned)
    owners = torch.arange(rows, device=totals.device).repeat_interleave(count).expand(totals.shape[0], -1)
    return Candidates(owners, *(values.view(totals.shape[0], rows * count) for values in best[1:]))


def best_first(candidates: Candidates) -> Candidates:
    """All of them, best first, and one more that does not exist: what fills up survivors where there are too few."""
    order = candidates.log_probabilities.sort(dim=1, descending=True, stable=True).indices
    ranked = (values.gather(1, order) for values in candidates)
    return Candidates(
        *(
            torch.cat([one, one.new_full((one.shape[0], 1), -torch.inf if one.is_floating_point() else 0)], dim=1)
            for one in ranked
        )
    )
