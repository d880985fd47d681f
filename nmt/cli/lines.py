"""Lines of text in and out of files, without ever losing count: a line ends at a line feed and nowhere else.

`str.splitlines` and universal newlines also split at U+2028, form feeds and lone carriage returns, all of which occur
in real text; one of them would shift every later line against its translation.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from nmt.errors import DataError

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LINE_BREAKS: Final = {ord("\n"): " ", ord("\r"): " "}


def decode_lines(
    lines: Iterable[bytes], *, name: str, on_invalid_utf8: Literal["error", "replace"] = "error"
) -> Iterator[str]:
    """Raw lines, each but the last ending in a line feed → text without line ends, one for one, as they come.

    A byte order mark at the very beginning and carriage returns at line ends go. `name` stands for the file in the
    DataError that tells where a byte is not UTF-8; "replace" puts U+FFFD there instead.
    """
    for number, line in enumerate(lines, start=1):
        content = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).removesuffix(b"\n").rstrip(b"\r")
        try:
            yield content.decode("utf-8")
        except UnicodeDecodeError as error:
            if on_invalid_utf8 == "error":
                raise DataError(
                    f"{name}:{number}: byte {content[error.start]:#04x} at position {error.start + 1} of the line is"
                    f" not UTF-8; {_way_out(line if number == 1 else b'')}"
                ) from None
            yield content.decode("utf-8", errors="replace")


def _way_out(first_line: bytes) -> str:
    """What to do about a file that begins like this."""
    if first_line.startswith(b"\x1f\x8b"):
        return "the file is gzipped; unpack it first (zcat)"
    if first_line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16; convert it first (iconv -f UTF-16 -t UTF-8)"
    return "convert the file first (iconv -f LATIN1 -t UTF-8, if it is that)"


def read_lines(path: Path, *, on_invalid_utf8: Literal["error", "replace"] = "error") -> list[str]:
    """All lines of a file; a last line without a line feed counts. Raises DataError as `require_file` does."""
    require_file(path)
    with path.open("rb") as stream:
        return list(decode_lines(stream, name=str(path), on_invalid_utf8=on_invalid_utf8))


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
