"""What a file is that cannot be read as a checkpoint, by its size and its first bytes; nothing in it is executed."""

import zipfile
from pathlib import Path
from typing import Final

from nmt.marks import unpacker

_ARCHIVE: Final = b"PK\x03\x04"  # how every checkpoint begins
_PICKLES: Final = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_NAMES: Final = 3  # of the files in an archive, or beside one, that a message gives


def what_it_is(path: Path) -> str:
    """What somebody has who took this file for a checkpoint, its size, and what to do. Raises OSError."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        begin = stream.read(1 << 12)
    if not begin:
        return "empty (0 bytes): a copy or a download that was interrupted; copy it again"
    told = f"({size:,} bytes)"
    if begin.startswith(_ARCHIVE):
        return _what_archive(path, told)
    if _ARCHIVE.startswith(begin):
        return f"cut short {told}; copy it again"
    return f"no checkpoint but {_kind(begin, size)} {told}; give a .ckpt file as `train` writes it"


def others_beside(path: Path) -> str:
    """The other checkpoints in the folder of one that cannot be read, newest first; "" where there is none."""
    own = path.resolve()
    found = [one for one in own.parent.glob("*.ckpt") if one.is_file() and not (one.is_symlink() or one == own)]
    if not found:
        return ""
    names = [one.name for one in sorted(found, key=lambda one: (one.stat().st_mtime, one.name), reverse=True)]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"; other checkpoints beside it: {', '.join(names[:_NAMES])}{more}"


def runs_below(folder: Path) -> str:
    """The newest run in a folder that is none itself, and how many there are; else what a run may lack."""
    found = [one for one in folder.glob("*/checkpoints/*.ckpt") if one.is_file()]
    if not found:
        return "has the run reached its first validation?"
    runs = {one.parent.parent for one in found}
    more = f" (the newest of {len(runs)} runs there)" if len(runs) > 1 else ""
    newest = max(found, key=lambda one: (one.stat().st_mtime, str(one)))
    return f"name a run in it, such as {newest.parent.parent}{more}"


def _what_archive(path: Path, told: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return f"cut short or damaged {told}: its end, which lists what it holds, cannot be read; copy it again"
    if any(name.endswith("/data.pkl") for name in names):
        return f"damaged {told}; copy it again"
    held = ", ".join(names[:_NAMES]) or "nothing"
    return f"no checkpoint but an archive {told} of {held}; give a .ckpt file as `train` writes it"


def _kind(begin: bytes, size: int) -> str:
    """What begins like this, and not as a checkpoint does."""
    lower = begin.lower()
    if tool := unpacker(begin):
        return f"something compressed, perhaps one (unpack it: {tool})"
    if begin.startswith(_PICKLES):
        return "a pickle, which can hold code and is never opened"
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < size:
        return "safetensors, weights without a configuration and without tokenizers"
    if lower.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS (fetch the file: git lfs pull)"
    if lower.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps that of the download"
    try:
        begin[: len(begin) - 4 if size > len(begin) else None].decode("utf-8")
    except UnicodeDecodeError:
        return "something else, or the rest of one"
    return "something else, or the rest of one" if b"\0" in begin else "text"
