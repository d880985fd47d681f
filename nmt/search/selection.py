"""The best continuations of a beam, or the one best token: exact, in a fixed order for ties, and cheap."""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_BLOCK = 64  # tokens; the fastest of 32, 64 and 128 between 8,000 and 32,000 tokens
_FEW = 32_000  # numbers of which the greatest is found faster than any blocks are cut


class Candidates(NamedTuple):
    """C continuations of each sentence, best first: `tokens` behind the hypothesis in row `rows` of the beam."""

    rows: Int[Tensor, "B C"]
    tokens: Int[Tensor, "B C"]
    token_log_probabilities: Float[Tensor, "B C"]
    log_probabilities: Float[Tensor, "B C"]  # of the whole hypothesis


def best_candidates(
    log_probabilities: Float[Tensor, "B K V"],
    totals: Float[Tensor, "B K"],
    count: int,
    *,
    banned: tuple[int, ...] = (),
) -> Candidates:
    """The `count` (≤ K·V) greatest of `totals[b, k] + log_probabilities[b, k, v]`, both float32, for each sentence b.

    Equal sums are ordered by row, then by token; NaN comes before everything, so that it cannot hide. Banned tokens
    have log-probability -inf; the others keep theirs, as nothing is renormalised.

    Only the maxima of blocks of neighbouring tokens are looked at in full. The `count` blocks with the greatest maxima
    hold all that is wanted: were a wanted element outside of them, each would hold one that goes before it. That
    includes ties, since the elements of an earlier block go before those of a later one. And as rounding is monotone,
    the total of a block's maximum is the maximum of its totals.
    """
    vocabulary = log_probabilities.shape[2]
    maxima = _block_maxima(log_probabilities, banned)
    per_row = maxima.shape[2]
    sums = (maxima + totals.unsqueeze(2)).flatten(1)
    blocks, _ = _greatest(sums, min(count, sums.shape[1])).sort(dim=1)  # in order, so that ties below are, too

    inside = torch.arange(_BLOCK, device=totals.device)
    tokens = (((blocks % per_row) * _BLOCK).unsqueeze(2) + inside).flatten(1)  # B × blocks · _BLOCK
    rows = (blocks // per_row).unsqueeze(2).expand(-1, -1, _BLOCK).flatten(1)
    absent = _absent(vocabulary, banned, totals.device)[tokens]
    tokens = tokens.clamp(max=vocabulary - 1)
    values = log_probabilities.flatten(1).gather(1, rows * vocabulary + tokens).masked_fill(absent, -torch.inf)
    sums = values + totals.gather(1, rows)

    best = _greatest(sums, count)
    return Candidates(rows.gather(1, best), tokens.gather(1, best), values.gather(1, best), sums.gather(1, best))


def best_token(
    log_probabilities: Float[Tensor, "B V"], *, banned: tuple[int, ...] = ()
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """Each row's greatest token that is not banned, and its log-probability; the lowest token among equals.

    What `best_candidates` says with one row and a count of 1, NaN included, at less than half the price: `argmax` and
    `max` promise the first of equals and take NaN for the greatest, so no order has to be made.
    """
    values = allowed(log_probabilities, banned)
    if values.numel() <= _FEW:
        best, tokens = values.max(1)
        return tokens, best
    block = _block_maxima(values.unsqueeze(1), ()).squeeze(1).argmax(1, keepdim=True)
    tokens = block * _BLOCK + torch.arange(_BLOCK, device=block.device)
    tokens = tokens.clamp(max=values.shape[1] - 1)  # the last block may be short: its last token again, behind itself
    best, places = values.gather(1, tokens).max(1, keepdim=True)
    return tokens.gather(1, places).squeeze(1), best.squeeze(1)


def allowed(log_probabilities: Float[Tensor, "*rows V"], banned: tuple[int, ...]) -> Float[Tensor, "*rows V"]:
    """A copy in which banned tokens have log-probability -inf."""
    indices = torch.tensor(banned, dtype=torch.long, device=log_probabilities.device)
    return log_probabilities.index_fill(-1, indices, -torch.inf)


def check_numbers(best: Float[Tensor, "B C"], sentences: Int[Tensor, " B"], step: int) -> None:
    """ValueError if one of the best candidates of the given sentences is NaN: the stepper is broken."""
    broken = best.isnan()
    if bool(broken.any()):
        places = sentences[broken.any(dim=1)].tolist()
        raise ValueError(f"the stepper's log-probabilities are NaN for token {step} of sentences {places} of the batch")


def impossible(sentence: int) -> ValueError:
    """The error of a sentence that has no hypothesis of positive probability at all."""
    return ValueError(
        f"every continuation of sentence {sentence} of the batch has probability 0: the stepper, min_length and "
        "forbidden leave it none"
    )


def _block_maxima(values: Float[Tensor, "B K V"], banned: tuple[int, ...]) -> Float[Tensor, "B K blocks"]:
    vocabulary = values.shape[2]
    whole = vocabulary // _BLOCK
    maxima = values[..., : whole * _BLOCK].view(*values.shape[:2], whole, _BLOCK).amax(3)
    if whole * _BLOCK < vocabulary:
        maxima = torch.cat([maxima, values[..., whole * _BLOCK :].amax(2, keepdim=True)], dim=2)
    for block in {token // _BLOCK for token in banned}:  # a copy of one block, not of all values
        inside = slice(block * _BLOCK, min((block + 1) * _BLOCK, vocabulary))
        absent = _absent(vocabulary, banned, values.device)[inside]
        maxima[..., block] = values[..., inside].masked_fill(absent, -torch.inf).amax(2)
    return maxima


@lru_cache(maxsize=16)
def _absent(vocabulary: int, banned: tuple[int, ...], device: torch.device) -> Bool[Tensor, " tokens"]:
    """True for banned tokens and for those that fill up the last block: the same at every step."""
    with torch.inference_mode(False):  # it is kept, perhaps for a search that is none
        absent = torch.arange(-(-vocabulary // _BLOCK) * _BLOCK, device=device) >= vocabulary
        absent[list(banned)] = True
    return absent


def _greatest(values: Float[Tensor, "B N"], count: int) -> Int[Tensor, "B count"]:
    """Indices of the greatest values, descending, the lower index first among equals.

    `topk` promises no order among equals, but where there are none among the greatest it has no choice. So it is asked
    first, for one more; on a GPU to look at its answer would cost more than to have equals told apart at once.
    """
    if values.device.type == "cpu" and count < values.shape[1]:
        best = values.topk(count + 1, dim=1)
        if bool((best.values[:, :-1] > best.values[:, 1:]).all()):  # false for NaN
            return best.indices[:, :count]
    return _greatest_among_equals(values, count)


def _greatest_among_equals(values: Float[Tensor, "B N"], count: int) -> Int[Tensor, "B count"]:
    """As `_greatest`, where NaN comes first, and zeros of either sign are equal."""
    # The bits of a float32, read as an integer, are ordered as the floats are; negative ones the other way round.
    numbers = values.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf) + 0.0  # + 0.0: no -0.0
    bits = numbers.view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    backwards = torch.arange(values.shape[1] - 1, -1, -1, device=values.device)
    return ((ordered << 32) | backwards).topk(count, dim=1).indices
