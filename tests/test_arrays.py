"""Pages of mapped files leave the memory of a process when it is told to, and their content stays."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from nmt.data.arrays import forget_file, forget_pages, map_array

PAGES = 1000  # of 4,096 bytes


def resident(path: Path) -> int:
    """Kilobytes of a file that this process has in its memory."""
    counted, here = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            here = line.endswith(f" {path}")
        elif here and line.startswith("Rss:"):
            counted += int(line.split()[1])
    return counted


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="tells resident pages by /proc")
def test_forgotten_pages_are_no_longer_resident(tmp_path: Path) -> None:
    """A process that prepared ten million pairs held 2.4 GB, nearly all of them pages it had read once."""
    pyarrow = pytest.importorskip("pyarrow")
    file = tmp_path / "a corpus.npy"
    np.save(file, np.arange(PAGES * 512))
    mapped = pyarrow.memory_map(str(file)).read_buffer()
    array = map_array(file)
    (tmp_path / "link.npy").symlink_to(file)
    for forget, name in ((forget_file, file), (forget_file, tmp_path / "link.npy")):
        before = zlib.crc32(mapped)
        assert int(array.sum()) == sum(range(PAGES * 512))
        assert resident(file) > 4 * PAGES
        forget(name)
        assert resident(file) == 0
        assert zlib.crc32(mapped) == before
    forget_file(tmp_path / "another")
    assert resident(file) >= 4 * PAGES
    forget_file(file)
    assert int(array[0]) == 0 and 0 < resident(file) <= 128  # the neighbours that come with a page
    forget_pages(array)
    assert resident(file) == 0
