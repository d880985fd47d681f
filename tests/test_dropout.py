"""Masks: how much they drop, where, and that they drop nothing outside training."""

import pytest
import torch

from nmt.models.dropout import Dropout, TokenDropout, byte_mask


@pytest.mark.parametrize("p", [0.0, 0.15, 0.2, 0.5, 0.9])
def test_every_byte_of_a_word_drops_the_same_share(p: float) -> None:
    """The sign bit of a 64-bit word that is never negative would keep every eighth unit less often."""
    mask = byte_mask(torch.empty(40_000, 8), p)
    share = (mask == 0).float().mean(0)
    assert share.tolist() == pytest.approx([round(256 * p) / 256] * 8, abs=0.01)
    assert mask.mean().item() == pytest.approx(1.0, abs=0.03)  # expectation is kept
    assert len(mask.unique()) == (2 if p else 1)


def test_masks_follow_the_generator_and_have_any_shape() -> None:
    like = torch.empty(3, 5, 7)
    torch.manual_seed(1)
    first, second = byte_mask(like, 0.5), byte_mask(like, 0.5)
    torch.manual_seed(1)
    assert torch.equal(byte_mask(like, 0.5), first)
    assert not torch.equal(first, second)
    assert byte_mask(like.bfloat16(), 0.5).dtype == torch.bfloat16


def test_without_dropout_no_random_number_is_drawn() -> None:
    values, before = torch.ones(2, 3, 4), torch.get_rng_state()
    assert Dropout(0.0).train()(values) is values
    assert torch.equal(torch.get_rng_state(), before)
    assert byte_mask(torch.empty(1000), 0.9999).max() in (0.0, 256.0)  # the most that a byte can say


def test_gradients_pass_exactly_where_values_did() -> None:
    values = torch.ones(4, 6, 50, requires_grad=True)
    out = Dropout(0.3).train()(values)
    out.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, out.detach())


def test_whole_tokens_are_dropped_together() -> None:
    out = TokenDropout(0.5).train()(torch.ones(20, 30, 4))
    assert (out == out[:, :, :1]).all()
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(TokenDropout(0.5).eval()(torch.ones(2, 3, 4)), torch.ones(2, 3, 4))
