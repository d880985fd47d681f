"""What an import brings with it: light commands stay light, and inference never meets the training libraries.

The import contracts themselves are in pyproject.toml and checked by `lint-imports`; this looks at running processes.
"""

import json
import pkgutil
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_recognizer import write_scribble, write_tiny_recognizer

import nmt.cli
from nmt.text.arpa import arpa_bytes
from nmt.text.ngram import estimate

HEAVY = {
    *("torch", "pytorch_lightning", "lightning_fabric", "wandb", "datasets", "sacrebleu", "sentencepiece", "pandas"),
    "sklearn",
}
TRAINING = {"pytorch_lightning", "lightning_fabric", "wandb", "datasets", "sklearn", "matplotlib"}
COMMANDS = sorted(module.name for module in pkgutil.iter_modules(nmt.cli.__path__))


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after running the code."""
    code += "\nimport json, sys; print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_nmt_is_light() -> None:
    assert modules_after("import nmt").isdisjoint(HEAVY)


def test_importing_every_command_is_light() -> None:
    assert len(COMMANDS) >= 3
    code = "\n".join(f"import nmt.cli.{name}" for name in COMMANDS)
    assert modules_after(code).isdisjoint(HEAVY)


def test_inference_needs_neither_lightning_nor_wandb_nor_datasets() -> None:
    loaded = modules_after("import nmt.inference.translator")
    assert "torch" in loaded
    assert loaded.isdisjoint(TRAINING)


def test_a_recogniser_neither(tmp_path: Path) -> None:
    """Not even while `recognize` reads a line, tells of the characters' boxes, and asks a language model."""
    lines = [str(write_scribble(tmp_path / "line.png", 60)), str(tmp_path)]
    model = arpa_bytes(estimate(["sea", "nest"], 2))
    write_tiny_recognizer(tmp_path / "tiny.ckpt", language_model=model, search={"beam_size": 4})
    arguments = [
        "--checkpoint",
        str(tmp_path / "tiny.ckpt"),
        "--format",
        "jsonl",
        "--output",
        str(tmp_path / "o"),
        *lines,
    ]
    loaded = modules_after(f"import nmt.cli.recognize\nassert nmt.cli.recognize.main({arguments!r}) == 0")
    assert {"torch", "PIL"} <= loaded
    assert loaded.isdisjoint(TRAINING)
    assert (tmp_path / "o").read_text("utf-8").count("characters") == 2


def test_what_the_package_offers_is_there() -> None:
    loaded = modules_after("import nmt\nfor name in nmt.__all__: getattr(nmt, name)")
    assert loaded.isdisjoint({"pytorch_lightning", "wandb", "datasets"})


@pytest.mark.parametrize("script", ["train", "translate", "evaluate", "score", "recognize", "evaluate_lines", "ngram"])
def test_help_has_examples_and_answers_at_once(script: str, repository: Path) -> None:
    command = [sys.executable, f"scripts/{script}.py", "--help"]
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "example" in result.stdout.lower()
    assert f"scripts/{script}.py --" in result.stdout
    assert min(seconds) < 0.3  # CPU seconds, so that a busy machine does not decide


@pytest.mark.parametrize("path", sorted((Path(__file__).parent.parent / "scripts").glob("*.py")), ids=lambda p: p.stem)
def test_scripts_are_doors(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40


def test_wrong_arguments_are_answered_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import nmt.cli.evaluate, nmt.cli.evaluate_lines, nmt.cli.ngram, nmt.cli.recognize, nmt.cli.train, nmt.cli.translate
reader, digits = ["--checkpoint", "."], ["--config", "digits_small"]
for main, arguments in [
    (nmt.cli.translate.main, ["--checkpoint", "gone"]),
    (nmt.cli.translate.main, ["--checkpoint", ".", "--input", "gone"]),
    (nmt.cli.translate.main, ["--checkpoint", ".", "--beam-size", "0"]),
    (nmt.cli.evaluate.main, ["--checkpoint", "gone", "--source", "gone", "--reference", "gone"]),
    (nmt.cli.recognize.main, ["--checkpoint", "gone", "line.png"]),
    (nmt.cli.recognize.main, [*reader, "--insertion-bonus", "1000", "line.png"]),
    (nmt.cli.recognize.main, [*reader, "--lexicon", "gone", "line.png"]),
    (nmt.cli.evaluate_lines.main, [*reader, "--lines", "gone"]),
    (nmt.cli.ngram.main, ["--input", "gone", "--output", "new.arpa"]),
    (nmt.cli.train.main, ["--config", "lines_small", "--data.train", "gone"]),
    (nmt.cli.train.main, [*digits, "--search.lexicon", "gone"]),
    (nmt.cli.train.main, [*digits, "--search.language_model", "gone"]),
]:
    assert main(arguments) != 0
"""
    monkeypatch.chdir(tmp_path)
    assert "torch" not in modules_after(code)
