"""COMET (Rei et al. 2020) through the command `comet-score`, where its user has installed it.

It is never a dependency: unbabel-comet wants older versions of half of our libraries, and downloads its models.
Installed into an environment of its own, with `comet-score` on the PATH, it is a program like any other.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nmt.errors import ConfigError, DataError
from nmt.metrics.bleu import Score

COMMAND: Final = "comet-score"
MODEL: Final = "Unbabel/wmt22-comet-da"
_SCORE: Final = re.compile(r"^(?P<file>[^\t]+)\tscore: (?P<score>-?\d+(\.\d+)?)\s*$", re.MULTILINE)
_LINE_BREAKS: Final = {ord("\n"): " ", ord("\r"): " "}


def check_comet() -> None:
    """Raise ConfigError where the command is not installed."""
    if shutil.which(COMMAND) is None:
        raise ConfigError(
            f"the metric comet needs the command {COMMAND}, which is not on the PATH; install it into an environment of"
            " its own (pipx install unbabel-comet), as it needs other versions of our libraries"
        )


def comet_scores(
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    sources: Sequence[str],
    *,
    model: str = MODEL,
    gpus: int = 0,
) -> list[Score]:
    """One score a system, from one run of the command, so that the model is read once.

    Raises ConfigError where the command is missing, DataError with its last words where it fails.
    """
    check_comet()
    with tempfile.TemporaryDirectory(prefix="comet") as folder:
        files = [_write(Path(folder) / f"{number}.txt", lines) for number, lines in enumerate(systems)]
        named = {"-s": _write(Path(folder) / "source.txt", sources), "-r": _write(Path(folder) / "ref.txt", references)}
        options = [word for pair in named.items() for word in pair]
        command = [COMMAND, *options, "-t", *files, "--model", model, "--gpus", str(gpus), "--quiet", "--only_system"]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", cwd=folder)
    found = {Path(match["file"]).name: float(match["score"]) for match in _SCORE.finditer(done.stdout)}
    if done.returncode or any(Path(file).name not in found for file in files):
        words = (done.stderr.strip() or done.stdout.strip() or "it printed no scores").splitlines()[-1]
        raise DataError(f"{COMMAND} --model {model} failed with exit status {done.returncode}: {words}")
    return [Score(found[Path(file).name], f"command:{COMMAND}|model:{model}") for file in files]


def _write(path: Path, lines: Sequence[str]) -> str:
    """The path of a file that has one line a sentence also for a reader to whom a carriage return ends one."""
    path.write_text("".join(f"{line.translate(_LINE_BREAKS)}\n" for line in lines), encoding="utf-8")
    return str(path)
