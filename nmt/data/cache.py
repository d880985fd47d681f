"""A directory of finished results, keyed by all that went into them.

A result is written into a directory of its own and renamed into place when it is whole, so a killed run leaves
nothing that looks finished. Its manifest holds size and checksum of every file; an entry that does not match (cut
off, overwritten, from another version) is built again. What was found whole is not read again until it is touched
(`untouched.py`), so that a start costs the same whatever the size. One process builds while the others wait for it.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nmt.data.untouched import HERE, settled, states
from nmt.errors import DataError, StorageError
from nmt.files import atomic_write

FORMAT = 1  # part of every key: raise it when what is written changes
MANIFEST = "manifest.json"
LOOKED_AT = f"looked_at-{HERE}.json"
ABANDONED_SECONDS = 24 * 3600.0

_log = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """`$NMT_CACHE`, or `~/.cache/nmt`."""
    return Path(os.environ.get("NMT_CACHE") or Path.home() / ".cache" / "nmt")


def cache_key(**parts: Any) -> str:
    """A short name for everything that determines a result (plain values)."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Cache:
    """Entries `NAME-KEY/` in one directory, each built at most once."""

    def __init__(self, directory: str | Path | None = None) -> None:
        self.directory = Path(directory).expanduser().absolute() if directory is not None else default_cache_dir()

    def entry(self, name: str, key: str, build: Callable[[Path], None]) -> Path:
        """The directory of an entry, built by `build(empty directory)` where it is missing or damaged.

        Raises `DataError` where the cache cannot be written (disk full, no permission).
        """
        final = self.directory / f"{name}-{key}"
        if _is_whole(final):
            return final
        with self._explaining():
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._lock(final):
                if not _is_whole(final):  # nobody built it while we waited
                    self._build(final, build)
        return final

    def _build(self, final: Path, build: Callable[[Path], None]) -> None:
        self._sweep()
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.directory))
        try:
            build(building)
            _write_manifest(building)
            if final.exists():  # damaged; whoever still reads it keeps its open files
                final.rename(building.with_name(f"{building.name}-replaced"))
                shutil.rmtree(building.with_name(f"{building.name}-replaced"), ignore_errors=True)
            building.rename(final)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise

    def _sweep(self) -> None:
        """Remove what killed processes left behind, a day later."""
        for left in self.directory.glob(".building-*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def _lock(self, final: Path) -> Iterator[None]:
        """Held by the one process that builds. Where the file system has no locks, renaming is atomic all the same."""
        from filelock import FileLock, Timeout

        lock = FileLock(f"{final}.lock")
        try:
            try:
                lock.acquire(timeout=1.0)
            except Timeout:
                _log.warning("waiting for another process that prepares %s", final)
                lock.acquire()
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """The errors of a full, read-only or foreign directory as `DataError`s."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                with contextlib.suppress(OSError):
                    reason += f", {shutil.disk_usage(self.directory).free / 2**20:,.0f} MiB free"
            elif error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EFBIG):
                raise
            raise DataError(
                f"{self.directory}: cannot keep the prepared corpus there ({reason}); give another directory by "
                "--data.cache_dir or in the variable NMT_CACHE"
            ) from error


def _write_manifest(directory: Path) -> None:
    files = {path.name: _checksum(path) for path in sorted(directory.iterdir())}
    (directory / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": files}), encoding="utf-8")


def contents_of(directory: Path) -> dict[str, list[int]]:
    """Size and checksum of every file of an entry, by name: differs where the same content is cut into other files."""
    manifest = json.loads((directory / MANIFEST).read_bytes())
    return {str(name): list(found) for name, found in manifest["files"].items()}


def _is_whole(directory: Path) -> bool:
    """Whether every file of an entry is as it was when it was written. Files untouched since the last look are."""
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return False
        found = states(directory / name for name in (MANIFEST, *manifest["files"]))
        if _looked_at(directory) == found:
            return True
        keep = settled(found)
        if not all(_checksum(directory / name) == expected for name, expected in manifest["files"].items()):
            return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if keep:
        with contextlib.suppress(StorageError):  # a cache may be read-only
            atomic_write(directory / LOOKED_AT, json.dumps(found))
    return True


def _looked_at(directory: Path) -> Any:
    """What the files were when they were last found whole; None where that was not kept."""
    try:
        return json.loads((directory / LOOKED_AT).read_bytes())
    except (OSError, ValueError):
        return None


def _checksum(path: Path) -> list[int]:
    """Size and CRC-32 of a file; reading it also brings it into memory for the training that follows."""
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            crc = zlib.crc32(block, crc)
        return [file.tell(), crc]
