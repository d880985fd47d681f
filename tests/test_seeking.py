"""A stream from anywhere on is what it is when all before it is read; and nobody reads what is another's."""

import io
import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmt.cli.lines import count_lines, stream_lines
from nmt.config.data import CleaningConfig, DataConfig, TokenizerConfig
from nmt.data import seeking, text_files
from nmt.data.cache import Cache
from nmt.data.cleaning import CleaningReport
from nmt.data.place import Place
from nmt.data.seeking import after_turns, seekable
from nmt.data.sources import WeightedReader
from nmt.data.stream import StreamingLoader
from nmt.data.streamed_corpus import StreamedCorpus, in_turn
from nmt.data.text_files import ParallelText
from nmt.errors import DataError
from nmt.text.tokenizer import Tokenizer, Tokenizers

LINES = [f"{'word ' * (n % 5)}number {n}" for n in range(2000)]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def write(folder: Path, name: str, lines: list[str], *, start: bytes = b"", end: str = "\n") -> WeightedReader:
    """Two files whose lines are of different lengths on the two sides."""
    for side, suffix in (("en", ""), ("de", " auf deutsch")):
        text = start + end.join(f"{line}{suffix}" for line in lines).encode() + end.encode()
        (folder / f"{name}.{side}").write_bytes(text)
    return WeightedReader(ParallelText(f"{folder}/{name}.en", f"{folder}/{name}.de"), 1.0)


def corpus_of(sources: list[list[WeightedReader]], tokenizers: Tokenizers) -> StreamedCorpus:
    cleaning = CleaningConfig(drop_copies=False, drop_duplicates=False)
    return StreamedCorpus(sources, tokenizers, cleaning=cleaning, report=CleaningReport())


@given(lengths=st.lists(st.integers(0, 6), max_size=4), taken=st.integers(0, 30))
def test_turns_are_counted_as_they_are_taken(lengths: list[int], taken: int) -> None:
    taken = min(taken, sum(lengths))
    order = [i for turn in range(7) for i, length in enumerate(lengths) if turn < length]
    given, turn = after_turns(lengths, taken)
    assert given == [order[:taken].count(i) for i in range(len(lengths))]
    assert taken == len(order) or turn == order[taken]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    counts=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), min_size=1, max_size=3),
    skip=st.integers(0, 60),
    start=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_stream_from_anywhere_on_is_the_rest_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    tokenizers: Tokenizers,
    monkeypatch: pytest.MonkeyPatch,
    counts: list[list[int]],
    skip: int,
    start: bytes,
    end: str,
) -> None:
    """Several corpora of several files, a byte order mark, two kinds of line ends."""
    monkeypatch.setattr(seeking, "EVERY", 3)
    folder = tmp_path_factory.mktemp("seek")
    lines = iter(LINES)
    sources = [
        [write(folder, f"{i}-{j}", list(itertools.islice(lines, n)), start=start, end=end) for j, n in enumerate(files)]
        for i, files in enumerate(counts)
    ]
    corpus = corpus_of(sources, tokenizers)
    whole = [parsed() for parsed in in_turn(sources)]
    assert corpus.count is None and list(corpus.pairs(skip)) == whole[skip:]
    corpus.find_places(Cache(folder / "cache"))
    assert corpus.count == len(whole)
    assert list(corpus.pairs(skip)) == whole[skip:]


class Counting(io.FileIO):
    """A file that counts the bytes that are read of it."""

    read_bytes = 0

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        Counting.read_bytes += count or 0
        return count or 0


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_rank_reads_its_share_of_the_bytes(
    tmp_path: Path, tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch, ranks: int
) -> None:
    """Once every rank read every byte."""
    monkeypatch.setattr(seeking, "EVERY", 16)
    sources = [[write(tmp_path, "a", LINES[:1300]), write(tmp_path, "b", LINES[1300:])]]
    total = sum(file.stat().st_size for file in tmp_path.iterdir())
    data = DataConfig(cache_dir=str(tmp_path / "cache"), streaming=True, streaming_buffer=250)
    loaders = [
        StreamingLoader(corpus_of(sources, tokenizers), data, seed=1, ahead=0, place=Place(rank, ranks))
        for rank in range(ranks)
    ]
    for module in (seeking, text_files):
        monkeypatch.setattr(module, "open", lambda file, mode: io.BufferedReader(Counting(file), 512), raising=False)
    seen: Counter[int] = Counter()
    for loader in loaders:
        Counting.read_bytes = 0
        for batch in loader:
            if loader.state_dict()["stream"][0][0] > 0:
                break
            seen.update(batch.ids.tolist())
        mine = len(range(2000)) / ranks
        assert mine - 250 < 2000 * Counting.read_bytes / total < mine + 2 * 250  # the next pass begins with a buffer
    assert seen == Counter(range(2000))


def test_what_cannot_be_sought_in_is_named_and_read_whole(
    tmp_path: Path, tokenizers: Tokenizers, caplog: pytest.LogCaptureFixture
) -> None:
    import gzip

    plain, packed = write(tmp_path, "a", LINES[:9]), write(tmp_path, "b", LINES[9:18])
    (tmp_path / "b.de").write_bytes(gzip.compress((tmp_path / "b.de").read_bytes()))
    corpus = corpus_of([[plain], [packed]], tokenizers)
    with caplog.at_level("INFO"):
        corpus.find_places(Cache(tmp_path / "cache"))
    assert f"reads the corpus whole and uses its share, since {tmp_path}/b.en is no plain text" in caplog.text
    assert corpus.count is None and len(list(corpus.pairs())) == 18


def test_files_of_different_numbers_of_lines_are_an_error_as_ever(tmp_path: Path) -> None:
    reader, _ = write(tmp_path, "a", LINES[:9])
    with open(tmp_path / "a.de", "a") as stream:
        stream.write("one more\n")
    with pytest.raises(DataError, match=r"a\.en has 9 lines but .*a\.de has 10"):
        seekable(reader, Cache(tmp_path / "cache"))
    (tmp_path / "a.de").unlink()
    with pytest.raises(DataError, match=r"a\.de: no such file"):
        seekable(reader, Cache(tmp_path / "cache"))


def test_a_changed_file_is_looked_through_again(tmp_path: Path) -> None:
    reader, _ = write(tmp_path, "a", LINES[:9])
    first = seekable(reader, Cache(tmp_path / "cache"))
    write(tmp_path, "a", LINES[:7])
    second = seekable(reader, Cache(tmp_path / "cache"))
    assert first is not None and second is not None and (first.lines, second.lines) == (9, 7)


ODD = [b"\xef\xbb\xbf", b"\n", b"\r\n", b"\r", b"\0", "\u2028".encode(), "\x85".encode(), b"\x0c", b"a", b" ", b"\xff"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=st.lists(st.sampled_from(ODD), max_size=8).map(b"".join), first=st.integers(0, 9))
@example(content=b"\xef\xbb\xbf", first=0)
@example(content=b"", first=0)
@example(content=b"\xef\xbb\xbf\n", first=0)
@example(content=b"a\r", first=0)
def test_odd_files_have_one_number_of_lines_however_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, first: int
) -> None:
    """One that holds a byte order mark alone had a line for who reads it, and none for who seeks in it."""
    monkeypatch.setattr(seeking, "EVERY", 2)
    for side in ("en", "de"):
        (tmp_path / f"odd.{side}").write_bytes(content)
    reader = ParallelText(f"{tmp_path}/odd.en", f"{tmp_path}/odd.de")
    given = list(stream_lines(tmp_path / "odd.en", on_invalid_utf8="replace"))  # what `translate` reads
    body = content.removeprefix(b"\xef\xbb\xbf")
    assert len(given) == count_lines(tmp_path / "odd.en") == body.count(b"\n") + (body[-1:] not in (b"\n", b""))
    if not given:
        for lines in (lambda: list(reader.rows()), lambda: seekable(reader, Cache(tmp_path / "cache"))):
            with pytest.raises(DataError, match=r"odd\.en: is empty"):
                lines()
        return
    found = seekable(reader, Cache(tmp_path / "cache"))
    assert found is not None and found.lines == len(given)
    assert [row() for row in found.rows(first)] == [row() for row in reader.rows()][first:]


def test_files_touched_just_now_are_looked_through_once_or_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rank kept what it found, by a name that nobody would ask for again."""
    looked: list[str] = []
    look = seeking._places
    monkeypatch.setattr(seeking, "_places", lambda file: looked.append(file) or look(file))
    reader, _ = write(tmp_path, "a", LINES[:9])
    for _ in range(2):
        assert seekable(reader, Cache(tmp_path / "cache")) is not None
    assert len(looked) == 4 and not (tmp_path / "cache").exists()
    monkeypatch.setattr(seeking, "WORTH_WAITING", 0)  # a large corpus, waited for
    for _ in range(2):
        assert seekable(reader, Cache(tmp_path / "cache")) is not None
    assert len(looked) == 6 and len(list((tmp_path / "cache").glob("places-*/"))) == 1


def test_a_file_put_in_the_place_of_another_of_its_size_and_time_is_noticed(tmp_path: Path) -> None:
    reader, _ = write(tmp_path, "train", LINES)
    places = seekable(reader, Cache(tmp_path / "cache"))
    assert places is not None
    file = tmp_path / "train.en"
    was, other = file.stat(), tmp_path / "other"
    other.write_bytes(file.read_bytes()[::-1])
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(file)
    with pytest.raises(DataError, match=r"train\.en: has changed since training began"):
        next(places.rows(1500))


@pytest.mark.parametrize("change", ["rewritten", "shorter", "longer"])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, change: str) -> None:
    """Shuffled while a stream trained on it, a corpus gave 600 pairs that stand nowhere in it, and no word."""
    reader, _ = write(tmp_path, "train", LINES)
    places = seekable(reader, Cache(tmp_path / "cache"))
    assert places is not None
    assert len(list(places.rows(1500))) == 500
    shown = {"rewritten": LINES[::-1], "shorter": LINES[:100], "longer": [*LINES, "one more"]}[change]
    write(tmp_path, "train", shown)
    with pytest.raises(DataError, match=r"train\.en: has changed since training began"):
        next(places.rows(1500))
    again = seekable(reader, Cache(tmp_path / "cache"))
    assert again is not None
    assert [row().source for row in again.rows(50)][:2] == shown[50:52]
    assert list(again.rows(again.lines)) == []


def test_pairs_of_too_many_tokens_are_taken_back_from_what_cleaning_kept(
    tmp_path: Path, tokenizers: Tokenizers
) -> None:
    reader = write(tmp_path, "a", LINES)
    corpus = corpus_of([[reader]], tokenizers)
    corpus.cleaning = corpus.cleaning.model_copy(update={"max_tokens": 15})
    kept = len(corpus.buffer(list(corpus.pairs())).pairs)
    report = corpus.report
    assert 0 < kept == report.kept == report.read - report.dropped["too_many_tokens"]
    assert vars(report.sources[reader.reader.place]) == {"read": report.read, "kept": kept}
