"""One rank fails alone: the run ends, says in which rank and why, and goes on from an intact checkpoint."""

import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from test_fit import rows, small_config, write_corpus
from test_ranks import TESTS, TORCHRUN, environment

from nmt.checkpoint import read_checkpoint
from nmt.config.schema import Config
from nmt.data.loader import LENT
from nmt.errors import ConfigError, DataError, TrainingError
from nmt.training.ending.meeting import LAUNCHER, MeetingStrategy, _check_address, meet
from nmt.training.ending.peers import PeerFailed, Peers, failure_file, is_lost_peer, peers_among
from nmt.training.ending.stopping import GracefulStop, Interrupted, StoppedAtOnce
from nmt.training.keeping.checkpoint_io import damage
from nmt.training.keeping.checkpoints import Checkpoints
from nmt.training.sequence_task import SequenceTask


class Trainer(lightning.Trainer):
    """What `Peers` wants to know of one."""

    world_size, global_rank, global_step = 2, 0, 7
    is_global_zero = True
    strategy: Any = None

    def __init__(self) -> None: ...


def failing(folder: Path, error: Exception) -> Exception:
    """What comes of an error in the first of two ranks."""
    together = Peers(folder).fail_together(Trainer(), resume_command="sh resume.sh")
    with pytest.raises(type(error) if not is_lost_peer(error) else TrainingError) as caught, together:
        raise error
    return caught.value


def test_what_fails_here_is_written_down_for_the_others(tmp_path: Path) -> None:
    assert str(failing(tmp_path, DataError("a.en: cannot be read"))) == "rank 0 of 2: a.en: cannot be read"
    assert failure_file(tmp_path, 0).read_text() == "rank 0 failed: a.en: cannot be read\n"
    assert str(failing(tmp_path, ValueError("a defect"))) == "a defect"  # keeps its traceback
    assert failure_file(tmp_path, 0).read_text() == "rank 0 failed: ValueError: a defect\n"
    failure_file(tmp_path, 0).unlink()
    assert str(failing(tmp_path, Interrupted("stopped by SIGTERM"))) == "stopped by SIGTERM"  # all leave together
    assert not list(tmp_path.iterdir())


def test_a_second_signal_is_written_down_for_those_who_did_not_get_it(tmp_path: Path) -> None:
    """They said that the connection broke, and that some other output might say why; none did."""
    stop = GracefulStop(Checkpoints(tmp_path, monitor="bleu"), resume_command="sh resume.sh")
    with pytest.raises(StoppedAtOnce) as caught:
        stop._stop_at_once(signal.SIGINT, None)
    assert str(failing(tmp_path, caught.value)) == "stopped at once; resume from the last checkpoint with: sh resume.sh"
    other = Trainer()
    other.global_rank = 1
    together = Peers(tmp_path).fail_together(other, resume_command="sh resume.sh")
    with pytest.raises(TrainingError, match=r"^rank 1 of 2: .* because rank 0 was stopped at once by a"), together:
        raise RuntimeError("Connection closed by peer")


@pytest.mark.parametrize(
    "lost",
    [
        RuntimeError("[pair.cc:553] Connection closed by peer [127.0.0.1]:55948. GLHF!"),
        RuntimeError("[unbound_buffer.cc:79] Timed out waiting 600000ms for recv operation to complete"),
        torch.distributed.DistBackendError("NCCL error"),
    ],
    ids=["closed", "silent", "nccl"],
)
def test_what_fails_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: RuntimeError) -> None:
    monkeypatch.setattr("nmt.training.ending.peers.PATIENCE", 0.05)
    said = str(failing(tmp_path, lost))
    assert said.startswith("rank 0 of 2: stopped after step 7, because another process is gone or does not answer")
    assert str(lost) in said and said.endswith("go on with: sh resume.sh")
    failure_file(tmp_path, 1).write_text("rank 1 failed: step 8: out of memory\n")
    said = str(failing(tmp_path, lost))
    assert "after step 7, because rank 1 failed: step 8: out of memory; the checkpoints are intact" in said
    assert not failure_file(tmp_path, 0).exists()  # it did not begin here


def test_an_error_of_the_model_is_none_of_a_connection() -> None:
    assert not is_lost_peer(RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"))
    assert not is_lost_peer(ConnectionResetError("of a corpus on the net"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers")
    write_corpus(folder, reverse=False)
    for side in ("xx", "yy"):  # of one pair, which two of three ranks have none of
        lines = (folder / f"val.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"val.{side}").write_text(lines[0], encoding="utf-8")
    return folder


def command(folder: Path, run: str, *, ranks: int, kind: str = "none", rank: int = 0, step: int = 9) -> list[str]:
    often = {"max_steps": 12, "validate_every_steps": 6, "checkpoint_every_steps": 4, "log_every_steps": 4}
    file = folder / f"{run}.json"
    file.write_text(small_config(folder, **often, devices=ranks).model_dump_json(), encoding="utf-8")
    where = [kind, str(rank), str(step)]
    return [str(TESTS / "failing_rank.py"), *where, "--config", str(file), "--run-dir", str(folder / run)]


def finished(words: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_rank_that_fails_alone_ends_all_three_and_is_named(folder: Path) -> None:
    """And before that a validation of one pair, for which the ranks without one waited for ever."""
    failed = finished([sys.executable, *command(folder, "memory", ranks=3, kind="memory", rank=2)])
    assert failed.returncode == 1, failed.stderr
    assert "Traceback" not in failed.stderr
    assert "error: rank 2 of 3: step 10: out of memory (can't allocate memory) on the batch of " in failed.stderr
    assert "error: rank 0 of 3: stopped after step 9, because rank 2 failed (process " in failed.stderr
    run = folder / "memory"
    assert "stopped after step 9, because rank 2 failed" in (run / "train.log").read_text(encoding="utf-8")
    assert damage(run / "checkpoints" / "last.ckpt") is None
    [validated] = [row for row in rows(run) if row["validation/loss"]]
    assert validated["step"] == "6"
    assert float(validated["validation/loss"]) == pytest.approx(loss_of_one_process(run), rel=1e-5)


def loss_of_one_process(run: Path) -> float:
    """Nats per token of the validation pair under the checkpoint that was saved with it."""
    from nmt.data.collate import collate
    from nmt.data.prepare import prepare_corpora
    from nmt.models.build import build_translation
    from nmt.training.translation.task import batch_loss

    checkpoint = read_checkpoint(run / "checkpoints" / "best.ckpt")
    corpora = prepare_corpora(checkpoint.config.data, checkpoint.config.tokenizer, seed=checkpoint.config.seed)
    model = build_translation(checkpoint.config.model, *(t.vocabulary_size for t in checkpoint.tokenizers)).eval()
    model.load_state_dict(checkpoint.weights)
    assert corpora.validation is not None and len(corpora.validation) == 1
    pair = collate(corpora.validation, torch.tensor([0]).numpy())
    with torch.no_grad():
        return float(batch_loss(model, pair).negative_log_likelihood / pair.target_lengths.sum())


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_other(folder: Path) -> None:
    """The kernel's own way where memory ends: nobody writes down why. And the first rank, in which the others meet."""
    script = command(folder, "killed", ranks=2, kind="killed", rank=0)
    killed = finished([*TORCHRUN, "--standalone", "--nproc_per_node=2", *script])
    assert killed.returncode == 1, killed.stderr
    assert "rank 0 ended without a word (process " in killed.stderr  # whatever torchrun lets the other say after that
    assert damage(folder / "killed" / "checkpoints" / "last.ckpt") is None


@pytest.mark.slow
def test_a_rank_that_fails_while_it_prepares_is_said_once(folder: Path) -> None:
    """Lightning killed the one that waited for it: exit code 137, and the sentence in no log."""
    failed = finished([sys.executable, *command(folder, "preparing", ranks=2, kind="data", rank=1, step=-1)])
    assert failed.returncode == 1, failed.stderr
    assert failed.stderr.endswith("error: rank 1 failed: a.en: cannot be read\n")
    assert failed.stderr.count("error: ") == 1 and "Traceback" not in failed.stderr
    assert "ERROR rank 1 failed: a.en" in (folder / "preparing" / "train.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_all_ranks_fail_of_is_said_once(folder: Path) -> None:
    """A corpus at fault is so for all; torchrun starts them together, and each would say it."""
    script = command(folder, "all", ranks=2, kind="data", rank=-1, step=-1)
    failed = finished([*TORCHRUN, "--standalone", "--nproc_per_node=2", *script])
    assert failed.returncode == 1, failed.stderr
    assert failed.stderr.count("error: a.en: cannot be read") == 1
    assert failed.stderr.count("a.en: cannot be read") == 1


def meeting(folder: Path, launched: list["subprocess.Popen[bytes]"]) -> str:
    """What the first of two ranks says that waits for another one, which never comes."""
    with pytest.raises(PeerFailed) as caught:
        meet(LightningEnvironment(), 0, 2, peers_among([Peers(folder)]).failure, launched)
    return str(caught.value)


def test_ranks_that_will_not_come_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.training.ending.meeting.SILENCE", timedelta(seconds=0.2))
    monkeypatch.delenv("MASTER_PORT", raising=False)
    assert meeting(tmp_path, []).startswith("rank 0 of 2: waited 0:00:00.200000 for rank 1: it failed, still prepares,")
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as ended:
        ended.wait()
    assert meeting(tmp_path, [ended]) == (
        "rank 1 of 2 ended with exit code 3 before the first step; its own output says why"
    )
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as ended:
        ended.kill()
        ended.wait()
    assert meeting(tmp_path, [ended]) == (
        "rank 1 of 2 was killed by SIGKILL before the first step (the kernel kills where memory ends: see dmesg)"
    )
    failure_file(tmp_path, 1).write_text("rank 1 failed: a.en: cannot be read\n")
    assert meeting(tmp_path, [ended]) == "rank 1 failed: a.en: cannot be read"
    assert meeting(tmp_path, []).endswith("stopped before the first step, because rank 1 failed: a.en: cannot be read")


@pytest.mark.parametrize("port", ["abc", "99999", "0", ""], ids=["word", "large", "zero", "empty"])
def test_a_port_that_is_none_is_said_before_the_long_work(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """It was a traceback after all the preparation."""
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(ConfigError, match=f"^MASTER_PORT is '{port}'; it must be a number from 1 to 65535, or unset"):
        MeetingStrategy(lambda: None)


def test_an_address_that_the_first_rank_does_not_have_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch tried for five minutes, and printed thirty lines of C++ frames."""
    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "nowhere.invalid")
    with pytest.raises(ConfigError, match=r"^the first process does not reach itself at nowhere\.invalid:\d+ \("):
        meet(LightningEnvironment(), 0, 2, lambda: None, [])
    for here in ("127.0.0.1", "localhost", socket.gethostname()):
        _check_address(here, 9)


def test_a_launched_process_does_not_wait_without_the_one_that_launched_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked for the first rank for ten minutes, which had been killed."""
    monkeypatch.setattr("nmt.training.ending.meeting.SILENCE", timedelta(seconds=0.1))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("MASTER_PORT", "9")
    for launcher, said in (
        (os.getppid(), "rank 1 of 2: waited"),
        (os.getpid(), "rank 1 of 2: the process that launched"),
    ):
        monkeypatch.setenv(LAUNCHER, str(launcher))
        with pytest.raises(PeerFailed, match=f"^{said}"):
            meet(LightningEnvironment(), 1, 2, lambda: None, [])


@pytest.mark.slow
def test_no_rank_outlives_the_one_that_launched_it(folder: Path) -> None:
    killed = finished([sys.executable, *command(folder, "launcher", ranks=2, kind="launcher", rank=1, step=-1)])
    assert killed.returncode == -signal.SIGKILL, killed.stderr  # and standard error is closed by all, or this waits
    assert "error" not in killed.stderr and "Traceback" not in killed.stderr


@pytest.mark.parametrize("kind", [Interrupted, StoppedAtOnce])
def test_a_stop_is_said_by_the_first_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Interrupted]
) -> None:
    """Each launched one said it again."""
    launched = Trainer()
    launched.global_rank = 1
    launched.strategy = SimpleNamespace(cluster_environment=LightningEnvironment())
    for local_rank, left_by in ((0, kind), (1, SystemExit)):
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))
        with pytest.raises(left_by) as caught, Peers(tmp_path).fail_together(launched, resume_command="sh resume.sh"):
            raise kind("stopped by SIGINT after step 7")
    assert caught.value.code == 75
    assert failure_file(tmp_path, 1).exists() == (kind is StoppedAtOnce)


def test_what_was_written_in_an_earlier_start_is_none_of_this_one(tmp_path: Path) -> None:
    failure_file(tmp_path, 0).write_text("rank 0 failed: long ago\n")
    second = Trainer()
    second.is_global_zero = False  # who deletes nothing
    peers = Peers(tmp_path)
    with peers.prepare_together(second):
        assert peers.failure() is None
        os.utime(failure_file(tmp_path, 0))
        assert peers.failure() == "rank 0 failed: long ago"
    with peers.prepare_together(Trainer()):
        assert not list(tmp_path.iterdir())


class Counting(SequenceTask):
    """Says what was counted of a validation."""

    def validation_scores(self, sums: dict[str, torch.Tensor], *, rank: int, world_size: int) -> dict[str, float]:
        return {name: float(value) for name, value in sums.items()}


def test_a_lent_batch_counts_for_nothing() -> None:
    """Not even where its loss is not finite."""
    task = Counting(Config().train, torch.nn.Linear(1, 1), total_steps=None)
    task.note_validation({"loss": torch.tensor(2.5), "tokens": torch.tensor(3)}, ids=torch.tensor([0, 4]))
    task.note_validation({"loss": torch.tensor(torch.nan), "tokens": torch.tensor(3)}, ids=torch.tensor([LENT, LENT]))
    assert task.finish_validation(rank=0, world_size=1) == {"loss": 2.5, "tokens": 3.0}
