"""failing_rank.py KIND RANK STEP TRAIN_ARGUMENTS...: trains, and one rank fails at a step; for test_peers.py."""

import os
import signal
import sys

from torch import Tensor

from nmt.cli.train import main
from nmt.data.batch import TranslationBatch
from nmt.training.translation.task import TranslationTask


def fail(kind: str) -> None:
    if kind == "memory":
        raise MemoryError("can't allocate memory")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    kind, rank, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    train = TranslationTask.training_step

    def training_step(task: TranslationTask, batch: TranslationBatch, index: int) -> Tensor:
        if (task.global_rank, task.global_step) == (rank, step):
            fail(kind)
        return train(task, batch, index)

    TranslationTask.training_step = training_step
    raise SystemExit(main(sys.argv[4:]))
