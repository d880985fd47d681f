"""Products with a matrix packed once, that give each row the same bits whatever the other rows are.

A row's sums must not depend on how many rows there are, or a translation would depend on its batch. `F.linear` keeps no
such promise: MKL turns to other kernels below 4 rows. oneDNN with a packed matrix keeps it, measured from 1 row to 320,
and is faster for few rows, as it need not pack at every call. FBGEMM's kernels for a float16 matrix add in one order,
but for those of one or two rows. An int8 product adds whole numbers, so it cannot differ, if every row has a scale of
its own; torch's operator would take one scale for all rows of the batch.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_ROWS = 32  # for which oneDNN chooses the layout of a packed matrix; it serves any number
_FEWEST_ROWS = 4  # of `F.linear`, where rows are to be independent of each other
# Rows that FBGEMM multiplies at once, and the fewest it adds up in the usual order; measured on AVX2. Its kernels for
# AVX512 cut otherwise, but by its tables no number of rows made up so leaves them one or two either.
_BLOCK, _FEWEST_OF_BLOCK = 6, 3
_SPARE = 4  # columns added to an int8 product's input, to fix the range of its numbers


def packs() -> bool:
    """Whether this torch packs matrices for oneDNN (private operators)."""
    return bool(torch.backends.mkldnn.is_available()) and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def multiplies_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware, and torch packs matrices."""
    found = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return packs() and any(supported is not None and supported() for supported in found)


def multiplies_int8() -> bool:
    """Whether torch has the int8 operators, and a backend for them that takes a scale a row of the matrix."""
    return _has_quantized("linear_prepack", "linear_dynamic")


def multiplies_fp16() -> bool:
    """Whether torch has the operators for float16 matrices, by FBGEMM."""
    return _has_quantized("linear_prepack_fp16", "linear_dynamic_fp16")


def _has_quantized(*operators: str) -> bool:
    found = all(hasattr(torch.ops.quantized, name) for name in operators)
    return found and _engine() in ("x86", "fbgemm")


def _engine() -> str:
    return str(torch.backends.quantized.engine)


def adds_int8_fast() -> bool:
    """Whether int8 products are added by instructions of their own (VNNI), without overflow."""
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    return supported is not None and bool(supported())


class PlainProduct(nn.Module):
    """`F.linear`, by no fewer rows than `_FEWEST_ROWS` on a CPU."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, inputs: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        rows = inputs.flatten(0, -2)
        count = rows.shape[0]
        if count < _FEWEST_ROWS and rows.device.type == "cpu":
            rows = F.pad(rows, (0, 0, 0, _FEWEST_ROWS - count))
        outputs: Tensor = F.linear(rows, self.weight, self.bias)[:count]
        return outputs.reshape(*inputs.shape[:-1], -1)


class PackedProduct(nn.Module):
    """By oneDNN, in float32 or bfloat16; float32 comes in and goes out."""

    def __init__(
        self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype).contiguous(), _ROWS)
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))

    def forward(self, inputs: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs.to(self.dtype), self.packed, self.bias, "none", [], ""
        )
        return outputs.float()


class Fp16Product(nn.Module):
    """A matrix in float16, half the bytes to read; rows and sums in float32.

    With few rows a product takes as long as its matrix takes to be read: one by 8,000 × 256 in 105 µs instead of 235 on
    a processor with AVX2, and with 160 rows still 15 % less than in float32.
    """

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None) -> None:
        super().__init__()
        offset = None if bias is None else bias.detach().float()
        self.packed = torch.ops.quantized.linear_prepack_fp16(weight.detach().float().contiguous(), offset)

    def forward(self, inputs: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        count = inputs.shape[:-1].numel()
        over = count % _BLOCK
        outputs: Tensor
        if over == 0 or over >= _FEWEST_OF_BLOCK:
            outputs = torch.ops.quantized.linear_dynamic_fp16(inputs, self.packed)
            return outputs
        rows = inputs.flatten(0, -2)
        rows = torch.cat([rows, rows[:1].expand(_FEWEST_OF_BLOCK - over, -1)])
        outputs = torch.ops.quantized.linear_dynamic_fp16(rows, self.packed)[:count]
        return outputs.view(*inputs.shape[:-1], -1)


class Int8Product(nn.Module):
    """Matrix rows in int8 with a scale each, input rows with a scale each (7 bits, 8 where VNNI adds them safely).

    `linear_dynamic` reads the range of numbers from its whole input. So every row is divided by its own greatest
    absolute value, and ends in a 1 and a -1 that meet zeros in the matrix: the range is [-1, 1] in every batch.
    Without VNNI pairs of products are added in 16 bits, which 8 bits by 8 bits overflow.
    """

    bias: Tensor | None
    ends: Tensor

    def __init__(self, weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None) -> None:
        super().__init__()
        matrix = F.pad(weight.detach().float(), (0, _SPARE))
        scales = matrix.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        with warnings.catch_warnings():  # that quantised tensors will go; the operators need one, once
            warnings.simplefilter("ignore")
            zeros = torch.zeros_like(scales, dtype=torch.long)
            quantized = torch.quantize_per_channel(matrix, scales, zeros, 0, torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(quantized, None)
        self.register_buffer("bias", None if bias is None else bias.detach().float())
        self.register_buffer("ends", F.pad(torch.tensor([[1.0, -1.0]]), (0, _SPARE - 2)))
        self.reduce_range = not adds_int8_fast()

    def forward(self, inputs: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        rows = inputs.flatten(0, -2)
        scales = rows.abs().amax(1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
        wide = torch.cat([rows / scales, self.ends.expand(rows.shape[0], -1)], dim=1)
        outputs: Tensor = torch.ops.quantized.linear_dynamic(wide, self.packed, self.reduce_range).mul_(scales)
        if self.bias is not None:
            outputs.add_(self.bias)
        return outputs.reshape(*inputs.shape[:-1], -1)
