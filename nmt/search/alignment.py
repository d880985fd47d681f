"""Hard alignments: the one source position that each target token looked at most."""

from jaxtyping import Float
from torch import Tensor


def hard_alignment(attention: Float[Tensor, "T S"]) -> tuple[int, ...]:
    """For each row of a hypothesis's attention, `</s>`'s included, the greatest source position; the first of equals.

    Positions count from 0 and include the source's `</s>`, where it has one. ValueError where there is no position.
    """
    if attention.shape[1] == 0:
        raise ValueError("attention over no source positions aligns with nothing")
    return tuple(attention.argmax(dim=1).tolist())
