"""Corpora by position: what is read back is what was written, from memory or from mapped files."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.corpus import EncodedCorpus, Sentences

IDS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=12)
FEATURES = Features(source_ids=List(Value("int32")), target_ids=List(Value("int32")))


def write_corpus(folder: Path, pairs: list[tuple[list[int], list[int]]], files: int = 1) -> tuple[Path, Path]:
    """A prepared corpus written by `datasets` itself, in blocks of two rows, its tokens spread over some files."""
    text, tokens = folder / "pairs-0", folder / "tokens-fingerprint"
    text.mkdir()
    tokens.mkdir()
    rows = {"source": [f"s{n}" for n in range(len(pairs))], "target": [f"t{n}" for n in range(len(pairs))]}
    rows |= {"place": [n % 2 for n in range(len(pairs))], "line": [n // 2 + 1 for n in range(len(pairs))]}
    features = Features(source=Value("string"), target=Value("string"), place=Value("int32"), line=Value("int64"))
    written = Dataset.from_dict(rows, features=features)
    written.map(cache_file_name=str(text / "pairs.arrow"), writer_batch_size=2, load_from_cache_file=False)
    for number, part in enumerate(np.array_split(np.arange(len(pairs)), files)):
        ids = {"source_ids": [pairs[n][0] for n in part], "target_ids": [pairs[n][1] for n in part]}
        path = str(tokens / f"tokens_{number:05d}_of_{files:05d}.arrow")
        Dataset.from_dict(ids, features=FEATURES).map(cache_file_name=path, writer_batch_size=2)
    return text, tokens


PAIRS = [([n] * (n % 4), [10 + n, 20 + n][: n % 3]) for n in range(7)]


@pytest.fixture(scope="module", params=[1, 3])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_corpus(tmp_path_factory.mktemp("corpus"), PAIRS, files=request.param)


def test_ids_texts_and_origins_by_position(folders: tuple[Path, Path]) -> None:
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


def test_pairs_of_too_many_tokens_are_left_out_everywhere(folders: tuple[Path, Path]) -> None:
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"], place_weights=[1.0, 2.5], max_tokens=2)
    kept = [0, 1, 2, 4, 5, 6]
    assert [corpus.text(n)[0] for n in range(len(corpus))] == [f"s{n}" for n in kept]
    assert [corpus.source(n).tolist() for n in range(len(corpus))] == [PAIRS[n][0] for n in kept]
    assert [corpus.origin(n) for n in (3, 4)] == ["a.en:3", "b.en:3"]
    assert corpus.weights is not None
    assert corpus.weights.tolist() == [1.0, 2.5, 1.0, 1.0, 2.5, 1.0]
    assert [str(corpus.left_out(n).origin) for n in range(len(corpus.too_long))] == ["b.en:2"]


def test_a_pickled_corpus_opens_its_files_again(folders: tuple[Path, Path]) -> None:
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"], place_weights=[1.0, 2.0], max_tokens=2)
    pickled = pickle.dumps(corpus)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert [again.target(n).tolist() for n in range(6)] == [corpus.target(n).tolist() for n in range(6)]
    assert again.origin(4) == corpus.origin(4)
    assert again.weights.tolist() == [1.0, 2.0, 1.0, 1.0, 2.0, 1.0]


def test_an_unweighted_corpus_has_no_weights(folders: tuple[Path, Path]) -> None:
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


def test_padding_gathers_from_several_files(folders: tuple[Path, Path]) -> None:
    corpus = EncodedCorpus(folders, places=["a.en", "b.en"])
    padded = corpus.source_ids.padded(np.array([6, 1, 3]), 4)
    assert padded.tolist() == [[6, 6, 0, 0], [1, 0, 0, 0], [3, 3, 3, 0]]
