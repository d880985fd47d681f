"""Writing a file so that a reader, or a crash, meets the old content or the new one and never half of it."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from nmt.errors import StorageError


def atomic_write(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` (text as UTF-8); StorageError, and the old file intact, where that fails."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    write_then_replace(path, lambda stream: stream.write(data), size=len(data))


def write_then_replace(path: Path, write: Callable[[BinaryIO], object], *, size: int) -> None:
    """Let `write` fill a file beside `path`, force it to the disk, and rename it to `path`.

    `size` is about how many bytes are coming, for the message. The temporary file lies in the same folder because a
    rename is atomic only within one file system.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # /dev/null, a pipe: never to be replaced by a file
        with open(path, "wb") as stream:
            write(stream)
        return
    path = path.resolve()  # what a link points to, not the link
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    failures: list[OSError] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as stream:
                write(cast(BinaryIO, _Remembering(stream, failures)))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # torch's writer closes badly on a second Ctrl-C
            raise KeyboardInterrupt from error
        raise StorageError(_cannot_write(path, failures[0] if failures else error, size=size)) from error


class _Remembering:
    """A stream that keeps the error of a write: torch makes `unexpected pos 64 vs 128` of a full disk."""

    def __init__(self, stream: BinaryIO, failures: list[OSError]) -> None:
        self._stream = stream
        self._failures = failures

    def write(self, data: bytes) -> int:
        try:
            return self._stream.write(data)
        except OSError as error:
            self._failures.append(error)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def append_whole(path: Path, text: str) -> None:
    """Append all of `text` (UTF-8) or nothing; StorageError where that fails."""
    data = text.encode("utf-8")
    try:
        with open(path, "ab", buffering=0) as stream:
            before = stream.seek(0, os.SEEK_END)
            try:
                written = stream.write(data)
                if written != len(data):  # a disk that fills up takes what fits, and complains at the next byte only
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                stream.truncate(before)
                raise
    except OSError as error:
        raise StorageError(_cannot_write(path, error, size=len(data))) from error


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file; StorageError, and no half of it, where that fails."""

    def write(stream: BinaryIO) -> None:
        with open(source, "rb") as original:
            shutil.copyfileobj(original, stream)

    write_then_replace(target, write, size=source.stat().st_size)


def replace_link(link: Path, target: Path) -> None:
    """Point the symbolic link `link` at `target`, a file in the same folder; a hard link where it must be.

    StorageError, and the link as it was, where neither can be made.
    """
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        try:
            os.symlink(target.name, temporary)
        except OSError:  # a file system, or a user on Windows, without the right to symbolic links
            os.link(target, temporary)
        os.replace(temporary, link)
    except OSError as error:
        raise StorageError(_cannot_write(link, error, size=len(target.name))) from error


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk; not every file system can."""
    with contextlib.suppress(OSError), _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: Exception, *, size: int) -> str:
    """torch turns a full disk into a RuntimeError, so both kinds come here; the free space tells which it was."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
    try:
        stats = os.statvfs(path.parent)
        free = stats.f_bavail * stats.f_frsize
    except OSError:
        return f"{path}: cannot write about {size:,} bytes: {reason}; its folder cannot be read"
    full = free < size or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))
    intact = "; the file that was there before is intact" if path.exists() else ""
    way_out = "; free some space, then do it again" if full else "; make it writable, or choose another place"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        way_out = "; files may not be so large here (ulimit -f); raise that limit, then do it again"
    return f"{path}: cannot write about {size:,} bytes: {reason}; {free:,} bytes are free there{intact}{way_out}"
