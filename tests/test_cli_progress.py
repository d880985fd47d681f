"""How far a command is: a bar on a terminal, in a log a line now and then, and never a word in the result."""

import io
import re
import sys

import pytest

from nmt.cli import progress
from nmt.cli.progress import Progress


class Terminal(io.StringIO):
    """A standard error output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test moves."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def work(
    clock: list[float], seconds: list[float], *, total: int | None = None, done: int = 0, quiet: bool = False
) -> Progress:
    """A line after each so many seconds."""
    with Progress("read", total=lambda: total, done=done, quiet=quiet) as shown:
        for wait in seconds:
            clock[0] += wait
            shown.advance()
    return shown


def test_a_log_is_told_of_long_work_only(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """360 lines were read for 100 s into a pipe without a word."""
    work(clock, [0.5] * 59, total=59)
    assert capsys.readouterr() == ("", "")
    shown = work(clock, [100 / 360] * 360, total=360)
    shown.tell_end("texts")
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == [
        "read: 109 of 360 lines",
        "read: 218 of 360 lines",
        "read: 327 of 360 lines",
    ]
    work(clock, [31], done=2000)
    assert capsys.readouterr().err == "read: 2,001 lines\n"


def test_a_log_of_days_stays_short(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    work(clock, [10.0] * 8640)  # a day
    lines = capsys.readouterr().err.splitlines()
    assert 40 < len(lines) < 100 and lines[0] == "read: 3 lines"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_nothing_is_told_where_the_lines_themselves_are_seen(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    seen = stream()
    monkeypatch.setattr(sys, "stderr", seen)
    work(clock, [40] * 3, quiet=True).tell_end("x")
    assert seen.getvalue() == ""


def test_counting_is_left_out_where_nothing_is_told(clock: list[float]) -> None:
    """To count the lines of a file it has to be read."""
    counted: list[int] = []

    def count() -> int:
        counted.append(1)
        return 9

    with Progress("read", total=count) as shown:
        shown.advance()
        assert not counted
        clock[0] += 3600
        shown.advance()
    assert len(counted) == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8.44, "8.4 s"), (59.96, "1 min 0 s"), (100, "1 min 40 s"), (3599.7, "1 h 0 min"), (7520, "2 h 5 min")],
)
def test_a_terminal_sees_a_bar_and_then_where_the_lines_are(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, seconds: float, said: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    work(clock, [0, seconds], total=5, done=3).tell_end("out.txt")
    seen = terminal.getvalue()
    assert re.search(r"3/5 \[", seen) and "lines" in seen  # the bar
    assert seen.endswith(f"\rread: 2 lines in {said}: out.txt\n")  # which leaves its place to the last word
