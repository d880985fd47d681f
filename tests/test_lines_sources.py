"""Tables, pairs of files, datasets and pen strokes as lines; what cannot be used is named, never dropped."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nmt.config.lines import LinesConfig, LineSource
from nmt.data.lines.kind import source_kind
from nmt.data.lines.line import Line, Pixels, Points
from nmt.data.lines.sources import check_lines_files, read_lines
from nmt.errors import DataError


def read(path: Path | str, **options: Any) -> list[Line]:
    [source] = LinesConfig.model_validate({"train": {"path": str(path), **options}}).train
    return list(read_lines(source))


def facts(lines: list[Line]) -> list[tuple[str, str | None, str]]:
    return [(Path(line.name).name, line.text, line.writer) for line in lines]


def problem(line: Line) -> str:
    with pytest.raises(DataError) as caught:
        line.recording.read()
    return str(caught.value)


def image(path: Path, width: int = 40, grey: int = 250) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, 12), grey).save(path)
    return path


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestTables:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("lines.tsv", 'file\twriter\twidth\ttext\na.png\tAnna\t40\tSay "no, never"\nb.png\tBert\t40\téà\n'),
            ("lines.csv", '\ufeffImage,Author,Transcription\r\na.png,Anna,"Say ""no, never"""\r\nb.png,Bert,éà\r\n'),
            ("any.csv", 'file_name;writer_id;text\na.png;Anna;"Say ""no, never"""\nb.png;Bert;éà\n'),
            (
                "metadata.jsonl",
                '{"file_name": "a.png", "text": "Say \\"no, never\\"", "writer": "Anna"}\n\n'
                '{"writer": "Bert", "file_name": "b.png", "text": "éà", "more": 1}',
            ),
        ],
        ids=["tsv", "csv", "semicolons", "jsonl"],
    )
    @pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
    def test_a_row_is_a_line(self, tmp_path: Path, name: str, content: str, folder: bool) -> None:
        table = written(tmp_path / name, content)
        image(tmp_path / "a.png", 33)
        lines = read(tmp_path if folder else table)
        assert facts(lines) == [("a.png", 'Say "no, never"', "Anna"), ("b.png", "éà", "Bert")]
        read_ = lines[0].recording.read()
        assert isinstance(read_, Pixels) and read_.values.shape == (12, 33)
        assert problem(lines[1]) == f"{tmp_path}/b.png: no such file"

    texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t\0"), min_size=1).filter(str.strip)

    @settings(max_examples=30)
    @given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
    def test_what_is_written_is_read(self, tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
        folder = tmp_path_factory.mktemp("tables")
        header = ("file", "writer", "text")
        cells = [(f"{number}.png", writer, text) for number, (writer, text) in enumerate(rows)]
        written(folder / "lines.tsv", "".join("\t".join(row) + "\n" for row in [header, *cells]))
        with open(folder / "lines.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *cells])
        objects = [dict(zip(header, row, strict=True)) for row in cells]
        written(folder / "lines.jsonl", "".join(json.dumps(row) + "\n" for row in objects))
        for suffix in ("tsv", "csv", "jsonl"):
            assert facts(read(folder / f"lines.{suffix}")) == [(file, text, who) for file, who, text in cells], suffix

    def test_configured_columns_come_first(self, tmp_path: Path) -> None:
        table = written(tmp_path / "t.tsv", "file\ttext\tscan\tdiplomatic\tpen\na\tb\tc\td\te\n")
        options = {"image_column": "scan", "text_column": "diplomatic", "writer_column": "pen"}
        assert facts(read(table, **options)) == [("c", "d", "e")]

    @pytest.mark.parametrize(
        ("content", "options", "complaint"),
        [
            ("scan\twords\nx\ty\n", {}, "no column with the image file (image, file, file_name,"),
            ("file\twords\nx\ty\n", {}, "no column with the transcript (text, transcript,"),
            ("file\ttext\nx\ty\n", {"text_column": "words"}, "no column 'words' (text_column); there is 'file',"),
            ("file\ttext\nx\ty\n", {"writer_column": "who"}, "no column 'who' (writer_column)"),
            ("file\ttext\tfile\nx\ty\tz\n", {}, "two columns are called 'file'"),
            ("file\ttext\n", {}, "has no row of a line"),
            ("", {}, "is empty"),
            ("\ufefffile\ttext".encode("utf-16"), {}, "UTF-16"),
        ],
    )
    def test_a_table_without_columns_is_named(
        self, tmp_path: Path, content: str | bytes, options: dict[str, str], complaint: str
    ) -> None:
        table = written(tmp_path / "t.tsv", content)
        with pytest.raises(DataError) as caught:
            read(table, **options)
        assert str(caught.value).startswith(f"{table}:") and complaint in str(caught.value)

    def test_rows_that_cannot_be_used_say_why(self, tmp_path: Path) -> None:
        rows = [b"file\ttext", b"a.png", b"\tno file", b"b.png\t\xe9t\xe9", b"c.png\tfine", b"", b"d.png\tx\ty"]
        table = written(tmp_path / "t.tsv", b"\n".join(rows))
        lines = read(table)
        assert [line.text for line in lines] == [None, "no file", None, "fine", None]
        assert problem(lines[0]) == f"{table}:2: 1 columns where the header has 2"
        assert problem(lines[1]) == f"{table}:3: no image file in column 'file': ''"
        assert problem(lines[2]) == f"{table}:4: the transcript is not UTF-8"
        assert problem(lines[4]) == f"{table}:7: 3 columns where the header has 2"

    def test_json_that_cannot_be_used_says_why(self, tmp_path: Path) -> None:
        rows = ['{"file": "a.png", "text": "a"}', "{", "[1]", '{"file": "b.png", "text": 7}']
        rows += ['{"file": 3, "text": "x"}', '{"file": "c.png"}']
        lines = read(written(tmp_path / "t.jsonl", "\n".join(rows)))
        assert "t.jsonl:2: is not JSON" in problem(lines[1])
        assert "t.jsonl:3: holds a list where an object is expected" in problem(lines[2])
        assert "t.jsonl:4: the transcript is a int, not text" in problem(lines[3])
        assert "t.jsonl:5: no image file in column 'file': 3" in problem(lines[4])
        assert lines[5].text is None

    def test_an_open_quotation_mark_is_named(self, tmp_path: Path) -> None:
        table = written(tmp_path / "t.csv", 'file,text\na.png,"open\nb.png,x\n')
        with pytest.raises(DataError, match=r"t\.csv:3: .*quotation mark left open"):
            read(table)

    def test_images_may_stand_elsewhere(self, tmp_path: Path) -> None:
        """Whoever writes the table may read those files anyway."""
        above, absolute = image(tmp_path / "scans" / "a.png"), image(tmp_path / "b.png")
        written(tmp_path / "texts" / "t.tsv", f"file\ttext\n../scans/{above.name}\ta\n{absolute}\tb\n")
        assert all(isinstance(line.recording.read(), Pixels) for line in read(tmp_path / "texts"))

    def test_a_folder_of_two_tables_is_no_guess(self, tmp_path: Path) -> None:
        for name in ("first.tsv", "second.csv"):
            written(tmp_path / name, "file,text\n")
        with pytest.raises(DataError, match=r"needs one table .*it has first\.tsv, second\.csv"):
            read(tmp_path)
        written(tmp_path / "lines.tsv", "file\ttext\na.png\tpreferred\n")
        assert facts(read(tmp_path)) == [("a.png", "preferred", "")]


class TestPairs:
    def test_images_meet_their_transcripts(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.nrm.png", "a.bin.png", "page/c.jpg", "page/c.d.tif"):
            image(tmp_path / name)
        for name in ("a", "b", "page/c", "page/c.d"):
            written(tmp_path / f"{name}.gt.txt", f"\ufefftext of {name}\n")
        lines = read(tmp_path)
        assert facts(lines) == [
            ("a.nrm.png", "\ufefftext of a\n".removeprefix("\ufeff"), ""),
            ("b.png", "text of b\n", ""),
            ("c.jpg", "text of page/c\n", ""),
            ("c.d.tif", "text of page/c.d\n", ""),
        ]
        assert all(isinstance(line.recording.read(), Pixels) for line in lines)

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        image(tmp_path / "alone.png")
        for name in ("latin", "two"):
            image(tmp_path / f"{name}.png")
        written(tmp_path / "imageless.gt.txt", "words")
        written(tmp_path / "latin.gt.txt", "été".encode("latin-1"))
        written(tmp_path / "two.gt.txt", "one\ntwo\n")
        alone, imageless, latin, two = read(tmp_path)
        assert alone.text is None and alone.name.endswith("alone.png")
        assert imageless.text == "words" and "imageless.gt.txt: no image beside it" in problem(imageless)
        assert "latin.gt.txt: is not UTF-8" in problem(latin)
        assert "two.gt.txt: holds 2 lines of text" in problem(two)

    def test_a_folder_without_transcripts_is_an_error(self, tmp_path: Path) -> None:
        image(tmp_path / "a.png")
        with pytest.raises(DataError, match=r"no file \*\.gt\.txt"):
            read(tmp_path, kind="pairs")
        with pytest.raises(DataError, match="this one has none of them among 1 files"):
            read(tmp_path)


class TestStrokes:
    def test_a_row_is_a_line(self, tmp_path: Path) -> None:
        rows = [
            {"strokes": [[[1, 2, 0], [3, 4, 10]], [[5, 6, 20]]], "text": "ab", "writer": 7},
            {"strokes": [[[1, 2], [3, 4]]], "text": "c", "writer": None},
        ]
        first, second = read(written(tmp_path / "s.jsonl", "\n".join(map(json.dumps, rows))))
        assert (first.text, first.writer, second.text, second.writer) == ("ab", "7", "c", "")
        points = first.recording.read()
        assert isinstance(points, Points) and [stroke.tolist() for stroke in points.strokes] == [
            [[1, 2, 0], [3, 4, 10]],
            [[5, 6, 20]],
        ]
        read_ = second.recording.read()
        assert isinstance(read_, Points) and read_.strokes[0].tolist() == [[1, 2, 0], [3, 4, 0]]

    def test_names_of_published_sets_are_known(self, tmp_path: Path) -> None:
        row = '{"alphabet": "K", "label": "K01", "drawer": 3, "strokes": [[[0, 0, 0]]]}'
        table = written(tmp_path / "s.jsonl", row)
        assert [(line.text, line.writer) for line in read(table)] == [("K01", "3")]

    @pytest.mark.parametrize(
        "strokes",
        [
            *[None, [], "x", [[]], [[[1]]], [[[1, 2, 3, 4]]], [[[1, 2], [3]]], [[["a", "b"]]], [[1, 2]]],
            *[[[[1, float("nan")]]], [[[1, 1e60]]], {"x": [1]}, [[[None, 2]]]],
        ],
        ids=str,
    )
    def test_what_is_no_stroke_is_named(self, tmp_path: Path, strokes: object) -> None:
        row = json.dumps({"strokes": [[[0, 0]]], "text": "fine"}), json.dumps({"strokes": strokes, "text": "bad"})
        fine, bad = read(written(tmp_path / "s.jsonl", "\n".join(row)))
        assert isinstance(fine.recording.read(), Points)
        assert bad.text == "bad" and "s.jsonl:2: " in problem(bad) and "stroke" in problem(bad)


class TestDatasets:
    @pytest.fixture
    def parquet(self, tmp_path: Path) -> Path:
        import datasets

        paths = [str(image(tmp_path / f"{number}.png", 20 + number)) for number in range(2)]
        broken = str(written(tmp_path / "broken.png", b"\x89PNG"))
        values = {"image": [*paths, broken], "text": ["one", None, "three"], "writer": [4, 5, None], "width": [1, 2, 3]}
        dataset = datasets.Dataset.from_dict(values).cast_column("image", datasets.Image())
        dataset.to_parquet(str(tmp_path / "rows.parquet"))
        return tmp_path / "rows.parquet"

    def test_a_row_is_a_line(self, parquet: Path) -> None:
        lines = read(parquet)
        assert [(line.text, line.writer) for line in lines] == [("one", "4"), (None, "5"), ("three", "")]
        read_ = lines[1].recording.read()
        assert isinstance(read_, Pixels) and read_.values.shape == (12, 21)
        assert lines[2].name == f"{parquet}:3" and "broken.png: is no image" in problem(lines[2])

    def test_columns_are_looked_for(self, parquet: Path) -> None:
        with pytest.raises(DataError, match=r"no column 'words' \(text_column\); there is 'image', 'text'"):
            read(parquet, text_column="words")
        with pytest.raises(DataError, match=r"column 'width' holds .*, not images"):
            read(parquet, image_column="width")

    def test_what_is_no_parquet_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"x\.parquet: not a readable Parquet file"):
            read(written(tmp_path / "x.parquet", "no"))
        with pytest.raises(DataError, match="no such file"):
            read(tmp_path / "y.parquet", kind="hub")

    def test_the_hub_does_not_answer(self) -> None:
        with pytest.raises(DataError, match=r"hub:Teklia/IAM-line\[train\]: .*lines\.tsv"):
            read("Teklia/IAM-line", kind="hub")

    def test_classes_are_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        features = datasets.Features(scan=datasets.Image(), label=datasets.ClassLabel(names=["zero", "one"]))
        pixels = np.zeros((4, 5), dtype=np.uint8)
        made = datasets.Dataset.from_dict({"scan": [pixels, pixels], "label": [1, 0]}, features=features)
        monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: made)
        lines = read("mnist", kind="hub")
        assert facts(lines) == [("hub:mnist[train]:1", "one", ""), ("hub:mnist[train]:2", "zero", "")]
        read_ = lines[0].recording.read()
        assert isinstance(read_, Pixels) and read_.values.shape == (4, 5)


class TestKinds:
    def test_a_kind_is_read_off_the_path(self, tmp_path: Path) -> None:
        files = {"t.csv": "table", "t.tsv": "table", "t.xml": "page", "t.parquet": "hub"}
        for name, kind in files.items():
            assert source_kind(LineSource(path=str(written(tmp_path / name, "x")))) == kind
        assert source_kind(LineSource(path=str(written(tmp_path / "s.jsonl", '\n{"strokes": []}')))) == "strokes"
        assert source_kind(LineSource(path=str(written(tmp_path / "t.jsonl", '{"text": []}')))) == "table"

    def test_what_is_not_there_is_named_with_what_is(self, tmp_path: Path) -> None:
        written(tmp_path / "lines.tsv", "file\ttext\n")
        config = LinesConfig.model_validate({"train": "digits:train", "test": str(tmp_path / "line.tsv")})
        with pytest.raises(DataError, match=r"line\.tsv: no such file; there is lines\.tsv"):
            check_lines_files(config)
        with pytest.raises(DataError, match=r"line\.tsv: no such file; there is lines\.tsv"):
            list(read_lines(config.test[0]))

    def test_what_could_be_two_things_is_no_guess(self, tmp_path: Path) -> None:
        written(tmp_path / "lines.tsv", "file\ttext\n")
        written(tmp_path / "a.gt.txt", "text")
        with pytest.raises(DataError, match="could be read as table or pairs; say which by kind"):
            read(tmp_path)
        with pytest.raises(DataError, match="is no source of lines"):
            read(written(tmp_path / "a.pdf", "x"))
