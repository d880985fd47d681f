"""`score`: a line out for every pair, the numbers of nmt.inference.scoring, and files that do not fit refused."""

import json
import math
import os
import re
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tiny_checkpoint import tiny_checkpoint, write_tiny_checkpoint

from nmt.checkpoint import write_checkpoint
from nmt.cli.score import main
from nmt.config.data import DataConfig
from nmt.inference.scoring import Pair, PairScore, score_pairs
from nmt.inference.translator import Translator

SOURCES = ["ein Hund", "", "zwei Hunde\u2028laufen", "eine Katze"]
TARGETS = ["a dog", "two dogs", "", 'שלום "日本"\t']


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return [str(write_tiny_checkpoint(folder / f"{seed}.ckpt", seed=seed)) for seed in (1, 2)]


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.de").write_bytes(b"\xef\xbb\xbf" + "".join(f"{line}\r\n" for line in SOURCES).encode())
    Path("out.en").write_text("\n".join(TARGETS))


def score(*arguments: str, checkpoints: list[str]) -> int:
    return main(["--checkpoint", *checkpoints, "--source", "in.de", "--target", "out.en", *arguments])


def expected(checkpoints: list[str], **search: Any) -> list[PairScore]:
    translator = Translator.from_checkpoint(checkpoints)
    pairs = [Pair(*pair) for pair in zip(SOURCES, TARGETS, strict=True)]
    options = translator.search.model_copy(update=search)
    return list(score_pairs(translator.models, translator.tokenizers, pairs, search=options))


def test_a_line_a_pair_and_the_corpus_perplexity(checkpoints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = expected(checkpoints[:1])
    assert score(checkpoints=checkpoints[:1]) == 0
    captured = capsys.readouterr()
    rows = [row.split("\t") for row in captured.out.splitlines()]
    assert len(rows) == len(SOURCES)
    for row, one in zip(rows, found, strict=True):
        numbers = (one.log_probability, one.perplexity, len(one.pieces), one.score)
        assert [float(cell) for cell in row] == pytest.approx(numbers, abs=1e-3)
    total, tokens = sum(one.log_probability for one in found), sum(len(one.pieces) for one in found)
    corpus = math.exp(-total / tokens)
    assert captured.err == f"4 pairs, {tokens} target tokens: log-probability {total:.4f}, perplexity {corpus:.4f}\n"


@pytest.mark.parametrize("command", ["score", "translate", "evaluate"])
def test_the_last_checkpoint_of_a_run_without_a_best_one_is_told_of_once(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Of an interrupted run every command used it without a word, and nonsense came out."""
    tiny = tiny_checkpoint()
    validated = tiny.config.model_copy(update={"data": DataConfig.model_validate({"validation": "val"})})
    write_checkpoint(Path("run/checkpoints/last.ckpt"), replace(tiny, config=validated, about={"step": 136}))
    Path("ref.en").write_text("a\n" * len(SOURCES))
    files = {
        "score": ["--source", "in.de", "--target", "out.en"],
        "translate": ["--input", "in.de"],
        "evaluate": ["--source", "in.de", "--reference", "ref.en"],
    }
    given = ["--checkpoint", "run", *files[command], "--device", "cpu"]
    assert import_module(f"nmt.cli.{command}").main(given) == 0
    assert capsys.readouterr().err.count("run has no best.ckpt yet; using last.ckpt, step 136\n") == 1


def test_jsonl_holds_everything(checkpoints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--format", "jsonl", "--output", "scores.jsonl", "--length-penalty", "0", "--coverage-penalty", "0.5"]
    assert score(*options, checkpoints=checkpoints) == 0
    rows = [json.loads(line) for line in Path("scores.jsonl").read_text().split("\n")[:-1]]
    for row, one in zip(rows, expected(checkpoints, length_penalty=0.0, coverage_penalty=0.5), strict=True):
        assert one.pair is not None
        assert (row["source"], row["target"], row["tokens"]) == (*one.pair, [*one.pieces])
        assert row["score"] == pytest.approx(one.score, abs=1e-5)
        assert row["perplexity"] == pytest.approx(one.perplexity, rel=1e-5)
        assert row["token_log_probabilities"] == pytest.approx(one.token_log_probabilities, abs=1e-5)
    assert re.fullmatch(r"4 pairs, .* perplexity \d+\.\d{4}\n", capsys.readouterr().out)


def test_an_ensemble_is_no_single_model(checkpoints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for models, options in ((checkpoints[:1], ()), (checkpoints, ()), (checkpoints, ("--ensemble", "linear"))):
        assert score(*options, checkpoints=models) == 0
        said.append(capsys.readouterr().out)
    assert len(set(said)) == 3


def test_empty_files_give_an_empty_file(checkpoints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.de").write_bytes(b"")
    Path("out.en").write_bytes(b"")
    assert score("--output", "scores.tsv", checkpoints=checkpoints[:1]) == 0
    assert Path("scores.tsv").read_bytes() == b""
    assert capsys.readouterr().out == "0 pairs, 0 target tokens: log-probability 0.0000\n"


def test_a_pipe_that_ends_early_is_noticed(checkpoints: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")

    def fill() -> None:
        Path("pipe").write_text("ein Hund\nläuft\n")

    writer = threading.Thread(target=fill)
    writer.start()
    assert main(["--checkpoint", checkpoints[0], "--source", "pipe", "--target", "out.en", "--output", "x.tsv"]) == 1
    writer.join()
    assert "pipe ends after line 2, out.en goes on" in capsys.readouterr().err
    assert not Path("x.tsv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--source", "out.en", "--target", "short.en"), 1, "out.en has 4 lines but short.en has 1"),
        (("--source", "gone.de"), 1, "gone.de: no such file"),
        (("--target", "bad.en"), 1, "bad.en:2: byte 0xff at position 1 of the line is not UTF-8"),
        (("--output", "in.de"), 1, "in.de: would overwrite the input"),
        (("--checkpoint", "gone"), 1, "gone: no such run folder or checkpoint file"),
        (("--checkpoint", "in.de"), 1, "in.de: no checkpoint but text"),
        (("--length-penalty", "-1"), 2, "--length-penalty: must be"),
        (("--batch-tokens", "0"), 2, "--batch-tokens: must be"),
        (("--beam-size", "5"), 2, "unrecognized arguments: --beam-size 5"),
    ],
)
def test_mistakes_are_one_message(
    checkpoints: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    Path("short.en").write_text("one\n")
    Path("bad.en").write_bytes(b"one\n\xff\nthree\nfour\n")
    before = Path("in.de").read_bytes()
    assert score(*arguments, checkpoints=checkpoints[:1]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and message in captured.err
    assert captured.err.count("\n") == 1
    assert Path("in.de").read_bytes() == before
