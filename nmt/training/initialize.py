"""Fine-tuning: beginning with the weights and the tokenizer or alphabet of a checkpoint, `train.initialize_from`."""

from pathlib import Path

from torch import nn

from nmt.checkpoint import Checkpoint, RecognitionCheckpoint, Saved, check_finite, read_checkpoint, read_recognition
from nmt.config.recognition import RecognitionConfig
from nmt.config.schema import Config
from nmt.errors import CheckpointError


def initial_checkpoint(config: Config, newest: Path | None) -> Checkpoint | None:
    """What training begins with, None where it begins anew.

    A run that goes on needs no more than its own newest checkpoint, which has the same tokenizer: the one it was begun
    with may be gone. Raises CheckpointError where it cannot be read, or was trained on text normalised otherwise.
    """
    if config.train.initialize_from is None:
        return None
    path = newest or config.train.initialize_from
    checkpoint = read_checkpoint(path)
    theirs, ours = checkpoint.config.tokenizer.normalization, config.tokenizer.normalization
    _check_normalization(path, theirs, ours, option="tokenizer.normalization")
    return checkpoint


def initial_recogniser(config: RecognitionConfig, newest: Path | None) -> RecognitionCheckpoint | None:
    """The same for a recogniser, whose alphabet goes on with its weights."""
    if config.train.initialize_from is None:
        return None
    path = newest or config.train.initialize_from
    checkpoint = read_recognition(path)
    theirs, ours = checkpoint.config.data.normalization, config.data.normalization
    _check_normalization(path, theirs, ours, option="data.normalization")
    return checkpoint


def load_weights(model: nn.Module, checkpoint: Saved, *, name: str) -> None:
    """Put a checkpoint's weights into a model of the same shape.

    Raises CheckpointError where the two differ, or where the weights are not finite.
    """
    check_finite(checkpoint.weights)
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in checkpoint.weights.items()}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            sides = (f"{'no such weights' if s is None else f'shape {s}'}" for s in (theirs.get(key), ours.get(key)))
            raise CheckpointError(
                "train.initialize_from {}: {}: {} there, {} in this configuration; give the model section of that"
                " run's config.yaml".format(name, key, *sides)
            )
    model.load_state_dict(checkpoint.weights)


def _check_normalization(path: str | Path, theirs: str, ours: str, *, option: str) -> None:
    if theirs != ours:
        raise CheckpointError(
            f"train.initialize_from {path}: its text is normalised by '{theirs}', and {option} is '{ours}' here; give"
            f" --{option} {theirs}"
        )
