"""Data of the other kind of run is said to be that, with what reads it; data of the right kind never is."""

from pathlib import Path

import pytest
from tiny_recognizer import write_scribble

from nmt.cli.other_task import check_are_lines, check_are_texts
from nmt.cli.train import main
from nmt.config.data import CorpusSource, DataConfig
from nmt.config.lines import LinesConfig
from nmt.errors import DataError

LANGUAGES = ("de", "en")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images, a page, tables of lines, strokes; parallel texts and tables of them."""
    (tmp_path / "images").mkdir()
    write_scribble(tmp_path / "images" / "a.PNG", 40)
    (tmp_path / "images" / "a.gt.txt").write_text("a\n")
    (tmp_path / "page.xml").write_text("<alto/>")
    (tmp_path / "lines.tsv").write_text("file\twriter\ttext\nimages/a.PNG\tann\ta\n")
    (tmp_path / "lines.jsonl").write_text('{"image": "images/a.PNG", "transcript": "a"}\n')
    (tmp_path / "pen.jsonl").write_text('{"strokes": [], "text": "a"}\n')
    (tmp_path / "pairs.tsv").write_text("file\ttext\tde\ten\na\ta\tja\tyes\n")
    (tmp_path / "plain.tsv").write_text("ja, das Bild\tyes, the image\n")
    (tmp_path / "pairs.jsonl").write_text('{"de": "ja", "en": "yes"}\n')
    (tmp_path / "texts").mkdir()
    for name in ("train.de", "train.en"):
        (tmp_path / "texts" / name).write_text("ja\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("images", "lines_small"),
        ("images/a.PNG", "lines_small"),
        ("page.xml", "lines_small"),
        ("lines.tsv", "lines_small"),
        ("lines.jsonl", "lines_small"),
        ("pen.jsonl", "strokes_small"),
    ],
)
def test_a_translator_is_given_lines(
    folder: Path, name: str, config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A table of images trained a translator from file names to writers without a word."""
    said = f"{folder / name}: holds lines of handwriting, and a translator reads text; use --config {config}"
    run = tmp_path / "run"
    assert main(["--config", "gnmt_small", "--data.train", str(folder / name), "--run-dir", str(run)]) == 1
    assert capsys.readouterr().err == f"error: data.train: {said}\n" and not run.exists()


@pytest.mark.parametrize("name", ["texts/train", "pairs.tsv", "plain.tsv", "pairs.jsonl", "texts", "nowhere"])
def test_text_is_text(folder: Path, name: str) -> None:
    check_are_texts(DataConfig(train=(CorpusSource(path=str(folder / name)),)), LANGUAGES)


@pytest.mark.parametrize("name", ["texts/train", "texts/train.en", "texts", "demo:train"])
def test_a_recogniser_is_given_text(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = name if name.startswith("demo:") else str(folder / name)
    assert main(["--config", "lines_small", "--data.train", given, "--run-dir", str(folder / "run")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {given}: ") and said.count("\n") == 1
    assert said.endswith("if it is parallel text, a translator reads it: --config gnmt_small\n")
    assert not (folder / "run").exists()


def test_lines_are_lines(folder: Path) -> None:
    for name in ("images", "page.xml", "lines.tsv", "lines.jsonl", "pen.jsonl"):
        check_are_lines(LinesConfig(train=(str(folder / name),)))
    check_are_lines(LinesConfig(train=("digits:train",)))
    with pytest.raises(DataError) as caught:
        check_are_lines(LinesConfig(train=(str(folder / "nowhere"),)))
    assert "parallel" not in str(caught.value)
