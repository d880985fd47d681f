"""Which number formats there are, and whether the hardware multiplies bf16 at all."""

from typing import Literal

import torch

LightningPrecision = Literal["bf16-mixed", "32-true"]  # Lightning's names; bf16 by autocast, weights stay in float32


def multiplies_bf16(*, on_gpu: bool) -> bool:
    """Whether it is more than emulated: a GPU with bf16, a CPU with AVX512-BF16 or AMX. Necessary, not sufficient."""
    if on_gpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has_products = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return computes_bf16() and has_products


def computes_bf16() -> bool:
    """Whether this CPU can do it at all: without AVX512 (or AVX-NE-CONVERT) oneDNN has no bf16 LSTM."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def multiplies_tf32() -> bool:
    """Whether the GPU rounds float32 factors to TF32 for its tensor cores (compute capability 8 and above)."""
    return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
