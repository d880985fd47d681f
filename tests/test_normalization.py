"""Normalisation of padded maps: torch's own on what is real, and blind to what is not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.masks import padding_mask
from nmt.models.normalization import EPSILON, MOMENTUM, ChannelNorm, MaskedBatchNorm, NoNorm

LENGTHS = [[5], [5, 3], [1, 7, 4]]
widths = pytest.mark.parametrize("lengths", LENGTHS, ids=str)


def maps_of(lengths: list[int], *, channels: int = 3, height: int = 2, extra: int = 0) -> tuple[Tensor, Tensor]:
    """Maps with rubbish in the padding, and which columns are real."""
    generator = torch.Generator().manual_seed(len(lengths))
    values = torch.randn(len(lengths), channels, height, max(lengths), generator=generator) * 2 + 1
    rubbish = torch.full((len(lengths), channels, height, max(lengths) + extra), 1e3)
    real = padding_mask(torch.tensor(lengths), rubbish.shape[3])
    rubbish[..., : max(lengths)] = values
    return torch.where(real[:, None, None, :], rubbish, torch.full_like(rubbish, 1e3)), real


def batch_norm(channels: int = 3) -> MaskedBatchNorm:
    norm = MaskedBatchNorm(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-1, 2, channels))
        norm.bias.copy_(torch.linspace(0.5, -0.5, channels))
    return norm


def real_columns(maps: Tensor, real: Tensor) -> Tensor:
    """All real columns side by side: 1 C Y N."""
    return maps.movedim(3, 1)[real].movedim(0, 2)[None]


@widths
def test_batch_norm_is_torchs_of_the_real_columns(lengths: list[int]) -> None:
    maps, real = maps_of(lengths)
    ours, theirs = batch_norm(), nn.BatchNorm2d(3, eps=EPSILON, momentum=MOMENTUM)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    maps.requires_grad_()
    outputs, expected = ours(maps, real), theirs(real_columns(maps, real))
    torch.testing.assert_close(real_columns(outputs, real), expected, atol=1e-5, rtol=1e-5)
    assert not outputs[~real[:, None, None, :].expand_as(outputs)].any()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    upstream = torch.randn_like(outputs)
    (by_ours,) = torch.autograd.grad(outputs, maps, upstream, retain_graph=True)
    (by_theirs,) = torch.autograd.grad(expected, maps, real_columns(upstream, real), retain_graph=True)
    torch.testing.assert_close(by_ours, by_theirs, atol=1e-5, rtol=1e-4)
    ours_too = torch.autograd.grad(outputs, list(ours.parameters()), upstream)
    theirs_too = torch.autograd.grad(expected, list(theirs.parameters()), real_columns(upstream, real))
    torch.testing.assert_close(ours_too, theirs_too, atol=1e-4, rtol=1e-4)
    count = sum(lengths) * maps.shape[2]
    assert theirs.running_var is not None
    unbiased = (theirs.running_var - (1 - MOMENTUM)) * (count - 1) / count  # torch keeps that, divided by N - 1
    torch.testing.assert_close(ours.running_variance - (1 - MOMENTUM), unbiased, atol=1e-5, rtol=1e-4)
    ours.eval()
    theirs.eval()
    ours.running_variance.copy_(theirs.running_var)
    torch.testing.assert_close(real_columns(ours(maps, real), real), theirs(real_columns(maps, real)))


@settings(max_examples=8)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 2), st.integers(0, 2))
def test_the_gradient_by_hand_is_that_of_finite_differences(lengths: list[int], height: int, extra: int) -> None:
    maps, real = maps_of(lengths, channels=2, height=height, extra=extra)
    maps = torch.where(maps == 1e3, torch.zeros_like(maps), maps).double().requires_grad_()
    norm = batch_norm(2).double()

    def outputs(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (maps, real))
        return result

    if sum(lengths) * height > 2:  # else all is ±1, and flat
        assert torch.autograd.gradcheck(outputs, (maps, norm.weight, norm.bias), fast_mode=True)


@pytest.mark.parametrize("kind", [MaskedBatchNorm, ChannelNorm, NoNorm])
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(kind: type[MaskedBatchNorm | ChannelNorm | NoNorm], training: bool) -> None:
    short, long = kind(3).train(training), kind(3).train(training)
    (maps, real), (wider, real_too) = maps_of([4, 6, 2]), maps_of([4, 6, 2], extra=100)
    maps.requires_grad_()
    wider.requires_grad_()
    outputs, same = short(maps, real), long(wider, real_too)
    torch.testing.assert_close(same[..., :6], outputs)
    assert not same[..., 6:].any() and not same[2, ..., 2:].any()
    outputs.square().sum().backward()
    same.square().sum().backward()
    assert maps.grad is not None and wider.grad is not None
    torch.testing.assert_close(wider.grad[..., :6], maps.grad)
    assert not wider.grad[..., 6:].any() and not wider.grad[2, ..., 2:].any()
    for ours, theirs in zip(short.parameters(), long.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    for one, other in zip(short.buffers(), long.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_channel_norm_is_of_every_place_by_itself() -> None:
    maps, real = maps_of([4, 2])
    outputs = ChannelNorm(3)(maps, real)
    torch.testing.assert_close(outputs[1, :, 0, 1], F.layer_norm(maps[1, :, 0, 1], (3,)))


def test_a_constant_channel_and_one_far_from_zero_are_no_trouble() -> None:
    real = torch.ones(2, 50, dtype=torch.bool)
    maps = torch.randn(2, 3, 4, 50)
    maps[:, 0], maps[:, 1] = 7.0, maps[:, 1] * 1e-2 + 100.0
    outputs = MaskedBatchNorm(3)(maps, real)
    assert outputs[:, 0].abs().max() < 1e-2
    assert outputs[:, 1].std().item() == pytest.approx(1.0, abs=0.1)


def test_statistics_are_float32_under_bfloat16() -> None:
    maps, real = maps_of([5, 3])
    norm = MaskedBatchNorm(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = norm(maps.bfloat16().requires_grad_(), real)
    assert outputs.dtype == norm.running_mean.dtype == torch.float32
    outputs.sum().backward()
