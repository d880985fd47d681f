"""What `translate` reads: lines of a file, a pipe or somebody's keyboard, with what their translations begin with."""

import argparse
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from nmt.cli.arriving import ArrivingLines
from nmt.cli.interactive import typed_lines
from nmt.cli.lines import decode_lines, unpacked
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.inference.windows import Comes, Source


class Sources(NamedTuple):
    """Lines, and whether another one comes soon, where that is a question."""

    lines: Iterator["Source"]
    comes: "Comes | None" = None


def read_sources(stack: ExitStack, arguments: argparse.Namespace) -> Sources:
    """The lines as they come; files stay open until the stack ends.

    Raises DataError, when it comes to it, for a byte that is not UTF-8 and for a prefix file of another length.
    """
    from nmt.inference.windows import Source, never

    name = "standard input" if arguments.input == "-" else str(arguments.input)
    comes: Comes | None = None
    if arguments.interactive:
        lines, comes = typed_lines(), never
    else:
        stream: BinaryIO = sys.stdin.buffer
        if arguments.input != "-":
            stream = stack.enter_context(open(arguments.input, "rb"))  # noqa: SIM115, the stack closes it
        elif sys.stdin.isatty():
            print("translate: a sentence a line, then Ctrl-D; --interactive answers each at once", file=sys.stderr)
        raw: Iterable[bytes] = unpacked(stream)
        if isinstance(raw, BufferedReader) and not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raw = arriving = ArrivingLines(raw)
            comes = arriving.comes
        lines = decode_lines(raw, name=name, on_invalid_utf8=arguments.on_invalid_utf8)
    if arguments.prefix_file is None:
        return Sources((Source(line, arguments.prefix) for line in lines), comes)
    prefixes = decode_lines(
        unpacked(stack.enter_context(arguments.prefix_file.open("rb"))), name=str(arguments.prefix_file)
    )
    pairs = in_step(lines, prefixes, names=(name, str(arguments.prefix_file)))
    return Sources((Source(*pair) for pair in pairs), comes)


def in_step(lines: Iterable[str], others: Iterable[str], *, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of lines. Raises DataError, at the end of the shorter one, where one is shorter."""
    left, right, number = iter(lines), iter(others), 0
    while True:
        one, other = next(left, None), next(right, None)
        if one is None or other is None:
            if one is not None or other is not None:
                short, long = names if one is None else names[::-1]
                raise DataError(f"{short} ends after line {number:,}, {long} goes on; both must have as many lines")
            return
        yield one, other
        number += 1
