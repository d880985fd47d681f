"""Windows of lines translated by this process or by several on this machine, their rows in order.

Windows are the same whoever translates them, and so is every row: the output is that of one process.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from nmt.cli.job import Job, Worker
from nmt.cli.rows import Row
from nmt.errors import NMTError, TranslationError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.windows import Window

Decision = TypeVar("Decision")

_WAITING: Final = 2  # windows a process that have been dealt, so that none is idle while another is late


class Answer(NamedTuple):
    """A window with its rows."""

    window: "Window"
    rows: list[Row]


class Crew(Protocol):
    """Who translates: windows in, answers out, in order and as they come, once the checkpoints are loaded.

    Where the crew is spread over commands that all run alike, one of them is the `leader`, who alone writes.
    """

    leader: bool

    def agree(self, decide: Callable[[], Decision]) -> Decision:
        """What the leader decides, for everybody; its NMTError too."""
        ...

    def load(self) -> "SearchConfig":
        """Read the checkpoints; the search they are used with. Raises their CheckpointError."""
        ...

    def answers(self, windows: Iterable["Window"]) -> Iterator[Answer]:
        """One answer a window, reading ahead a few windows at most."""
        ...


class Alone:
    """This process."""

    leader = True

    _worker: Worker

    def __init__(self, job: Job) -> None:
        self._job = job

    def agree(self, decide: Callable[[], Decision]) -> Decision:
        """See `Crew`."""
        return decide()

    def load(self) -> "SearchConfig":
        """See `Crew`."""
        self._worker = self._job.load()
        return self._worker.search

    def answers(self, windows: Iterable["Window"]) -> Iterator[Answer]:
        """See `Crew`."""
        for window in windows:
            yield Answer(window, self._worker(window))


class Processes:
    """Several processes on this machine, each with a model; on GPUs one after the other, on a CPU sharing its cores."""

    leader = True

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self._count = pool, count

    def agree(self, decide: Callable[[], Decision]) -> Decision:
        """See `Crew`."""
        return decide()

    def load(self) -> "SearchConfig":
        """See `Crew`."""
        search: SearchConfig = _result(self._pool.submit(_search))
        return search

    def answers(self, windows: Iterable["Window"]) -> Iterator[Answer]:
        """See `Crew`. Raises TranslationError where a process ends by itself.

        No line is asked for while answers are awaited before one comes.
        """
        dealt: deque[tuple[Window, Future[list[Row]]]] = deque()
        failure: NMTError | None = None
        source = iter(windows)
        while failure is None or dealt:
            while failure is None and len(dealt) < _WAITING * self._count and not (dealt and dealt[-1][0].is_awaited):
                try:
                    window = next(source)
                except StopIteration:
                    break
                except NMTError as error:  # once what stands before it is done
                    failure = error
                    break
                dealt.append((window, self._pool.submit(_translate, window)))
            if not dealt:
                break
            window, future = dealt.popleft()
            yield Answer(window, _result(future))
        if failure is not None:
            raise failure


@contextmanager
def processes(job: Job, count: int) -> Iterator[Processes]:
    """A crew of `count` processes, which end with the block, at once where it ends in an error."""
    cores = max(1, (os.cpu_count() or 1) // count)
    job = replace(job, threads=job.threads or cores)
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(job, context.Value("i", 0)))
    try:
        yield Processes(pool, count)
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: "Future[Any]") -> Any:
    try:
        return future.result()
    except BrokenProcessPool:
        raise TranslationError(
            "one of the processes of --devices was ended from outside, perhaps because memory ran out; lower --devices"
            " or --batch-tokens"
        ) from None


# What follows runs in a process of `Processes`, one job each.

_job: Job | None = None
_number = 0
_worker: Worker | None = None


def _begin(job: Job, counter: Any) -> None:
    global _job, _number
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    with counter.get_lock():
        _job, _number = job, counter.value
        counter.value += 1


def _loaded() -> Worker:
    """The model, read with the first window, where an error finds its way to the user."""
    global _worker
    if _worker is None:
        assert _job is not None
        _worker = _job.load(_number)
    return _worker


def _search() -> "SearchConfig":
    return _loaded().search


def _translate(window: "Window") -> list[Row]:
    return _loaded()(window)
