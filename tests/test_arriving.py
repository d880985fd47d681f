"""Lines of a pipe: none is kept waiting for the next, none is lost, and a burst is still translated in full batches."""

import io
import os
import pty
import subprocess
import sys
import tty
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.cli.arriving import ArrivingLines
from nmt.cli.parallel import Processes
from nmt.cli.rows import Row
from nmt.inference.windows import Source, Window, windows

NOW = 0.0  # a time that is past


def opened(descriptor: int) -> io.BufferedReader:
    stream = os.fdopen(descriptor, "rb")
    assert isinstance(stream, io.BufferedReader)
    return stream


@pytest.fixture
def pipe() -> Iterator[tuple[ArrivingLines, int]]:
    """The lines of a pipe, and where to write into it, which the test closes."""
    reader, writer = os.pipe()
    with opened(reader) as stream:
        yield ArrivingLines(stream), writer


@given(chunks=st.lists(st.binary(max_size=9) | st.sampled_from([b"a\n", b"\n", b"\r\n", b"b"]), max_size=12))
def test_lines_are_those_of_a_file_however_they_arrive(chunks: list[bytes]) -> None:
    reader, writer = os.pipe()
    with opened(reader) as stream:
        lines = ArrivingLines(stream)
        os.write(writer, b"first\n")
        found = [next(lines)]
        for chunk in chunks:
            os.write(writer, chunk)
            while lines.comes(NOW):
                found.append(next(lines))
        assert len(found) == 1 + b"".join(chunks).count(b"\n")
        os.close(writer)
        assert [*found, *lines] == list(io.BytesIO(b"first\n" + b"".join(chunks)))
        assert list(lines) == [] and lines.comes(NOW)


def test_half_a_line_is_none_and_the_end_is_something(pipe: tuple[ArrivingLines, int]) -> None:
    lines, writer = pipe
    os.write(writer, b"one\ntwo\nthr")
    assert next(lines) == b"one\n"
    assert lines.comes(NOW)
    assert next(lines) == b"two\n"
    assert not lines.comes(NOW)
    os.write(writer, b"ee")
    os.close(writer)
    assert lines.comes(NOW) and next(lines) == b"three"
    assert lines.comes(NOW) and next(lines, None) is None


def test_what_was_looked_at_before_is_not_waited_for(pipe: tuple[ArrivingLines, int]) -> None:
    """Its first bytes say whether a stream is gzipped. They are in its buffer then, and `poll` says nothing of them."""
    lines, writer = pipe
    os.write(writer, b"one\n")
    assert lines._stream.peek(2).startswith(b"on")
    assert next(lines) == b"one\n"
    assert not lines.comes(NOW)
    os.close(writer)


def test_a_terminal_is_a_stream_like_others() -> None:
    keyboard, terminal = pty.openpty()
    tty.setcbreak(terminal)
    with opened(terminal) as stream:
        lines = ArrivingLines(stream)
        os.write(keyboard, b"a b\nc")
        assert next(lines) == b"a b\n"
        assert not lines.comes(NOW)
        os.write(keyboard, b"\n")
        assert next(lines) == b"c\n"
    os.close(keyboard)


def test_a_window_ends_where_nothing_comes_and_the_next_begins_small() -> None:
    left = [3, 20, 1, 1, 30]  # lines that come together

    def comes(until: float) -> bool:
        return left[0] > 0

    def stream() -> Iterator[Source]:
        while left:
            if left[0] == 0:
                del left[0]
                continue
            left[0] -= 1
            yield Source("a")

    cut = [(len(window.lines), window.is_awaited) for window in windows(stream(), 2, comes=comes)]
    small = [(2, False), (4, False), (8, False)]
    assert cut == [(2, False), (1, True), *small, (6, True), (1, True), (1, True), *small, (16, True)]


def test_processes_hand_over_what_is_awaited_before_they_ask_for_more() -> None:
    """With two windows a process dealt ahead, the first of four typed lines was answered after the fourth."""

    class Pool:
        def submit(self, _: object, window: Window | None = None) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result([Row(source.text) for source in window.lines] if window else None)
            return future

    answered = asked = 0

    def stream() -> Iterator[Window]:
        nonlocal asked
        for number, is_awaited in enumerate([False, False, True, True, False, False, False, True]):
            assert not must_wait or answered == asked
            asked += 1
            must_wait[:] = [True] if is_awaited else []
            yield Window(number + 1, (Source(str(number)),), is_awaited)

    must_wait: list[bool] = []
    ahead = []
    for _ in Processes(Pool(), 2).answers(stream()):
        answered += 1
        ahead.append(asked - answered)
    assert answered == 8
    assert ahead == [2, 1, 0, 0, 3, 2, 1, 0]


COUNTING = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from test_translate_cli import Reverser
from nmt.cli import decoding, translate

class Counting(Reverser):
    def translate(self, sentences, **options):
        print(len(sentences), file=sys.stderr, flush=True)
        return super().translate(sentences, **options)

counting = Counting()
decoding.load_translator = lambda paths, *, device, threads, precision: counting
raise SystemExit(translate.main(["--checkpoint", ".", *sys.argv[1:]]))
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["standard input", pytest.param("FIFO", marks=pytest.mark.slow)])
def test_after_a_burst_every_line_is_answered_before_the_next_is_sent(way: str, tmp_path: Path) -> None:
    """Windows had grown to sixteen batches and waited for as many lines: with one a second, for as many seconds."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    more = [] if way == "standard input" else ["--input", str(fifo)]
    command = [sys.executable, "-c", COUNTING, str(Path(__file__).parent), *more]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, **streams, bufsize=0, env=buffered) as process:
        sink = process.stdin if way == "standard input" else open(fifo, "wb", buffering=0)  # noqa: SIM115, closed below
        with sink:
            sink.write(b"a b\n" * 14)
            assert [process.stdout.readline() for _ in range(14)] == [b"b a\n"] * 14
            for number in range(5):
                sink.write(b"%d c\n" % number)
                assert process.stdout.readline() == b"c %d\n" % number  # hangs if it waits for the next
            sink.write(b"a b\n" * 6)
            sink.write(b"the end")
        assert process.stdout.read() == b"b a\n" * 6 + b"end the\n"
        sizes = [int(line) for line in process.stderr.read().split()]
    assert process.returncode == 0
    assert sizes[:8] == [2, 4, 8, 1, 1, 1, 1, 1]
    assert sizes[8:] in ([2, 4, 1], [2, 4, 1, 0], [2, 5])
