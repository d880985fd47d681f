"""Checkpoints on the disk: whole or absent, harmless to read, found after a crash."""

import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import pytorch_lightning as lightning
import torch

from nmt.errors import CheckpointError, StorageError
from nmt.training.keeping.checkpoint_io import NEEDED, AtomicCheckpointIO, newest_usable_checkpoint, read_checkpoint
from nmt.training.keeping.checkpoints import Checkpoints, best_checkpoints


def content(value: int) -> dict[str, Any]:
    resumable = dict.fromkeys(NEEDED)
    return {"weights": torch.full((64,), value), "tokenizer": b"\x00spm", "config": {"seed": value}} | resumable


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(3), path)
    loaded = AtomicCheckpointIO().load_checkpoint(path)
    assert torch.equal(loaded["weights"], torch.full((64,), 3)) and loaded["config"] == {"seed": 3}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.ckpt"]


def test_code_in_a_checkpoint_is_never_run_even_when_asked(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"weights": Malicious()}, tmp_path / "evil.ckpt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Malicious()))
    for name in ("evil.ckpt", "evil.pkl"):
        with pytest.raises(CheckpointError, match=name):
            AtomicCheckpointIO().load_checkpoint(tmp_path / name, weights_only=False)
    assert not (tmp_path / "owned").exists()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.ckpt: no such checkpoint"):
        read_checkpoint(tmp_path / "gone.ckpt")


FILL = """
import resource, sys, torch
from nmt.errors import StorageError
from nmt.training.keeping.checkpoint_io import AtomicCheckpointIO
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(250_000)}, sys.argv[1])
except StorageError as error:
    print(error)
"""


def test_no_room_leaves_the_previous_checkpoint_and_says_how_much_was_coming(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(content(1), path)
    done = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True)
    assert f"{path}: cannot write about 1,000,000 bytes:" in done.stdout, done.stdout + done.stderr
    assert "is intact" in done.stdout
    assert read_checkpoint(path)["config"] == {"seed": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_is_a_training_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(value: Any, stream: Any) -> None:
        stream.write(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match=r"a\.ckpt: cannot write about .* bytes: No space left"):
        AtomicCheckpointIO().save_checkpoint(content(1), tmp_path / "a.ckpt")
    assert list(tmp_path.iterdir()) == []


def save_steps(folder: Path, *steps: int) -> None:
    for step in steps:
        AtomicCheckpointIO().save_checkpoint(content(step), folder / f"last-{step:08d}.ckpt")


def test_the_newest_checkpoint_is_found_by_step_not_by_date(tmp_path: Path) -> None:
    assert newest_usable_checkpoint(tmp_path) is None
    save_steps(tmp_path, 100, 1000, 90)
    assert newest_usable_checkpoint(tmp_path) == tmp_path / "last-00001000.ckpt"


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save_steps(tmp_path, 1, 2)
    newest = tmp_path / "last-00000002.ckpt"
    data = bytearray(newest.read_bytes())
    where = data.index(torch.full((64,), 2).numpy().tobytes())  # in the middle of the weights
    flipped = data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]
    newest.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "flipped": flipped}[damage])
    with caplog.at_level(logging.WARNING):
        assert newest_usable_checkpoint(tmp_path) == tmp_path / "last-00000001.ckpt"
    assert "last-00000002.ckpt: damaged" in caplog.text


def test_all_damaged_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    (tmp_path / "last-00000002.ckpt").write_bytes(b"x")
    with pytest.raises(
        CheckpointError, match=r"none of 1 checkpoint\(s\) can be resumed from; .*last-00000002\.ckpt: "
    ):
        newest_usable_checkpoint(tmp_path)


def test_weights_alone_are_no_checkpoint_to_resume_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lightning said KeyError."""
    torch.save({"nmt": {}, "state_dict": {}}, tmp_path / "last-00000003.ckpt")
    with pytest.raises(CheckpointError, match=r"no training can go on from it: it lacks callbacks, epoch,"):
        newest_usable_checkpoint(tmp_path)
    save_steps(tmp_path, 2)
    with caplog.at_level(logging.WARNING):
        assert newest_usable_checkpoint(tmp_path) == tmp_path / "last-00000002.ckpt"
    assert "last-00000003.ckpt: damaged (no training can go on" in caplog.text


def trainer_at(step: int) -> MagicMock:
    """Only what saving asks of Lightning's trainer."""
    trainer = MagicMock(spec=lightning.Trainer)
    trainer.configure_mock(
        global_step=step,
        max_steps=-1,
        is_global_zero=True,
        sanity_checking=False,
        should_stop=False,
        is_last_batch=False,
        state=SimpleNamespace(fn="fit"),
        fit_loop=SimpleNamespace(_data_fetcher=None),  # asked for whether a validation follows
    )
    trainer.strategy.broadcast = lambda value: value
    trainer.strategy.reduce_boolean_decision = lambda value, all=True: value
    trainer.save_checkpoint = lambda path: AtomicCheckpointIO().save_checkpoint(content(trainer.global_step), path)
    return trainer


def run_validations(saving: Checkpoints, metric: str, scores: dict[int, float]) -> None:
    task = lightning.LightningModule()
    for step, score in scores.items():
        trainer = trainer_at(step)
        trainer.callback_metrics = {metric: torch.tensor(score)}
        saving.on_train_batch_end(trainer, task, None, None, 0)
        saving.on_validation_end(trainer, task)


def test_the_newest_and_the_best_are_kept_and_named(tmp_path: Path) -> None:
    saving = Checkpoints(tmp_path, monitor="bleu", keep_best=2, keep_last=2)
    scores = {10: 1.0, 20: 30.0, 30: 20.25, 40: 25.0, 50: float("nan"), 60: 24.0}
    run_validations(saving, "validation/bleu", scores)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        *("best-00000020-bleu-30.ckpt", "best-00000040-bleu-25.ckpt", "best.ckpt", "index.json"),
        *("last-00000050.ckpt", "last-00000060.ckpt", "last.ckpt"),
    ]
    assert read_checkpoint(tmp_path / "best.ckpt")["config"]["seed"] == 20
    assert read_checkpoint(tmp_path / "last.ckpt")["config"]["seed"] == 60
    assert [path.name for path in best_checkpoints(tmp_path)] == [
        "best-00000020-bleu-30.ckpt",
        "best-00000040-bleu-25.ckpt",
    ]
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["monitor"] == "validation/bleu" and index["best"][0]["score"] == 30.0
    assert [kept["step"] for kept in index["last"]] == [60, 50]


def test_less_is_better_for_a_loss_and_a_moved_folder_goes_on(tmp_path: Path) -> None:
    first, moved = tmp_path / "first", tmp_path / "moved"
    first.mkdir()
    run_validations(Checkpoints(first, monitor="loss"), "validation/loss", {1: 3.0, 2: 2.0, 3: 2.5})
    first.rename(moved)
    saving = Checkpoints(moved, monitor="loss")
    run_validations(saving, "validation/loss", {4: 2.1})
    assert best_checkpoints(moved) == [moved / "best-00000002-loss-2.ckpt"]
    run_validations(saving, "validation/loss", {5: 1.5})
    assert best_checkpoints(moved) == [moved / "best-00000005-loss-1.5.ckpt"]
    assert (moved / "best.ckpt").samefile(moved / "best-00000005-loss-1.5.ckpt")
    assert not (moved / "best-00000002-loss-2.ckpt").exists()


def test_a_checkpoint_that_is_newest_and_best_costs_its_space_once(tmp_path: Path) -> None:
    run_validations(Checkpoints(tmp_path, monitor="bleu"), "validation/bleu", {1: 5.0})
    assert (tmp_path / "last-00000001.ckpt").samefile(tmp_path / "best-00000001-bleu-5.ckpt")


def test_with_steps_given_only_those_and_the_best_are_saved(tmp_path: Path) -> None:
    saving = Checkpoints(tmp_path, monitor="bleu", keep_last=9, every_steps=4)
    run_validations(saving, "validation/bleu", {2: 9.0, 3: 1.0, 4: 2.0, 5: 3.0})
    assert sorted(entry.name for entry in tmp_path.glob("last-*")) == ["last-00000002.ckpt", "last-00000004.ckpt"]


def test_checkpoints_beyond_the_step_resumed_from_are_forgotten(tmp_path: Path) -> None:
    run_validations(Checkpoints(tmp_path, monitor="bleu", keep_last=3), "validation/bleu", {1: 1.0, 2: 2.0, 3: 3.0})
    saving = Checkpoints(tmp_path, monitor="bleu", keep_last=3)
    saving.on_train_start(trainer_at(2), lightning.LightningModule())
    assert newest_usable_checkpoint(tmp_path) == tmp_path / "last-00000002.ckpt"


@pytest.mark.parametrize("keep_best", [1, 2])
def test_a_damaged_last_checkpoint_is_not_kept_under_its_other_name(tmp_path: Path, keep_best: int) -> None:
    """Newest and best were one file: training went on from the one before, and its best.ckpt was damaged for ever."""
    saving = Checkpoints(tmp_path, monitor="bleu", keep_best=keep_best)
    run_validations(saving, "validation/bleu", {1: 1.0, 2: 2.0, 3: 3.0})
    newest = tmp_path / "last-00000003.ckpt"
    newest.write_bytes(newest.read_bytes()[:99])
    saving = Checkpoints(tmp_path, monitor="bleu", keep_best=keep_best)
    saving.on_train_start(trainer_at(2), lightning.LightningModule())
    assert [path.name for path in best_checkpoints(tmp_path)] == ["best-00000002-bleu-2.ckpt"] * (keep_best - 1)
    assert (tmp_path / "best.ckpt").exists() == (tmp_path / "best.ckpt").is_symlink() == (keep_best == 2)
    run_validations(saving, "validation/bleu", {3: 3.0})
    assert read_checkpoint(tmp_path / "best.ckpt")["config"]["seed"] == 3


def test_a_crash_before_the_index_is_written_leaves_no_file_for_ever(tmp_path: Path) -> None:
    run_validations(Checkpoints(tmp_path, monitor="bleu"), "validation/bleu", {1: 1.0, 2: 30.126, 3: 20.0})
    index = (tmp_path / "index.json").read_text()
    AtomicCheckpointIO().save_checkpoint(content(4), tmp_path / "last-00000004.ckpt")
    os.link(tmp_path / "last-00000004.ckpt", tmp_path / "best-00000004-bleu-29.5.ckpt")
    (tmp_path / ".last-00000005.ckpt.17.tmp").write_bytes(b"half a checkpoint")
    assert (tmp_path / "index.json").read_text() == index  # killed here
    saving = Checkpoints(tmp_path, monitor="bleu")
    saving.on_train_start(trainer_at(4), lightning.LightningModule())
    run_validations(saving, "validation/bleu", {5: 0.5})
    [best] = json.loads((tmp_path / "index.json").read_text())["best"]
    assert best["score"] == pytest.approx(30.126, abs=1e-5)  # the index is exact, where there is one
    left = ["best-00000002-bleu-30.13.ckpt", "best.ckpt", "index.json", "last-00000004.ckpt", "last-00000005.ckpt"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [*left, "last.ckpt"]


@pytest.mark.parametrize(("monitor", "best"), [("bleu", "30"), ("loss", "10"), ("cer", "10"), ("wer", "10")])
def test_without_an_index_names_tell_what_is_best(tmp_path: Path, monitor: Any, best: str) -> None:
    saving = Checkpoints(tmp_path, monitor=monitor, keep_best=3)
    run_validations(saving, f"validation/{monitor}", {1: 10.0, 2: 30.0, 3: 20.0})
    (tmp_path / "index.json").write_text("[")
    (tmp_path / "mine-and-yours.ckpt").write_bytes(b"")
    assert best_checkpoints(tmp_path)[0].name.endswith(f"-{best}.ckpt")
    assert len(best_checkpoints(tmp_path)) == 3
