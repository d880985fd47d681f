"""Callbacks together, in a real (tiny) training: resume, signals, averaging, samples, curves, stopping."""

import contextlib
import csv
import html
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy
import pytest
import pytorch_lightning as lightning
import torch
from tiny_training import Task, fit, tiny_config

from nmt.config.schema import ROOTS, Root
from nmt.errors import StorageError
from nmt.files import atomic_write
from nmt.inference.heatmap import heatmap_png, heatmap_svg
from nmt.training.averaging import ema_callback
from nmt.training.ending.stopping import (
    GracefulStop,
    Interrupted,
    StoppedAtOnce,
    early_stopping,
    interrupts_told,
)
from nmt.training.keeping.checkpoint_io import read_checkpoint
from nmt.training.keeping.checkpoints import MONITORS, Checkpoints
from nmt.training.keeping.random_state import KEY, capture, restore
from nmt.training.kinds import kind_of
from nmt.training.recognition.kind import RECOGNITION
from nmt.training.translation.kind import TRANSLATION
from nmt.training.translation.samples import SampleTranslation
from nmt.training.watching import curves
from nmt.training.watching.curves import draw_curves, read_curves
from nmt.training.watching.progress import shown_metrics
from nmt.training.watching.samples import samples_page, samples_table

UNREPEATABLE = ("train/tokens_per_second", "train/tokens_per_cpu_second", "train/cpu_minutes")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def measurements(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: cell for name, cell in row.items() if name not in UNREPEATABLE} for row in rows]


def weights(task: Task) -> list[float]:
    return [value for parameter in task.parameters() for value in parameter.flatten().tolist()]


RUNS: dict[str, dict[str, Any]] = {
    "validations within epochs": {},
    "checkpoints apart from validations": {"checkpoint_every_steps": 3},
    "validation once an epoch": {"validate_every_steps": None},
    "averaged": {"ema_decay": 0.9},
    "accumulated": {"accumulate": 2, "validate_every_steps": 4, "max_steps": 18},
}


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings."""
    monkeypatch.setattr(curves, "draw_curves", lambda *_: None)


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("name", list(RUNS))
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path: Path, name: str) -> None:
    """Same losses, same validation scores, same rows without a gap or a repeat, same weights to the last bit.

    Cut three times: within an epoch, at its end, and at a step that is validated.
    """
    options = {"max_steps": 20, **RUNS[name]}
    whole = fit(tmp_path / "whole", tiny_config(**options))
    for cut in sorted({*(5, 7, 16), options["max_steps"]}):
        parts = fit(tmp_path / "parts", tiny_config(**{**options, "max_steps": cut}))
    assert weights(parts) == weights(whole)
    assert measurements(tmp_path / "parts") == measurements(tmp_path / "whole")


@pytest.mark.usefixtures("_undrawn")
def test_a_kill_between_saving_a_step_and_logging_it_loses_no_row(tmp_path: Path) -> None:
    options = {"validate_every_steps": None, "checkpoint_every_steps": 5}
    fit(tmp_path / "whole", tiny_config(**options))
    fit(tmp_path / "killed", tiny_config(**options, max_steps=10))
    metrics = tmp_path / "killed" / "metrics.csv"
    lines = metrics.read_text().splitlines(keepends=True)
    assert lines[-1].startswith("10,")
    metrics.write_text("".join(lines[:-1]))
    fit(tmp_path / "killed", tiny_config(**options))
    assert measurements(tmp_path / "killed") == measurements(tmp_path / "whole")


def test_how_often_is_validated_changes_nothing_about_training(tmp_path: Path) -> None:
    often = fit(tmp_path / "often", tiny_config(validate_every_steps=2))
    never = fit(tmp_path / "never", tiny_config(validate_every_steps=None), validate=False)
    assert weights(often) == weights(never)


def test_all_generators_are_restored_from_a_file_read_without_pickle(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), *numpy.random.randn(3), float(torch.rand(1))]

    random.gauss(0, 1)  # leaves a second Gaussian number waiting in Python's and in NumPy's generator
    numpy.random.randn()
    torch.save(capture(), tmp_path / "state")
    expected = draw()
    restore(torch.load(tmp_path / "state", weights_only=True))
    assert draw() == expected


def test_everything_in_a_checkpoint_loads_without_pickle(tmp_path: Path) -> None:
    fit(tmp_path, tiny_config(ema_decay=0.5, patience=9, max_minutes=9))
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["callbacks"].keys() >= {"EarlyStopping{'monitor': 'validation/bleu', 'mode': 'max'}"}
        assert len(checkpoint[KEY]) == 1


def test_a_run_leaves_a_complete_folder(tmp_path: Path) -> None:
    fit(tmp_path, tiny_config())
    rows = measurements(tmp_path)
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(1, 21))
    assert [int(row["step"]) for row in rows if row["validation/bleu"]] == [5, 10, 15, 20]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in (tmp_path / "samples").glob("*.html")) == [
        *("step_10.html", "step_15.html", "step_20.html", "step_5.html"),
    ]
    said = (tmp_path / "train.log").read_text()
    assert "step 7/20  loss " in said and "step 10/20  val loss " in said
    best = max(rows, key=lambda row: float(row["validation/bleu"] or 0))
    assert (tmp_path / "checkpoints" / "best.ckpt").resolve().name.startswith(f"best-{int(best['step']):08d}-bleu-")


def test_without_validation_the_end_of_an_epoch_is_saved(tmp_path: Path) -> None:
    fit(tmp_path, tiny_config(max_steps=9, validate_every_steps=None), validate=False)
    saved = sorted(file.name for file in (tmp_path / "checkpoints").glob("last-*"))
    assert saved == ["last-00000007.ckpt", "last-00000009.ckpt"]


def test_the_task_validates_with_averaged_weights_and_saves_them(tmp_path: Path) -> None:
    """Also in its on_validation_epoch_end, which Lightning calls after that of its own averaging callback."""
    task = fit(tmp_path, tiny_config(max_steps=5, ema_decay=0.9))
    checkpoint = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    averaged, raw = (checkpoint[key]["output.weight"] for key in ("state_dict", "current_model_state"))
    assert task.weights_at_epoch_end is not None
    assert torch.equal(task.weights_at_epoch_end, averaged) and not torch.equal(averaged, raw)


def test_the_average_is_the_one_of_the_formula() -> None:
    callback = ema_callback(0.5)
    assert callback is not None and ema_callback(0.0) is None
    module = torch.nn.Linear(1, 1, bias=False)
    average = torch.optim.swa_utils.AveragedModel(module, **callback._kwargs)
    expected = None
    for update, value in enumerate([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0]):
        module.weight.data.fill_(value)
        average.update_parameters(module)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected)


def test_the_time_limit_counts_earlier_starts_and_validates_last(tmp_path: Path) -> None:
    limited = {"max_steps": None, "validate_every_steps": 1000}
    fit(tmp_path, tiny_config(**limited, max_minutes=0.4 / 60), pause=0.02)
    first = int(measurements(tmp_path)[-1]["step"])
    assert 5 <= first <= 21
    assert measurements(tmp_path)[-1]["validation/bleu"]
    state = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["callbacks"]["TimeLimit"]
    assert 0.4 <= state["seconds"] < 10
    rows = measurements(tmp_path)
    fit(tmp_path, tiny_config(**limited, max_minutes=0.4 / 60), pause=0.02)
    assert measurements(tmp_path) == rows  # not one step more
    fit(tmp_path, tiny_config(**limited, max_minutes=state["seconds"] / 60 + 0.2 / 60), pause=0.02)
    assert int(measurements(tmp_path)[-1]["step"]) > first


def test_a_run_that_lost_its_patience_trains_no_more_unless_it_is_given_some(tmp_path: Path) -> None:
    hopeless = {"max_steps": 60, "validate_every_steps": 2, "monitor": "loss"}
    fit(tmp_path, tiny_config(**hopeless, patience=1), rate=10.0)
    rows = measurements(tmp_path)
    stopped = int(rows[-1]["step"])
    assert stopped < 60
    fit(tmp_path, tiny_config(**hopeless, patience=1), rate=10.0)
    assert measurements(tmp_path) == rows
    fit(tmp_path, tiny_config(**hopeless, patience=3), rate=10.0)
    assert int(measurements(tmp_path)[-1]["step"]) >= stopped + 4


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("length", [{"max_epochs": 2, "max_steps": None}, {"max_steps": 14}], ids=["epochs", "steps"])
def test_a_finished_run_changes_nothing_when_it_is_started_again(tmp_path: Path, length: dict[str, Any]) -> None:
    """One of some epochs made a step more, and logged it, each time."""

    def everything() -> dict[str, bytes]:
        kept = [tmp_path / "metrics.csv", *(tmp_path / "checkpoints").iterdir()]
        return {file.name: file.read_bytes() for file in kept}

    config = tiny_config(**length, validate_every_steps=5)
    fit(tmp_path, config, total_steps=14)
    finished = everything()
    assert [row["step"] for row in measurements(tmp_path)][-2:] == ["14", "14"]  # trained and validated
    for _ in range(2):
        fit(tmp_path, config, total_steps=14)
        assert everything() == finished


def test_early_stopping_waits_for_patience(tmp_path: Path) -> None:
    assert early_stopping(tiny_config(patience=0).train) is None
    stopping = early_stopping(tiny_config(patience=3, monitor="loss").train)
    assert stopping is not None
    assert (stopping.monitor, stopping.mode, stopping.patience) == ("validation/loss", "min", 3)


def start(folder: Path, steps: int, pause: float, *, processes: int) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    paths = {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(here / "tiny_training.py"), str(folder), str(steps), str(pause), str(processes)]
    return subprocess.Popen(command, env={**os.environ, **paths}, stderr=subprocess.PIPE, text=True)


def interrupt_after_rows(process: "subprocess.Popen[str]", metrics: Path, number: signal.Signals) -> str:
    """Send the signal once some steps are done; what the process says on standard error."""
    deadline = time.monotonic() + 90
    while not (metrics.exists() and metrics.read_text().count("\n") > 7):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_end(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path / "killed", 40, 0.1, processes=1)
    said = interrupt_after_rows(process, tmp_path / "killed" / "metrics.csv", number)
    assert process.returncode == 75, said
    assert f"stopped by {number.name} after step " in said
    assert f"; {tmp_path / 'killed' / 'checkpoints' / 'last.ckpt'} is saved; resume with: sh " in said
    assert f"sh {tmp_path / 'killed' / 'resume.sh'}" in said
    step = int(said.split("after step ")[1].split(";")[0])
    assert 6 <= step < 40 and (tmp_path / "killed" / "checkpoints" / f"last-{step:08d}.ckpt").exists()
    resumed = fit(tmp_path / "killed", tiny_config(max_steps=40))
    whole = fit(tmp_path / "whole", tiny_config(max_steps=40))
    assert weights(resumed) == weights(whole)
    assert measurements(tmp_path / "killed") == measurements(tmp_path / "whole")


@pytest.mark.usefixtures("_undrawn")
def test_a_signal_between_two_reports_leaves_no_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There was one that repeated the report before it."""
    config = tiny_config(log_every_steps=4, validate_every_steps=6, max_steps=16)
    whole = fit(tmp_path / "whole", config)
    learn = Task.training_step

    def training_step(task: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if task.global_step == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(task, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", training_step)
        with pytest.raises(Interrupted, match="after step 9"):
            fit(tmp_path / "stopped", config)
    assert [row["step"] for row in measurements(tmp_path / "stopped")] == ["4", "6", "8"]
    assert weights(fit(tmp_path / "stopped", config)) == weights(whole)
    assert measurements(tmp_path / "stopped") == measurements(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on_to_the_same_end(tmp_path: Path) -> None:
    """Lightning's own handling deadlocks here until the process group gives up."""
    whole = start(tmp_path / "whole", 20, 0.0, processes=2)
    assert whole.wait(timeout=120) == 0
    process = start(tmp_path / "killed", 20, 0.15, processes=2)
    said = interrupt_after_rows(process, tmp_path / "killed" / "metrics.csv", signal.SIGTERM)
    assert process.returncode == 75, said
    checkpoint = read_checkpoint(tmp_path / "killed" / "checkpoints" / "last.ckpt")
    assert checkpoint["global_step"] < 20 and len(checkpoint[KEY]) == 2
    resumed = start(tmp_path / "killed", 20, 0.0, processes=2)
    assert resumed.wait(timeout=120) == 0
    assert measurements(tmp_path / "killed") == measurements(tmp_path / "whole")


def test_an_interrupt_before_the_first_step_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning swallowed it, and left with exit code 1 and without a word."""

    def setup(task: Task, stage: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "setup", setup)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt, match="^$"), interrupts_told(run_of()):
            fit(tmp_path, tiny_config(max_steps=2))
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(SystemExit, match="3"), interrupts_told(run_of()):
        raise SystemExit(3)


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    fit(tmp_path, tiny_config(max_steps=2))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_full_disk_ends_the_run_with_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path, tiny_config(max_steps=5))

    def full(value: Any, stream: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match="No space left on device"):
        fit(tmp_path, tiny_config(max_steps=10))
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 5


SAMPLE = SampleTranslation(
    "ein <b>Haus</b>\tund", "a\nhouse", "a house", 50.0, numpy.array([[0.75, 0.25, 0.0]]), ("<b>", "ﬁ", "y"), ("$x$",)
)


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("report", [1, 100], ids=["at-a-report", "at-a-save"])
def test_a_folder_that_was_moved_ends_the_run_and_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: int
) -> None:
    """The run went on in a new one, without its configuration and its resume.sh."""
    learn = Task.training_step

    def training_step(task: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if task.global_step == 7:
            (tmp_path / "run").rename(tmp_path / "moved")
        return learn(task, batch, batch_idx)

    config = tiny_config(max_steps=14, log_every_steps=report, checkpoint_every_steps=2, validate_every_steps=5)
    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", training_step)
        with pytest.raises(StorageError, match=r"run.*: moved or deleted since this start.*: move it back"):
            fit(tmp_path / "run", config)
    with monkeypatch.context() as patched:
        patched.setattr(curves, "draw_curves", lambda metrics, picture, *_: atomic_write(picture, ""))
        curves.LearningCurves(tmp_path / "run" / "metrics.csv", tmp_path / "run" / "curves.png", (), ())._draw()
    assert not (tmp_path / "run").exists()
    (tmp_path / "moved").rename(tmp_path / "run")
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] == 6
    whole = fit(tmp_path / "whole", config)
    assert weights(fit(tmp_path / "run", config)) == weights(whole)
    assert measurements(tmp_path / "run") == measurements(tmp_path / "whole")


def test_a_table_has_one_line_a_sample_whatever_it_holds() -> None:
    table = samples_table([SAMPLE, SAMPLE._replace(hypothesis='said "so"', attention=None)])
    lines = [line.split("\t") for line in table.splitlines()]
    assert lines[0] == ["source", "reference", "hypothesis", "chrf"]
    assert lines[1] == ["ein <b>Haus</b> und", "a house", "a house", "50.00"]
    assert lines[2][2] == 'said "so"' and len(lines) == 3


def test_a_page_escapes_its_text_and_shows_attention() -> None:
    page = samples_page([SAMPLE, SAMPLE._replace(attention=None)], step=1200)
    assert "<b>" not in page and html.escape(SAMPLE.source) in page
    assert page.count("<svg") == 1 and page.count("</title></rect>") == 2  # the cell of weight 0 is left out
    assert "after step 1,200" in page and "&lt;b&gt; → $x$: 0.75" in page
    assert page.count("darker where it looked") == 1 and page.index("darker") < page.index("<article")


def test_heat_maps_check_their_shape() -> None:
    assert SAMPLE.attention is not None
    assert heatmap_png(SAMPLE.attention, ("<b>", "日本", "y"), SAMPLE.target_pieces).startswith(b"\x89PNG")
    for draw in (heatmap_png, heatmap_svg):
        with pytest.raises(ValueError, match=r"\(1, 3\) for \(3, 1\)"):
            draw(SAMPLE.attention, SAMPLE.target_pieces, SAMPLE.source_pieces)


def test_curves_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.csv"
    draw_curves(metrics, tmp_path / "empty.png", TRANSLATION.panels, TRANSLATION.measurements)
    metrics.write_text("step,train/loss,validation/bleu\n1,5.0,\n2,nan,\n2,,30.5\n")
    assert read_curves(metrics) == {"train/loss": [(1.0, 5.0)], "validation/bleu": [(2.0, 30.5)]}
    draw_curves(metrics, tmp_path / "curves.png", TRANSLATION.panels, TRANSLATION.measurements)
    assert (tmp_path / "curves.png").read_bytes() != (tmp_path / "empty.png").read_bytes()


def test_each_kind_of_run_has_its_curves(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("step,validation/cer,train/lost_lines\n1,90.0,2\n2,40.0,0\n")
    pictures = set()
    for task, root in ROOTS.items():
        kind = kind_of(root())
        draw_curves(metrics, tmp_path / f"{task}.png", kind.panels, kind.measurements)
        pictures.add((tmp_path / f"{task}.png").read_bytes())
    assert len(pictures) == len(ROOTS)


def test_an_interrupt_is_no_failed_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C while curves were drawn was said to be one ("not drawn: stopped at once") and stopped nothing."""
    (tmp_path / "metrics.csv").write_text("step\n1\n")
    drawn = curves.LearningCurves(tmp_path / "metrics.csv", tmp_path / "curves.png", (), ())
    for error, comes_through in ((StoppedAtOnce("stopped at once"), True), (ValueError("no font"), False)):

        def failing(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(curves, "draw_curves", failing)
        with pytest.raises(StoppedAtOnce) if comes_through else contextlib.nullcontext():
            drawn._draw()


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_every_score_that_may_decide_is_drawn_shown_and_known(root: Root) -> None:
    monitors = get_args(root.model_fields["train"].annotation.model_fields["monitor"].annotation)
    assert monitors
    measured = {one.name: one for one in kind_of(root()).measurements}
    for metric in monitors:
        one = measured[MONITORS[metric][0]]
        assert one.drawn is not None and one.shown is not None and one.from_the_start


def test_lost_lines_are_shown_where_there_are_any() -> None:
    said = partial(shown_metrics, measurements=RECOGNITION.measurements)
    assert said({"train/lost_lines": 0.0, "validation/cer": 4.5}) == {"CER": "4.50"}
    assert said({"train/lost_lines": 3.0}) == {"lost": "3"}


def test_a_line_shows_short_names_in_a_fixed_order() -> None:
    metrics = {"validation/bleu": torch.tensor(36.414), "other": 1.0, "train/loss": 2.0}
    assert shown_metrics(metrics, TRANSLATION.measurements) == {"loss": "2.000", "BLEU": "36.41"}


@pytest.mark.parametrize(("ratio", "shown"), [(1.0, {}), (0.75, {"truth": "0.75"})])
def test_a_ratio_of_true_inputs_is_shown_where_it_is_not_all(ratio: float, shown: dict[str, str]) -> None:
    assert shown_metrics({"train/teacher_forcing": torch.tensor(ratio)}, TRANSLATION.measurements) == shown


def test_tokens_are_counted(tmp_path: Path) -> None:
    fit(tmp_path, tiny_config(max_steps=10, log_every_steps=5), pause=0.02)
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        speeds = [float(row["train/tokens_per_second"]) for row in csv.DictReader(stream) if row["train/loss"]]
    # 5 steps of 15 tokens take at least 0.1 s
    assert len(speeds) == 2 and all(75 < speed <= 750 for speed in speeds)


def test_the_last_row_of_a_run_is_measured_there(tmp_path: Path) -> None:
    """It had the speed and the loss of the last report, however long ago that was."""
    fit(tmp_path, tiny_config(max_steps=900, log_every_steps=400, max_minutes=0.002), pause=0.02)
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["train/loss"]]
    assert len(rows) == 1 and 0 < int(rows[0]["step"]) < 50
    assert 75 < float(rows[0]["train/tokens_per_second"]) <= 750


KILLED_WHILE_VALIDATING = """
import os, signal, sys
from pathlib import Path
import torch
import tiny_training

class Task(tiny_training.Task):
    def validation_step(self, batch, batch_idx):
        if self.global_step == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        super().validation_step(batch, batch_idx)

    def training_step(self, batch, batch_idx):
        if self.global_step == 9 and sys.argv[2] == "after a signal":
            os.kill(os.getpid(), signal.SIGTERM)
        return super().training_step(batch, batch_idx)

torch.set_num_threads(1)
tiny_training.Task = Task
tiny_training.fit(Path(sys.argv[1]), tiny_training.tiny_config(checkpoint_every_steps=2, max_steps=int(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize(
    ("signalled", "last", "saved"),
    [("no signal", 20, 8), ("after a signal", 20, 10), ("after a signal", 10, 8)],
    ids=["killed", "signalled", "signalled-last"],
)
def test_a_kill_during_validation_loses_no_row(tmp_path: Path, signalled: str, last: int, saved: int) -> None:
    """Saved before its validation, a step had none: Lightning does not make up for it, and the row was missing."""
    command = [sys.executable, "-c", KILLED_WHILE_VALIDATING, str(tmp_path / "killed"), signalled, str(last)]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, timeout=240)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert read_checkpoint(tmp_path / "killed" / "checkpoints" / "last.ckpt")["global_step"] == saved
    config = tiny_config(checkpoint_every_steps=2, max_steps=last)
    resumed = fit(tmp_path / "killed", config)
    whole = fit(tmp_path / "whole", config)
    assert weights(resumed) == weights(whole)
    assert measurements(tmp_path / "killed") == measurements(tmp_path / "whole")
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("epochs", [2, 3], ids=["between", "last"])
def test_a_validation_made_up_for_is_one_of_its_own_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """After the last batch of an epoch Lightning goes on in the next one, and the row was said to be of that."""
    config = tiny_config(validate_every_steps=None, max_steps=None, max_epochs=3)
    whole = fit(tmp_path / "whole", config, total_steps=21)
    learn, step = Task.training_step, 7 * epochs

    def training_step(task: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if task.global_step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(task, batch, batch_idx)

    def killed(task: Task, batch: Any, batch_idx: int) -> None:
        if task.global_step == step:
            raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", training_step)
        patched.setattr(Task, "validation_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            fit(tmp_path / "killed", config, total_steps=21)
    with monkeypatch.context() as patched, contextlib.suppress(RuntimeError):  # and killed again, in the next step
        patched.setattr(Task, "training_step", killed)
        fit(tmp_path / "killed", config, total_steps=21)
    assert not read_checkpoint(tmp_path / "killed" / "checkpoints" / "last.ckpt")["validation_due"]
    assert weights(fit(tmp_path / "killed", config, total_steps=21)) == weights(whole)
    rows = measurements(tmp_path / "killed")
    assert rows[-2:] == measurements(tmp_path / "whole")[-2:]
    assert [row["epoch"] for row in rows if row["step"] == str(step)] == [str(epochs - 1)] * 2
    ours, theirs = (read_checkpoint(tmp_path / run / "checkpoints" / "last.ckpt") for run in ("killed", "whole"))
    assert ours["epoch"] == theirs["epoch"] == 2
    assert ours["measured"]["train/loss"] == theirs["measured"]["train/loss"]
    fit(tmp_path / "killed", config, total_steps=21)
    assert measurements(tmp_path / "killed") == rows


def scores(run: Path) -> Any:
    """The best checkpoints and what they score."""
    return json.loads((run / "checkpoints" / "index.json").read_text(encoding="utf-8"))["best"]


def run_of(*callbacks: lightning.Callback) -> lightning.Trainer:
    """A trainer with these callbacks."""
    checkpoints = bool(callbacks)
    return lightning.Trainer(accelerator="cpu", logger=False, callbacks=[*callbacks], enable_checkpointing=checkpoints)


def test_an_interrupt_says_how_far_the_run_is(tmp_path: Path) -> None:
    """While W&B uploaded the finished run it was "before the first step; nothing is lost"."""
    stop = GracefulStop(Checkpoints(tmp_path, monitor="loss"), resume_command="sh resume.sh")
    trainer = run_of(stop)
    for reached, said in (
        (None, "^$"),
        (stop.on_train_start, "in the midst of the run; start it again, and it goes on from its last checkpoint"),
        (stop.on_train_end, "after the last step; the weights are saved, start it again for the scores"),
    ):
        if reached is not None:
            reached(trainer, Task())
        with pytest.raises(KeyboardInterrupt, match=said), interrupts_told(trainer):
            raise KeyboardInterrupt
