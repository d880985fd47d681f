"""Reading: every kind of corpus gives the same pairs, and hostile files neither misalign nor vanish."""

import bz2
import gzip
import json
import lzma
import time
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from nmt.config.data import CorpusSource, DataConfig
from nmt.data import hub
from nmt.data.pairs import Languages, Pair, is_text
from nmt.data.sources import open_sources, read_pairs
from nmt.errors import DataError

EN_DE = Languages("en", "de")
# Everything that some line reader somewhere takes for the end of a line, or of a file.
HOSTILE = [
    "a\u2028b",
    "a\x85b",
    "a\x0cb\x0bc",
    "a\rb",
    "a\x00b",
    "a\x1ab\x1cc",
    '"quoted',
    "tab\there",
    "",
    " ",
    "last",
]


def texts(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in pairs]


def read(source: CorpusSource | str | dict[str, Any], languages: Languages = EN_DE) -> list[Pair]:
    return list(read_pairs(DataConfig(train=source).train, languages))


def write_sides(folder: Path, source: bytes, target: bytes) -> str:
    (folder / "corpus.en").write_bytes(source)
    (folder / "corpus.de").write_bytes(target)
    return str(folder / "corpus")


class TestParallelText:
    @pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_lines_end_at_line_feeds_only(self, tmp_path: Path, ending: bytes, last: bool, mark: bytes) -> None:
        source = mark + ending.join(line.encode() for line in HOSTILE) + (ending if last else b"")
        target = b"\n".join(str(number).encode() for number in range(len(HOSTILE))) + b"\n"
        pairs = read(write_sides(tmp_path, source, target))
        assert texts(pairs) == [(line, str(number)) for number, line in enumerate(HOSTILE)]
        assert str(pairs[2].origin) == f"{tmp_path}/corpus.en:3"

    @given(lines=st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8")), min_size=1))
    def test_any_text_comes_back(self, tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
        lines = [line.rstrip("\r").removeprefix("\ufeff") for line in lines]
        folder = tmp_path_factory.mktemp("text")
        source = "".join(f"{line}\n" for line in lines).encode()
        target = "".join(f"{line}\r\n" for line in reversed(lines)).encode()
        assert texts(read(write_sides(folder, source, target))) == list(zip(lines, reversed(lines), strict=True))

    def test_gzip_is_known_by_its_first_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.en.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
        (tmp_path / "corpus.de").write_bytes(gzip.compress(b"eins\nzwei\n"))
        assert texts(read(f"{tmp_path}/corpus")) == [("one", "eins"), ("two", "zwei")]

    def test_sides_may_be_named_one_by_one(self, tmp_path: Path) -> None:
        write_sides(tmp_path, b"one\n", b"eins\n")
        source = {"path": "any", "source_file": f"{tmp_path}/corpus.de", "target_file": f"{tmp_path}/corpus.en"}
        assert texts(read(source)) == [("eins", "one")]

    def test_languages_choose_the_direction(self, tmp_path: Path) -> None:
        assert texts(read(write_sides(tmp_path, b"one\n", b"eins\n"), Languages("de", "en"))) == [("eins", "one")]

    def test_bytes_that_are_not_utf8_stay_on_their_line(self, tmp_path: Path) -> None:
        pairs = read(write_sides(tmp_path, b"good\nb\xe4d\ngood\n", b"1\n2\n3\n"))
        assert [is_text(pair.source) for pair in pairs] == [True, False, True]
        assert pairs[1].source.encode("utf-8", "surrogateescape") == b"b\xe4d"

    @pytest.mark.parametrize(
        ("source", "target", "message"),
        [
            (b"1\n2\n3\n", b"1\n", r"corpus\.en has 3 lines but .*corpus\.de has 1;"),
            (b"1\n", b"1\n2", r"corpus\.en has 1 lines but .*corpus\.de has 2;"),
            (b"", b"1\n", r"corpus\.en: is empty"),
            (b"1\n", b"", r"corpus\.de: is empty"),
            (
                gzip.compress(b"1\n" * 10_000, mtime=0)[:-20],
                b"1\n" * 10_000,
                r"corpus\.en: the gzip file is damaged or cut off",
            ),
            (gzip.compress(b"1\n", mtime=0)[:6], b"1\n", r"corpus\.en: the gzip file is damaged or cut off"),
            ("1\n".encode("utf-16"), b"1\n", r"corpus\.en: UTF-16, not UTF-8; convert it first \(iconv -f UTF-16"),
            (bz2.compress(b"1\n"), b"1\n", r"corpus\.en: compressed; unpack it first \(bzcat FILE > TEXT\)"),
            (lzma.compress(b"1\n"), b"1\n", r"corpus\.en: compressed; unpack it first \(xzcat FILE > TEXT\)"),
        ],
    )
    def test_unusable_files_are_named(self, tmp_path: Path, source: bytes, target: bytes, message: str) -> None:
        with pytest.raises(DataError, match=message):
            read(write_sides(tmp_path, source, target))

    def test_a_missing_file_names_its_neighbours(self, tmp_path: Path) -> None:
        prefix = write_sides(tmp_path, b"1\n", b"1\n")
        with pytest.raises(DataError, match=r"corpsu\.en: no such file; there is corpus\.en"):
            read(f"{tmp_path}/corpsu")
        with pytest.raises(
            DataError, match=r"corpus\.fr: no such file; there is corpus\.en, corpus\.de|corpus\.de, corp"
        ):
            read(prefix, Languages("en", "fr"))
        with pytest.raises(DataError, match=rf"{tmp_path}/no/such does not exist, {tmp_path} does"):
            read(f"{tmp_path}/no/such/corpus")
        with pytest.raises(DataError, match=r"the prefix of two files"):
            read(f"{prefix}.en")


def test_a_corpus_given_twice_is_refused(tmp_path: Path) -> None:
    prefix = write_sides(tmp_path, b"one\n", b"eins\n")
    with pytest.raises(DataError, match=r"corpus\.en: is given twice; .* weight 2\.0"):
        list(read_pairs(DataConfig(train=[prefix, {"path": prefix, "weight": 3.0}]).train, EN_DE))


class TestTables:
    def test_tab_separated_values_are_not_quoted(self, tmp_path: Path) -> None:
        path = tmp_path / "table.tsv"
        path.write_bytes(b'"one\teins"\nNA\tnull\r\na\xe2\x80\xa8b\tc\rd\n')
        pairs = read(str(path))
        assert texts(pairs) == [('"one', 'eins"'), ("NA", "null"), ("a\u2028b", "c\rd")]
        assert str(pairs[1].origin) == f"{path}:2"

    def test_a_header_is_one_that_names_both_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "table.tsv"
        path.write_text("id\tde\ten\n7\teins\tone\n")
        assert texts(read(str(path))) == [("one", "eins")]
        path.write_text("de\teins\nen\tzwei\n")
        assert texts(read(str(path))) == [("de", "eins"), ("en", "zwei")]
        path.write_text("english\tgerman\none\teins\n")
        columns = {"path": str(path), "source_column": "english", "target_column": "german"}
        assert texts(read(columns)) == [("one", "eins")]
        with pytest.raises(DataError, match=r"no columns 'english' and 'deutsch' .* 'english', 'german'"):
            read({**columns, "target_column": "deutsch"})

    def test_a_row_of_another_width_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "table.tsv"
        path.write_text("one\teins\ntwo\nthree\tdrei\tvier\nfive\tfünf\n")
        pairs = read(str(path))
        assert [bool(pair.problem) for pair in pairs] == [False, True, True, False]
        assert pairs[1].problem.startswith("1 column where line 1 has 2: 'two'")
        assert pairs[2].origin.line == 3
        path.write_text("no tab at all\n")
        with pytest.raises(DataError, match=r"table\.tsv:1: no tab"):
            read(str(path))

    def test_json_lines_in_every_layout(self, tmp_path: Path) -> None:
        path = tmp_path / "table.jsonl.gz"
        rows: list[Any] = [
            {"en": "one\n", "de": "eins"},
            {"translation": {"de": "zwei", "en": "two"}},
            {"en": None, "de": "3"},
        ]
        path.write_bytes(gzip.compress("\n\n".join(json.dumps(row) for row in rows).encode()))
        pairs = read(str(path))
        assert texts(pairs) == [("one\n", "eins"), ("two", "zwei"), ("", "3")]
        assert pairs[1].origin.line == 3
        nested = tmp_path / "nested.jsonl"
        nested.write_text('{"text": {"en": "one", "de": "eins"}}')
        columns = {"path": str(nested), "source_column": "text.en", "target_column": "text.de"}
        assert texts(read(columns)) == [("one", "eins")]

    def test_json_rows_that_hold_no_pair(self, tmp_path: Path) -> None:
        path = tmp_path / "table.jsonl"
        path.write_text(
            '{"en": "1", "de": "2"}\n{"en": 1}\n[]\n{"en": 1, "de": "2"}\n{broken\n{"en": "\\ud800", "de": ""}\n'
        )
        pairs = read(str(path))
        assert [pair.problem[:9] for pair in pairs] == ["", "column 'e", "a list wh", "column 'e", "not JSON ", ""]
        assert not is_text(pairs[-1].source)
        path.write_text('{"src": "1", "tgt": "2"}\n')
        with pytest.raises(DataError, match=r"table\.jsonl:1: no column 'en' among 'src', 'tgt'; name the columns"):
            read(str(path))

    def test_parquet_and_patterns(self, tmp_path: Path) -> None:
        for number, rows in enumerate([[{"en": "one", "de": "eins"}], [{"en": "two", "de": None}]]):
            table = pyarrow.table({"id": [0] * len(rows), "translation": rows})
            parquet.write_table(table, tmp_path / f"part-{number}.parquet")
        pairs = read(f"{tmp_path}/part-*.parquet")
        assert texts(pairs) == [("one", "eins"), ("two", "")]
        assert str(pairs[1].origin) == f"{tmp_path}/part-1.parquet:1"
        broken = pyarrow.array([b"fine", b"caf\xe9"], pyarrow.binary())
        column = pyarrow.Array.from_buffers(pyarrow.string(), 2, broken.buffers())  # nobody checks
        parquet.write_table(pyarrow.table({"en": ["1", "2"], "de": column}), tmp_path / "latin.parquet")
        with pytest.raises(DataError, match=r"latin\.parquet: row 2, column 'de' is not UTF-8"):
            read(f"{tmp_path}/latin.parquet")
        (tmp_path / "part-2.parquet").write_bytes((tmp_path / "part-0.parquet").read_bytes()[:50])
        with pytest.raises(DataError, match=r"part-2\.parquet: not a readable Parquet file"):
            read(f"{tmp_path}/part-*.parquet")
        with pytest.raises(
            DataError, match=r"no file matches the pattern; .*prat-\*\.parquet: no such file; there is part"
        ):
            read(f"{tmp_path}/prat-*.parquet")


class TestDemo:
    def test_both_directions_and_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nmt.data.demo.generate", lambda split: [("eins", split)])
        assert texts(read("demo:test")) == [("test", "eins")]
        assert texts(read("demo:test", Languages("de", "en"))) == [("eins", "test")]
        with pytest.raises(DataError, match=r"de and en, not en and fr"):
            read("demo:test", Languages("en", "fr"))

    def test_splits(self) -> None:
        with pytest.raises(DataError, match=r"no split 'tset'"):
            read("demo:tset")
        sources = DataConfig(train=["demo:train", "demo:test"]).train
        opened = [open_sources(sources, languages) for languages in (EN_DE, Languages("de", "en"), EN_DE)]
        fingerprints = [[reader.fingerprint() for reader, _ in readers] for readers in opened]
        assert fingerprints[0] == fingerprints[2]
        assert len({name for names in fingerprints for name in names}) == 4


class TestHub:
    def test_no_network_fails_within_seconds_with_the_way_out(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            monkeypatch.delenv(name)
        start = time.monotonic()
        with pytest.raises(
            DataError, match=r"hub:wmt/wmt16/de-en\[train\]: the hub .* does not answer .* local files instead"
        ):
            read({"path": "wmt/wmt16", "kind": "hub", "subset": "de-en"})
        assert time.monotonic() - start < 10

    def test_a_server_that_never_answers_is_no_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            monkeypatch.delenv(name)
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
            start = time.monotonic()
            assert not hub.hub_answers()
            assert time.monotonic() - start < 5

    def test_what_is_cached_loads_without_network(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A cache as `datasets` leaves it after loading owner/name: built here from a local file, then renamed."""
        import datasets

        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"translation": {"en": "one", "de": "eins"}}\n{"translation": {"en": "two", "de": "zwei"}}\n')
        datasets.load_dataset("json", data_files=str(rows), cache_dir=str(tmp_path))
        built = next(tmp_path.glob("json/*/*/*/dataset_info.json")).parent
        (tmp_path / "owner___name" / "default" / "0.0.0").mkdir(parents=True)
        cached = built.rename(tmp_path / "owner___name" / "default" / "0.0.0" / built.name)
        (cached / "json-train.arrow").rename(cached / "name-train.arrow")
        info = json.loads((cached / "dataset_info.json").read_text())
        info.update(config_name="default", dataset_name="name", builder_name="cache")
        (cached / "dataset_info.json").write_text(json.dumps(info))
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)

        pairs = read({"path": "owner/name", "kind": "hub"})
        assert texts(pairs) == [("one", "eins"), ("two", "zwei")]
        assert str(pairs[1].origin) == "hub:owner/name[train]:2"
        [first], [second] = (open_sources(DataConfig(train="hub:owner/name").train, EN_DE) for _ in range(2))
        assert first.reader.fingerprint() == second.reader.fingerprint()
        with pytest.raises(DataError, match=r"has another part of it: Unknown split"):
            read({"path": "owner/name", "kind": "hub", "split": "tset"})

    def test_datasets_is_offline_only_while_the_hub_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets
        import huggingface_hub.constants as constants

        told: list[bool] = []

        def load(*arguments: Any, **options: Any) -> Any:
            told.append(datasets.config.HF_HUB_OFFLINE and constants.HF_HUB_OFFLINE)
            return datasets.Dataset.from_dict({"en": ["one"], "de": ["eins"]})

        for module in (datasets.config, constants):
            monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets, "load_dataset", load)
        for answers in (False, True):
            monkeypatch.setattr(hub, "hub_answers", lambda answers=answers: answers)
            assert texts(read("hub:owner/name")) == [("one", "eins")]
            assert not datasets.config.HF_HUB_OFFLINE
        assert told == [True, False]

    def test_a_script_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: Any, **options: Any) -> None:
            raise RuntimeError("Dataset scripts are no longer supported, but found iwslt2017.py")

        monkeypatch.setattr("datasets.load_dataset", refuse)
        with pytest.raises(DataError, match=r"refs/convert/parquet"):
            read({"path": "IWSLT/iwslt2017", "kind": "hub"})
