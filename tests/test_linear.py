"""oneDNN's products against torch's own, values and gradients, and where they keep out."""

from collections.abc import Iterator
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models import linear as module
from nmt.models.linear import Linear, has_onednn, linear, product, use_onednn
from nmt.models.losses import cross_entropy_sums

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this torch has no oneDNN operator")


@pytest.fixture
def onednn() -> Iterator[mock.Mock]:
    """The setting on; the fixture counts what goes to the operator."""
    use_onednn(True)
    with mock.patch.object(module, "_multiply", wraps=module._multiply) as multiply:
        yield multiply
    use_onednn(False)


@needs_onednn
@pytest.mark.parametrize("shape", [(5,), (1, 5), (7, 5), (3, 4, 5)])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_equals_torch_in_value_and_gradient(
    shape: tuple[int, ...], with_bias: bool, transposed: bool, onednn: mock.Mock
) -> None:
    inputs = (
        torch.randn((*shape[:-2], shape[-1], shape[-2])).mT if transposed and len(shape) > 1 else torch.randn(shape)
    )
    given = [inputs.requires_grad_(), torch.randn(6, 5, requires_grad=True)]
    given += [torch.randn(6, requires_grad=True)] * with_bias
    ours, theirs = linear(*given), F.linear(*given)
    torch.testing.assert_close(ours, theirs)
    factors = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad((ours * factors).sum(), given),
        torch.autograd.grad((theirs * factors).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert onednn.call_count == 3  # forward, and the gradients of inputs and weights


@needs_onednn
def test_a_frozen_matrix_or_input_costs_no_product(onednn: mock.Mock) -> None:
    linear(torch.randn(3, 5), torch.randn(6, 5, requires_grad=True)).sum().backward()
    assert onednn.call_count == 2


@needs_onednn
def test_the_loss_is_the_same_by_either(onednn: mock.Mock) -> None:
    inputs, weight, bias = torch.randn(9, 4), torch.randn(7, 4), torch.randn(7)
    targets = torch.randint(7, (9,))

    def gradients() -> list[Tensor]:
        given = [t.clone().requires_grad_() for t in (inputs, weight, bias)]
        sums = cross_entropy_sums(*given, targets=targets, label_smoothing=0.1)
        return [sums.loss, *torch.autograd.grad(sums.loss, given)]

    fast = gradients()
    assert onednn.call_count == 3
    use_onednn(False)
    for a, b in zip(fast, gradients(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert onednn.call_count == 3


@needs_onednn
def test_it_keeps_out_of_autocast_other_formats_and_empty_products(onednn: mock.Mock) -> None:
    inputs, weight = torch.randn(3, 5), torch.randn(6, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(inputs, weight).dtype == torch.bfloat16
    assert linear(inputs.double(), weight.double()).dtype == torch.float64
    assert linear(torch.empty(0, 5), weight).shape == (0, 6)
    assert product(torch.empty(3, 0), torch.empty(0, 6)).abs().sum() == 0
    assert product(inputs.bfloat16(), weight.T.bfloat16()).dtype == torch.bfloat16
    onednn.assert_not_called()


def test_it_is_off_until_asked_for_and_where_torch_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock.patch.object(module, "_multiply") as multiply:
        linear(torch.randn(3, 5), torch.randn(6, 5))
        monkeypatch.setattr(module, "has_onednn", lambda: False)
        use_onednn(True)
        linear(torch.randn(3, 5), torch.randn(6, 5))
        multiply.assert_not_called()


def test_the_module_is_an_nn_linear() -> None:
    ours, theirs = Linear(5, 6), nn.Linear(5, 6)
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randn(2, 3, 5)
    assert isinstance(ours, nn.Linear) and torch.equal(ours(inputs), theirs(inputs))
