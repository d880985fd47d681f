"""The arrays that positions, lengths and weights of a corpus are kept in, some of them mapped from files."""

import contextlib
import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Positions = Int32 | Int64  # of pairs: 4 bytes where there are fewer than 2³¹


def map_array(path: Path) -> npt.NDArray[Any]:
    """A .npy file as an array over the mapped file; a plain one, since slices of `np.memmap` are slow."""
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return mapped


def forget_pages(array: npt.NDArray[Any]) -> None:
    """Take the pages of a mapped file out of the memory of this process; the page cache keeps them, at no risk.

    What is not asked to is only given back when memory is short, and until then a process seems to grow to the size of
    its corpus. An array in memory stays as it is.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def forget_file(path: Path) -> None:
    """The same of a file that a library has mapped and gives no handle of; nothing where the system does not tell.

    Only for files that are read: what a private mapping has changed would be lost.
    """
    with contextlib.suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None, use_errno=True).madvise
        for line in Path("/proc/self/maps").read_bytes().splitlines():
            span, _, name = line.partition(b" ")
            if name.endswith(b" " + os.fsencode(path.resolve())):
                first, last = (int(address, 16) for address in span.split(b"-"))
                advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), ctypes.c_int(mmap.MADV_DONTNEED))
