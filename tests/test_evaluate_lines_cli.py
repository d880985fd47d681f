"""`evaluate-lines` scores what `recognize` reads, counts bad lines as errors, and complains before it begins."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_recognizer import write_scribble, write_tiny_recognizer

from nmt.cli.evaluate_lines import main
from nmt.inference.recognizer import Recognizer
from nmt.metrics.error_rate import error_rates
from nmt.text.arpa import write_arpa
from nmt.text.ngram import estimate

TEXTS = ["a nest", "seas", "rain", "arena east"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, and lines of it: four good ones, then one of each kind of bad."""
    folder = tmp_path_factory.mktemp("lines")
    write_tiny_recognizer(folder / "model.ckpt")
    rows = ["file\twriter\ttext"]
    for number, text in enumerate([*TEXTS, "b<b>", "s" * 60, ""]):
        write_scribble(folder / f"{number}.png", 80 + 7 * number, seed=number)
        rows.append(f"{number}.png\tw{number % 2}\t{text}")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "circle").symlink_to("circle")
    rows += ["broken.png\tw0\ttea", "gone.png\tw1\tarena"]
    (folder / "lines.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "good.tsv").write_text("\n".join(rows[:5]) + "\n", encoding="utf-8")
    return folder


def run(folder: Path, *options: str, lines: str = "lines.tsv") -> int:
    return main(["--checkpoint", str(folder / "model.ckpt"), "--lines", str(folder / lines), *options])


def scores(folder: Path, *options: str, lines: str = "lines.tsv") -> dict[str, dict[str, object]]:
    bad = lines == "lines.tsv"  # which leaves a status, and is scored all the same
    assert run(folder, "--json", str(folder / "scores.json"), *options, lines=lines) == bad
    found: dict[str, dict[str, object]] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return found


def test_rates_are_those_of_the_texts_that_the_recogniser_reads(folder: Path) -> None:
    recognizer = Recognizer.from_checkpoint(folder / "model.ckpt", device="cpu")
    read = [one.text for one in recognizer.recognize(folder / f"{number}.png" for number in range(4))]
    assert any(read)
    found = scores(folder, lines="good.tsv")
    rates = error_rates(TEXTS, read, ["w0", "w1", "w0", "w1"])
    assert {name: found[name] for name in ("cer", "wer")} == {name: rates.as_dict()[name] for name in ("cer", "wer")}
    assert found["bad"] == []


def test_bad_lines_are_named_and_count_as_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = scores(folder, "--output", str(folder / "read.tsv"))
    out, err = capsys.readouterr()
    assert found["lines"] == 9 and found["right_lines"] == 0  # a line without a transcript is not right either
    assert [(Path(one["line"]).name, one["read"]) for one in found["bad"]] == [
        ("4.png", True),
        ("5.png", True),
        ("6.png", False),
        ("broken.png", False),
        ("gone.png", False),
    ]
    for said in ("not in the alphabet", "frames cannot spell 60 symbols, which need 119", "an empty transcript"):
        assert said in err
    assert "no such file" in err and "bad lines: 5 of 9, 3 of them not read" in err
    assert found["cer"]["reference"] == sum(map(len, TEXTS)) + 4 + 60 + 3 + 5
    rows = [row.split("\t") for row in (folder / "read.tsv").read_text(encoding="utf-8").splitlines()]
    assert [row[2:4] for row in rows[-2:]] == [["3", "3"], ["5", "5"]]
    assert sum(int(row[2]) for row in rows[1:]) == sum(
        found["cer"][kind] for kind in ("substitutions", "deletions", "insertions")
    )
    assert out.startswith("CER") and "cer|micro|norm:nfc+space|case:mixed|unit:codepoint|v0.1" in out


def test_a_recogniser_that_says_nothing_is_told_of(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(write_tiny_recognizer(tmp_path / "silent.ckpt", silent=True))
    assert main(["--checkpoint", silent, "--lines", str(folder / "good.tsv")]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("evaluate-lines: 4 of 4 lines came out empty: ") and captured.err.count("\n") == 1
    assert captured.out.startswith("CER 100.00 %")
    assert run(folder, lines="good.tsv") == 0
    assert capsys.readouterr().err == ""


def test_confidences_are_told_in_a_table_with_what_a_guess_is_worth(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of three numbers without a word on which of them is good was all there was."""
    found = scores(folder, lines="good.tsv")
    rows = capsys.readouterr().out.splitlines()
    start = next(number for number, row in enumerate(rows) if row.startswith("do confidences come true?"))
    for row, one in zip(rows[start + 1 :], found["calibration"], strict=False):
        verdict = "better" if one["brier"] < one["brier_of_share"] else "no better"
        numbers = [f"{one[name]:.3f}" for name in ("error", "brier", "brier_of_share")]
        assert (
            row.endswith(f"  {verdict} than a guess")
            and row.removesuffix(verdict + " than a guess").split()[-3:] == numbers
        )
    assert [row.split(" lines")[0].split(" char")[0] for row in rows[start + 1 : start + 4]] == [
        "  line_confidence, 4",
        "  confidence, 4",
        f"  confidence, {found['calibration'][2]['number']}",
    ]


def test_a_report_is_written(folder: Path) -> None:
    assert run(folder, "--report", str(folder / "report.html"), "--worst", "3") == 1
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<article") == 3 and 'class="marks"' in text and "best path" in text
    assert "gone.png: no such file" in text and "b&lt;b&gt;" not in text  # the fourth worst


def test_the_measure_is_what_was_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--normalization", "nfkc", "--ignore-case", "--unit", "grapheme", "--resamples", "0")
    assert run(folder, *options, lines="good.tsv") == 0
    out = capsys.readouterr().out
    assert "cer|micro|norm:nfkc+space|case:lower|unit:grapheme|v0.1" in out and "resamples" not in out


def test_weights_are_tuned_on_the_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_arpa(estimate(TEXTS, 2), folder / "model.arpa")
    options = ("--beam-size", "4", "--language-model", str(folder / "model.arpa"))
    poor = ("--language-weight", "6", "--insertion-bonus", "-6")
    tuned = scores(folder, *options, *poor, "--tune", lines="good.tsv")
    (weights,) = re.findall(r"(--language-weight) (\S+) (--insertion-bonus) (\S+)", capsys.readouterr().err)
    assert (weights[1], weights[3]) != ("6", "-6")  # what is searched with otherwise
    same = scores(folder, *options, *weights, lines="good.tsv")
    other = scores(folder, *options, *poor, lines="good.tsv")
    assert tuned["cer"] == same["cer"] and tuned["cer"]["rate"] < other["cer"]["rate"]
    assert "α and β tuned on these lines" in str(tuned["about"]["search"])


def test_confidences_of_lines_and_characters_are_compared_with_what_is_right(folder: Path) -> None:
    found = scores(folder, "--output", str(folder / "read.tsv"), lines="good.tsv")
    lines, shares, characters = found["calibration"]
    rows = [row.split("\t") for row in (folder / "read.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert (lines["of"], lines["number"]) == ("lines", 4)
    assert (shares["of"], shares["number"]) == ("shares of lines", 4)
    true = [1 - min(1.0, int(row[2]) / max(len(row[5]), len(row[6]))) for row in rows]
    assert sum(one["number"] * one["right"] for one in shares["bins"]) == pytest.approx(sum(true))
    assert sum(one["number"] * one["confidence"] for one in shares["bins"]) == pytest.approx(
        sum(float(row[4]) for row in rows), abs=1e-3
    )
    assert found["proofreading"][-1] == {"share": 1.0, "lines": 4, "found": 1.0, "best": 1.0}
    assert (characters["of"], characters["number"]) == ("characters", sum(len(row[6]) for row in rows))
    right = sum(one["number"] * one["right"] for one in characters["bins"])
    wrong = found["cer"]["substitutions"] + found["cer"]["insertions"]  # what was left out was never read
    assert characters["number"] - wrong == pytest.approx(right) and right > 0


def test_confidences_are_fitted_and_shipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was fitted to these lines comes true on them, by the new checkpoint as by the run that wrote it."""
    write_arpa(estimate(TEXTS, 2), folder / "model.arpa")
    options = ("--beam-size", "4", "--language-model", str(folder / "model.arpa"), "--language-weight", "0.3")
    plain = scores(folder, *options, lines="good.tsv")
    told = capsys.readouterr().out.splitlines()[-1]  # only the HTML page said so
    assert told.startswith("confidences are plain likelihoods, fitted to no lines")
    assert told.endswith(
        f"nmt evaluate-lines --checkpoint {folder / 'model.ckpt'} --lines VALIDATION --calibrate FITTED.ckpt"
    )
    path = folder / "fitted.ckpt"
    fitted = scores(folder, *options, "--calibrate", str(path), lines="good.tsv")
    assert fitted["about"]["confidences"] == "fitted on these lines" and fitted["cer"] == plain["cer"]
    assert plain["about"]["confidences"] == "plain likelihoods"
    assert fitted["calibration"][1]["brier"] < plain["calibration"][1]["brier"] / 2
    again = folder / "again.json"
    assert main(["--checkpoint", str(path), "--lines", str(folder / "good.tsv"), "--json", str(again)]) == 0
    assert "likelihoods" not in capsys.readouterr().out
    shipped = json.loads(again.read_text(encoding="utf-8"))
    assert shipped["calibration"] == fitted["calibration"] and shipped["about"]["confidences"] == "fitted"
    capsys.readouterr()
    other = ["--checkpoint", str(path), "--lines", str(folder / "good.tsv"), "--language-weight", "1"]
    assert main([*other, "--json", str(again)]) == 0  # texts that are chosen otherwise are not so sure
    assert json.loads(again.read_text(encoding="utf-8"))["about"]["confidences"] == "plain likelihoods"


def test_columns_are_named_as_in_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table whose columns have names of their own could be trained on, and not scored."""
    rows = [row.split("\t") for row in (folder / "good.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    odd = "".join(f"{file},{writer},{text}\n" for file, writer, text in [("scan", "by", "said"), *rows])
    (folder / "odd.csv").write_text(odd, encoding="utf-8")
    assert run(folder, lines="odd.csv") == 1 and "no column with the image file" in capsys.readouterr().err
    options = ("--image-column", "scan", "--text-column", "said", "--writer-column", "by")
    found, same = scores(folder, *options, lines="odd.csv"), scores(folder, lines="good.tsv")
    assert (found["cer"], found["wer"]) == (same["cer"], same["wer"])
    assert run(folder, "--image-column", "gone", lines="odd.csv") == 1
    assert "no column 'gone' (image_column)" in capsys.readouterr().err


def test_strokes_for_a_reader_of_images_are_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pen.jsonl").write_text('{"strokes": [[[0, 0], [5, 8]]], "text": "a"}\n' * 9, encoding="utf-8")
    assert run(folder, lines="pen.jsonl") == 1
    assert capsys.readouterr().err == f"error: {folder / 'pen.jsonl'}: pen strokes, but this recogniser reads images\n"


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--calibrate", "FOLDER/model.ckpt"], "would overwrite the input", 1),
        (["--calibrate", "FOLDER/x.ckpt", "--json", "FOLDER/x.ckpt"], "--json and --calibrate name the same file", 2),
        (["--lines", "nowhere"], "nowhere: no such file", 1),
        (["--checkpoint", "nowhere"], "nowhere: no such run folder or checkpoint file", 1),
        (["--beam-size", "0"], "--beam-size: must be", 2),
        (["--threads", "0"], "--threads 0: must be from 1 to", 2),
        (["--worst", "-1"], "must be from 0 to 1,000, got -1", 2),
        (["--lexicon", "nowhere"], "nowhere: no such file", 1),
        (["--report", "FOLDER/x", "--json", "FOLDER/x"], "--report and --json name the same file", 2),
        (["--output", "FOLDER/lines.tsv"], "would overwrite the input", 1),
        (["--output", "FOLDER/model.ckpt"], "would overwrite the input", 1),
        (["--output", "FOLDER/0.png"], "0.png: would overwrite lines or their transcripts", 1),
        (["--lines", "FOLDER", "--output", "FOLDER/lines.tsv"], "lines.tsv: would overwrite lines or their", 1),
        (["--report", "FOLDER/circle"], "circle: a link that leads in a circle", 1),
        (["--json", "FOLDER/none/x"], "does not exist; create it first", 1),
        (["--language-weight", "1"], "of no effect on the best path; add --beam-size 20", 2),
        (["--tune"], "best path has no weights to tune", 2),
        (["--tune", "--beam-size", "3"], "there is no language model to weigh", 2),
    ],
)
def test_complaints(
    folder: Path, options: list[str], message: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [option.replace("FOLDER", str(folder)) for option in options]
    before = {path: path.read_bytes() for path in (folder / "lines.tsv", folder / "model.ckpt", folder / "0.png")}
    assert run(folder, *options) == code
    assert message in capsys.readouterr().err
    assert all(path.read_bytes() == content for path, content in before.items())


def test_lines_without_any_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "none.tsv").write_text("file\ttext\n", encoding="utf-8")
    assert run(folder, lines="none.tsv") == 1
    assert "none.tsv" in capsys.readouterr().err


def test_lines_without_any_transcript_have_no_error_rate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It said CER 0.00 %."""
    (folder / "mute.tsv").write_text("file\ttext\n0.png\t\n1.png\t  \n", encoding="utf-8")
    assert run(folder, lines="mute.tsv") == 1
    captured = capsys.readouterr()
    assert "mute.tsv: none of 2 lines has a transcript" in captured.err and not captured.out


def test_help_and_complaints_come_without_torch() -> None:
    code = (
        "import sys; from nmt.cli.evaluate_lines import main; "
        "assert main(['--checkpoint', '/', '--lines', 'nowhere', '--beam-size', '4']) == 1; "
        "assert not {'torch', 'PIL', 'datasets'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "nowhere: no such file" in done.stderr, done.stderr


def test_a_line_without_a_transcript_is_said_and_leaves_a_status(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It added nothing to the rate, which was 0.00 %, and nobody was told."""
    rows = (folder / "good.tsv").read_text(encoding="utf-8").splitlines()
    emptied = rows[1].replace(rows[1].split("\t")[rows[0].split("\t").index("text")], "")
    (folder / "one_without.tsv").write_text("\n".join([rows[0], emptied, *rows[2:]]) + "\n", encoding="utf-8")
    assert run(folder, lines="one_without.tsv") == 1
    assert f"1 of {len(rows) - 1} lines have no transcript" in capsys.readouterr().err
