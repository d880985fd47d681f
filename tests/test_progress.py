"""What is seen of a run: plain lines, on a terminal above a bar, and how much of it is left."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import pytorch_lightning as lightning
from tiny_training import Loader, Task, batch_of, fit, tiny_config
from torch.utils.data import DataLoader

from nmt.training.ending.stopping import TimeLimit
from nmt.training.parts import seldom_validated
from nmt.training.translation.kind import TRANSLATION
from nmt.training.watching import curves
from nmt.training.watching.progress import progress_callbacks, speak
from nmt.training.watching.remaining import Clock, about, on_a_clock


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


def seen(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What stays on the screen, and what a bar overwrites, line by line."""
    return [line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if line.strip()]


def train_watched(total: int | None, made: int = 0, **trainer: Any) -> None:
    """Steps on a terminal, of a run that has made some of them already."""
    lines_and_bar = progress_callbacks(4, TRANSLATION.measurements, terminal=True)
    engine = lightning.Trainer(
        accelerator="cpu",
        callbacks=[*lines_and_bar, *trainer.pop("callbacks", [])],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        num_sanity_val_steps=0,
        **trainer,
    )
    engine.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = made
    task, validation = Task(total_steps=total), cast(Any, [batch_of(100)])
    handler = speak(terminal=True)
    try:
        engine.fit(task, Loader(), DataLoader(validation, batch_size=None))
    finally:
        logging.getLogger("nmt").removeHandler(handler)


@pytest.mark.usefixtures("_package_log")
def test_a_terminal_has_one_bar_over_the_whole_run_below_the_lines_of_a_log(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar counted an epoch of an unsaid number, squeezed to nothing by measurements that were cut all the same."""
    monkeypatch.setenv("COLUMNS", "80")
    train_watched(20, max_steps=20)
    screen = seen(capfd)
    reports = [line for line in screen if line.startswith("step ")]
    assert [line.split("  ")[0] for line in reports if "val loss" not in line][:3] == [
        "step 1/20",
        "step 4/20",
        "step 8/20",
    ]
    assert all("loss" in line and "lr 5.00e-02" in line for line in reports if line.startswith(("step 4/", "step 8/")))
    bars = [line for line in screen if "%|" in line]
    assert all(len(line) <= 80 and "/20 steps, " in line and "loss" not in line for line in bars)
    assert "100%|" in bars[-1] and " 20/20 steps, 00:0" in bars[-1] and "left" not in bars[-1]
    assert any("validating" in line for line in bars)


@pytest.mark.usefixtures("_package_log")
def test_a_resumed_run_has_a_bar_that_begins_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    train_watched(1020, made=1000, max_steps=1020)
    bars = [line for line in seen(capfd) if "%|" in line]
    assert " 1,000/1,020 steps" in bars[0] and " 1,020/1,020 steps" in bars[-1]


@pytest.mark.usefixtures("_package_log")
def test_a_run_that_time_limits_has_no_total(capfd: pytest.CaptureFixture[str]) -> None:
    train_watched(None, max_epochs=1, callbacks=[TimeLimit(60.0)])
    screen = seen(capfd)
    assert not any("%" in line for line in screen) and any(line.startswith("0 steps, 00:00") for line in screen)
    [report] = [line for line in screen if line.startswith("step 4  ")]
    assert report.endswith(", about 60 min left")


def moment(step: int, total: int | None, *, minutes: float | None = None) -> Mock:
    """A trainer, as far as a clock asks."""
    limits = [] if minutes is None else [TimeLimit(minutes)]
    task = SimpleNamespace(total_steps=total)
    at = {"global_step": step, "max_steps": -1, "lightning_module": task, "callbacks": limits, "should_stop": False}
    return Mock(spec=lightning.Trainer, **at)


@pytest.mark.parametrize(
    ("step", "total", "minutes", "left"),
    [
        (1050, 2000, None, 1900.0),  # 100 s for 50 steps of this start; the 1,000 before it say nothing of its pace
        (1050, 2000, 10.0, 600.0),
        (1050, 2000, 60.0, 1900.0),
        (1050, None, 10.0, 600.0),
        (1050, None, None, None),
        (1001, 2000, None, None),  # after its slow first step nobody knows
        (2000, 2000, 10.0, None),
    ],
)
def test_what_is_left_goes_by_the_steps_of_this_start(
    monkeypatch: pytest.MonkeyPatch, step: int, total: int | None, minutes: float | None, left: float | None
) -> None:
    now = [500.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock()
    clock.start(moment(1000, total))
    now[0] += 100.0
    assert clock.left(moment(step, total, minutes=minutes)) == left


def test_times_are_said_as_exactly_as_they_are_known() -> None:
    assert [on_a_clock(seconds) for seconds in (0.0, 24.9, 3599.0, 3744.0)] == ["0:00", "0:24", "59:59", "1:02:24"]
    said = [about(seconds) for seconds in (0.2, 40.0, 89.6, 1560.0, 5369.0, 11400.0, 200_000.0)]
    assert said == ["1 s", "40 s", "90 s", "26 min", "89 min", "3 h 10 min", "2 days 8 h"]


def test_a_run_shorter_than_a_report_promises_none(tmp_path: Path) -> None:
    """It said: step 1/2  training; a report every 50 steps."""
    assert said(tmp_path, max_steps=2, log_every_steps=50) == ["step 1/2  training"]


def test_a_run_of_fewer_steps_than_two_validations_is_told_so() -> None:
    def hint(total: int | None, every: int | None) -> str | None:
        return seldom_validated(tiny_config(validate_every_steps=every).train, total)

    assert hint(430, 500) == (
        "430 steps in all, validated every 500, so only at the end: --train.validate_every_steps 100 shows more"
    )
    assert hint(1900, 1000) == (
        "1,900 steps in all, validated every 1,000, so only at step 1,000 and at the end:"
        " --train.validate_every_steps 200 shows more"
    )
    assert [hint(1000, 500), hint(None, 500), hint(430, None), hint(2, 500)] == [None] * 4
    for total in range(8, 400):
        better = int(str(hint(total, 500)).split()[-3])
        assert 4 <= total / better <= 10
