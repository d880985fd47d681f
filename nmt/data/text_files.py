"""Parallel text: two files, plain or gzipped, whose n-th lines translate each other.

Lines end at a line feed and nowhere else: a carriage return, U+2028, U+0085, form feed or NUL inside a sentence is
part of it (the usual readers split there, and every pair after it is misaligned without a word). One carriage return
before the line feed and a byte order mark at the start of the file are not text.
"""

import difflib
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

from nmt.data.pairs import HashOf, Origin, Pair, Reader, Row
from nmt.errors import DataError
from nmt.marks import BYTE_ORDER_MARK, GZIP, no_text


def read_lines(path: str) -> Iterator[str]:
    """The lines of a file, invalid bytes as lone surrogates; errors as in `raw_lines`."""
    return map(decoded, raw_lines(path))


def decoded(line: bytes) -> str:
    """A line as text, without its end."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


def raw_lines(path: str) -> Iterator[bytes]:
    """The lines of a file, gzipped or not (its first bytes decide), as they are but for a byte order mark.

    Raises `DataError` for a file that is missing, empty, no text in UTF-8, or gzipped and cut off.
    """
    number = 0
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    if kind := no_text(line):
                        raise DataError(f"{path}: {kind}")
                    if line == BYTE_ORDER_MARK:  # and nothing else: as empty as a file without it
                        number = 0
                        break
                    line = line.removeprefix(BYTE_ORDER_MARK)
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged or cut off after line {number} ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if number == 0:
        raise DataError(f"{path}: is empty; a corpus needs at least one line")


def open_bytes(path: str) -> io.BufferedReader:
    """The decompressed bytes of a file; `DataError` where there is none."""
    if not os.path.isfile(path):
        raise missing_file(path)
    file = open(path, "rb")  # noqa: SIM115, the caller closes it
    if file.peek(2)[:2] != GZIP:
        return file
    file.close()
    return io.BufferedReader(gzip.GzipFile(path, "rb"))


def hash_file(path: str) -> str:
    """BLAKE2b of the bytes of a file as they are on disk."""
    if not os.path.isfile(path):
        raise missing_file(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def missing_file(path: str) -> DataError:
    """The error for `path`, with what stands nearby under a similar name."""
    if os.path.isdir(path):
        return DataError(f"{path}: is a directory; give a file in it, or the common prefix of two: {path}/NAME")
    folder = Path(path).parent
    while not folder.is_dir():
        folder = folder.parent
    if folder != Path(path).parent:
        return DataError(f"{path}: no such file; {Path(path).parent} does not exist, {folder} does")
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    name = Path(path).name
    near = difflib.get_close_matches(name, names, n=4, cutoff=0.5) or names[:4]
    found = f"there is {', '.join(near)}" if near else "that directory is empty"
    return DataError(f"{path}: no such file; {found}" + ("" if set(near) == set(names) else ", ..."))


def resolve_side(prefix: str, language: str, given: str | None) -> str:
    """The file of one side: the one given, else `PREFIX.LANGUAGE`, else `PREFIX.LANGUAGE.gz`."""
    path = given or f"{prefix}.{language}"
    if not os.path.exists(path) and os.path.exists(f"{path}.gz"):
        return f"{path}.gz"
    if not os.path.exists(path) and given is None and os.path.isdir(prefix):
        raise DataError(
            f"{prefix}: is a folder; a text corpus is the prefix of two files, {_prefixes(prefix, language)}"
        )
    if not os.path.exists(path) and given is None and os.path.isfile(prefix):
        raise DataError(
            f"{path}: no such file, though {prefix} is one; a text corpus is the prefix of two files, "
            f"PREFIX.{language} and the other language's; a table ends in .tsv, .jsonl or .parquet (or say its kind)"
        )
    return path


def _prefixes(folder: str, language: str) -> str:
    """What to give of the files in a folder."""
    found = sorted(name.removesuffix(f".{language}") for name in os.listdir(folder) if name.endswith(f".{language}"))
    return f"such as {folder}/{found[0]}" if found else f"and no file in this one ends in .{language}"


@dataclass(frozen=True)
class ParallelText(Reader):
    """Two files of the same number of lines."""

    source_file: str
    target_file: str

    @property
    def place(self) -> str:
        return self.source_file

    def fingerprint(self, hash_of: HashOf = hash_file) -> str:
        return f"text {hash_of(self.source_file)} {hash_of(self.target_file)}"

    def rows(self) -> Iterator[Row]:
        """Raises `DataError`, at the end of the shorter file, where the numbers of lines differ."""
        for path in (self.source_file, self.target_file):  # before the first line of either is read
            if not os.path.isfile(path):
                raise missing_file(path)
        sources, targets = raw_lines(self.source_file), raw_lines(self.target_file)
        for line, (source, target) in enumerate(zip_longest(sources, targets), start=1):
            if source is None or target is None:
                longer = line + sum(1 for _ in (targets if source is None else sources))
                counts = (line - 1, longer) if source is None else (longer, line - 1)
                raise DataError(
                    f"{self.source_file} has {counts[0]:,} lines but {self.target_file} has {counts[1]:,}; "
                    "line n of one must translate line n of the other"
                )
            yield partial(self.pair, source, target, line)

    def pair(self, source: bytes, target: bytes, line: int) -> Pair:
        """What stands in a line of both files, counted from 1."""
        return Pair(decoded(source), decoded(target), Origin(self.source_file, line))
