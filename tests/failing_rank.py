"""failing_rank.py KIND RANK STEP TRAIN_ARGUMENTS...: trains, and one rank fails at a step; for test_peers.py.

At step -1 it fails while it prepares, and where RANK is -1 every rank does.
"""

import os
import signal
import sys
import time
from typing import Any

from torch import Tensor

from nmt.cli.train import main
from nmt.data.batch import TranslationBatch
from nmt.errors import DataError
from nmt.training.ending import peers
from nmt.training.translation.task import TranslationTask


def fail(kind: str) -> None:
    if kind == "memory":
        raise MemoryError("can't allocate memory")
    if kind == "data":
        raise DataError("a.en: cannot be read")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "launcher":
        launcher = os.getppid()
        os.kill(launcher, signal.SIGKILL)
        while os.getppid() == launcher:
            time.sleep(0.01)


if __name__ == "__main__":
    peers.PATIENCE = 60.0  # on a busy machine one rank may be far behind another
    kind, rank, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    train = TranslationTask.training_step

    def training_step(task: TranslationTask, batch: TranslationBatch, index: int) -> Tensor:
        if (task.global_rank, task.global_step) == (rank, step):
            fail(kind)
        return train(task, batch, index)

    make = TranslationTask.__init__

    def make_task(task: TranslationTask, *arguments: Any, **options: Any) -> None:
        here = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))
        if step == -1 and rank in (here, -1):
            fail(kind)
        make(task, *arguments, **options)

    TranslationTask.training_step = training_step
    TranslationTask.__init__ = make_task
    raise SystemExit(main(sys.argv[4:]))
