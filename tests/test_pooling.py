"""Maximum pooling: torch's own, there and back."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nmt.models.pooling import max_pool

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(pairs, st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_it_is_torchs_with_its_gradient_also_among_equals(
    pool: tuple[int, int], height: int, width: int, equals: bool
) -> None:
    maps = torch.randn(2, 3, height, width)
    maps = (maps.round() if equals else maps).requires_grad_()
    ours, theirs = max_pool(maps, pool), F.max_pool2d(maps, pool, ceil_mode=True)
    assert ours.equal(theirs)
    upstream = torch.randn_like(theirs)
    (by_ours,), (by_theirs,) = (torch.autograd.grad(outputs, maps, upstream) for outputs in (ours, theirs))
    assert by_ours.equal(by_theirs)


def test_any_order_of_memory_will_do() -> None:
    maps = torch.randn(2, 3, 5, 6)
    last = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    pooled = max_pool(last, (2, 3))
    assert pooled.equal(max_pool(maps, (2, 3)))
    pooled.sum().backward()
    assert last.grad is not None and last.grad.sum().item() == pooled.numel()
