"""`recognize`: as many lines out as in, in order, whatever can and cannot be read."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_checkpoint import write_tiny_checkpoint
from tiny_recognizer import scribble, write_scribble, write_tiny_recognizer

from nmt.cli import line_files, recognize
from nmt.cli.guard import INTERRUPTED
from nmt.cli.line_files import line_count, listed_lines
from nmt.cli.recognize import main
from nmt.data.lines.pages import read_page
from nmt.inference.recognizer import Recognizer
from nmt.text.arpa import write_arpa
from nmt.text.ngram import estimate

ROOT = Path(__file__).parents[1]
PAGE = """<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="page.png" imageWidth="400" imageHeight="200"><TextRegion id="r">
    <Coords points="0,0 399,0 399,199 0,199"/>
    <TextLine id="first"><Coords points="50,60 169.9,60 169.9,83.9 50,83.9"/></TextLine>
    <TextLine id="second"><Coords points="10,100 99.9,100 99.9,123.9 10,123.9"/></TextLine>
  </TextRegion></Page>
</PcGts>"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_recognizer(tmp_path_factory.mktemp("run") / "tiny.ckpt"))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: a.png, b/c.png, b/page.png with page.xml of two lines, d.jpg that is none, .hidden.png, notes.txt."""
    folder = tmp_path_factory.mktemp("lines")
    (folder / "b").mkdir()
    write_scribble(folder / "a.png", 70)
    write_scribble(folder / "b" / "c.png", 120)
    page = np.full((200, 400), 235, dtype=np.uint8)
    page[60:84, 50:170], page[100:124, 10:100] = scribble(120), scribble(90)
    Image.fromarray(page).save(folder / "b" / "page.png")
    (folder / "b" / "page.xml").write_text(PAGE)
    (folder / "d.jpg").write_bytes(b"\xff\xd8\xff and no more")
    write_scribble(folder / ".hidden.png", 50)
    (folder / "notes.txt").write_text("nothing to read")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[list[str], str]:
    """The lines written, and what was said."""
    capsys.readouterr()
    assert main([str(one) for one in arguments]) == code
    captured = capsys.readouterr()
    return captured.out.split("\n")[:-1], captured.err


def names(folder: Path, *names: str) -> list[str]:
    return [str(folder / name) for name in names]


# --- what comes out


def test_lines_come_out_in_the_order_of_the_arguments(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path
) -> None:
    paths = names(lines, "b/c.png", "a.png", "b/c.png")
    expected = [found.text for found in Recognizer.from_checkpoint(checkpoint).recognize(paths)]
    assert expected[0] == expected[2] != expected[1]
    assert run(capsys, "--checkpoint", checkpoint, *paths) == (expected, "")


def test_what_cannot_be_read_is_named_and_the_rest_is_done(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    paths = [*names(lines, "a.png", "nowhere.png", "notes.txt", "d.jpg"), str(tmp_path), str(lines / "b/c.png")]
    out, err = run(capsys, "--checkpoint", checkpoint, *paths, code=1)
    good = [found.text for found in Recognizer.from_checkpoint(checkpoint).recognize(paths[::5])]
    assert out == [good[0], "", "", "", "", good[1]]
    told = err.splitlines()
    assert [line.split(": ")[1] for line in told[:4]] == paths[1:5]
    assert told[0].endswith("nowhere.png: no such file") and told[1].endswith(
        "(PNG, JPEG, TIFF, BMP, GIF, WebP, PPM, JPEG 2000)"
    )
    assert told[4:] == ["recognize: 4 of 6 lines could not be read"]


@pytest.mark.parametrize("name", ["digits:test", "pendigits:test:pen digits.csv"])
def test_composed_lines_are_no_files_and_the_command_that_reads_them_is_named(
    capsys: pytest.CaptureFixture[str], lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A run on digits ended with the advice to give `recognize` images, and there are none to give."""
    monkeypatch.setattr(recognize, "load_recognizer", lambda *_, **__: pytest.fail("torch has been imported"))
    given = ("--checkpoint", tmp_path, lines / "a.png", name)
    out, err = run(capsys, *given, code=1)
    command = shlex.split(err.split("by: nmt evaluate-lines ")[1])
    assert out == [] and f"{name}: no such file" in err
    assert command == ["--checkpoint", str(tmp_path), "--lines", name, "--report", "worst.html"]


def test_a_file_with_the_name_of_composed_lines_is_read(
    capsys: pytest.CaptureFixture[str], checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scribble(Path("a.png"), 70).rename("digits:test")
    assert run(capsys, "--checkpoint", checkpoint, "digits:test")[1] == ""


def test_the_last_checkpoint_of_a_run_without_a_best_one_is_told_of(
    capsys: pytest.CaptureFixture[str], lines: Path, tmp_path: Path
) -> None:
    write_tiny_recognizer(tmp_path / "checkpoints" / "last.ckpt", data={"validation": "val"})
    out, err = run(capsys, "--checkpoint", tmp_path, lines / "a.png")
    assert len(out) == 1 and err == f"{tmp_path} has no best.ckpt yet; using last.ckpt, step 7\n"


def test_a_recogniser_that_says_nothing_is_told_of(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    """One that has hardly been trained reads every line as empty, and nobody said why the output was."""
    silent = write_tiny_recognizer(tmp_path / "silent.ckpt", silent=True)
    out, err = run(capsys, "--checkpoint", silent, lines / "b", lines / "a.png")
    assert out == [""] * 4
    assert err.startswith("recognize: 4 of 4 lines came out empty: ") and err.count("\n") == 1
    _, err = run(capsys, "--checkpoint", silent, lines / "a.png", lines / "d.jpg", code=1)
    assert err.splitlines()[-1].startswith("recognize: 1 of 1 lines came out empty")
    assert "came out empty" not in run(capsys, "--checkpoint", silent, lines / "d.jpg", code=1)[1]
    write_scribble(tmp_path / "blank.png", 4)  # too narrow for a stroke
    out, err = run(capsys, "--checkpoint", checkpoint, tmp_path / "blank.png", lines / "a.png")
    assert out[0] == "" != out[1] and err == ""


@pytest.mark.parametrize("form", ["tsv", "jsonl"])
def test_the_least_sure_lines_come_first_on_demand(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, form: str
) -> None:
    paths = names(lines, "a.png", "nowhere.png", "b/page.xml", "b/c.png", "d.jpg")
    plain, err = run(capsys, "--checkpoint", checkpoint, *paths, "--format", form, code=1)
    ordered, told = run(capsys, "--checkpoint", checkpoint, *paths, "--format", form, "--sort", "confidence", code=1)
    assert told == err and sorted(ordered) == sorted(plain) and ordered != plain
    if form == "tsv":
        assert ordered.pop(0) == plain[0]
        sure = [float(row.split("\t")[2] or -1) for row in ordered]
    else:
        sure = [json.loads(row).get("confidence", -1.0) for row in ordered]
    assert len(sure) == 6 and sure[:2] == [-1, -1] and sure == sorted(sure)
    assert [Path(str(row)).name.startswith("nowhere") for row in (paths[1], paths[4])] == [True, False]
    assert "nowhere.png" in ordered[0] and "d.jpg" in ordered[1]  # of equal ones, the earlier


def test_what_was_read_as_nothing_comes_before_what_was_read(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    """A blank line is the surest there is, and `| head` never showed a line on which the reader was silent."""
    write_scribble(tmp_path / "blank.png", 4)
    paths = [*names(lines, "a.png", "nowhere.png"), str(tmp_path / "blank.png")]
    ordered, _ = run(capsys, "--checkpoint", checkpoint, *paths, "--format", "jsonl", "--sort", "confidence", code=1)
    assert [Path(json.loads(row)["file"]).name for row in ordered] == ["nowhere.png", "blank.png", "a.png"]


def test_jsonl_tells_everything(capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path) -> None:
    paths = names(lines, "a.png", "nowhere.png")
    options = ("--checkpoint", checkpoint, *paths, "--format", "jsonl")
    out, _ = run(capsys, *options, "--beam-size", 5, "--n-best", 3, code=1)
    assert run(capsys, *options, "--beam-size", 5, "--nbest", 3, code=1)[0] == out  # as it was spelt before
    row, broken = map(json.loads, out)
    assert broken == {"file": paths[1], "error": f"{paths[1]}: no such file"}
    assert list(row) == ["file", "text", "confidence", "line_confidence", "log_likelihood", "characters", "nbest"]
    (found,) = Recognizer.from_checkpoint(checkpoint, search={"beam_size": 5, "nbest": 3}).recognize(paths[:1])
    assert (row["file"], row["text"]) == (paths[0], found.text)
    assert row["confidence"] == pytest.approx(found.confidence, rel=1e-3)
    assert row["line_confidence"] == pytest.approx(found.line_confidence, rel=1e-3)
    assert row["line_confidence"] < row["confidence"] < 1
    assert row["log_likelihood"] == pytest.approx(found.log_likelihood, abs=1e-3)
    assert [one["text"] for one in row["nbest"]] == [one.text for one in found.nbest]
    for character, expected in zip(row["characters"], found.characters, strict=True):
        assert character["symbol"] == expected.symbol
        assert character["box"] == pytest.approx(expected.box, abs=0.006)
        assert character["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
    out, _ = run(capsys, *options, "--no-boxes", code=1)
    assert list(json.loads(out[0])) == ["file", "text", "confidence", "line_confidence", "log_likelihood"]


def test_a_table_has_names_and_confidences(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "a\tb\nc.png"
    odd.write_bytes((lines / "a.png").read_bytes())
    out, _ = run(capsys, "--checkpoint", checkpoint, lines / "a.png", lines / "d.jpg", odd, "--format", "tsv", code=1)
    header, *rows = [line.split("\t") for line in out]
    assert header == ["file", "text", "confidence"]
    assert rows[0][0] == str(lines / "a.png") and rows[1] == [str(lines / "d.jpg"), "", ""]
    assert rows[2] == [str(tmp_path / "a b c.png"), *rows[0][1:]]
    assert 0 <= float(rows[0][2]) <= 1


def test_a_file_is_written_whole(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    output = tmp_path / "texts.txt"
    shown, _ = run(capsys, "--checkpoint", checkpoint, lines, code=1)
    assert run(capsys, "--checkpoint", checkpoint, lines, "--output", output, code=1)[0] == []
    assert output.read_text().split("\n")[:-1] == shown
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_interrupted_the_lines_so_far_are_whole_and_the_old_file_stays(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "texts.txt"
    output.write_text("old\n")
    monkeypatch.setattr(recognize, "WINDOW", 1)
    read = recognize._read

    def interrupted(recognizer: Any, item: Any) -> Any:
        if item.name.endswith("c.png"):
            raise KeyboardInterrupt
        return read(recognizer, item)

    monkeypatch.setattr(recognize, "_read", interrupted)
    paths = names(lines, "a.png", "b/c.png")
    _, err = run(capsys, "--checkpoint", checkpoint, *paths, "--output", output, code=INTERRUPTED)
    assert output.read_text() == "old\n" and "interrupted" in err
    assert len((tmp_path / "texts.txt.partial").read_text().splitlines()) == 1


@pytest.mark.parametrize("form", ["alto", "page"])
def test_a_page_has_every_line_where_it_stands(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, form: str
) -> None:
    """Pages as deep as they were in the folder; what `recognize` reads there is what our own reader finds in them."""
    output = tmp_path / "read"
    expected, _ = run(capsys, "--checkpoint", checkpoint, lines, lines / "a.png", "--format", "jsonl", code=1)
    out, err = run(
        capsys, "--checkpoint", checkpoint, lines, lines / "a.png", "--format", form, "--output", output, code=1
    )
    assert out == [] and "d.jpg" in err and "1 of 6 lines could not be read" in err
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*.*"))
    assert files == ["a-2.xml", "a.xml", "b/c.xml", "b/page.xml"]
    told = [row for line in expected if "text" in (row := json.loads(line))]
    found = [line for name in ("a.xml", "b/c.xml", "b/page.xml", "a-2.xml") for line in read_page(str(output / name))]
    assert [line.text for line in found] == [row["text"] for row in told]
    assert [line.name.split("#")[1] for line in found] == ["line_1", "line_1", "first", "second", "line_1"]
    for line, source in zip(found[2:4], read_page(str(lines / "b" / "page.xml")), strict=True):
        polygon = source.recording.polygon
        if form == "page":  # in whole pixels
            polygon = tuple((float(round(x)), float(round(y))) for x, y in polygon)
        assert line.recording.polygon == polygon
        assert os.path.samefile(line.recording.path, source.recording.path)
    text = (output / "b" / "page.xml").read_text()
    assert ("<Creator>nmt " in text) == (form == "page") and ("<softwareName>nmt<" in text) == (form == "alto")
    sure = re.findall(r'conf="([0-9.]+)">\s*<Unicode>[^<]*</Unicode>\s*</TextEquiv>\s*</TextLine>', text)
    assert sure == ([f"{row['confidence']:.4f}" for row in told[2:4]] if form == "page" else [])
    box = 'ID="first" HPOS="50" VPOS="60" WIDTH="119.9" HEIGHT="23.9">'
    assert (box in text) == (form == "alto") and ("<PcGts" in text) == (form == "page")


@pytest.mark.parametrize("form", ["alto", "page", "jsonl"])
def test_pages_tell_of_confidences_that_are_fitted_to_nothing(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, form: str
) -> None:
    """Whoever takes pages to a proof-reader takes their confidences for what they say."""
    given = (lines / "a.png", lines / "b", "--format", form, "--output")
    err = run(capsys, "--checkpoint", checkpoint, *given, tmp_path / "plain")[1]
    told = [row for row in err.splitlines() if "plain likelihoods" in row]
    if form == "jsonl":
        assert told == []
        return
    assert len(told) == 1 and told[0].startswith("recognize: confidences are plain likelihoods, fitted to no lines")
    command = f"nmt evaluate-lines --checkpoint {checkpoint} --lines VALIDATION --calibrate FITTED.ckpt"
    assert told[0].endswith(command)
    share = {"share": (0.0, 0.5, -0.5, 0.0, 0.0)}
    fitted = write_tiny_recognizer(tmp_path / "fitted.ckpt", search={"confidence": share})
    assert "likelihoods" not in run(capsys, "--checkpoint", fitted, *given, tmp_path / "fitted")[1]


def test_a_line_of_a_page_that_cannot_be_read_stays_on_it(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    (tmp_path / "page.png").write_bytes((lines / "b" / "page.png").read_bytes())
    beyond = PAGE.replace('points="10,100 99.9,100 99.9,123.9 10,123.9"', 'points="900,1 950,1 950,9"')
    (tmp_path / "page.xml").write_text(beyond)
    output = tmp_path / "read"
    options = ("--format", "alto", "--output", output)
    _, err = run(capsys, "--checkpoint", checkpoint, tmp_path / "page.xml", *options, code=1)
    assert "lies outside the image" in err
    first, second = read_page(str(output / "page.xml"))
    assert first.text and second.text == "" and second.recording.polygon[0] == (400.0, 1.0)  # the edge


def test_lines_of_one_name_are_one_page_and_one_without_a_place_is_on_it(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    (tmp_path / "page.png").write_bytes((lines / "b" / "page.png").read_bytes())
    odd = PAGE.replace('id="second"', 'id="first"').replace('"10,100 99.9,100 99.9,123.9 10,123.9"', '"10"')
    (tmp_path / "page.xml").write_text(odd)
    given = (tmp_path / "page.xml", tmp_path / "page.xml")
    run(capsys, "--checkpoint", checkpoint, *given, "--format", "alto", "--output", tmp_path / "read", code=1)
    assert sorted(path.name for path in (tmp_path / "read").iterdir()) == ["page-2.xml", "page.xml"]
    for name in ("page.xml", "page-2.xml"):
        first, second = read_page(str(tmp_path / "read" / name))
        assert first.text and first.name.endswith("#first")
        assert second.text == "" and second.name.endswith("#line_2")


@pytest.mark.parametrize("form", ["alto", "page"])
def test_pages_overwrite_nothing(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, form: str
) -> None:
    (tmp_path / "file").write_text("old")
    for output, code, said in (
        ("-", 2, "needs --output FOLDER"),
        (lines, 1, "is not empty"),
        (tmp_path / "file", 1, "is a file"),
        (tmp_path / "no" / "folder", 1, "does not exist; create it first"),
    ):
        options = ("--format", form, "--output", output)
        _, err = run(capsys, "--checkpoint", checkpoint, lines / "a.png", *options, code=code)
        assert said in err and err.count("\n") == 1


# --- what goes in


def test_a_folder_gives_its_lines_and_pages_sorted(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path
) -> None:
    out, err = run(capsys, "--checkpoint", checkpoint, lines, "--format", "jsonl", code=1)
    rows = [json.loads(line) for line in out]
    expected = names(lines, "a.png", "b/c.png", "b/page.xml#first", "b/page.xml#second", "d.jpg")
    assert [row["file"] for row in rows] == expected
    assert err.count("\n") == 2 and "1 of 5 lines could not be read" in err
    assert rows[1]["text"] == rows[2]["text"]  # the same pixels, alone and on the page, …
    for alone, cut in zip(rows[1]["characters"], rows[2]["characters"], strict=True):
        left, _, right, _ = alone["box"]
        assert cut["box"] == pytest.approx([left + 50, 60, right + 50, 84], abs=0.02)  # … each in its own image


def test_windows_change_nothing(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(capsys, "--checkpoint", checkpoint, lines, code=1)
    monkeypatch.setattr(recognize, "WINDOW", 2)
    assert run(capsys, "--checkpoint", checkpoint, lines, "--batch-columns", 1, code=1) == whole


def test_paths_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, c = names(lines, "a.png", "b/c.png")
    given = f"{c}\n\n-\r\n{lines / 'b'}\n{a}".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    out, err = run(capsys, "--checkpoint", checkpoint, a, "-", "--format", "jsonl", "--no-boxes", code=1)
    inside = names(lines / "b", "c.png", "page.xml#first", "page.xml#second")
    assert [json.loads(line)["file"] for line in out] == [a, c, "./-", *inside, a]
    assert "./-: no such file" in err


def test_strokes_need_no_transcript(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_tiny_recognizer(tmp_path / "pen.ckpt", kind="strokes")
    strokes = [[[0, 0, 0], [50, 80, 10], [90, 5, 20]], [[120, 10, 40], [150, 90, 60]]]
    rows = [{"strokes": strokes}, {"text": "no strokes"}, {"strokes": [stroke[:2] for stroke in strokes], "text": "x"}]
    (tmp_path / "pen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    out, err = run(capsys, "--checkpoint", path, tmp_path / "pen.jsonl", "--format", "jsonl", code=1)
    found = [json.loads(line) for line in out]
    assert [row["file"] for row in found] == [f"{tmp_path / 'pen.jsonl'}:{number}" for number in (1, 2, 3, 4)]
    assert found[0]["characters"] and found[2]["text"]
    assert "has no strokes" in found[1]["error"] and "is not JSON" in found[3]["error"]
    assert "2 of 4 lines could not be read" in err


def test_what_the_recogniser_cannot_read_is_said_once(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    """Every stroke of a file given to a reader of images was an error of its own."""
    (tmp_path / "pen.JSONL").write_text('{"strokes": [[[0, 0], [5, 8]]]}\n' * 9)
    _, err = run(capsys, "--checkpoint", checkpoint, lines / "a.png", tmp_path / "pen.JSONL", code=1)
    assert err == (
        f"error: {tmp_path / 'pen.JSONL'}: pen strokes, but {checkpoint} reads images; give images of lines, ALTO or"
        " PAGE .xml, or a recogniser of strokes\n"
    )
    path = write_tiny_recognizer(tmp_path / "pen.ckpt", kind="strokes")
    for given in (lines / "a.png", lines / "b" / "page.xml", lines):
        _, err = run(capsys, "--checkpoint", path, given, code=1)
        assert err.startswith(f"error: {given}: an image or a page, but {path} reads pen strokes; give .jsonl files")
        assert err.count("\n") == 1
    options = ("--format", "alto", "--output", tmp_path / "read")
    _, err = run(capsys, "--checkpoint", path, tmp_path / "pen.JSONL", *options, code=2)
    assert "--format alto: pen strokes stand on no page" in err and not (tmp_path / "read").exists()


def test_pages_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<PcGts>")
    (tmp_path / "other.xml").write_text("<html/>")
    (tmp_path / "empty.xml").write_text(re.sub(r"<TextLine.*\n", "", PAGE))
    (tmp_path / "empty.jsonl").write_text("\n")
    for name in ("broken.xml", "other.xml", "empty.xml", "empty.jsonl"):
        (one,) = listed_lines([str(tmp_path / name)])
        assert one.line is None and one.error.startswith(str(tmp_path / name))


def test_the_number_of_lines_is_told_where_it_is_known(lines: Path) -> None:
    assert line_count(["a.png", "b.png"]) == 2
    for unknown in ("-", "page.xml", "pen.JSONL", str(lines)):
        assert line_count(["a.png", unknown]) is None


def test_a_name_that_is_no_text_is_written_all_the_same(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Path(odd).write_bytes((lines / "a.png").read_bytes())
    out, _ = run(capsys, "--checkpoint", checkpoint, odd, "--format", "jsonl")
    assert json.loads(out[0])["file"] == odd
    out, _ = run(capsys, "--checkpoint", checkpoint, odd, "--format", "tsv")
    assert out[1].startswith(f"{tmp_path}/\ufffd.png\t")


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "the following arguments are required: PATH"),
        (["a.png", "--beam-size", "0"], 2, "--beam-size: must be"),
        (["a.png", "--language-weight", "-1"], 2, "--language-weight: must be"),
        (["a.png", "--batch-columns", "0"], 2, "must be from 1 to"),
        (["a.png", "--threads", "0"], 2, "--threads 0"),
        (["a.png", "--n-best", "2"], 2, "--n-best 2 needs --format jsonl"),
        (["a.png", "--n-bets", "2"], 2, "--n-bets: did you mean --n-best? See recognize --help"),
        (["a.png", "--sort", "confidence"], 2, "--sort confidence needs --format tsv or jsonl"),
        (["a.png", "--lexicon", "nowhere.txt"], 1, "nowhere.txt: no such file"),
        (["a.png", "--language-model", "nowhere.arpa"], 1, "nowhere.arpa: no such file"),
        (["a.png", "--output", "no/such/folder/x"], 1, "no/such/folder does not exist"),
        (["a.png", "--insertion-bonus", "1"], 2, "--insertion-bonus: of no effect on the best path"),
        (["a.png", "--n-best", "3", "--format", "jsonl"], 2, "--n-best: of no effect on the best path"),
        (["a.png", "--language-weight", "1", "--beam-size", "4"], 2, "the checkpoint holds no language model"),
    ],
)
def test_bad_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], checkpoint: str, arguments: list[str], code: int, said: str
) -> None:
    out, err = run(capsys, "--checkpoint", checkpoint, *arguments, code=code)
    assert out == [] and err.startswith("error: ") and said in err


def test_inputs_are_never_overwritten(capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path) -> None:
    for path in (lines / "a.png", checkpoint):
        _, err = run(capsys, "--checkpoint", checkpoint, lines / "a.png", "--output", path, code=1)
        assert "would overwrite the input" in err


def test_no_text_is_written_over_an_image_that_a_folder_or_a_list_names(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The texts of a folder went into one of its scans, which was gone then."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{lines / 'a.png'}\n".encode())))
    for source, output in ((lines, lines / "a.png"), ("-", lines / "a.png"), (lines, lines / "b" / "page.xml")):
        before = output.read_bytes()
        _, err = run(capsys, "--checkpoint", checkpoint, source, "--output", output, code=1)
        assert "would overwrite lines or their transcripts" in err and output.read_bytes() == before


def test_links_that_lead_in_a_circle(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    """A traceback each: `Path.resolve` fails on them."""
    folder, circle = tmp_path / "scans", tmp_path / "circle"
    folder.mkdir()
    circle.symlink_to("circle")
    (folder / "a.png").symlink_to("a.png")
    write_scribble(folder / "b.png", 60)
    out, err = run(capsys, "--checkpoint", checkpoint, folder, code=1)
    assert len(out) == 2 and out[1] and "a.png: no such file" in err
    _, err = run(capsys, "--checkpoint", checkpoint, lines / "a.png", "--output", circle, code=1)
    assert err.startswith(f"error: {circle}: a link that leads in a circle")


def test_a_translator_reads_no_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_tiny_checkpoint(tmp_path / "text.ckpt")
    _, err = run(capsys, "--checkpoint", path, "a.png", code=1)
    assert err.startswith(f"error: {path}: a translator, where a recogniser is needed")


def test_the_language_model_named_is_used(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path
) -> None:
    write_arpa(estimate(["tststs"] * 9, 2), tmp_path / "ts.arpa")
    (tmp_path / "words.txt").write_text("as\ntea\n")
    options = ("--checkpoint", checkpoint, lines / "a.png", "--beam-size", 8)
    (plain,), _ = run(capsys, *options)
    (spoken,), _ = run(capsys, *options, "--language-model", tmp_path / "ts.arpa", "--language-weight", 3)
    assert spoken != plain and set(spoken) <= set("ts")
    (words,), _ = run(capsys, *options, "--lexicon", tmp_path / "words.txt")
    assert set(words.split()) <= {"as", "tea"} and words.strip()


def test_arguments_and_missing_files_are_answered_before_torch(checkpoint: str) -> None:
    code = (
        "import sys; from nmt.cli.recognize import main\n"
        "assert main(['--checkpoint', 'no/run', 'a.png']) == 1\n"
        f"assert main(['--checkpoint', {checkpoint!r}, 'a.png', '--beam-size', '0']) == 2\n"
        f"assert main(['--checkpoint', {checkpoint!r}, 'a.png', '--lexicon', 'no.txt']) == 1\n"
        "try: main(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'datasets') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]" and "no/run: no such run folder" in done.stderr
    assert "--insertion-bonus" in done.stdout and "find scans" in done.stdout


def test_a_bar_appears_only_where_somebody_sees_it(
    capsys: pytest.CaptureFixture[str], checkpoint: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = names(lines, "a.png", "d.jpg")
    assert line_files.line_count(paths) == 2
    options = ("--checkpoint", checkpoint, *paths, "--output", tmp_path / "x.txt")
    _, err = run(capsys, *options, code=1)
    assert "%" not in err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main([str(one) for one in options]) == 1
    err = capsys.readouterr().err
    assert "0/2" in err
    assert re.search(
        rf"[\r\n]recognize: 1 of 2 lines could not be read\nrecognize: 2 lines in [0-9.]+ s: {tmp_path / 'x.txt'}\n$",
        err,
    )


def test_a_page_that_is_read_as_one_line_is_remarked(
    capsys: pytest.CaptureFixture[str], checkpoint: str, tmp_path: Path
) -> None:
    """A scanned page gave one short word, and nobody was told why."""
    write_scribble(tmp_path / "page.png", 300, height=400)
    write_scribble(tmp_path / "letter.png", 20, height=40)
    _, said = run(capsys, "--checkpoint", checkpoint, *names(tmp_path, "page.png", "letter.png"))
    assert "page.png: higher than wide" in said and "letter.png" not in said
