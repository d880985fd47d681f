"""Where a command writes: checked before anything is computed, whole lines only, under its own name only when whole."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nmt.cli import resume
from nmt.errors import DataError

Write = Callable[[str], None]


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Raise DataError where no file can be written at `path`, or where it would overwrite one of `inputs`."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name the output file")
    if os.path.islink(os.path.realpath(path)):
        raise DataError(f"{path}: a link that leads in a circle; remove it, or name another output file")
    if is_device(path):
        return
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise DataError(f"{path}: permission to write into {path.parent} is denied")
    if path.exists() and any(source.exists() and source.samefile(path) for source in inputs):
        raise DataError(f"{path}: would overwrite the input; name another output file")


def check_stream_output(output: str, *, inputs: list[Path]) -> None:
    """`check_output` for what `destination` will write."""
    if output == "-":
        return
    if output.endswith("/") and not os.path.isdir(output):
        raise DataError(f"{output}: names a folder, which is not there; name the output file")
    check_output(Path(output), inputs=inputs)
    if not is_device(Path(output)):
        partial = partial_file(Path(output))
        for path in (partial, resume.sidecar(partial), record_file(Path(output))):
            check_output(path, inputs=inputs)


def is_device(path: Path) -> bool:
    """Whether there is something at `path` that is neither a file nor a folder, and must not be replaced by one."""
    return path.exists() and not path.is_file() and not path.is_dir()


def partial_file(output: Path) -> Path:
    """Where the lines of `output` stand until it is whole: beside the file itself, also where `output` is a link."""
    target = output.resolve() if output.is_symlink() else output
    return target.with_name(f"{target.name}.partial")


def record_file(output: Path) -> Path:
    """Where it stands how `output` was made once it is whole, if it was made with --resume."""
    whole = _whole_file(partial_file(output))
    return whole.with_name(f"{whole.name}.resume.json")


def _whole_file(partial: Path) -> Path:
    return partial.with_name(partial.name.removesuffix(".partial"))


@contextmanager
def destination(
    output: str, *, about: dict[str, Any] | None = None, keep: int = 0, record: dict[str, Any] | None = None
) -> Iterator[Write]:
    """A function that writes one line (or several at once that belong together), which a reader then sees.

    A file is written under the name FILE.partial and takes its own name when it is whole; what was done before an
    error, Ctrl-C or a kill stays in FILE.partial, every line of it valid. `about`, if given, is kept beside it for
    `nmt.cli.resume`; the first `keep` bytes of an earlier FILE.partial stay. `record`, if given, is kept beside the
    whole file. A device is written straight into.
    """
    if output == "-":
        yield _line_writer(sys.stdout.buffer)
    elif is_device(Path(output)):
        with open(output, "wb") as stream:
            yield _line_writer(stream)
    else:
        partial = partial_file(Path(output))
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as stream:
            _lock(stream, partial)
            stream.truncate(keep)
            stream.seek(keep)
            if about is not None:
                resume.write_sidecar(partial, about)
            try:
                yield _whole_line_writer(stream, partial)
            except BaseException:
                again = "; --resume goes on there" if about is not None else ""
                print(f"stopped; the lines done so far are in {partial}{again}", file=sys.stderr)
                raise
        if record is None:
            record_file(Path(output)).unlink(missing_ok=True)  # of another one, which this one replaces
        else:
            resume.write_record(record_file(Path(output)), record, made=partial)
        os.replace(partial, _whole_file(partial))
        resume.sidecar(partial).unlink(missing_ok=True)


def _lock(stream: BinaryIO, partial: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DataError(f"{partial}: another process is writing it; name another output file") from None


def _line_writer(stream: BinaryIO) -> Write:
    def write(text: str) -> None:
        stream.write(text.encode("utf-8") + b"\n")
        stream.flush()  # a reader of the pipe sees a translation when it is there

    return write


def _whole_line_writer(stream: BinaryIO, path: Path) -> Write:
    """Lines into an unbuffered file; of one for which there is no space nothing stays."""

    def write(text: str) -> None:
        begin, rest = stream.tell(), memoryview(text.encode("utf-8") + b"\n")
        try:
            while rest:
                rest = rest[stream.write(rest) :]
        except BaseException as error:
            stream.truncate(begin)
            if isinstance(error, OSError):
                error.filename = str(path)  # which a file opened by its descriptor does not know
            raise

    return write
