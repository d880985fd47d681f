"""One self-contained file: weights, configuration and tokenizers, read without unpickling anything but plain data.

Every checkpoint is a `torch.save`d dictionary with two entries of ours; one written in training holds the trainer's
state beside them, an exported one nothing else.

    "nmt"         {"format": 1, "config": {…}, "tokenizers": {"source": bytes, "target": bytes}, "about": {…}}
    "state_dict"  {"model.<parameter>": tensor, …}
"""

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from nmt.config.schema import Config
from nmt.errors import CheckpointError, ConfigError
from nmt.files import write_then_replace
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizer, Tokenizers

FORMAT = 1
PREFIX = "model."  # what a LightningModule with a member `model` puts before its parameters' names
RUN_FILES = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "best.ckpt", "last.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds. `about` is plain data: versions, step, scores, where it came from."""

    config: Config
    tokenizers: Tokenizers
    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]

    def build(self) -> TranslationModel:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit."""
        source, target = self.tokenizers
        check_finite(self.weights)
        try:
            model = build_translation(self.config.model, source.vocabulary_size, target.vocabulary_size)
            model.load_state_dict(self.weights)
        except (RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split("\n")[1:2]).strip() or str(error)
            raise CheckpointError(f"the weights do not fit the configuration beside them: {reason}") from error
        return model.eval()


def check_finite(weights: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a weight is NaN or infinite."""
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"the weights are not finite ({name}); the training they come from went wrong")


def header(config: Config, tokenizers: Tokenizers, about: Mapping[str, Any]) -> dict[str, Any]:
    """The `"nmt"` entry of a checkpoint, as plain data."""
    models = {"source": tokenizers.source.model, "target": tokenizers.target.model}
    return {"format": FORMAT, "config": config.model_dump(mode="json"), "tokenizers": models, "about": dict(about)}


def find_checkpoint(path: str | Path) -> Path:
    """A file as it is; for the folder of a run its best checkpoint, or else its last."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(
            f"{path}: no such file or run folder; give a .ckpt file or what --run-dir was in training"
        )
    for name in RUN_FILES:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"{path}: holds no {' or '.join(RUN_FILES[:2])}; has the run reached its first validation?")


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a file or a run folder onto the CPU. Raises CheckpointError naming what is wrong with it."""
    path = find_checkpoint(path)
    content = load_plain(path)
    entry = content.get("nmt") if isinstance(content, dict) else None
    if not isinstance(entry, dict):
        raise CheckpointError(f"{path}: a checkpoint of something else (it has no 'nmt' entry)")
    if entry.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: written in format {entry.get('format')}, this version reads {FORMAT}; see CHANGELOG.md"
        )
    try:
        config = Config.model_validate(entry["config"])
        form = config.tokenizer.normalization
        models = entry["tokenizers"]
        source = Tokenizer(models["source"], normalization=form)
        joint = models["target"] == models["source"]
        target = source if joint else Tokenizer(models["target"], normalization=form)
        weights = {
            name.removeprefix(PREFIX): value for name, value in content["state_dict"].items() if name.startswith(PREFIX)
        }
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: its description is damaged: {place}: {first['msg']}") from error
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CheckpointError(f"{path}: its description is damaged: {error}") from error
    return Checkpoint(config, Tokenizers(source, target), weights, entry.get("about", {}))


def load_plain(path: Path) -> Any:
    """`torch.load` of plain data and tensors only, memory-mapped, with errors that say what the file is."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # mapped into memory, torch compares no checksum
        if broken is not None:
            raise CheckpointError(f"{path}: damaged, the checksum of {broken} is wrong; copy it again")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except zipfile.BadZipFile as error:
        size = path.stat().st_size
        raise CheckpointError(f"{path}: damaged, or no checkpoint ({size:,} bytes): {error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: refused, it would run code when read (or it is no checkpoint)") from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        size = path.stat().st_size
        reason = str(error).split("\n", 1)[0]
        raise CheckpointError(f"{path}: damaged or no checkpoint ({size:,} bytes): {reason}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights, configuration and tokenizers alone, without the trainer's state. Raises StorageError."""
    content = {
        "nmt": header(checkpoint.config, checkpoint.tokenizers, checkpoint.about),
        "state_dict": {PREFIX + name: value.detach().cpu().clone() for name, value in checkpoint.weights.items()},
    }
    size = sum(value.numel() * value.element_size() for value in checkpoint.weights.values())
    write_then_replace(path, lambda stream: torch.save(content, stream), size=size)


def average_weights(checkpoints: Sequence[Checkpoint]) -> dict[str, Tensor]:
    """The mean of every parameter over checkpoints of one model, summed in float64."""
    first = checkpoints[0]
    for other in checkpoints[1:]:
        if other.config.model != first.config.model or other.weights.keys() != first.weights.keys():
            raise CheckpointError("only checkpoints of one configuration can be averaged; these have different models")
        if other.tokenizers.target.model != first.tokenizers.target.model:
            raise CheckpointError("only checkpoints with the same tokenizer can be averaged")
    return {
        name: torch.stack([checkpoint.weights[name].double() for checkpoint in checkpoints]).mean(0).to(value.dtype)
        for name, value in first.weights.items()
    }
