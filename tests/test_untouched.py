"""What is not read again, and what always is."""

import os
import time
from pathlib import Path

import pytest

from nmt.data import untouched
from nmt.data.cache import LOOKED_AT, Cache
from nmt.data.hashes import RememberedHashes
from nmt.data.text_files import hash_file
from nmt.data.untouched import settled, states

HOUR = 3600.0


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after the files were written."""
    now = time.time_ns
    monkeypatch.setattr(untouched.time, "time_ns", lambda: now() + int(HOUR * 1e9))


def rewritten(path: Path, content: bytes) -> None:
    """Other content at another time; so fast a test would else be within one tick of a file system's clock."""
    path.write_bytes(content)
    os.utime(path, (time.time() - 10, time.time() - 10))


def test_states_change_with_content_times_file_and_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, boot = tmp_path / "file", tmp_path / "boot"
    boot.write_text("one\n")
    monkeypatch.setattr(untouched, "BOOT_ID", boot)
    file.write_bytes(b"content")
    seen = [states([file])]
    assert states([str(file)]) == seen[0]
    rewritten(file, b"longer content")
    seen.append(states([file]))
    rewritten(file, b"another contnt")
    os.utime(file, ns=(0, 1))
    seen.append(states([file]))
    (tmp_path / "copy").write_bytes(b"another contnt")
    os.utime(tmp_path / "copy", ns=(0, 1))
    (tmp_path / "copy").rename(file)
    seen.append(states([file]))
    boot.write_text("two\n")
    seen.append(states([file]))
    assert all(one != other for number, one in enumerate(seen) for other in seen[:number])
    with pytest.raises(OSError):
        states([tmp_path / "missing"])


def test_what_was_touched_just_now_is_not_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert settled(states([tmp_path / "file"]))
    monkeypatch.undo()
    assert not settled(states([tmp_path / "file"]))
    os.utime(tmp_path / "file", (time.time() + HOUR,) * 2)  # a clock that is behind
    assert not settled(states([tmp_path / "file"]))


class TestHashes:
    @pytest.fixture
    def read(self) -> list[str]:
        return []

    @pytest.fixture
    def hashes(self, tmp_path: Path, read: list[str]) -> RememberedHashes:
        def hash_of(path: str) -> str:
            read.append(path)
            return hash_file(path)

        return RememberedHashes(tmp_path / "cache" / "hashes", hash_of)

    def test_a_file_is_read_once_until_it_is_touched(
        self, tmp_path: Path, hashes: RememberedHashes, read: list[str]
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"content")
        assert hashes(str(file)) == hashes(str(file)) == hash_file(str(file))
        assert len(read) == 1
        rewritten(file, b"CONTENT")
        assert hashes(str(file)) == hash_file(str(file))
        assert len(read) == 2

    def test_fresh_files_are_read_every_time(
        self, tmp_path: Path, hashes: RememberedHashes, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        (tmp_path / "file").write_bytes(b"content")
        for _ in range(2):
            hashes(str(tmp_path / "file"))
        assert len(read) == 2

    @pytest.mark.parametrize("damage", ["", "[]", "{}", '{"states": 1, "hash": "other"}'])
    def test_a_damaged_memory_is_no_memory(
        self, tmp_path: Path, hashes: RememberedHashes, read: list[str], damage: str
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"content")
        hashes(str(file))
        (known,) = (tmp_path / "cache" / "hashes").iterdir()
        known.write_text(damage)
        assert hashes(str(file)) == hash_file(str(file))
        assert len(read) == 2

    def test_where_nothing_can_be_kept_files_are_read(self, tmp_path: Path, read: list[str]) -> None:
        (tmp_path / "file").write_bytes(b"content")
        hashes = RememberedHashes(tmp_path / "file" / "hashes", hash_file)
        assert hashes(str(tmp_path / "file")) == hash_file(str(tmp_path / "file"))


class TestCacheEntries:
    """An entry that was found whole is read again only where it was touched; then it is mended as ever."""

    @pytest.fixture
    def checked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        from nmt.data import cache

        names: list[str] = []
        checksum = cache._checksum

        def spied(path: Path) -> list[int]:
            names.append(path.name)
            return checksum(path)

        monkeypatch.setattr(cache, "_checksum", spied)
        return names

    @staticmethod
    def entry(directory: Path) -> bytes:
        def build(folder: Path) -> None:
            (folder / "file").write_bytes(b"result")

        return (Cache(directory).entry("pairs", "key", build) / "file").read_bytes()

    def test_looked_at_once(self, tmp_path: Path, checked: list[str]) -> None:
        self.entry(tmp_path)
        checked.clear()
        for _ in range(3):
            assert self.entry(tmp_path) == b"result"
        assert checked == ["file"]

    @pytest.mark.parametrize("damaged", ["file", "manifest.json", LOOKED_AT])
    def test_what_is_touched_is_looked_at_again(self, tmp_path: Path, checked: list[str], damaged: str) -> None:
        for _ in range(2):
            self.entry(tmp_path)
        checked.clear()
        other = {
            "file": b"RESULT",
            "manifest.json": b'{"format": 1, "files": {"file": [6, 0]}}',
            LOOKED_AT: b"{}",
        }
        rewritten(tmp_path / "pairs-key" / damaged, other[damaged])
        assert self.entry(tmp_path) == b"result"
        assert checked

    def test_a_fresh_entry_is_looked_at_every_time(
        self, tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(untouched, "SETTLED_SECONDS", 2 * HOUR)
        self.entry(tmp_path)
        checked.clear()
        for _ in range(2):
            self.entry(tmp_path)
        assert checked == ["file", "file"]

    def test_another_start_of_the_machine(
        self, tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "boot").write_text("another")
        for _ in range(2):
            self.entry(tmp_path)
        checked.clear()
        monkeypatch.setattr(untouched, "BOOT_ID", tmp_path / "boot")
        assert self.entry(tmp_path) == b"result"
        assert checked == ["file"]
