"""`evaluate`: the scores are sacreBLEU's, and whatever does not fit is said with both numbers before work begins."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sacrebleu

from nmt.cli import decoding
from nmt.cli.evaluate import main
from nmt.config.search import SearchConfig

REFERENCES = ["The old man sleeps.", "A dog runs.", "Two women buy a house in the city."]
HYPOTHESES = ["The old man slept.", "", "two women buy a house in a city."]


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ref.en and hyp.en (with CRLF, which must not count) in an otherwise empty working folder."""
    monkeypatch.chdir(tmp_path)
    Path("ref.en").write_text("".join(f"{line}\n" for line in REFERENCES))
    Path("hyp.en").write_bytes("".join(f"{line}\r\n" for line in HYPOTHESES).encode())


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[SearchConfig]:
    """A translator that answers with HYPOTHESES, and the searches it was asked to do."""
    searches: list[SearchConfig] = []

    class Parrot:
        search = SearchConfig(beam_size=3)

        def translate_stream(self, lines: Iterable[str], *, search: SearchConfig) -> Iterator[Any]:
            searches.append(search)
            for _, text in zip(lines, HYPOTHESES, strict=True):
                yield SimpleNamespace(text=text)

    monkeypatch.setattr(decoding, "load_translator", lambda path, *, device, threads: Parrot())
    Path("run").mkdir()
    Path("src.de").write_text("eins\nzwei\ndrei\n")
    return searches


def evaluate_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--reference", "ref.en", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_scores_are_those_of_sacrebleu(capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluate_json(capsys, "--hypotheses", "hyp.en", "--metrics", "bleu,chrf,ter")
    assert result["sentences"] == 3
    assert result["bleu"]["score"] == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert result["chrf"]["score"] == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES], word_order=2).score
    assert result["ter"]["score"] == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    assert result["bleu"]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_tokenizer_and_case_reach_the_score_and_its_signature(capsys: pytest.CaptureFixture[str]) -> None:
    cased = evaluate_json(capsys, "--hypotheses", "hyp.en")
    lowered = evaluate_json(capsys, "--hypotheses", "hyp.en", "--lowercase", "--tokenize", "intl")
    assert "case:lc" in lowered["bleu"]["signature"]
    assert "tok:intl" in lowered["bleu"]["signature"]
    assert lowered["bleu"]["score"] > cased["bleu"]["score"]
    assert set(cased) == {"sentences", "bleu", "chrf"}
    assert set(evaluate_json(capsys, "--hypotheses", "hyp.en", "--metrics", "ter")) == {"sentences", "ter"}


def test_text_output_prints_score_and_signature(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hypotheses", "hyp.en", "--reference", "ref.en"]) == 0
    bleu, chrf, count = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"BLEU +\d+\.\d\d  nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:\S+", bleu)
    assert re.fullmatch(r"chrF\+\+ +\d+\.\d\d  nrefs:1\|case:mixed\|eff:yes\|nc:6\|nw:2\|space:no\|version:\S+", chrf)
    assert count == "3 sentences"


def test_sentence_scores_are_written_a_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hyp.en").write_text("".join(f"{line}\n" for line in [REFERENCES[0], "", "A house."]))
    evaluate_json(capsys, "--hypotheses", "hyp.en", "--sentence-scores", "scores.tsv")
    rows = [row.split("\t") for row in Path("scores.tsv").read_text().splitlines()]
    assert rows[0] == ["line", "bleu", "chrf"]
    assert rows[1] == ["1", "100.00", "100.00"]
    assert rows[2] == ["2", "0.00", "0.00"]
    assert 0 < float(rows[3][2]) < 100


def test_a_checkpoint_is_scored_like_its_translations(
    capsys: pytest.CaptureFixture[str], used: list[SearchConfig]
) -> None:
    from_file = evaluate_json(capsys, "--hypotheses", "hyp.en")
    arguments = ("--checkpoint", "run", "--source", "src.de", "--output", "out.en", "--beam-size", "7")
    assert evaluate_json(capsys, *arguments) == from_file
    assert Path("out.en").read_text() == "".join(f"{line}\n" for line in HYPOTHESES)
    assert used == [SearchConfig(beam_size=7)]


def test_counts_are_compared_before_anything_is_translated(
    capsys: pytest.CaptureFixture[str], used: list[SearchConfig]
) -> None:
    Path("src.de").write_text("eins\nzwei")
    assert main(["--checkpoint", "run", "--source", "src.de", "--reference", "ref.en"]) == 1
    assert "src.de has 2 lines but ref.en has 3" in capsys.readouterr().err
    assert used == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo\n", r"bad.en has 2 lines but ref.en has 3"),
        (b"one\ntwo\nthree\n\n", r"bad.en has 4 lines but ref.en has 3"),
        (b"", r"bad.en: is empty"),
        (b"one\nt\xe4t\nthree\n", r"bad.en:2: byte 0xe4 at position 2 of the line is not UTF-8"),
    ],
)
def test_files_that_do_not_fit_are_refused(capsys: pytest.CaptureFixture[str], content: bytes, message: str) -> None:
    Path("bad.en").write_bytes(content)
    assert main(["--hypotheses", "bad.en", "--reference", "ref.en"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.match("error: " + message, captured.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hypotheses", "gone.en"), "gone.en: no such file"),
        (("--hypotheses", "hyp.en", "--tokenize", "flores200"), "tokenizer 'flores200'"),
        (("--checkpoint", "gone", "--source", "hyp.en"), "gone: no such run folder"),
        (("--hypotheses", "hyp.en", "--sentence-scores", "ref.en"), "ref.en: would overwrite the input"),
    ],
)
def test_wrong_values_are_one_message(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main([*arguments, "--reference", "ref.en"]) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert Path("ref.en").read_text().splitlines() == REFERENCES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of the arguments --hypotheses --checkpoint is required"),
        (("--hypotheses", "hyp.en", "--checkpoint", "run"), "not allowed with"),
        (("--checkpoint", "run"), "--checkpoint and --source belong together"),
        (("--hypotheses", "hyp.en", "--source", "src.de"), "--checkpoint and --source belong together"),
        (("--hypotheses", "hyp.en", "--beam-size", "5"), "--beam-size is for translating"),
        (("--hypotheses", "hyp.en", "--output", "x"), "--output keeps translations"),
        (("--hypotheses", "hyp.en", "--metrics", "bleu,comet"), "'comet' is none of bleu, chrf, ter"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main([*arguments, "--reference", "ref.en"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.endswith("; see evaluate --help\n")
    assert error.count("\n") == 1


def test_tokenised_hypotheses_are_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hyp.en").write_text("The man sleeps .\nA dog runs .\nA house .\n")
    assert main(["--hypotheses", "hyp.en", "--reference", "ref.en"]) == 0
    assert "3 of 3 hypotheses end in ' .'" in capsys.readouterr().err
    assert main(["--hypotheses", "hyp.en", "--reference", "ref.en", "--tokenize", "none"]) == 0
    assert capsys.readouterr().err == ""
