"""What is timed to choose levers, at the sizes of the model, and remembered, so that all runs here choose alike.

Timing anew at every fresh start would let two runs of one seed differ where it is a near thing. So each comparison is
made once for a machine, a version of torch and of this package, and sizes, and its times stay in the cache beside the
prepared corpora: delete `timings-*` there to have them taken again.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch.nn import functional as F

from nmt import __version__
from nmt.data.cache import Cache, cache_key
from nmt.models import linear
from nmt.models.cells import LSTM

Work = Callable[[], None]


def remembered(cache: Cache, question: Mapping[str, Any], measure: Callable[[], list[float]]) -> list[float]:
    """The seconds that `measure` gave when this question was first asked; several who ask at once get one answer.

    Raises DataError where the cache cannot be written.
    """

    def build(folder: Path) -> None:
        (folder / "timings.json").write_text(json.dumps({"question": {**question}, "seconds": measure()}, indent=2))

    entry = cache.entry("timings", cache_key(**question, version=__version__, torch=torch.__version__), build)
    return cast(list[float], json.loads((entry / "timings.json").read_text())["seconds"])


def layer(size: int, vocabulary: int, *, bf16: bool) -> Work:
    """A recurrent layer and a chunk of the output layer, forward and backward."""
    with torch.random.fork_rng(devices=[]):
        cell = LSTM(size, size)
    inputs = _numbers(32, 12, size)
    weight = _numbers(vocabulary, size).requires_grad_()

    def run() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            outputs = cell(inputs).flatten(0, 1)[:256]
            logits = linear.linear(outputs, weight)
        logits.backward(logits.detach())

    return run


def multiplications(size: int, vocabulary: int, *, onednn: bool) -> Work:
    """The products of a chunk of the output layer and of gates, forward and backward."""
    inputs = _numbers(256, size).requires_grad_()
    matrices = [_numbers(vocabulary, size).requires_grad_(), _numbers(size, size).requires_grad_()]

    def run() -> None:
        linear.use_onednn(onednn)
        for matrix in matrices:
            outputs = linear.linear(inputs, matrix) if onednn else F.linear(inputs, matrix)
            outputs.backward(outputs.detach())

    return run


def with_threads(count: int, work: Work) -> Work:
    """The same with so many threads."""

    def run() -> None:
        torch.set_num_threads(count)
        work()

    return run


def seconds(candidates: Sequence[Work], *, budget: float = 0.25, least: int = 3) -> list[float]:
    """The best time of each by the clock, in turn, so that a busy neighbour hits all; `budget` seconds in all."""
    best = [float("inf")] * len(candidates)
    for run in candidates:
        run()  # the first call compiles kernels
    begin, rounds = time.perf_counter(), 0
    while rounds < least or time.perf_counter() - begin < budget:
        for i, run in enumerate(candidates):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
        rounds += 1
    return best


def _numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1
