"""Which number format a run computes in, and why: one place decides."""

from typing import Literal

import torch

from nmt.config.training import TrainConfig

LightningPrecision = Literal["bf16-mixed", "32-true"]


def choose_precision(train: TrainConfig, *, on_gpu: bool) -> tuple[LightningPrecision, str]:
    """Lightning's name for it, and the reason in a few words.

    `auto` takes bf16 (autocast; weights, softmax and optimiser stay in float32) where the hardware multiplies it: a GPU
    with bf16, a CPU with AVX512-BF16 or AMX. Elsewhere bf16 would be emulated, and slow.
    """
    if train.precision == "32":
        return "32-true", "asked for"
    if train.precision == "bf16":
        return "bf16-mixed", "asked for"
    if on_gpu:
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16-mixed", "the GPU multiplies it") if fast else ("32-true", "the GPU has no bf16")
    if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_products():
        return "bf16-mixed", "the CPU multiplies it"
    return "32-true", "the CPU has no bf16 products"


def _has_bf16_products() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
