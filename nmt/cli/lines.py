"""Lines of text in and out of files, without ever losing count: a line ends at a line feed and nowhere else.

`str.splitlines` and universal newlines also split at U+2028, form feeds and lone carriage returns, all of which occur
in real text; one of them would shift every later line against its translation.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from nmt.errors import DataError
from nmt.marks import BYTE_ORDER_MARK, GZIP, no_text

LINE_BREAKS: Final = {ord("\n"): " ", ord("\r"): " "}


def decode_lines(
    lines: Iterable[bytes], *, name: str, on_invalid_utf8: Literal["error", "replace"] = "error"
) -> Iterator[str]:
    """Raw lines, each but the last ending in a line feed → text without line ends, one for one, as they come.

    A byte order mark at the very beginning and carriage returns at line ends go. `name` stands for the file in the
    DataError that tells where a byte is not UTF-8, or a gzip archive damaged; "replace" puts U+FFFD there instead, but
    not all over a file that begins like another encoding or like a compressed one.
    """
    for number, line in enumerate(_whole(lines, name), start=1):
        if number == 1 and (kind := no_text(line, then="| nmt …")):
            raise DataError(f"{name}: {kind}")
        content = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).removesuffix(b"\n").rstrip(b"\r")
        try:
            yield content.decode("utf-8")
        except UnicodeDecodeError as error:
            if on_invalid_utf8 == "error":
                raise DataError(
                    f"{name}:{number}: byte {content[error.start]:#04x} at position {error.start + 1} of the line is"
                    " not UTF-8; convert the file first (iconv -f LATIN1 -t UTF-8, if it is that)"
                ) from None
            yield content.decode("utf-8", errors="replace")


def unpacked(stream: BinaryIO) -> BinaryIO:
    """The stream, or what it holds if it is gzipped (its first bytes decide); a keyboard is not asked.

    Raises DataError where it cannot be read at all.
    """
    try:
        if isinstance(stream, io.BufferedReader) and not stream.isatty() and stream.peek(2)[:2] == GZIP:
            return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    except OSError as error:
        raise DataError(f"{stream.name}: cannot be read: {error.strerror}") from error
    return stream


def _whole(lines: Iterable[bytes], name: str) -> Iterator[bytes]:
    number = 0
    try:
        for line in lines:
            if number == 0 and line == BYTE_ORDER_MARK:  # and nothing else: as empty as a file without it
                return
            yield line
            number += 1
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name}: the gzip archive is damaged or cut off after line {number}: {error}") from None
    except OSError as error:  # of a disk, a network or a terminal
        raise DataError(f"{name}: cannot be read after line {number}: {error.strerror}") from error


def read_lines(path: Path, *, on_invalid_utf8: Literal["error", "replace"] = "error") -> list[str]:
    """All lines of a file; a last line without a line feed counts. Raises DataError as `require_file` does."""
    return list(stream_lines(path, on_invalid_utf8=on_invalid_utf8))


def stream_lines(path: Path, *, on_invalid_utf8: Literal["error", "replace"] = "error") -> Iterator[str]:
    """`read_lines`, one after the other."""
    require_file(path)
    with path.open("rb") as stream:
        yield from decode_lines(unpacked(stream), name=str(path), on_invalid_utf8=on_invalid_utf8)


def count_lines(path: Path) -> int:
    """How many lines `stream_lines` has, whatever their bytes. Raises DataError for a damaged archive."""
    with path.open("rb") as stream:
        return sum(1 for _ in _whole(unpacked(stream), str(path)))


def require_file(path: Path) -> None:
    """Raise DataError unless `path` is a file (or a pipe) that may be read."""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a file with one sentence a line")
    try:
        if path.is_file():
            path.open("rb").close()
    except PermissionError:
        raise DataError(f"{path}: permission to read it is denied") from None


def one_line(text: str) -> str:
    """Text that stays one line in a file: a model with byte pieces can spell a line feed."""
    return text.translate(LINE_BREAKS)
