"""Who watches: a terminal with columns, and nobody else."""

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from nmt.terminal import is_watched


@pytest.mark.parametrize(("columns", "watched"), [(0, False), (1, True), (80, True)])
def test_a_terminal_without_columns_is_none(columns: int, *, watched: bool) -> None:
    """`script` started by a daemon makes such a terminal: a training there never said a word."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 0, columns, 0, 0))
    try:
        with os.fdopen(theirs, "w") as stream:
            assert is_watched(stream) is watched
    finally:
        os.close(ours)


def test_a_pipe_and_a_file_are_watched_by_nobody() -> None:
    ends = os.pipe()
    with os.fdopen(ends[0]) as begin, os.fdopen(ends[1], "w") as end:
        assert not is_watched(end) and not is_watched(begin)
    assert not is_watched(io.StringIO())
