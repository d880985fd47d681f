"""Whole runs: from files to a trained model, a translated test set, a folder that tells all, and back after a kill."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.checkpoint import read_checkpoint
from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.errors import ConfigError, DataError
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores
from nmt.training import fit
from nmt.training.translation.kind import TRANSLATION
from nmt.training.watching.measurement import columns

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omikron pi rho sigma tau phi".split()


def write_corpus(folder: Path, *, reverse: bool, train: int = 600) -> None:
    """Sentences of 2 to 6 words; the target is the source, forwards or backwards."""
    chooser = random.Random(7)
    for name, count in (("train", train), ("val", 40), ("test", 40)):
        sources = [[chooser.choice(WORDS) for _ in range(chooser.randint(2, 6))] for _ in range(count)]
        for language, order in (("xx", 1), ("yy", -1 if reverse else 1)):
            lines = [" ".join(words[::order]) for words in sources]
            (folder / f"{name}.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def small_config(folder: Path, **train: Any) -> Config:
    """A model that learns such a corpus in seconds."""
    places = {name: str(folder / file) for name, file in (("train", "train"), ("validation", "val"), ("test", "test"))}
    cleaning = {"drop_copies": False, "drop_duplicates": False, "drop_test_leakage": False}
    return Config.model_validate(
        {
            "name": "small",
            "data": {
                **places,
                "source": "xx",
                "target": "yy",
                "cleaning": cleaning,
                "batch_source_tokens": 400,
                "batch_target_tokens": 400,
            },
            "tokenizer": {"kind": "bpe", "vocabulary_size": 320},
            "model": {"embedding_size": 96, "hidden_size": 96, "attention": "dot", "dropout": {"input": 0.0}},
            "train": {
                "optimizer": {"learning_rate": 0.005},
                "schedule": {"kind": "linear", "warmup_steps": 20, "decay_start": 0.5},
                "log_every_steps": 10,
                "label_smoothing": 0.0,
                **train,
            },
            "search": {"beam_size": 3},
        }
    )


def run_in_process(config: Config, run_dir: Path, *, wait: bool = True) -> subprocess.Popen[str]:
    """Train in a process of its own, as users do, without this one's shape checks."""
    file = run_dir.parent / f"{run_dir.name}.yaml"
    file.write_text(json.dumps(config.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "nmt", "train", "--config", str(file), "--run-dir", str(run_dir)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if wait:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    return process


def rows(run_dir: Path) -> list[dict[str, str]]:
    """What metrics.csv measured, but for speed, which no two runs share."""
    with (run_dir / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        noisy = ("per_second", "cpu_minutes", "per_cpu_second")
        return [{k: v for k, v in row.items() if not k.endswith(noisy)} for row in csv.DictReader(stream)]


def test_an_interrupt_while_a_run_is_closed_comes_after_its_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B uploads there, which takes its time."""
    write_corpus(tmp_path, reverse=False, train=60)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "close_loggers", interrupted)
    with pytest.raises(KeyboardInterrupt, match="after the last step; the weights are saved"):
        fit.train(small_config(tmp_path, max_steps=2, validate_every_steps=2), run_dir=tmp_path / "run")
    assert (tmp_path / "run" / "test" / "scores.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True], ids=["copy", "reverse"])
def test_copying_and_reversing_are_learnt(tmp_path: Path, reverse: bool) -> None:
    """BLEU 100 with five seeds; with a higher rate and half the corpus it was 90 to 100, as the CPU rounded."""
    write_corpus(tmp_path, reverse=reverse, train=8000)
    learning = {"optimizer": {"learning_rate": 0.003}, "max_steps": 1500, "validate_every_steps": 1500}
    run_in_process(small_config(tmp_path, **learning), tmp_path / "run")
    scores = json.loads((tmp_path / "run" / "test" / "scores.json").read_text(encoding="utf-8"))
    assert scores["test"]["bleu"]["score"] > 99.0
    assert scores["test"]["bleu"]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a")


@pytest.mark.slow
def test_a_run_leaves_everything_behind_and_inference_reads_it(tmp_path: Path) -> None:
    write_corpus(tmp_path, reverse=False)
    run = tmp_path / "run"
    config = small_config(tmp_path, max_steps=60, validate_every_steps=20, average_checkpoints=2, keep_best=2)
    run_in_process(config, run)
    for name in (
        "config.yaml",
        "command.txt",
        "resume.sh",
        "environment.json",
        "metrics.csv",
        "curves.png",
        "train.log",
    ):
        assert (run / name).stat().st_size > 0, name
    assert load_config(str(run / "config.yaml")) == config
    assert {p.suffix for p in (run / "samples").iterdir()} == {".tsv", ".html"}
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        measured = csv.DictReader(stream)
        named = {name for row in measured for name, cell in row.items() if cell}
        assert measured.fieldnames is not None and (*measured.fieldnames,) == columns(TRANSLATION.measurements)
        assert named == {*measured.fieldnames}
    validations = [row for row in rows(run) if row["validation/bleu"]]
    assert [row["step"] for row in validations] == ["20", "40", "60"]
    losses = [float(row["train/loss"]) for row in rows(run) if row["train/loss"]]
    assert len(losses) == 6
    assert losses[-1] < losses[0]

    # what training saved, inference reads: the same translations, and the score that was reported
    translator = Translator.from_checkpoint(run)
    sources = (tmp_path / "test.xx").read_text(encoding="utf-8").splitlines()
    translations = [t.text for t in translator.translate(sources)]
    assert translations == (run / "test" / "test.hypotheses.txt").read_text(encoding="utf-8").splitlines()
    references = (tmp_path / "test.yy").read_text(encoding="utf-8").splitlines()
    scores = json.loads((run / "test" / "scores.json").read_text(encoding="utf-8"))
    assert scores["test"]["bleu"]["score"] == corpus_scores(translations, references).bleu
    for file in (run / "checkpoints").glob("*.ckpt"):
        assert read_checkpoint(file).config == config
        assert torch.load(file, weights_only=True)["nmt"]["about"]["languages"] == ["xx", "yy"]


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """kill -9, the same command again, and the curve is the one of a run that nobody killed."""
    write_corpus(tmp_path, reverse=True)
    options = {"max_steps": 120, "validate_every_steps": 50, "checkpoint_every_steps": 10}
    config = small_config(tmp_path, **options)
    run_in_process(config, tmp_path / "whole")
    killed = run_in_process(config, tmp_path / "killed", wait=False)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "killed" / "checkpoints").glob("last-0000003*.ckpt")):
        assert killed.poll() is None, killed.stderr.read() if killed.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    run_in_process(config, tmp_path / "killed")
    log = (tmp_path / "killed" / "train.log").read_text(encoding="utf-8")
    assert "resuming from last-" in log
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    first, second = (read_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "killed"))
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


@pytest.mark.slow
def test_the_last_steps_are_validated_and_saved_wherever_the_run_ends(tmp_path: Path) -> None:
    """With epochs that validate_every_steps does not divide, the steps at the lowest learning rate were lost."""
    write_corpus(tmp_path, reverse=False, train=150)
    config = small_config(tmp_path, max_epochs=2, validate_every_steps=4)
    run_in_process(config, tmp_path / "run")
    steps = [int(row["step"]) for row in rows(tmp_path / "run") if row["validation/bleu"]]
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert steps[-1] == saved
    assert steps[-1] % 4 != 0
    assert steps[:-1] == list(range(4, steps[-1], 4))


@pytest.mark.slow
def test_a_finished_run_started_again_trains_no_more_and_says_so(tmp_path: Path) -> None:
    write_corpus(tmp_path, reverse=False)
    config = small_config(tmp_path, max_steps=10)
    run_in_process(config, tmp_path / "run")
    before = rows(tmp_path / "run")
    run_in_process(config, tmp_path / "run")
    assert rows(tmp_path / "run") == before
    with (tmp_path / "train.xx").open("a") as source, (tmp_path / "train.yy").open("a") as target:
        print("alpha beta", file=source)
        print("alpha beta", file=target)
    changed = run_in_process(config, tmp_path / "run", wait=False)
    said = changed.communicate(timeout=600)[1]
    assert changed.returncode == 1 and "Traceback" not in said
    assert f"train: {tmp_path}/train.yy has changed: its content was " in said
    assert "train: 600 pairs after preparation there, 601 now" in said
    assert "val.xx" not in said


def test_no_training_corpus_is_named_before_anything_is_written(tmp_path: Path) -> None:
    from nmt.training.fit import train

    with pytest.raises(DataError, match=r"data\.train"):
        train(Config.model_validate({"train": {"max_steps": 1}}), run_dir=tmp_path / "run")


def test_more_processes_than_slurm_started_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a batch job without srun, Lightning runs one process of the two asked for and says nothing."""
    from nmt.training.fit import train

    job = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"is 2 processes, but 1 were started; SLURM_NTASKS is 1: ask for .*srun"):
        train(small_config(tmp_path, max_steps=1, devices=2), run_dir=tmp_path / "run")


def test_a_rank_that_nobody_else_knows_of_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray RANK=1, as some containers have: trained without a word, into a folder without log or configuration."""
    from nmt.training.fit import train

    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ConfigError, match=r"RANK=1, .* say something else than Lightning.*process 0 of 1; unset them"):
        train(small_config(tmp_path, max_steps=1), run_dir=tmp_path / "run")


@pytest.mark.parametrize(("strategy", "said"), [("ddq", "ddq"), ("fsdp", "splits the model")])
def test_a_strategy_that_is_unknown_or_does_not_go_is_named(tmp_path: Path, strategy: str, said: str) -> None:
    from nmt.training.fit import train

    with pytest.raises(ConfigError, match=said):
        train(small_config(tmp_path, max_steps=1, strategy=strategy), run_dir=tmp_path / "run")


def test_streaming_without_a_number_of_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.streaming has no epochs to count; give train\.max_steps or"):
        load_config("gnmt_small", ["--data.streaming", "true"])
