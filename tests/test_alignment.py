"""Hard alignments."""

import pytest
import torch

from nmt.search.alignment import hard_alignment


def test_each_token_is_aligned_with_what_it_looked_at_most_and_the_first_of_equals() -> None:
    attention = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0]])
    assert hard_alignment(attention) == (1, 0, 2)
    assert hard_alignment(torch.full((2, 5000), 1 / 5000)) == (0, 0)


def test_nothing_said_is_aligned_with_nothing() -> None:
    assert hard_alignment(torch.zeros(0, 3)) == ()
    with pytest.raises(ValueError, match="no source positions"):
        hard_alignment(torch.zeros(2, 0))
