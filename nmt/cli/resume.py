"""Going on with an interrupted output: only with the same input, checkpoints and options, from its last whole line.

Beside FILE.partial stands FILE.partial.json, which says what it was made of. Where windows of lines begin depends on
the input alone (`nmt.inference.windows`), and the window that was interrupted is translated again as a whole; so the
lines that follow are those an uninterrupted run would have written. Beside a whole FILE, if it was made with --resume,
stands FILE.resume.json with the checksum of FILE, by which the same command sees that there is nothing left to do.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from nmt.errors import ConfigError
from nmt.files import atomic_write

_CHUNK: Final = 1 << 20


class Progress(NamedTuple):
    """How much of an earlier output counts: translated lines, and the bytes they take, or all of it."""

    lines: int = 0
    size: int = 0
    is_whole: bool = False


def sidecar(partial: Path) -> Path:
    """What FILE.partial was made of."""
    return partial.with_name(f"{partial.name}.json")


def write_sidecar(partial: Path, about: dict[str, Any]) -> None:
    """Keep `about`, plain data, beside FILE.partial."""
    _write(sidecar(partial), about)


def write_record(record: Path, about: dict[str, Any], *, made: Path) -> None:
    """Keep what the file `made` was made of, and its checksum."""
    _write(record, {"output": fingerprint([made]), **about})


def fingerprint(paths: Sequence[Path]) -> list[str]:
    """A checksum of the content of each file."""
    sums = []
    for path in paths:
        with path.open("rb") as stream:
            sums.append(hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest())
    return sums


def earlier_progress(partial: Path, about: dict[str, Any], *, numbered: bool) -> Progress:
    """How much of FILE.partial stays; nothing where there is none. Raises ConfigError where it was made differently.

    `numbered` is the n-best format, in which several rows make a line and each begins with the line's number.
    """
    if not partial.exists():
        return Progress()
    try:
        before = _read(sidecar(partial))
    except (OSError, ValueError):
        raise ConfigError(
            f"--resume: {sidecar(partial)}, which says how {partial} was made, is missing or damaged; translate again"
            " without --resume"
        ) from None
    _check_same(partial, before, about)
    return _numbered_progress(partial) if numbered else _plain_progress(partial)


def finished(output: Path, about: dict[str, Any], *, record: Path) -> Progress:
    """All of `output`, or nothing where there is none. Raises ConfigError where it was made differently, or who knows.

    Without a record it may be the work of hours, or of something else: neither is overwritten unasked.
    """
    if not output.exists() or (output.stat().st_size == 0 and not record.exists()):
        return Progress()
    try:
        before = _read(record)
    except (OSError, ValueError):
        raise ConfigError(
            f"--resume: {output} is there, and no {record.name} beside it says how it was made; name another output"
            " file, or translate again without --resume"
        ) from None
    _check_same(output, before, {"output": fingerprint([output]), **about})
    return Progress(is_whole=True)


def _read(kept: Path) -> dict[str, Any]:
    before = json.loads(kept.read_text(encoding="utf-8"))
    if not isinstance(before, dict):
        raise ValueError(f"{kept} is no object")
    return before


def _check_same(made: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    differences = list(_differences(before, now))
    if differences:
        raise ConfigError(
            f"--resume: {made} was made differently ({'; '.join(differences)}); give the same input, checkpoint and"
            " options, or translate again without --resume"
        )


def _write(path: Path, about: dict[str, Any]) -> None:
    atomic_write(path, json.dumps(about, ensure_ascii=False, indent=1) + "\n")


def _plain_progress(partial: Path) -> Progress:
    lines = size = read = 0
    with partial.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if count := chunk.count(b"\n"):
                lines, size = lines + count, read + chunk.rindex(b"\n") + 1
            read += len(chunk)
    return Progress(lines, size)


def _numbered_progress(partial: Path) -> Progress:
    """Rows of the last number go: there may have been more of them to come."""
    begin = read = 0
    last = -1
    with partial.open("rb") as stream:
        for row in stream:
            number = row.partition(b" ")[0]
            if row.endswith(b"\n") and number.isdigit() and int(number) != last:
                last, begin = int(number), read
            read += len(row)
    return Progress(max(last, 0), begin)


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """`search.beam_size 5, now 3` for whatever is not the same."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif before != now:
        is_sum = any(isinstance(value, list) for value in (before, now))
        yield f"another {place}" if is_sum else f"{place} {_shown(before)}, now {_shown(now)}"


def _shown(value: Any) -> str:
    return "unset" if value in ("", None) else str(value)
