"""Where a model runs, by the name a user gives it, and whether it was too much for the memory there."""

import torch

from nmt.errors import ConfigError


def named_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N`. Raises ConfigError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device '{name}' is unknown; use auto, cpu, cuda or cuda:0") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device '{name}' is none this model runs on; use auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device '{name}' asked for, but torch {torch.__version__} finds no CUDA device here; use cpu"
        )
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """torch's CPU allocator raises a plain RuntimeError, CUDA's a class of its own."""
    said = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in said
