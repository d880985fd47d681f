"""Products with a matrix of weights, by oneDNN's float32 kernels where this machine is faster with them.

On a CPU torch multiplies float32 matrices by MKL, which takes a slow path on some processors: 105 against oneDNN's 250
GFLOP/s on an AMD with AVX512, but 90 against 82 on one with AVX2. So `use_onednn` is a setting of the process, like
the number of threads, for whoever has measured (`nmt.training.machine.levers`); it changes speed and last bits, nothing
else. It has no effect on a GPU, in other number formats, under autocast, or where torch lacks the (private) operator.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_settings = {"onednn": False}


def has_onednn() -> bool:
    """Whether this torch has the operator."""
    return bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def use_onednn(wanted: bool) -> None:
    """From now on multiply by oneDNN where that is possible, or no longer."""
    _settings["onednn"] = wanted and has_onednn()


def uses_onednn() -> bool:
    """What `use_onednn` last said, as far as it is possible here."""
    return _settings["onednn"]


def linear(
    inputs: Float[Tensor, "... I"], weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "... O"]:
    """`inputs @ weight.T + bias`, as `F.linear`."""
    if not _eligible(inputs, weight) or torch.is_autocast_enabled("cpu"):
        return F.linear(inputs, weight, bias)
    apply: Callable[..., Tensor] = _Linear.apply
    return apply(inputs, weight, bias)


def product(
    left: Float[Tensor, "N K"], right: Float[Tensor, "K M"], bias: Float[Tensor, " M"] | None = None
) -> Float[Tensor, "N M"]:
    """`left @ right + bias`, for code that makes its gradients itself."""
    if _eligible(left, right):
        return _multiply(left, right.T, bias)
    return left @ right if bias is None else torch.addmm(bias, left, right)


def packs(weight: Float[Tensor, "O I"]) -> bool:
    """Whether oneDNN can multiply by this matrix packed once (private operators); in bf16 not every CPU can."""
    packable = weight.device.type == "cpu" and weight.dtype == torch.float32
    return packable and has_onednn() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class PackedLinear:
    """`linear` without gradient, by oneDNN with a float32 matrix packed once for many products of few rows.

    Faster than torch's products there on any CPU measured: MKL packs at every call, 340 against 240 µs for 3 rows by
    4,000 × 256. Packing costs about one reading and writing of the matrix.
    """

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"], rows: int = 4) -> None:
        self.packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
        self.bias = bias.detach()

    def __call__(self, inputs: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        """Inputs → outputs."""
        return _multiply(inputs, self.packed, self.bias)


class Linear(nn.Linear):
    """`nn.Linear` by `linear`."""

    def forward(self, input: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        """Inputs → outputs."""
        return linear(input, self.weight, self.bias)


class _Linear(torch.autograd.Function):
    """All three products by oneDNN; torch would make the two backward ones by MKL."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _multiply(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        flat = gradients[0].reshape(-1, weight.shape[0])
        wants_inputs, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _multiply(gradients[0], weight.T) if wants_inputs else None,
            _multiply(flat.T, inputs.reshape(-1, weight.shape[1]).T) if wants_weight else None,
            flat.sum(0) if wants_bias else None,
        )


def _multiply(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The operator: `inputs @ weight.T + bias`; either may be a transposed view."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return result


def _eligible(inputs: Tensor, weight: Tensor) -> bool:
    """Whether the setting is on and these can be multiplied so; oneDNN makes no product without rows or columns."""
    return (
        _settings["onednn"]
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (inputs, weight))
        and inputs.numel() > 0
        and weight.numel() > 0
    )
