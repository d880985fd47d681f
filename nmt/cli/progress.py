"""How far a long command has come: a bar on a terminal, elsewhere now and then a line, so that a log tells too."""

import sys
from collections.abc import Callable
from functools import cache
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from nmt.terminal import is_watched

if TYPE_CHECKING:
    from tqdm import tqdm

EVERY: Final = 30.0  # seconds between two lines of a log; what is done sooner says nothing
SHARE: Final = 0.1  # of the time since the beginning, if that is more: a log of days is no longer than one can read


class Progress:
    """Counts lines on the standard error output, within a `with`; nothing is ever written to the standard output.

    `speaker` begins what is said; `total` is how many lines there will be, asked only of a bar or a log that is shown,
    since counting may cost a reading; `done` of them are an earlier run's. With `quiet` nothing is said: the lines
    themselves appear where the bar would.
    """

    def __init__(self, speaker: str, *, total: Callable[[], int | None], done: int = 0, quiet: bool = False) -> None:
        self._speaker = speaker
        self._total = cache(total)
        self._began_with = self._done = done
        self._quiet = quiet
        self._bar: tqdm[Any] | None = None
        self._began = self._said = monotonic()

    def __enter__(self) -> Self:
        self._began = self._said = monotonic()
        if not self._quiet and is_watched(sys.stderr):
            from tqdm import tqdm

            self._bar = tqdm(total=self._total(), initial=self._done, unit=" lines", dynamic_ncols=True, leave=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, lines: int = 1) -> None:
        """So many more lines are done."""
        self._done += lines
        if self._bar is not None:
            self._bar.update(lines)
            return
        now = monotonic()
        if not self._quiet and now - self._said >= max(EVERY, SHARE * (now - self._began)):
            total = self._total()
            of_all = "" if total is None else f" of {total:,}"
            print(f"{self._speaker}: {self._done:,}{of_all} lines", file=sys.stderr, flush=True)
            self._said = now

    def tell_end(self, output: str) -> None:
        """On a terminal, which the bar has left: how many lines took how long, and the file they are in (-: none)."""
        if self._bar is not None:
            place = "" if output == "-" else f": {output}"
            seconds = monotonic() - self._began
            lines = self._done - self._began_with
            print(
                f"{self._speaker}: {lines:,} line{'' if lines == 1 else 's'} in {_duration(seconds)}{place}",
                file=sys.stderr,
            )


def tell(message: str) -> None:
    """A line on the standard error output, above the bar if there is one."""
    from tqdm import tqdm

    tqdm.write(message, file=sys.stderr)


def _duration(seconds: float) -> str:
    """`8.4 s`, `1 min 40 s`, `2 h 5 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
