"""Fine-tuning: beginning with the weights and the tokenizer or alphabet of a checkpoint, `train.initialize_from`."""

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from torch import nn

from nmt.checkpoint import Saved, check_finite, find_checkpoint
from nmt.config.schema import RunConfig
from nmt.errors import CheckpointError

Read = TypeVar("Read", bound=Saved)  # the checkpoint of one kind of model


def initial_checkpoint(
    config: RunConfig, newest: Path | None, *, read: Callable[[str | Path], Read], normalization: str
) -> Read | None:
    """What training begins with, None where it begins anew.

    A run that goes on needs no more than its own newest checkpoint, which spells as the one it was begun with, and
    that may be gone. `read` reads one of the run's kind; `normalization` is the option that says how text is
    normalised. Raises CheckpointError where it cannot be read, or was trained on text normalised otherwise.
    """
    start = config.train.initialize_from
    if start is None:
        return None
    path = newest or start
    checkpoint = read(path)
    theirs, ours = (attrgetter(normalization)(of) for of in (checkpoint.config, config))
    if theirs != ours:
        raise CheckpointError(
            f"train.initialize_from {path}: its text is normalised by '{theirs}', and {normalization} is '{ours}' here;"
            f" give --{normalization} {theirs}"
        )
    return checkpoint


def weights_of(config: RunConfig, checkpoint: Saved) -> str:
    """`weights of runs/x (best, step 430)`: where those come from that `initial_checkpoint` has found."""
    start = config.train.initialize_from
    assert start is not None  # or else there were no checkpoint
    file = find_checkpoint(start)
    which = [file.stem] if file != Path(start) else []
    if "step" in checkpoint.about:
        which.append(f"step {checkpoint.about['step']:,}")
    return f"weights of {start}" + (f" ({', '.join(which)})" if which else "")


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
