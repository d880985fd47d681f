"""The same command started on several devices or machines by `torchrun`: every rank translates, rank 0 writes.

All ranks read the whole input, which costs little beside translating it, and cut it into the same windows; of every
round of windows each takes one. The rows travel over gloo, so that no machine but the first needs the output's file
system.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nmt.cli.job import Job, Worker
from nmt.cli.parallel import Answer, Decision
from nmt.errors import NMTError, TranslationError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.windows import Window

_PATIENCE: Final = timedelta(hours=2)  # how long a rank waits for another one's window


def started_by_torchrun() -> bool:
    """Whether this process is one of several ranks."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


class Ranks:
    """One of several ranks; see `nmt.cli.parallel.Crew`."""

    _worker: Worker

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rank, self._world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.leader = self._rank == 0

    def agree(self, decide: Callable[[], Decision]) -> Decision:
        """See `Crew`."""
        decided: Decision = self._exchange(_attempt(decide) if self.leader else None)[0]
        return decided

    def load(self) -> "SearchConfig":
        """See `Crew`; on every rank."""
        loaded = _attempt(lambda: self._job.load(int(os.environ.get("LOCAL_RANK", "0"))))
        self._exchange(loaded if isinstance(loaded, NMTError) else None)
        assert not isinstance(loaded, NMTError)
        self._worker = loaded
        return self._worker.search

    def answers(self, windows: Iterable["Window"]) -> Iterator[Answer]:
        """See `Crew`; on every rank, though only the first has a use for it."""
        source = iter(windows)
        failure: NMTError | None = None
        while failure is None:
            dealt: list[Window] = []
            try:
                while len(dealt) < self._world and (window := next(source, None)) is not None:
                    dealt.append(window)
            except NMTError as error:  # once what stands before it is done; the others meet it as well
                failure = error
            if dealt:
                mine = dealt[self._rank] if self._rank < len(dealt) else None
                rows = self._exchange([] if mine is None else _attempt(partial(self._worker, mine)))
                yield from (Answer(window, answer) for window, answer in zip(dealt, rows, strict=False))
            if len(dealt) < self._world:
                break
        if failure is not None:
            raise failure

    def _exchange(self, value: Any) -> list[Any]:
        """The values of all ranks. Raises the first rank's NMTError among them, on all."""
        from torch import distributed

        values: list[Any] = [None] * self._world
        try:
            distributed.all_gather_object(values, value)
        except RuntimeError as error:
            raise TranslationError("another process of this run ended; its own message says why") from error
        for rank, said in enumerate(values):
            if isinstance(said, NMTError):
                raise said if rank == 0 else type(said)(f"rank {rank}: {said}")
        return values


@contextmanager
def ranks(job: Job) -> Iterator[Ranks]:
    """This process among the others that `torchrun` started."""
    from torch import distributed

    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(job)
    finally:
        distributed.destroy_process_group()


def _attempt(compute: Callable[[], Any]) -> Any:
    """A value, or the NMTError that came instead, to be told to the others."""
    try:
        return compute()
    except NMTError as error:
        return error
