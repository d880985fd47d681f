"""A disk that fills up: training stops and names it, what was there before is whole, and with space it goes on."""

import contextlib
import errno
import io
import logging
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
from test_callbacks import measurements, weights
from tiny_training import fit, tiny_config

from nmt import files
from nmt.errors import StorageError
from nmt.files import append_whole, copy_whole, replace_link
from nmt.training.keeping.checkpoint_io import damage
from nmt.training.run import RunFolder
from nmt.training.watching import curves

OFTEN = {"checkpoint_every_steps": 1, "log_every_steps": 1, "validate_every_steps": 5}


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings."""
    monkeypatch.setattr(curves, "draw_curves", lambda *_: None)


class Place(NamedTuple):
    """Where a run is kept until there is no space for more than some bytes, and again when there is."""

    folder: Path
    fill: Callable[[int], None]
    free: Callable[[], None]
    way_out: str


@pytest.fixture(params=["disk", "limit"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A file system of its own, of a megabyte; where only root may have one, a limit to the size of files as well,
    which like a disk takes what fits before it refuses the rest."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        before = resource.getrlimit(resource.RLIMIT_FSIZE)

        def limit(size: int) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

        yield Place(folder, limit, lambda: limit(before[0]), r"File too large.*raise that limit")
        limit(before[0])
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    filler = folder / "filler"
    yield Place(folder, lambda leaving: fill(filler, leaving), filler.unlink, "free some space")
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path, leaving: int) -> None:
    """Take all the space but some bytes."""
    with open(file, "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)) == 4096:
            pass
    os.truncate(file, max(0, file.stat().st_size - leaving))


@pytest.mark.parametrize("leaving", [0, 16384])
def test_training_stops_on_a_full_disk_and_goes_on_when_there_is_space(
    tmp_path: Path, place: Place, leaving: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = fit(tmp_path / "whole", tiny_config(max_steps=12, **OFTEN))
    run = place.folder / "run"
    fit(run, tiny_config(max_steps=6, **OFTEN))
    before = {file.name: file.read_bytes() for file in (run / "checkpoints").glob("last-*.ckpt")}
    place.fill(leaving)
    with pytest.raises(StorageError, match=rf"{place.folder}.*cannot write about [\d,]+ bytes.*{place.way_out}"):
        fit(run, tiny_config(max_steps=12, **OFTEN))
    left = {file.name: file.read_bytes() for file in (run / "checkpoints").glob("last-*.ckpt")}
    assert left == before
    assert all(damage(run / "checkpoints" / name) is None for name in left)
    assert not list(run.rglob("*.tmp")) and not list(run.rglob(".*.tmp"))
    assert "Traceback" not in capsys.readouterr().err
    place.free()
    again = fit(run, tiny_config(max_steps=12, **OFTEN))
    assert weights(again) == weights(whole)
    assert measurements(run) == measurements(tmp_path / "whole")


class NoSpace:
    """A file on a disk that fills up in the middle of a write."""

    def __init__(self, stream: Any, space: int) -> None:
        self._stream, self._space = stream, space

    def write(self, data: bytes) -> int:
        if self._space == 0 or (self._space < len(data) and not isinstance(self._stream, io.RawIOBase)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fits = min(self._space, len(data))
        self._space -= fits
        return int(self._stream.write(data[:fits]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "NoSpace":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def full_after(space: int) -> Callable[..., Any]:
    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        stream: BinaryIO = open(path, mode, **options)  # noqa: SIM115, the caller closes it
        return NoSpace(stream, space) if "r" not in mode else stream

    return opened


@pytest.mark.parametrize("space", [0, 1, 5])
def test_a_row_that_does_not_fit_leaves_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: int) -> None:
    """A disk takes what fits before it complains, and the next row would have followed on the same line."""
    file = tmp_path / "metrics.csv"
    append_whole(file, "step,loss\n")
    monkeypatch.setattr(files, "open", full_after(space), raising=False)
    with pytest.raises(StorageError, match=rf"{file}: cannot write about 8 bytes: No space left .* free some space"):
        append_whole(file, "1,0.125\n")
    monkeypatch.undo()
    assert file.read_text() == "step,loss\n"


def test_a_best_checkpoint_is_copied_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system knows no hard links, half a copy stayed under the name of the best."""
    (tmp_path / "last").write_bytes(bytes(100))
    monkeypatch.setattr(files, "open", full_after(50), raising=False)
    with pytest.raises(StorageError, match="cannot write about 100 bytes"):
        copy_whole(tmp_path / "last", tmp_path / "best")
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["last"]
    copy_whole(tmp_path / "last", tmp_path / "best")
    assert (tmp_path / "best").read_bytes() == bytes(100)


def test_a_link_that_cannot_be_made_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    replace_link(tmp_path / "link", tmp_path / "old")
    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(StorageError, match=r"link: cannot write .*free some space"):
        replace_link(tmp_path / "link", tmp_path / "new")
    assert os.readlink(tmp_path / "link") == "old"


def test_a_log_that_cannot_be_kept_is_said_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """logging's own handler printed a traceback for every line, and raised when the run's folder was closed."""
    with RunFolder(tmp_path / "run", tiny_config()) as run:
        log = logging.getLogger("nmt.training")
        log.info("kept")
        monkeypatch.setattr(files, "open", full_after(0), raising=False)
        log.info("lost")
        log.info("lost too")
        monkeypatch.undo()
        log.info("kept again")
    assert [line.split(" ", 3)[3] for line in run.log.read_text().splitlines()] == ["kept", "kept again"]
    assert capsys.readouterr().err.count("train.log: cannot write") == 1
