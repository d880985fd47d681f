"""Preparation: from files to token ids, each step once, and again exactly where something changed."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.data import cache, prepare, store
from nmt.data.corpus import EncodedCorpus
from nmt.data.prepare import Corpora, prepare_corpora, train_tokenizers
from nmt.data.stored_report import REPORT_FILE, SOURCES_FILE
from nmt.errors import DataError

SMALL = TokenizerConfig(vocabulary_size=320, kind="bpe")
NOUNS = ["house", "dog", "tree", "street", "child", "window", "river", "bridge", "table", "garden"]
EN = [f"The {a} is near the {b} ." for a in NOUNS for b in NOUNS]
DE = [f"{a.title()} steht bei {b.title()} ." for a in NOUNS for b in NOUNS]


def write(prefix: Path, en: list[str], de: list[str]) -> str:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.en").write_text("".join(f"{line}\n" for line in en), newline="")
    prefix.with_name(f"{prefix.name}.de").write_text("".join(f"{line}\n" for line in de), newline="")
    return str(prefix)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """train (80 pairs and some for the cleaner), validation and two test sets."""
    write(tmp_path / "train", [*EN[:80], "", EN[3], EN[90]], [*DE[:80], "leer", DE[3], DE[90]])
    write(tmp_path / "val", [*EN[80:95], ""], [*DE[80:95], ""])
    write(tmp_path / "test", EN[95:], DE[95:])
    write(tmp_path / "more" / "test", EN[95:97], DE[95:97])
    return tmp_path


def config(folder: Path, **options: Any) -> DataConfig:
    values: dict[str, Any] = {
        "train": f"{folder}/train",
        "validation": f"{folder}/val",
        "test": [f"{folder}/test", f"{folder}/more/test"],
        "cache_dir": str(folder / "cache"),
    }
    return DataConfig(**(values | options))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is really done, and not read from the cache."""
    done: list[str] = []

    def spy(name: str, label: str) -> None:
        original = getattr(prepare, name)

        def spied(*arguments: Any, **options: Any) -> Any:
            done.append(label)
            return original(*arguments, **options)

        monkeypatch.setattr(prepare, name, spied)

    spy("write_pairs", "pairs")
    spy("write_tokens", "tokens")
    return done


def stored(corpus: object) -> list[tuple[str, str]]:
    assert isinstance(corpus, EncodedCorpus)
    return corpus.texts(range(len(corpus)))


def test_from_files_to_ids(folder: Path) -> None:
    corpora = prepare_corpora(config(folder), SMALL)
    train = corpora.train
    assert stored(train) == list(zip(EN[:80], DE[:80], strict=True))
    assert isinstance(train, EncodedCorpus)
    for index in (0, 41, 79):
        assert train.source(index).tolist() == corpora.tokenizers.source.encode(EN[index])
        assert train.target(index).tolist() == corpora.tokenizers.target.encode(DE[index])
    assert train.origin(79) == f"{folder}/train.en:80"
    assert stored(corpora.validation) == [*zip(EN[80:95], DE[80:95], strict=True), ("", "")]
    assert {name: len(corpus) for name, corpus in corpora.tests.items()} == {"test": 5, "test-2": 2}
    dropped = {reason: count for reason, count in corpora.report.dropped.items() if count}
    assert dropped == {"empty": 1, "duplicate": 1, "leakage": 1}
    assert (corpora.report.read, corpora.report.kept) == (83, 80)


def test_the_second_time_everything_is_there(folder: Path, steps: list[str]) -> None:
    first = prepare_corpora(config(folder), SMALL)
    assert sorted(steps) == ["pairs"] * 4 + ["tokens"] * 4
    steps.clear()
    second = prepare_corpora(config(folder), SMALL)
    assert steps == []
    assert second.report == first.report
    assert second.tokenizers == first.tokenizers
    assert stored(second.train) == stored(first.train)


def test_a_corpus_that_moves_stays_prepared_and_tells_its_new_place(folder: Path, steps: list[str]) -> None:
    prepare_corpora(config(folder), SMALL)
    steps.clear()
    for side in ("en", "de"):
        (folder / f"train.{side}").rename(folder / f"moved.{side}")
    train = prepare_corpora(config(folder, train=f"{folder}/moved"), SMALL).train
    assert steps == []
    assert isinstance(train, EncodedCorpus)
    assert train.origin(0) == f"{folder}/moved.en:1"


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"cleaning": {"max_tokens": 50}}, []),
        ({"batch_source_tokens": 7}, []),
        ({"cleaning": {"drop_duplicates": False}}, ["pairs", *["tokens"] * 4]),
        ({"source": "de", "target": "en"}, ["pairs"] * 4 + ["tokens"] * 4),
        ({"validation": ()}, ["pairs", *["tokens"] * 3]),
    ],
)
def test_only_what_changed_is_done_again(
    folder: Path, steps: list[str], change: dict[str, Any], again: list[str]
) -> None:
    """A change of the cleaned text means another tokenizer, and that other ids everywhere."""
    prepare_corpora(config(folder), SMALL)
    steps.clear()
    prepare_corpora(config(folder, **change), SMALL)
    assert sorted(steps) == again


def test_changed_bytes_are_noticed(folder: Path, steps: list[str]) -> None:
    prepare_corpora(config(folder), SMALL)
    path = folder / "train.de"
    text = path.read_text()
    path.write_text(text.replace("steht", "liegt", 1))  # as many bytes
    steps.clear()
    assert stored(prepare_corpora(config(folder), SMALL).train)[0][1].split()[1] == "liegt"
    assert "pairs" in steps


def test_another_tokenizer_keeps_the_pairs(folder: Path, steps: list[str]) -> None:
    prepare_corpora(config(folder), SMALL)
    steps.clear()
    corpora = prepare_corpora(config(folder), SMALL.model_copy(update={"joint": False}))
    assert sorted(steps) == ["tokens"] * 4
    source, target = corpora.tokenizers
    assert source != target
    assert train_tokenizers(config(folder), SMALL.model_copy(update={"joint": False})) == (source, target)


def test_another_normalisation_cleans_anew(folder: Path, steps: list[str]) -> None:
    prepare_corpora(config(folder), SMALL)
    steps.clear()
    prepare_corpora(config(folder), SMALL.model_copy(update={"normalization": "nfkc"}))
    assert sorted(steps) == ["pairs", *["tokens"] * 4]


def test_given_models_are_used(folder: Path) -> None:
    tokenizers = train_tokenizers(config(folder), SMALL)
    assert tokenizers.source is tokenizers.target
    (folder / "joint.model").write_bytes(tokenizers.source.model)
    given = TokenizerConfig(model=str(folder / "joint.model"))
    assert prepare_corpora(config(folder), given).tokenizers == tokenizers


def test_pairs_of_too_many_tokens_are_reported(folder: Path) -> None:
    whole = prepare_corpora(config(folder), SMALL).train
    assert isinstance(whole, EncodedCorpus)
    longest = int(max(whole.source_lengths.max(), whole.target_lengths.max()))
    corpora = prepare_corpora(config(folder, cleaning={"max_tokens": longest - 1}), SMALL)
    missing = len(whole) - len(stored(corpora.train))
    assert 0 < missing == corpora.report.dropped["too_many_tokens"]
    assert corpora.report.read == corpora.report.kept + sum(corpora.report.dropped.values())
    assert corpora.report.examples["too_many_tokens"][0].startswith(f"{folder}/train.en:")
    with pytest.raises(DataError, match=r"no training pair has at most 1 tokens"):
        prepare_corpora(config(folder, cleaning={"max_tokens": 1}), SMALL)


def test_a_mixed_corpus_says_what_is_left_of_each_source(folder: Path) -> None:
    """Of two corpora, one may be dropped whole, and the sum did not tell."""
    rows = [f"{en}\t{de}\n" for en, de in zip(EN, DE, strict=True)]
    (folder / "shards").mkdir()
    for name, some in {"a": rows[76:84], "b": rows[78:86]}.items():  # up to 79 in train already, from 80 on 6 others
        (folder / "shards" / f"{name}.tsv").write_text("".join(["en\tde\n", *some]))
    (folder / "void.tsv").write_text("en\tde\n")
    train = [f"{folder}/train", f"{folder}/shards/*.tsv", f"{folder}/void.tsv"]
    mixed = config(folder, train=train, validation=(), test=(), cleaning={"drop_test_leakage": False})
    report = prepare_corpora(mixed, SMALL).report
    table = str(report).splitlines()
    assert table[-4].split() == ["pairs", "kept", "87", "87.88%"]
    assert table[-3:] == [
        f"    {folder}/train.en: 81 of 83",
        f"    {folder}/shards/*.tsv: 6 of 16",
        f"    {folder}/void.tsv: 0 of 0",
    ]
    assert prepare_corpora(mixed, SMALL).report == report  # from the cache
    short = mixed.model_copy(update={"cleaning": mixed.cleaning.model_copy(update={"max_tokens": 12})})
    report = prepare_corpora(short, SMALL).report
    counts = list(report.sources.values())
    assert [one.read for one in counts] == [83, 16, 0]
    assert report.dropped["too_many_tokens"] and sum(one.kept for one in counts) == report.kept
    assert "shards" not in str(prepare_corpora(config(folder), SMALL).report)


def test_a_source_that_is_alone_is_not_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting reads a number of every pair at every start, and the report's sum says it already."""
    monkeypatch.delattr(EncodedCorpus, "counts")
    assert not prepare_corpora(config(folder), SMALL).report.sources
    with pytest.raises(AttributeError):
        prepare_corpora(config(folder, train=[f"{folder}/train", f"{folder}/more/test"], test=()), SMALL)


def test_a_table_that_is_read_by_other_columns_too_is_one_source(folder: Path) -> None:
    rows = [f"{en}\t{de}\t{de[::-1]}\n" for en, de in zip(EN[:30], DE[:30], strict=True)]
    (folder / "both.tsv").write_text("".join(["en\tde\tbackwards\n", *rows]))
    table = {"path": f"{folder}/both.tsv"}
    train = [table, table | {"source_column": "en", "target_column": "backwards"}, {"path": f"{folder}/more/test"}]
    report = prepare_corpora(config(folder, train=train, validation=(), test=()), SMALL).report
    assert str(report).splitlines()[-2:] == [f"    {folder}/both.tsv: 60 of 60", f"    {folder}/more/test.en: 2 of 2"]


def test_a_corpus_prepared_by_an_earlier_version_is_used(folder: Path) -> None:
    """It counted no sources, and preparing anew for their sake would cost hours. It can use what this one prepares."""
    mixed = config(folder, train=[f"{folder}/train", f"{folder}/more/test"], validation=(), test=())
    prepare_corpora(mixed, SMALL)
    [counted] = (folder / "cache").glob(f"pairs-*/{SOURCES_FILE}")
    assert json.loads((counted.parent / REPORT_FILE).read_text()).keys() == {"read", "kept", "dropped", "examples"}
    for file in (SOURCES_FILE, cache.MANIFEST):
        (counted.parent / file).unlink()
    cache._write_manifest(counted.parent)
    assert str(prepare_corpora(mixed, SMALL).report).splitlines()[-1].startswith("pairs kept")


def test_two_translations_of_one_file_are_not_taken_for_copies_of_it(folder: Path) -> None:
    """A stored pair knows the place of its source, and copies have two. Whatever was prepared first, training the other
    arrangement from the same cache died of it, or would have weighed pairs by each other's weights."""
    (folder / "copy.en").write_bytes((folder / "train.en").read_bytes())
    backwards = [line[::-1] for line in (folder / "train.de").read_text().splitlines()]
    (folder / "copy.de").write_text("".join(f"{line}\n" for line in backwards))
    first = {"path": f"{folder}/train"}
    shared = {"path": "again", "source_file": f"{folder}/train.en", "target_file": f"{folder}/copy.de"}
    for place, order in (("one", (f"{folder}/copy", shared)), ("two", (shared, f"{folder}/copy"))):
        for second in order:
            given = config(
                folder,
                train=[first, second, f"{folder}/more/test"],
                validation=(),
                test=(),
                cleaning={"drop_test_leakage": False},
                cache_dir=str(folder / place),
            )
            report = prepare_corpora(given, SMALL).report
            names = ["train.en", "more/test.en"] if second is shared else ["train.en", "copy.en", "more/test.en"]
            assert list(report.sources) == [f"{folder}/{name}" for name in names]
            assert sum(one.kept for one in report.sources.values()) == report.kept


def test_several_processes_write_the_same_ids(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = prepare_corpora(config(folder, preparation_processes=1), SMALL).train
    monkeypatch.setattr(store, "PAIRS_PER_PROCESS", 10)
    several = prepare_corpora(config(folder, preparation_processes=3, cache_dir=str(folder / "other")), SMALL).train
    assert isinstance(one, EncodedCorpus)
    assert isinstance(several, EncodedCorpus)
    assert len(several.source_ids.flats) == 3
    assert [several.source(n).tolist() for n in range(80)] == [one.source(n).tolist() for n in range(80)]
    assert stored(several) == stored(one)


def prepared_ids(data: DataConfig) -> list[int]:
    train = prepare_corpora(data, SMALL).train
    assert isinstance(train, EncodedCorpus)
    return train.source(79).tolist()


def test_processes_that_prepare_at_once_agree(folder: Path) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        one, other = pool.map(prepared_ids, [config(folder)] * 2, chunksize=1)
    assert one == other


def test_a_damaged_cache_is_mended(folder: Path) -> None:
    before = prepared_ids(config(folder))
    for path in (folder / "cache").glob("*-*/*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert prepared_ids(config(folder)) == before


@pytest.mark.parametrize("damage", ["from before there was one", "cut off", "damaged"])
def test_an_index_that_is_missing_or_damaged_is_made_in_passing(folder: Path, steps: list[str], damage: str) -> None:
    """Tokens are kept: to make them costs hundreds of times more."""
    data = config(folder, cleaning={"max_tokens": 20})
    first = prepare_corpora(data, SMALL).train
    assert isinstance(first, EncodedCorpus)
    expected = [first.source(n).tolist() for n in range(len(first))]
    indices = list((folder / "cache").glob("index-*[!k]"))
    assert len(indices) == 4
    for index in indices:
        match damage:
            case "from before there was one":
                shutil.rmtree(index)
            case "cut off":
                os.truncate(index / "pairs.npy", 130)
            case _:
                (index / "by_length.npy").write_bytes(bytes((index / "by_length.npy").stat().st_size))
    steps.clear()
    again = prepare_corpora(data, SMALL).train
    assert steps == []
    assert isinstance(again, EncodedCorpus)
    assert [again.source(n).tolist() for n in range(len(again))] == expected
    assert sorted(again.by_length.pairs.tolist()) == list(range(len(again)))


def test_tokens_cut_into_other_files_get_an_index_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens made again by three processes instead of one lie elsewhere: with the old index all ids were wrong."""
    monkeypatch.setattr(store, "PAIRS_PER_PROCESS", 5)
    first = prepare_corpora(config(folder, preparation_processes=1), SMALL).train
    assert isinstance(first, EncodedCorpus)
    expected = [(first.source(n).tolist(), first.target(n).tolist()) for n in range(len(first))]
    for tokens in (folder / "cache").glob("tokens-*[!k]"):
        shutil.rmtree(tokens)
    again = prepare_corpora(config(folder, preparation_processes=3), SMALL).train
    assert isinstance(again, EncodedCorpus)
    assert len(again.source_ids.flats) > 1
    assert [(again.source(n).tolist(), again.target(n).tolist()) for n in range(len(again))] == expected
    assert again.fingerprint == first.fingerprint


def test_weights_are_no_part_of_what_is_stored(folder: Path, steps: list[str]) -> None:
    sources = [{"path": f"{folder}/train"}, {"path": f"{folder}/more/test"}]
    prepare_corpora(config(folder, train=sources, test=()), SMALL)
    steps.clear()
    train = prepare_corpora(config(folder, train=[{**sources[0], "weight": 0.5}, sources[1]], test=()), SMALL).train
    assert steps == []
    assert isinstance(train, EncodedCorpus)
    assert train.weights is not None
    assert train.weights[:].tolist() == [0.5] * 80 + [1.0] * 2
    assert train.origin(81) == f"{folder}/more/test.en:2"


class TestErrors:
    def test_no_training_corpus(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"give --data\.train PREFIX"):
            prepare_corpora(config(folder, train=()), SMALL)

    def test_nothing_left(self, folder: Path) -> None:
        write(folder / "train", ["", ""], ["a", "b"])
        with pytest.raises(DataError, match=r"left no training pair(.|\n)*empty side +2 +100.00%"):
            prepare_corpora(config(folder), SMALL)

    @pytest.mark.parametrize("role", ["validation", "test"])
    def test_held_out_sets_must_be_whole(self, folder: Path, role: str) -> None:
        (folder / "odd.en").write_bytes(b"good\nb\xe4d\n")
        (folder / "odd.de").write_bytes(b"gut\nschlecht\n")
        with pytest.raises(DataError, match=rf"{folder}/odd\.en:2: the source side is not valid UTF-8: b\\xe4d"):
            prepare_corpora(config(folder, **{role: f"{folder}/odd"}), SMALL)

    def test_a_full_disk(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from datasets.arrow_writer import ArrowWriter

        def fail(*arguments: Any, **options: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(ArrowWriter, "write_batch", fail)
        with pytest.raises(DataError, match=rf"{folder}/cache: .*No space left on device.*--data\.cache_dir"):
            prepare_corpora(config(folder), SMALL)
        assert not list((folder / "cache").glob(".building*"))


def test_a_tab_inside_a_sentence_is_text(folder: Path) -> None:
    """As in one training line of Multi30k."""
    write(folder / "train", [*EN[:20], "Two in a fountain ."], [*DE[:20], "Zwei in einer \tWasserfontäne ."])
    corpora: Corpora = prepare_corpora(config(folder), SMALL)
    assert stored(corpora.train)[-1][1] == "Zwei in einer \tWasserfontäne ."
    assert corpora.report.kept == 21
