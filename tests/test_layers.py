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

import nmt.cli

HEAVY = ("torch", "pytorch_lightning", "lightning_fabric", "wandb", "datasets", "sacrebleu", "sentencepiece", "pandas")
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
    assert loaded.isdisjoint({"pytorch_lightning", "lightning_fabric", "wandb", "datasets", "matplotlib"})


def test_what_the_package_offers_is_there() -> None:
    loaded = modules_after("import nmt\nfor name in nmt.__all__: getattr(nmt, name)")
    assert loaded.isdisjoint({"pytorch_lightning", "wandb", "datasets"})


@pytest.mark.parametrize("script", ["train", "translate", "evaluate", "score"])
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
import nmt.cli.evaluate, nmt.cli.translate
for main, arguments in [
    (nmt.cli.translate.main, ["--checkpoint", "gone"]),
    (nmt.cli.translate.main, ["--checkpoint", ".", "--input", "gone"]),
    (nmt.cli.translate.main, ["--checkpoint", ".", "--beam-size", "0"]),
    (nmt.cli.evaluate.main, ["--checkpoint", "gone", "--source", "gone", "--reference", "gone"]),
]:
    assert main(arguments) != 0
"""
    monkeypatch.chdir(tmp_path)
    assert "torch" not in modules_after(code)
