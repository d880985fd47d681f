"""The cache: built once, whole or not at all, and mended when damaged."""

import errno
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.data.cache import Cache, cache_key
from nmt.errors import DataError


def writer(calls: list[str], text: str = "result") -> Callable[[Path], None]:
    def build(directory: Path) -> None:
        calls.append(text)
        (directory / "file").write_text(text)

    return build


def test_builds_once(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        entry = Cache(tmp_path / "new" / "folder").entry("pairs", "key", writer(calls))
        assert (entry / "file").read_text() == "result"
    assert calls == ["result"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "no manifest", "empty manifest", "odd manifest"])
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage: str) -> None:
    calls: list[str] = []
    entry = Cache(tmp_path).entry("pairs", "key", writer(calls))
    match damage:
        case "truncate":
            os.truncate(entry / "file", 3)
        case "flip":
            (entry / "file").write_text("resulT")
        case "remove":
            (entry / "file").unlink()
        case "no manifest":
            (entry / "manifest.json").unlink()
        case "empty manifest":
            (entry / "manifest.json").write_text("")
        case _:
            (entry / "manifest.json").write_text('{"format": 1, "files": [1]}')
    assert (Cache(tmp_path).entry("pairs", "key", writer(calls)) / "file").read_text() == "result"
    assert len(calls) == 2
    assert not list(tmp_path.glob(".building*"))


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "file").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).entry("pairs", "key", fail)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_leftovers_of_killed_processes_are_swept_a_day_later(tmp_path: Path) -> None:
    for name, age in ((".building-old", 2 * 24 * 3600), (".building-new", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    Cache(tmp_path).entry("pairs", "key", writer([]))
    assert {path.name for path in tmp_path.glob(".building*")} == {".building-new"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, number: int) -> None:
    def fail(directory: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(DataError, match=rf"{tmp_path}: .*{os.strerror(number)}.*--data\.cache_dir"):
        Cache(tmp_path).entry("pairs", "key", fail)


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/cache: cannot keep"):
        Cache(tmp_path / "file" / "cache").entry("pairs", "key", writer([]))


def test_the_key_changes_with_every_part() -> None:
    keys = [cache_key(a=1), cache_key(a=2), cache_key(b=1), cache_key(a=[1]), cache_key(a="1")]
    assert len(set(keys)) == len(keys)
    assert cache_key(a=1, b=2) == cache_key(b=2, a=1)


def slow_entry(directory: Path) -> str:
    def build(building: Path) -> None:
        time.sleep(0.2)
        (building / "file").write_text(f"{os.getpid()} was here")

    return (Cache(directory).entry("pairs", "key", build) / "file").read_text()


def test_two_processes_build_once_and_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(slow_entry, [tmp_path] * 4, chunksize=1))) == 1
