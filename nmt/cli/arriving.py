"""Lines of a pipe, a FIFO or a terminal as they arrive, and whether another is there: its sender may wait for us."""

import select
from collections import deque
from collections.abc import Iterator
from io import BufferedReader
from math import ceil
from time import monotonic
from typing import Final

_CHUNK: Final = 1 << 16  # bytes read at a time, at least the buffer of any stream


class ArrivingLines:
    """The raw lines of a stream, each but the last ending in a line feed; what has been read ahead stays small.

    The stream waits for nothing but the next bytes, which `poll` announces; so nothing runs beside the caller, and
    Ctrl-C ends the waiting. From here on it is read through this object alone.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()
        self._begun = bytearray()  # of a line whose end has not arrived
        self._ended = False
        self._poll: select.poll | None = None  # not at first: what the stream's buffer holds, nobody announces

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._lines:
            if self._ended:
                raise StopIteration
            self._read(None)
        return self._lines.popleft()

    def comes(self, until: float) -> bool:
        """Whether another line, or the end, is there by this time of `time.monotonic`; it is not taken."""
        while not (self._lines or self._ended):
            if not self._read(max(0.0, until - monotonic())):
                return False
        return True

    def _read(self, seconds: float | None) -> bool:
        """Take in what has arrived; False if nothing does in so many seconds."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._stream, select.POLLIN)
        elif not self._poll.poll(None if seconds is None else ceil(1000 * seconds)):
            return False
        chunk = self._stream.read1(_CHUNK)  # all of the buffer, or else one read, so that the buffer is empty again
        self._ended = not chunk
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._lines.append(bytes(self._begun) + end + b"\n")
            self._begun.clear()
        self._begun += rest
        if self._ended and self._begun:
            self._lines.append(bytes(self._begun))
        return True
