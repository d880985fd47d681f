"""The file itself: found, read as plain data and tensors, checked, and written whole.

Every checkpoint is a `torch.save`d dictionary with two entries of ours; one written in training holds the trainer's
state beside them, an exported one nothing else.

    "nmt"         {"format": 1, "config": {"task": …, …}, …, "about": {…}}: translation.py, recognition.py
    "state_dict"  {"model.<parameter>": tensor, …}
"""

import errno
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from nmt.checkpoint.instead import others_beside, runs_below, what_it_is
from nmt.config.schema import ROOTS
from nmt.errors import CheckpointError, NMTError
from nmt.files import write_then_replace

FORMAT = 1
PREFIX = "model."  # what a LightningModule with a member `model` puts before its parameters' names
RUN_FILES = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "best.ckpt", "last.ckpt")


@runtime_checkable
class Saved(Protocol):
    """What every kind of checkpoint has. `about` is plain data: versions, step, scores, where it came from."""

    @property
    def config(self) -> Any: ...
    @property
    def weights(self) -> Mapping[str, Tensor]: ...
    @property
    def about(self) -> Mapping[str, Any]: ...
    @property
    def vocabulary(self) -> object:
        """What its ids stand for; equal for models whose weights mean the same."""

    def header(self) -> dict[str, Any]:
        """Its `"nmt"` entry, as plain data."""

    def build(self) -> nn.Module:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit."""


class Content(NamedTuple):
    """What of a file is ours."""

    path: Path
    entry: Mapping[str, Any]
    weights: Mapping[str, Tensor]


def task_of(entry: Mapping[str, Any]) -> str:
    """What a checkpoint was trained for; the oldest do not say."""
    config = entry.get("config")
    return str(config.get("task", "translation")) if isinstance(config, Mapping) else "translation"


def read_content(path: str | Path, *, task: str | None = None) -> Content:
    """Read a file or a run folder onto the CPU; CheckpointError where it is not of ours, or not of this `task`."""
    path = find_checkpoint(path)
    try:
        content = load_plain(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{others_beside(path)}") from error
    entry = content.get("nmt") if isinstance(content, dict) else None
    if not isinstance(entry, dict):
        program = "a Lightning checkpoint of another program" if _is_lightning(content) else "a file of another program"
        raise CheckpointError(f"{path}: {program} (it has no 'nmt' entry); give a .ckpt file as `train` writes it")
    if entry.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: written in format {entry.get('format')!r}, this version reads {FORMAT}; see CHANGELOG.md"
        )
    found = task_of(entry)
    if found not in ROOTS:
        raise CheckpointError(f"{path}: a model for {found!r}, which this version does not know; see CHANGELOG.md")
    if task is not None and found != task:
        theirs, ours = ROOTS[found], ROOTS[task]
        raise CheckpointError(f"{path}: {theirs.makes}, where {ours.makes} is needed; use it with `{theirs.used_by}`")
    with described(path):
        stored = content["state_dict"].items()
        weights = {name.removeprefix(PREFIX): value for name, value in stored if name.startswith(PREFIX)}
        if odd := [name for name, value in weights.items() if not isinstance(value, Tensor)]:
            raise TypeError(f"{PREFIX}{odd[0]} is {type(weights[odd[0]]).__name__}, not a tensor")
    return Content(path, entry, weights)


@contextmanager
def described(path: Path) -> Iterator[None]:
    """Errors while a description is taken apart become a CheckpointError that names file and place."""
    try:
        yield
    except CheckpointError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: its description is damaged: {place}: {first['msg']}") from error
    except KeyError as error:
        raise CheckpointError(f"{path}: its description is damaged: it lacks {error}") from error
    except (TypeError, AttributeError, NMTError) as error:
        reason = str(error).split("\n", 1)[0]
        raise CheckpointError(f"{path}: its description is damaged: {reason}") from error


def find_checkpoint(path: str | Path) -> Path:
    """A file as it is; for the folder of a run its best checkpoint, or else its last."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        missing = "is neither a file nor a run folder" if os.path.lexists(path) else "no such file or run folder"
        raise CheckpointError(f"{path}: {missing}; give a .ckpt file or what --run-dir was in training")
    for name in RUN_FILES:
        if (path / name).is_file():
            return path / name
    for name in RUN_FILES:
        if (path / name).is_symlink():
            gone = path / name
            raise CheckpointError(f"{gone}: leads to {os.readlink(gone)}, which is not there{others_beside(gone)}")
    raise CheckpointError(f"{path}: holds no {' or '.join(RUN_FILES[:2])}; {runs_below(path)}")


def told_unfinished(path: str | Path) -> str | None:
    """What to say of a run's folder that stands for its last checkpoint, since validation has chosen no best one yet.

    None for a file, for a folder without any, and for a run without validation, which makes nothing better than its
    last. Raises CheckpointError where that cannot be read.
    """
    file = next((file for name in RUN_FILES if (file := Path(path) / name).is_file()), None)
    if file is None or file.name != "last.ckpt":
        return None
    entry = read_content(file).entry
    with described(file):
        if not entry["config"]["data"]["validation"]:
            return None
        step = entry.get("about", {}).get("step")
    return f"{path} has no best.ckpt yet; using last.ckpt" + ("" if step is None else f", step {step:,}")


def load_plain(path: Path) -> Any:
    """`torch.load` of plain data and tensors only, memory-mapped, with errors that say what the file is."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # mapped into memory, torch compares no checksum
        if broken is not None:
            size = path.stat().st_size
            raise CheckpointError(f"{path}: damaged ({size:,} bytes), the checksum of {broken} is wrong; copy it again")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: refused, it would run code when read (or it is no checkpoint)") from error
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: {what_it_is(path)}") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # an archive says that its parts lie before its beginning
            raise CheckpointError(f"{path}: {what_it_is(path)}") from error
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error


def _is_lightning(content: Any) -> bool:
    return isinstance(content, dict) and "pytorch-lightning_version" in content


def plain_header(config: BaseModel, about: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """The `"nmt"` entry of a checkpoint, with what its task adds to every checkpoint's."""
    return {"format": FORMAT, "config": config.model_dump(mode="json"), **own, "about": dict(about)}


def write_checkpoint(path: Path, checkpoint: Saved) -> None:
    """Write description and weights alone, without the trainer's state. Raises StorageError."""
    content = {
        "nmt": checkpoint.header(),
        "state_dict": {PREFIX + name: value.detach().cpu().clone() for name, value in checkpoint.weights.items()},
    }
    size = sum(value.numel() * value.element_size() for value in checkpoint.weights.values())
    write_then_replace(path, lambda stream: torch.save(content, stream), size=size)
