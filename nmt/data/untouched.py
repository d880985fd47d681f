"""Whether files are still as they were when they were read, told without reading them: from size, times and inode.

Whoever reads gigabytes at every start to find that nothing has changed starts as late as the corpus is large. Three
doubts are settled by reading: a file touched less than two seconds before it was read (its times may not tell of a
later change), a clock that is behind them, and a machine that has been started anew (a crash may lose what was written,
and keep its times).
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path

SETTLED_SECONDS = 2.0  # coarsest times of file systems in use
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Of each machine that shares a disk its own notes, or each would undo those of the others
HERE = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]

States = dict[str, list[int | str]]  # by path; plain values, for JSON


def states(paths: Iterable[str | Path]) -> States:
    """What changes when one of these files does, or when the machine is started anew. OSError for one missing."""
    started = BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.is_file() else ""
    found = {str(path): os.stat(path) for path in paths}
    return {path: [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, started] for path, s in found.items()}


def settled(found: States) -> bool:
    """Whether any later change would show; ask before reading the files."""
    latest = time.time_ns() - int(SETTLED_SECONDS * 1e9)
    return all(int(mtime) < latest and int(ctime) < latest for _, mtime, ctime, _, _ in found.values())
