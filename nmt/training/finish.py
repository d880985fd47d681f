"""What follows the last step: the best checkpoints averaged, if validation finds the mean better."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from nmt.checkpoint import average_weights, read_any, write_checkpoint
from nmt.config.training import TrainConfig
from nmt.files import replace_link
from nmt.training.keeping.checkpoints import MONITORS, best_checkpoints
from nmt.training.run import RunFolder
from nmt.training.sequence_task import SequenceTask

log = logging.getLogger(__name__)


def average_best(run: RunFolder, task: SequenceTask, batches: Iterable[Any], *, device: torch.device) -> None:
    """Average the best `train.average_checkpoints`; where validation finds the mean better, it becomes `best.ckpt`.

    `batches` are the whole validation set. One process does it by itself, after the others have gone.
    """
    train: TrainConfig = run.config.train
    best = best_checkpoints(run.checkpoints)[: train.average_checkpoints]
    if train.average_checkpoints < 2 or len(best) < 2:
        return
    checkpoints = [read_any(path) for path in best]
    first = checkpoints[0]
    metric, mode = MONITORS[train.monitor]
    weights = average_weights(checkpoints)
    before, after = (score_weights(task, w, batches, device=device)[metric] for w in (first.weights, weights))
    better = after > before if mode == "max" else after < before
    log.info(
        "average of the best %d checkpoints: %s %.4g, the best one alone %.4g; %s is kept as best",
        *(len(best), metric, after, before, "the average" if better else "the single one"),
    )
    if better:
        about = {**first.about, "scores": {metric: after}, "average_of": [path.name for path in best]}
        averaged = run.checkpoints / "averaged.ckpt"
        write_checkpoint(averaged, replace(first, weights=weights, about=about))
        replace_link(run.checkpoints / "best.ckpt", averaged)


@torch.no_grad()
def score_weights(
    task: SequenceTask, weights: Mapping[str, torch.Tensor], batches: Iterable[Any], *, device: torch.device
) -> dict[str, float]:
    """The validation scores that the task's model has with these weights, on the whole set."""
    task.model.load_state_dict(weights)
    task.to(device).eval()  # Lightning has put it back on the CPU
    for index, batch in enumerate(batches):
        task.validation_step(type(batch)(*(part.to(device) for part in batch)), index)
    return {name: float(score) for name, score in task.finish_validation(rank=0, world_size=1).items()}
