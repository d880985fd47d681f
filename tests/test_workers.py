"""Worker processes end with the process they work for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import sys, time
from torch.utils.data import DataLoader
from nmt.data.workers import ending_with_this_process

class Slow:
    def __getitem__(self, index):
        time.sleep(600)

loader = iter(DataLoader(Slow(), sampler=range(9), num_workers=2, worker_init_fn=ending_with_this_process()))
print(*[worker.pid for worker in loader._workers], flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the signal of a parent's end is Linux's")
def test_workers_of_a_killed_process_end_at_once() -> None:
    """They kept the lock of the run's folder and the connections to other ranks, which waited for ever."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(number) for number in process.stdout.readline().split()]
        assert len(workers) == 2
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return ") Z" not in Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
