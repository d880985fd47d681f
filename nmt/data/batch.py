"""What a model is trained on: named tuples of padded tensors (Lightning moves them between devices unasked)."""

from typing import NamedTuple

from jaxtyping import Int
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
