"""`evaluate`: the scores are sacreBLEU's, and whatever does not fit is said with both numbers before work begins."""

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.dom import minidom

import pytest
import sacrebleu
from tiny_checkpoint import write_tiny_checkpoint

from nmt.cli import decoding
from nmt.cli.evaluate import main
from nmt.cli.heatmaps import sentence_ranges
from nmt.cli.translate import main as translate
from nmt.config.search import SearchConfig
from nmt.inference.guidance import UNGUIDED, Guidance

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

        def translate_stream(
            self, lines: Iterable[str], *, search: SearchConfig, attention: bool, guidance: Guidance
        ) -> Iterator[Any]:
            assert not attention
            assert guidance == UNGUIDED
            searches.append(search)
            for _, text in zip(lines, HYPOTHESES, strict=True):
                yield SimpleNamespace(text=text, hypotheses=())

    def load(path: Path, *, device: str, threads: int | None, precision: str) -> Parrot:
        Path("precision").write_text(precision)
        return Parrot()

    monkeypatch.setattr(decoding, "load_translator", load)
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
    assert Path("precision").read_text() == "32"
    assert evaluate_json(capsys, *arguments[:4], "--beam-size", "7", "--precision", "int8") == from_file
    assert Path("precision").read_text() == "int8"
    assert Path("out.en").read_text() == "".join(f"{line}\n" for line in HYPOTHESES)
    assert used == [SearchConfig(beam_size=7)] * 2


def test_what_translations_must_be_is_as_in_translate(capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny_checkpoint(Path("run.ckpt"))
    Path("src.de").write_text("ein Hund läuft\n\nzwei Hunde schlafen 37\n")
    Path("terms").write_text("Hund\tcat\n")
    common = ("--beam-size", "4", "--copy", "numbers", "--glossary", "terms", "--device", "cpu", "--threads", "1")
    voted = ("--beam-size", "8", "--mbr", "bleu", "--candidates", "7")
    asked = ("--checkpoint", "run.ckpt", "--source", "src.de", "--output")
    for wishes, name in ((common, "plain.en"), ((*common, *voted), "voted.en")):
        assert translate(["--checkpoint", "run.ckpt", "--input", "src.de", "--output", "other.en", *wishes]) == 0
        capsys.readouterr()
        evaluate_json(capsys, *asked, name, *wishes)
        assert Path(name).read_text() == Path("other.en").read_text() != ""
    assert "cat" in Path("plain.en").read_text() != Path("voted.en").read_text()
    assert (
        main([*asked, "x", "--reference", "ref.en", "--copy", "all"]) == 0
    )  # of copies nobody speaks, nothing is lost
    assert "evaluate: warning: 1 translation of line 3 (37) came out without what" in capsys.readouterr().err
    assert main([*asked, "x", "--reference", "ref.en", "--mbr", "--candidates", "900"]) == 2
    assert "--candidates 900: more than the beam holds" in capsys.readouterr().err


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
        (("--hypotheses", "hyp.en", "--tokenize", "flores200"), "tokenizer 'flores200' would download its model"),
        (
            ("--hypotheses", "hyp.en", "--worst", "1", "--worst-file", "x.doc"),
            "name it something.tsv or something.html",
        ),
        (
            ("--hypotheses", "hyp.en", "--worst", "1", "--worst-file", "no/x.tsv"),
            "no/x.tsv: the folder no does not exist",
        ),
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
        (("--hypotheses", "hyp.en", "--beam-size", "5"), "--beam-size is for translating"),
        (("--hypotheses", "hyp.en", "--mbr"), "--mbr is for translating"),
        (("--hypotheses", "hyp.en", "--copy", "all"), "--copy is for translating"),
        (("--hypotheses", "hyp.en", "--output", "x"), "--output keeps translations"),
        (("--hypotheses", "hyp.en", "--metrics", "bleu,blue"), "'blue' is none of bleu, chrf, ter, comet"),
        (("--hypotheses", "hyp.en", "--metrics", "comet"), "--metrics comet reads the source as well"),
        (("--hypotheses", "hyp.en", "--comet-gpus", "1"), "need --metrics comet"),
        (("--hypotheses", "hyp.en", "--significance", "bootstrap"), "--significance compares at least two systems"),
        (("--hypotheses", "hyp.en", "--seeds"), "--seeds compares at least two systems"),
        (("--hypotheses", "hyp.en", "ref.en", "--seeds", "--significance", "bootstrap"), "give one of the two"),
        (("--hypotheses", "hyp.en", "--resamples", "9"), "--resamples belongs to --significance or --confidence"),
        (
            ("--hypotheses", "hyp.en", "--confidence", "--resampling-seed", "0"),
            "must be from 1 to 4,294,967,295, got 0",
        ),
        (("--hypotheses", "hyp.en", "--confidence", "--resamples", "x"), "'x' is no whole number"),
        (("--hypotheses", "hyp.en", "--worst", "0"), "--worst: must be from 1 to 1,000,000, got 0"),
        (("--hypotheses", "hyp.en", "--worst-by", "bleu"), "--worst-by and --worst-file need --worst"),
        (("--hypotheses", "hyp.en", "--heatmaps", "x", "--sentences", "1"), "--hypotheses have none"),
        (
            ("--checkpoint", "run", "--source", "ref.en", "--heatmaps", "x"),
            "--heatmaps and --sentences belong together",
        ),
        (("--checkpoint", "run", "--source", "ref.en", "--sentences", "3-1"), "'3-1' is no line number"),
        (("--checkpoint", "a", "b", "--source", "ref.en", "--output", "x"), "2 --checkpoint need as many --output"),
        (("--checkpoint", "a", "--source", "ref.en", "--ensemble", "linear"), "each --checkpoint is evaluated alone"),
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


def test_swapped_sides_are_pointed_out(used: list[SearchConfig], capsys: pytest.CaptureFixture[str]) -> None:
    """What a translator into English makes of English, scored against German: 0.04 BLEU, and nothing was said."""
    Path("src.de").write_text("The old man slept there.\n\nTwo good women buy a house in this city.\n")
    Path("ref.en").write_text(
        "Der alte Mann schlief dort.\nEin Hund.\nZwei gute Frauen kaufen ein Haus in der Stadt.\n"
    )
    arguments = ["--checkpoint", "run", "--source", "src.de", "--reference", "ref.en"]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    assert said.startswith("evaluate: run: warning: the words of the hypotheses are those of --source, not of --refer")
    assert said.count("\n") == 1
    Path("src.de").write_text("eins\nzwei\ndrei\n")
    assert main(arguments) == 0  # whatever the score
    assert capsys.readouterr().err == ""


# --- several systems

OTHERS = ["The old man sleeps.", "A dog ran.", "Two women buy a house in the city."]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    Path("better.en").write_text("".join(f"{line}\n" for line in OTHERS))
    return ["--hypotheses", "hyp.en", "better.en"]


def test_several_systems_are_a_table_with_each_signature_once(
    capsys: pytest.CaptureFixture[str], two: list[str]
) -> None:
    assert main([*two, "--reference", "ref.en", "--metrics", "chrf,bleu"]) == 0
    head, first, second, empty, chrf, bleu, count = capsys.readouterr().out.splitlines()
    assert head.split() == ["chrF++", "BLEU"]
    assert first.endswith(f"{sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score:.2f}")
    assert len(head) == len(first) == len(second)  # right edges below each other
    assert second.split()[0] == "better.en"
    assert empty == ""
    assert chrf.startswith("chrF++ nrefs:1") and bleu.startswith("BLEU   nrefs:1")
    assert count == "3 sentences"
    result = evaluate_json(capsys, *two)
    assert [system["system"] for system in result["systems"]] == ["hyp.en", "better.en"]
    assert result["systems"][0]["bleu"] == evaluate_json(capsys, "--hypotheses", "hyp.en")["bleu"]


@pytest.mark.parametrize(("test", "signed"), [("bootstrap", "bs:300|seed:77"), ("randomization", "ar:300|seed:77")])
def test_p_values_and_intervals_are_printed_with_what_made_them(
    capsys: pytest.CaptureFixture[str], two: list[str], test: str, signed: str
) -> None:
    options = [*two, "hyp.en", "--significance", test, "--resamples", "300", "--resampling-seed", "77"]
    result = evaluate_json(capsys, *options)
    baseline, better, same = (system["bleu"] for system in result["systems"])
    assert "p_value" not in baseline and 0 < better["p_value"] < 1 and same["p_value"] == 1.0
    assert signed in better["signature"]
    assert ("confidence" in better) == (test == "bootstrap")
    assert result["significance"] == {"test": test, "resamples": 300, "seed": 77, "baseline": "hyp.en"}
    assert main([*options, "--reference", "ref.en"]) == 0
    text = capsys.readouterr().out
    assert f"p = {better['p_value']:.4f}" in text and "p = 1.0000" in text
    assert "300 resamples, seed 77" in text and "from hyp.en" in text


def test_confidence_of_one_system(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--hypotheses", "hyp.en", "--confidence", "--resamples", "50"]
    bleu = evaluate_json(capsys, *options)["bleu"]
    assert bleu["confidence"] > 0 and "p_value" not in bleu and "bs:50" in bleu["signature"]
    assert main([*options, "--reference", "ref.en"]) == 0
    assert f"{bleu['score']:.2f} ± {bleu['confidence']:.2f}" in capsys.readouterr().out


def test_seeds_give_mean_and_deviation(capsys: pytest.CaptureFixture[str], two: list[str]) -> None:
    result = evaluate_json(capsys, *two, "ref.en", "--seeds", "--metrics", "bleu")
    scores = [system["bleu"]["score"] for system in result["systems"]]
    mean = sum(scores) / 3
    deviation = (sum((score - mean) ** 2 for score in scores) / 2) ** 0.5
    assert result["seeds"]["bleu"] == pytest.approx({"mean": mean, "deviation": deviation, "runs": 3})
    assert main([*two, "ref.en", "--seeds", "--reference", "ref.en"]) == 0
    assert f"{mean:.2f} ± {deviation:.2f}" in capsys.readouterr().out


def test_each_checkpoint_is_a_system(capsys: pytest.CaptureFixture[str], used: list[SearchConfig]) -> None:
    Path("other").mkdir()
    outputs = ("--output", "a.en", "b.en")
    result = evaluate_json(capsys, "--checkpoint", "run", "other", "--source", "src.de", *outputs)
    assert [system["system"] for system in result["systems"]] == ["run", "other"]
    assert Path("a.en").read_text() == Path("b.en").read_text() == "".join(f"{line}\n" for line in HYPOTHESES)
    assert len(used) == 2


def test_several_references(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ref2.en").write_text("The old man slept.\nA dog.\nNothing.\n")
    assert main(["--hypotheses", "hyp.en", "--reference", "ref.en", "ref2.en", "--json"]) == 0
    other = Path("ref2.en").read_text().splitlines()
    expected = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, other]).score
    assert json.loads(capsys.readouterr().out)["bleu"]["score"] == expected
    Path("ref2.en").write_text("one\n")
    assert main(["--hypotheses", "hyp.en", "--reference", "ref.en", "ref2.en"]) == 1
    assert "ref2.en has 1 lines but ref.en has 3" in capsys.readouterr().err


def test_comet_is_asked_once_for_all_systems(
    capsys: pytest.CaptureFixture[str], two: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("src.de").write_text("eins\nzwei\ndrei\n")
    options = [*two, "--source", "src.de", "--metrics", "comet,bleu", "--significance", "bootstrap"]
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert main([*options, "--reference", "ref.en"]) == 2
    assert "comet-score, which is not on the PATH" in capsys.readouterr().err
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "comet-score"
    command.write_text('#!/bin/sh\nprintf "0.txt\\tscore: 0.7000\\n1.txt\\tscore: 0.8000\\n"\n')
    command.chmod(0o755)
    first, second = evaluate_json(capsys, *options)["systems"]
    assert list(first) == ["system", "comet", "bleu"]
    assert second["comet"] == {"score": 0.8, "signature": "command:comet-score|model:Unbabel/wmt22-comet-da"}
    only = evaluate_json(capsys, *two, "--source", "src.de", "--metrics", "comet", "--seeds", "--comet-model", "m")
    assert only["seeds"]["comet"]["mean"] == pytest.approx(0.75)
    assert only["systems"][0]["comet"]["signature"].endswith("model:m")


# --- sentence by sentence


def test_sentence_scores_of_several_systems_name_them(capsys: pytest.CaptureFixture[str], two: list[str]) -> None:
    evaluate_json(capsys, *two, "--metrics", "bleu,ter", "--sentence-scores", "scores.tsv")
    rows = [row.split("\t") for row in Path("scores.tsv").read_text().splitlines()]
    assert rows[0] == ["system", "line", "bleu", "chrf", "ter"]
    assert [row[:2] for row in rows[1:]] == [[name, n] for name in ("hyp.en", "better.en") for n in "123"]
    assert rows[4] == ["better.en", "1", "100.00", "100.00", "0.00"]


def test_the_worst_sentences_come_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    Path("src.de").write_text("eins\nzwei <b>\tפה\ndrei\n")
    options = ["--hypotheses", "hyp.en", "--source", "src.de", "--worst", "2"]
    worst = evaluate_json(capsys, *options, "--worst-file", "worst.tsv")["worst"]
    assert [one["line"] for one in worst] == [2, 1]
    assert worst[0] == {
        "system": "hyp.en",
        "line": 2,
        "score": 0.0,
        "source": "zwei <b> פה",
        "reference": "A dog runs.",
        "hypothesis": "",
    }
    table = [row.split("\t") for row in Path("worst.tsv").read_text().splitlines()]
    assert table[0] == ["system", "line", "chrF++", "source", "reference", "hypothesis"]
    assert table[1] == ["hyp.en", "2", "0.00", "zwei <b> פה", "A dog runs.", ""]
    assert len(table) == 3
    assert main([*options, "--reference", "ref.en", "--worst-by", "bleu", "--worst-file", "worst.html"]) == 0
    shown = capsys.readouterr().out.splitlines()
    begin = shown.index("2 worst of 3 sentences by BLEU: hyp.en")
    assert shown[begin + 2].split(maxsplit=2) == ["2", "0.00", "source      zwei <b> פה"]
    assert shown[begin + 2].index("source") == shown[begin + 3].index("reference")
    page = Path("worst.html").read_text()
    assert "zwei &lt;b&gt; פה" in page and "<b>" not in page
    assert '<td class="hypothesis" dir="auto">The old man slept.</td>' in page
    assert "<h2>hyp.en</h2>" in page and ">BLEU</th>" in page


@pytest.mark.parametrize(
    ("text", "numbers"), [("1", [1]), ("1,5,10-12", [1, 5, 10, 11, 12]), (" 2 - 3 , 7", [2, 3, 7])]
)
def test_chosen_sentences(text: str, numbers: list[int]) -> None:
    assert [number for numbers in sentence_ranges(text) for number in numbers] == numbers


@pytest.mark.parametrize("text", ["", "0", "a", "1,", "3-2", "-1", "1.5"])
def test_sentences_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no line number"):
        sentence_ranges(text)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt nothing, in a file."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("run") / "untrained.ckpt")


def test_heat_maps_are_drawn_of_the_sentences_chosen(capsys: pytest.CaptureFixture[str], checkpoint: Path) -> None:
    Path("src.de").write_text("ein Hund\n\n日本語 שלום $x$\n")
    options = ["--checkpoint", str(checkpoint), "--source", "src.de", "--reference", "ref.en", "--heatmaps", "maps"]
    assert main([*options, "--sentences", "2-3"]) == 0
    assert "line 2 has no word, and so no heat-map" in capsys.readouterr().err
    assert sorted(path.name for path in Path("maps").iterdir()) == ["line_3.png", "line_3.svg"]
    assert Path("maps/line_3.png").read_bytes().startswith(b"\x89PNG")
    assert "&lt;/s&gt;" in minidom.parse("maps/line_3.svg").toxml()
    assert main([*options, "--sentences", "4"]) == 2
    assert "--sentences 4: the source has 3 lines" in capsys.readouterr().err
