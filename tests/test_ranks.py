"""Several processes: the gradients of one, the same steps skipped, the same curve after a kill or on two machines."""

import functools
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo_ranks import BATCHES, tokenizers
from test_fit import rows, run_in_process, small_config, write_corpus
from test_task import joined, trained, weights

from nmt.checkpoint import read_checkpoint
from nmt.config.schema import Config
from nmt.config.search import SearchConfig
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores
from nmt.models.build import build_translation

TESTS = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]

pytestmark = pytest.mark.slow


def environment(**variables: str) -> dict[str, str]:
    """Of a process that imports what tests import."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **variables}


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two real processes made of the batches, a half each."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [*TORCHRUN, "--standalone", "--nproc_per_node=2", str(TESTS / "gloo_ranks.py"), str(folder)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder


def alone(tmp_path: Path, *windows: list[int]) -> Any:
    """One process, one batch a step: all the batches of a window as one."""
    batches = [functools.reduce(joined, [BATCHES[i] for i in window]) for window in windows]
    return trained(tokenizers(), batches, tmp_path, log_every_steps=1)


def test_two_processes_that_accumulate_learn_what_one_learns_from_the_whole(shares: Path, tmp_path: Path) -> None:
    """2 ranks × 2 accumulated batches = 1 batch of the four, to rounding; a mean of means would differ."""
    first, second = (torch.load(shares / f"whole{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    whole = alone(tmp_path, [0, 1, 2, 3], [4, 5, 6, 7])
    torch.testing.assert_close(first, weights(whole), atol=1e-6, rtol=1e-5)
    assert (first - weights(alone(tmp_path))).abs().max() > 1e-2
    reported = torch.load(shares / "whole.metrics")
    for name in ("train/loss", "train/gradient_norm"):
        assert reported[name] == pytest.approx(float(whole.trainer.callback_metrics[name]), rel=1e-5)


def test_a_batch_that_is_not_finite_on_one_rank_is_skipped_on_both_and_named(shares: Path, tmp_path: Path) -> None:
    first, second = (torch.load(shares / f"skipped{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, weights(alone(tmp_path, [4, 5, 6, 7])), atol=1e-6, rtol=1e-5)
    for rank in range(2):  # the first one is who speaks, though the batch was the other's
        said = (shares / f"rank{rank}.log").read_text()
        assert "step 1: loss or gradient is not finite: the loss of the batch of [70, 71]; the step is skipped" in said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_corpus(folder, reverse=False)
    return folder


def two_process_config(folder: Path) -> Config:
    often = {"max_steps": 30, "validate_every_steps": 15, "checkpoint_every_steps": 5, "log_every_steps": 5}
    return small_config(folder, **often, average_checkpoints=2, keep_best=2, devices=2)


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """A run of two processes that nobody disturbed."""
    run_in_process(two_process_config(folder), folder / "whole")
    return folder / "whole"


def wait_for(folder: Path, pattern: str, process: "subprocess.Popen[str]") -> None:
    """Until there is such a file, as long as the process lives."""
    deadline = time.monotonic() + 240
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def saved(run: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return state


def same_weights(first: Path, second: Path) -> bool:
    one, two = saved(first)["state_dict"], saved(second)["state_dict"]
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_two_processes_train_and_validate_as_one_run(folder: Path, whole: Path) -> None:
    validations = [row for row in rows(whole) if row["validation/bleu"]]
    assert [row["step"] for row in validations] == ["15", "30"]
    assert (whole / "test" / "scores.json").exists()
    assert "average of the best 2 checkpoints" in (whole / "train.log").read_text(encoding="utf-8")
    first, second = saved(whole)["nmt_random_states"]
    assert not torch.equal(first["torch"], second["torch"])  # the ranks drop different units
    # BLEU of both halves together, no sentence twice: what one process says of the same weights
    sources, references = ((folder / f"val.{side}").read_text(encoding="utf-8").splitlines() for side in ("xx", "yy"))
    checkpoint = read_checkpoint(whole / "checkpoints" / "last.ckpt")
    model = build_translation(checkpoint.config.model, *(t.vocabulary_size for t in checkpoint.tokenizers))
    model.load_state_dict(checkpoint.weights)
    greedy = SearchConfig(beam_size=1, length_penalty=0.0, coverage_penalty=0.0)
    translator = Translator(model, checkpoint.tokenizers, search=greedy)
    scores = corpus_scores([t.text for t in translator.translate(sources)], references)
    assert float(validations[-1]["validation/bleu"]) == pytest.approx(scores.bleu, abs=1e-4)
    assert float(validations[-1]["validation/chrf"]) == pytest.approx(scores.chrf, abs=1e-4)


def test_two_killed_processes_go_on_bit_for_bit(folder: Path, whole: Path) -> None:
    """kill -9 of the one that was started, and the other goes too; the same command again goes on."""
    killed = run_in_process(two_process_config(folder), folder / "killed", wait=False)
    wait_for(folder / "killed" / "checkpoints", "last-0000001*.ckpt", killed)
    killed.kill()
    killed.communicate(timeout=60)  # ends when the other process has closed its side too
    run_in_process(two_process_config(folder), folder / "killed")
    assert "resuming from last-0000001" in (folder / "killed" / "train.log").read_text(encoding="utf-8")
    assert rows(folder / "killed") == rows(whole)
    assert same_weights(folder / "killed", whole)


def test_two_killed_processes_find_their_places_in_a_stream_again(folder: Path) -> None:
    """Each rank has one of its own, and Lightning would save the first one's alone; workers may differ."""
    shared = two_process_config(folder)
    streamed = {"streaming": True, "streaming_buffer": 64, "validation": (), "test": ()}
    train = shared.train.model_copy(update={"max_steps": 20, "validate_every_steps": None, "average_checkpoints": 1})
    alone, helped = (
        shared.model_copy(update={"data": shared.data.model_copy(update={**streamed, "workers": n}), "train": train})
        for n in (0, 2)
    )
    run_in_process(alone, folder / "streamed")
    killed = run_in_process(alone, folder / "interrupted", wait=False)
    wait_for(folder / "interrupted" / "checkpoints", "last-0000001*.ckpt", killed)
    killed.kill()
    killed.communicate(timeout=60)
    run_in_process(helped, folder / "interrupted")
    assert "resuming from last-0000001" in (folder / "interrupted" / "train.log").read_text(encoding="utf-8")
    [loader] = saved(folder / "streamed")["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    assert loader["stream"][0] != loader["stream"][1]
    assert saved(folder / "interrupted")["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [loader]
    assert same_weights(folder / "interrupted", folder / "streamed")


def test_two_machines_train_to_the_same_loss_as_one(folder: Path, whole: Path) -> None:
    """Two nodes of torchrun on this host, one process each: bit for bit the curve of two processes on one node."""
    file = folder / "nodes.json"
    file.write_text(two_process_config(folder).model_dump_json(), encoding="utf-8")
    where = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    what = ["-m", "nmt", "train", "--config", str(file), "--run-dir", str(folder / "nodes")]
    hardware = ["--train.devices", "1", "--train.num_nodes", "2"]
    machines = [
        subprocess.Popen(
            [*TORCHRUN, *where, f"--node_rank={rank}", *what, *hardware],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [machine.communicate(timeout=240)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "\n".join(said)
    assert rows(folder / "nodes") == rows(whole)
    assert same_weights(folder / "nodes", whole)


def tasks(folder: Path, run: Path) -> list["subprocess.Popen[str]"]:
    """What srun starts for --ntasks-per-node=2, with a scontrol that writes down what it is asked."""
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n')
    (folder / "scontrol").chmod(0o755)
    file = folder / "tasks.json"
    file.write_text(two_process_config(folder).model_dump_json(), encoding="utf-8")
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
    job |= {"SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": str(free_port())}
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "nmt", "train", "--config", str(file), "--run-dir", str(run)]
    return [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment(**job, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), PATH=path),
        )
        for rank in range(2)
    ]  # fmt: skip


def test_a_job_of_slurm_saves_is_queued_again_and_goes_on(folder: Path, whole: Path) -> None:
    """SIGUSR1, as sbatch --signal sends it, to one of two tasks; the job again ends as if it had not been stopped."""
    run = folder / "job"
    first = tasks(folder, run)
    wait_for(run / "checkpoints", "last-0000000[5-9].ckpt", first[0])
    first[1].send_signal(signal.SIGUSR1)
    said = [task.communicate(timeout=240)[0] for task in first]
    assert [task.returncode for task in first] == [75, 75], "\n".join(said)
    assert "stopped by " in said[0] and "job 4711 is queued again" in said[0]
    assert (folder / "asked").read_text() == "requeue 4711\n"
    assert not list(run.glob("hpc_ckpt*"))  # Lightning's own, of the middle of a step
    again = tasks(folder, run)
    said = [task.communicate(timeout=240)[0] for task in again]
    assert [task.returncode for task in again] == [0, 0], "\n".join(said)
    assert "resuming from last-" in said[0]
    assert rows(run) == rows(whole)
    assert same_weights(run, whole)
