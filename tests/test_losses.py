"""The fused cross-entropy against F.cross_entropy, value and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.models import losses
from nmt.models.losses import cross_entropy_sums


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [3, 7, 1000])
def test_equals_torch_in_value_and_gradient(smoothing: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK_TOKENS", chunk)
    torch.manual_seed(0)
    inputs = torch.randn(11, 6, requires_grad=True)
    weight = torch.randn(13, 6, requires_grad=True)
    bias = torch.randn(13, requires_grad=True)
    targets = torch.randint(13, (11,))
    sums = cross_entropy_sums(inputs, weight, bias, targets=targets, label_smoothing=smoothing)
    logits = F.linear(inputs, weight, bias)
    expected = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(sums.loss, expected)
    torch.testing.assert_close(sums.negative_log_likelihood, F.cross_entropy(logits, targets, reduction="sum"))
    ours = torch.autograd.grad(sums.loss * 0.3, [inputs, weight, bias])
    theirs = torch.autograd.grad(expected * 0.3, [inputs, weight, bias])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_tokens_that_are_not_real_might_as_well_not_be_there(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK_TOKENS", 4)
    inputs, weight = torch.randn(11, 6, requires_grad=True), torch.randn(13, 6, requires_grad=True)
    bias, targets = torch.randn(13, requires_grad=True), torch.randint(13, (11,))
    real = torch.tensor([1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]).bool()  # one chunk has none

    def sums_and_gradients(*given: Tensor, **kind: Any) -> list[Tensor]:
        sums = cross_entropy_sums(*given, label_smoothing=smoothing, **kind)
        return [*sums, *torch.autograd.grad(sums.loss, [inputs, weight, bias])]

    masked = sums_and_gradients(inputs, weight, bias, targets=targets, real=real)
    chosen = sums_and_gradients(inputs[real], weight, bias, targets=targets[real])
    for a, b in zip(masked, chosen, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_bf16_products_stay_close_and_gradients_keep_their_types() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(50, 32, requires_grad=True)
    weight, bias = torch.randn(40, 32, requires_grad=True), torch.zeros(40, requires_grad=True)
    targets = torch.randint(40, (50,))
    exact = cross_entropy_sums(inputs, weight, bias, targets=targets).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = cross_entropy_sums(inputs, weight, bias, targets=targets).loss
    assert rough.dtype == torch.float32
    assert rough.item() != exact.item() and rough.item() == pytest.approx(exact.item(), rel=0.01)
    rough.backward()
    assert inputs.grad is not None and weight.grad is not None and weight.grad.dtype == torch.float32


def test_no_tokens_is_a_loss_of_zero() -> None:
    weight = torch.randn(5, 4, requires_grad=True)
    empty = cross_entropy_sums(torch.empty(0, 4), weight, torch.zeros(5), targets=torch.empty(0, dtype=torch.long))
    empty.loss.backward()
    assert empty.loss.item() == 0.0 and not weight.grad.any()


def test_without_gradient_nothing_is_kept() -> None:
    inputs, weight = torch.randn(4, 3), torch.randn(5, 3)
    sums = cross_entropy_sums(inputs, weight, torch.zeros(5), targets=torch.tensor([0, 1, 2, 3]))
    assert not sums.loss.requires_grad and sums.loss.grad_fn is None
