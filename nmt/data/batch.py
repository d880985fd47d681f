"""What a model is trained on: named tuples of padded tensors (Lightning moves them between devices unasked)."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


class TranslationBatch(NamedTuple):
    """B sentence pairs, padded at the end with `pad` (0).

    `source` ends with `</s>`; `target_input` is `<s> y_1 … y_n` and `target_output` is `y_1 … y_n </s>`, so both have
    length `target_lengths` = n + 1. `ids` are positions in the corpus, by which a bad pair can be named.
    """

    source: Int[Tensor, "B S"]
    source_lengths: Int[Tensor, " B"]
    target_input: Int[Tensor, "B T"]
    target_output: Int[Tensor, "B T"]
    target_lengths: Int[Tensor, " B"]
    ids: Int[Tensor, " B"]


class RecognitionBatch(NamedTuple):
    """B lines of handwriting with their transcripts.

    `inputs` are images, B C Y X (ink 1, paper 0), or pen strokes, B C 1 X (C features of X points), zero beyond
    `lengths` columns; `targets` are ids of an alphabet without blanks, 0 beyond `target_lengths`.
    """

    inputs: Float[Tensor, "B C Y X"]
    lengths: Int[Tensor, " B"]
    targets: Int[Tensor, "B T"]
    target_lengths: Int[Tensor, " B"]
    ids: Int[Tensor, " B"]
