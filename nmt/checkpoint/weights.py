"""The weights of checkpoints: checked, put into a model, averaged."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor

from nmt.checkpoint.file import Saved
from nmt.errors import CheckpointError

_LONGEST: Final = 300  # characters of a reason: a model has hundreds of weights that can be missing


def check_finite(weights: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a weight is NaN or infinite."""
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"the weights are not finite ({name}); the training they come from went wrong")


@contextmanager
def fitting() -> Iterator[None]:
    """What goes wrong when a model is built and given weights becomes a CheckpointError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split("\n")[1:2]).strip() or str(error)
        reason = f"{reason[:_LONGEST]} …" if len(reason) > _LONGEST else reason
        raise CheckpointError(f"the weights do not fit the configuration beside them: {reason}") from error


def average_weights(checkpoints: Sequence[Saved]) -> dict[str, Tensor]:
    """The mean of every parameter over checkpoints of one model, summed in float64."""
    first = checkpoints[0]
    for other in checkpoints[1:]:
        if other.config.model != first.config.model or other.weights.keys() != first.weights.keys():
            raise CheckpointError("only checkpoints of one configuration can be averaged; these have different models")
        if other.vocabulary != first.vocabulary:
            raise CheckpointError("only checkpoints with the same tokenizer or alphabet can be averaged")
    return {
        name: torch.stack([checkpoint.weights[name].double() for checkpoint in checkpoints]).mean(0).to(value.dtype)
        for name, value in first.weights.items()
    }
