"""Worker processes of a loader that do not outlive the process they work for.

A process that is killed leaves its workers waiting, and what they inherited open: the lock of the run's folder, so that
nobody can go on there, and the connections to other ranks, which then never learn that this one is gone.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

_PR_SET_PDEATHSIG = 1  # prctl(2): the signal a process gets when its parent ends


def ending_with_this_process() -> Callable[[int], None]:
    """A `worker_init_fn` for torch's DataLoader."""
    return partial(_end_with, os.getpid())


def _end_with(parent: int, worker: int) -> None:
    if sys.platform != "linux" or multiprocessing.get_start_method() == "forkserver":  # whose parent is the server
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)
