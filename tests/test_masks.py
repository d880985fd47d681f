"""Padding masks and reversal by index."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.models.masks import padding_mask, reorder_positions, reversal_index


def test_padding_mask_is_true_exactly_where_a_token_is() -> None:
    assert padding_mask(torch.tensor([2, 3]), 3).int().tolist() == [[1, 1, 0], [1, 1, 1]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 3))
def test_reversal_reverses_each_sentence_and_is_its_own_inverse(lengths: list[int], extra: int) -> None:
    size = max(lengths) + extra
    values = torch.arange(len(lengths) * size, dtype=torch.float32).view(len(lengths), size, 1)
    index = reversal_index(torch.tensor(lengths), size)
    once = reorder_positions(values, index)
    for row, mirrored, length in zip(values, once, lengths, strict=True):
        assert mirrored[:length].flatten().tolist() == row[:length].flatten().tolist()[::-1]
        assert mirrored[length:].equal(row[length:])
    assert reorder_positions(once, index).equal(values)
