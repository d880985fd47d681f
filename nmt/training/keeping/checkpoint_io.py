"""Checkpoints on the disk: written whole or not at all, read without running code, found again after a crash.

RUN/checkpoints holds

    last-00001200.ckpt              the newest `keep_last`, by step
    best-00000900-bleu-36.41.ckpt   the `keep_best` best, by score (hard links: being both costs no space)
    last.ckpt, best.ckpt            symbolic links to the newest and to the best
    index.json                      the same as data: {"monitor", "mode", "best": [{file, step, score}], "last": [...]}
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from nmt.checkpoint import load_plain
from nmt.errors import CheckpointError
from nmt.files import write_then_replace

log = logging.getLogger(__name__)

# What Lightning needs to go on; a file of weights alone can be translated with, and not resumed
NEEDED = frozenset({"epoch", "global_step", "state_dict", "loops", "optimizer_states", "lr_schedulers", "callbacks"})


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint plug-in; pass it as `Trainer(plugins=[AtomicCheckpointIO()])`.

    Lightning's own builds the file in memory, writes it to $TMPDIR and moves it, which is atomic only by luck.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write to a temporary file beside `path`, then rename; StorageError naming path and bytes where it fails."""
        write_then_replace(Path(path), lambda stream: torch.save(checkpoint, stream), size=_tensor_bytes(checkpoint))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read without unpickling code, whatever `weights_only` says; CheckpointError where that cannot be done."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint; CheckpointError where it is missing, damaged or holds more than tensors and data."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    return cast(dict[str, Any], load_plain(path))


def newest_usable_checkpoint(folder: Path) -> Path | None:
    """The checkpoint to resume from: the newest that can be read; a damaged one is passed over with a warning.

    None where the folder holds no checkpoint at all; CheckpointError where it holds some and none can be used.
    """
    candidates = sorted(folder.glob("last-*.ckpt"), key=_step_of, reverse=True)
    candidates += sorted(folder.glob("best-*.ckpt"), key=_step_of, reverse=True)
    for path in candidates:
        found = damage(path)
        if found is None:
            return path
        log.warning("%s: damaged (%s); trying the checkpoint before it", path, found)
    if candidates:
        raise CheckpointError(
            f"{folder}: none of {len(candidates)} checkpoint(s) can be resumed from; the newest, {candidates[0].name}:"
            f" {damage(candidates[0])}; mend that, or start again in a new --run-dir"
        )
    return None


def _step_of(path: Path) -> int:
    """`last-00001200.ckpt` → 1200."""
    number = path.stem.split("-")[1]
    return int(number) if number.isdigit() else -1


def damage(path: Path) -> str | None:
    """What is wrong with the file; None where all bytes agree with their checksums and it loads, whole."""
    try:
        missing = NEEDED - read_checkpoint(path).keys()
    except CheckpointError as error:
        return str(error).removeprefix(f"{path}: ")
    return f"no training can go on from it: it lacks {', '.join(sorted(missing))}" if missing else None


def _tensor_bytes(value: Any) -> int:
    """Bytes of all tensors and byte strings in a nest of mappings and sequences: nearly the size of its file."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_tensor_bytes(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sum(_tensor_bytes(item) for item in value)
    return 0
