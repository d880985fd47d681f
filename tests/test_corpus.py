"""Corpora by position: what is read back is what was written, from memory or from mapped files."""

import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.by_length import ByLength
from nmt.data.corpus import Directories, EncodedCorpus, Sentences
from nmt.data.index import Rows, write_index
from nmt.data.sampler import BatchBudget, TokenBudgetSampler
from nmt.data.store import write_corpus_index
from nmt.errors import DataError

IDS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=12)
FEATURES = Features(source_ids=List(Value("int32")), target_ids=List(Value("int32")))


def write_corpus(folder: Path, pairs: list[tuple[list[int], list[int]]], files: int = 1) -> Directories:
    """A prepared corpus written by `datasets` itself, in blocks of two rows, its tokens spread over some files."""
    text, tokens, index = (folder / name for name in ("pairs-0", "tokens-fingerprint", "index-0"))
    for directory in (text, tokens, index):
        directory.mkdir()
    rows = {"source": [f"s{n}" for n in range(len(pairs))], "target": [f"t{n}" for n in range(len(pairs))]}
    rows |= {"place": [n % 2 for n in range(len(pairs))], "line": [n // 2 + 1 for n in range(len(pairs))]}
    features = Features(source=Value("string"), target=Value("string"), place=Value("int32"), line=Value("int64"))
    written = Dataset.from_dict(rows, features=features)
    written.map(cache_file_name=str(text / "pairs.arrow"), writer_batch_size=2, load_from_cache_file=False)
    for number, part in enumerate(np.array_split(np.arange(len(pairs)), files)):
        ids = {"source_ids": [pairs[n][0] for n in part], "target_ids": [pairs[n][1] for n in part]}
        path = str(tokens / f"tokens_{number:05d}_of_{files:05d}.arrow")
        Dataset.from_dict(ids, features=FEATURES).map(cache_file_name=path, writer_batch_size=2)
    write_corpus_index(text, tokens, index, max_tokens=None)
    return Directories(text, tokens, index)


def without_long(directories: Directories, folder: Path, *, max_tokens: int) -> Directories:
    """The same corpus with another index."""
    write_corpus_index(directories.pairs, directories.tokens, folder, max_tokens=max_tokens)
    return replace(directories, index=folder)


PAIRS = [([n] * (n % 4), [10 + n, 20 + n][: n % 3]) for n in range(7)]


@pytest.fixture(scope="module", params=[1, 3])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Directories:
    return write_corpus(tmp_path_factory.mktemp("corpus"), PAIRS, files=request.param)


def test_ids_texts_and_origins_by_position(folders: Directories) -> None:
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"])
    assert len(corpus) == 7
    assert [(corpus.source(n).tolist(), corpus.target(n).tolist()) for n in range(7)] == PAIRS
    assert corpus.source_lengths.tolist() == [len(source) for source, _ in PAIRS]
    assert corpus.target_lengths.dtype == np.int32
    assert corpus.text(3) == ("s3", "t3")
    assert corpus.texts([5, 0, -1]) == [("s5", "t5"), ("s0", "t0"), ("s6", "t6")]
    assert corpus.origin(3) == "b.en:2"
    assert corpus.fingerprint == "fingerprint"
    with pytest.raises(IndexError):
        corpus.text(7)


def test_pairs_of_too_many_tokens_are_left_out_everywhere(folders: Directories, tmp_path: Path) -> None:
    short = without_long(folders, tmp_path, max_tokens=2)
    corpus = EncodedCorpus(short, places=["a.en", "b.en"], place_weights=[1.0, 2.5])
    kept = [0, 1, 2, 4, 5, 6]
    assert [corpus.text(n)[0] for n in range(len(corpus))] == [f"s{n}" for n in kept]
    assert [corpus.source(n).tolist() for n in range(len(corpus))] == [PAIRS[n][0] for n in kept]
    assert [corpus.origin(n) for n in (3, 4)] == ["a.en:3", "b.en:3"]
    assert corpus.weights is not None
    assert corpus.weights[:].tolist() == [1.0, 2.5, 1.0, 1.0, 2.5, 1.0]
    assert [str(corpus.left_out(n).origin) for n in range(corpus.too_long)] == ["b.en:2"]


def test_a_pickled_corpus_opens_its_files_again(folders: Directories, tmp_path: Path) -> None:
    short = without_long(folders, tmp_path, max_tokens=2)
    corpus = EncodedCorpus(short, places=["a.en", "b.en"], place_weights=[1.0, 2.0])
    pickled = pickle.dumps(corpus)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert [again.target(n).tolist() for n in range(6)] == [corpus.target(n).tolist() for n in range(6)]
    assert again.origin(4) == corpus.origin(4)
    assert again.weights[:].tolist() == [1.0, 2.0, 1.0, 1.0, 2.0, 1.0]


def test_a_corpus_that_is_deleted_while_it_is_open_is_named(folders: Directories, tmp_path: Path) -> None:
    """Its text is opened late; the first validation, after hours, ended in a traceback of Arrow's."""
    corpus = EncodedCorpus(replace(folders, pairs=tmp_path / "emptied"), places=["a.en", "b.en"])
    assert len(corpus) == 7
    with pytest.raises(DataError, match=r"emptied/pairs\.arrow: is gone, .*; start again to have it prepared"):
        corpus.text(0)


def test_an_unweighted_corpus_has_no_weights(folders: Directories) -> None:
    assert EncodedCorpus(folders, places=["a.en", "b.en"], place_weights=[1.0, 1.0]).weights is None


@given(sentences=IDS, data=st.data())
def test_padding_is_what_a_loop_would_do(sentences: list[list[int]], data: st.DataObject) -> None:
    stored = Sentences.from_lists(sentences)
    assert [stored[n].tolist() for n in range(len(stored))] == sentences
    indices = data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=6)) if sentences else []
    padded = stored.padded(np.array(indices, dtype=np.int64), 9, before=[2], after=[3, 4])
    expected = [([2, *sentences[n], 3, 4] + [0] * 9)[:9] for n in indices]
    assert padded.tolist() == expected
    assert padded.shape == (len(indices), 9)


def test_padding_gathers_from_several_files(folders: Directories) -> None:
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"])
    padded = corpus.source_ids.padded(np.array([6, 1, 3]), 4)
    assert padded.tolist() == [[6, 6, 0, 0], [1, 0, 0, 0], [3, 3, 3, 0]]


def test_an_order_of_length_comes_with_the_corpus(folders: Directories, tmp_path: Path) -> None:
    corpus = EncodedCorpus(without_long(folders, tmp_path, max_tokens=2), places=["a.en", "b.en"])
    made = ByLength.of(corpus.source_lengths, corpus.target_lengths)
    assert corpus.by_length.pairs.tolist() == made.pairs.tolist()
    assert corpus.by_length.checksum == made.checksum
    for stored, expected in zip(corpus.by_length.runs, made.runs, strict=True):
        assert stored.tolist() == expected.tolist()


@pytest.mark.parametrize("max_tokens", [0, 1, 2, 3, 9])
def test_rows_left_out_are_the_others(folders: Directories, tmp_path: Path, max_tokens: int) -> None:
    corpus = EncodedCorpus(without_long(folders, tmp_path, max_tokens=max_tokens), places=["a.en", "b.en"])
    kept = [n for n in range(7) if max(map(len, PAIRS[n])) <= max_tokens]
    assert [text for text, _ in corpus.texts(range(len(corpus)))] == [f"s{n}" for n in kept]
    assert [corpus.left_out(n).source for n in range(corpus.too_long)] == [f"s{n}" for n in range(7) if n not in kept]


def test_pages_that_are_forgotten_come_back(folders: Directories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.corpus.READ_AT_MOST", 2)
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"])
    for _ in range(3):
        assert corpus.source_ids.padded(np.array([6, 1, 3]), 4).tolist() == [[6, 6, 0, 0], [1, 0, 0, 0], [3, 3, 3, 0]]
        assert [corpus.source(n).tolist() for n in range(7)] == [source for source, _ in PAIRS]


class TestMemory:
    """Two million pairs once took 88 MB when they were opened and planned, and three times that while they were."""

    PAIRS = 2_000_000

    @pytest.fixture(scope="class")
    @classmethod
    def large(cls, tmp_path_factory: pytest.TempPathFactory) -> Directories:
        """An index of pairs whose tokens and texts nobody reads."""
        folder = tmp_path_factory.mktemp("large")
        directories = Directories(*(folder / name for name in ("pairs", "tokens-large", "index")))
        for directory in (directories.pairs, directories.tokens, directories.index):
            directory.mkdir()
        (directories.tokens / "tokens.arrow").write_bytes(bytes(4096))

        def blocks() -> Iterator[Rows]:
            rng = np.random.default_rng(0)
            for _ in range(20):
                source = rng.poisson(14, cls.PAIRS // 20).astype(np.int32)
                target = np.maximum(1, source + rng.integers(-5, 6, len(source))).astype(np.int32)
                starts = np.zeros(len(source), np.int64)
                yield Rows(starts, source, starts, target, (source % 2).astype(np.int32))

        tracemalloc.start()
        write_index(blocks(), directories.index, max_tokens=30)
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert writing < 120e6  # a block of a million, sorted
        return directories

    @pytest.mark.parametrize("weights", [(), (1.0, 0.5)])
    def test_a_large_corpus_takes_no_more_than_a_pool(self, large: Directories, weights: tuple[float, ...]) -> None:
        np.random.default_rng([0]).permutation(4)  # what NumPy loads at first use is not counted
        tracemalloc.start()
        try:
            corpus = EncodedCorpus(large, places=["a", "b"], place_weights=weights)
            opened = tracemalloc.get_traced_memory()[1]
            planner = TokenBudgetSampler(
                *(corpus.source_lengths, corpus.target_lengths, BatchBudget(1000, 1000, 64)),
                seed=1,
                weights=corpus.weights,
                by_length=corpus.by_length,
            )
            for epoch, step in ((0, 0), (1, len(planner) - 1)):
                assert len(planner.batch(epoch, step))
            assert planner.fingerprint
            planned = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert 1_900_000 < len(corpus) < self.PAIRS
        assert opened < 1e6
        assert planned < 40e6
