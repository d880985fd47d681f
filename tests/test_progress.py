"""The plain lines of a run: its reports, and before the first one a word that it runs."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_training import fit, tiny_config

from nmt.training.watching import curves
from nmt.training.watching.progress import LogLines, progress_callbacks, speak


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings."""
    monkeypatch.setattr(curves, "draw_curves", lambda *_, **__: None)


def said(folder: Path, **train: Any) -> list[str]:
    """What a run's log says of its steps from this start on, less their numbers and times."""
    log = folder / "train.log"
    before = len(log.read_text().splitlines()) if log.exists() else 0
    fit(folder, tiny_config(validate_every_steps=None, average_checkpoints=1, **train), validate=False)
    lines = [line.partition(" INFO ")[2] for line in log.read_text().splitlines()[before:]]
    return ["  ".join(line.split("  ")[:2]).split(" loss ")[0] for line in lines if line.startswith("step ")]


def test_before_its_first_report_a_run_says_once_that_it_runs(tmp_path: Path) -> None:
    """Nothing was said for the 50 steps before it, and people thought that it hung."""
    first = said(tmp_path, max_steps=9, log_every_steps=4, checkpoint_every_steps=1)
    assert first == ["step 1/9  training; a report every 4 steps", "step 4/9 ", "step 8/9 "]
    resumed = said(tmp_path, max_steps=12, log_every_steps=4, checkpoint_every_steps=1)
    assert resumed == ["step 10/12  training; a report every 4 steps", "step 12/12 "]


def test_a_first_step_that_is_reported_needs_no_other_word(tmp_path: Path) -> None:
    assert said(tmp_path, max_steps=2, log_every_steps=1) == ["step 1/2 ", "step 2/2 "]


@pytest.fixture
def _package_log() -> Iterator[None]:
    """The package's log as it was before the test."""
    logger = logging.getLogger("nmt")
    before = logger.propagate, logger.level
    yield
    logger.propagate = before[0]
    logger.setLevel(before[1])


@pytest.mark.usefixtures("_package_log")
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_beside_a_bar_the_lines_are_not_said(capfd: pytest.CaptureFixture[str], *, terminal: bool) -> None:
    handler = speak(terminal=terminal)
    try:
        [lines, *bars] = progress_callbacks(4, (), terminal=terminal)
        assert isinstance(lines, LogLines) and len(bars) == terminal
        logging.getLogger("nmt.training.watching.progress").info("step 1")
        logging.getLogger("nmt.training.fit").info("run: here")
    finally:
        logging.getLogger("nmt").removeHandler(handler)
    assert capfd.readouterr().err.splitlines() == (["run: here"] if terminal else ["step 1", "run: here"])
