"""Fine-tuning: a run begins with the weights and the tokenizer of another, and goes on without it."""

import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_recognizer import write_tiny_recognizer

from nmt.checkpoint import Checkpoint, read_checkpoint, read_recognition, write_checkpoint
from nmt.config.load import load_config
from nmt.config.recognition import RecognitionConfig
from nmt.config.schema import Config
from nmt.errors import CheckpointError, ConfigError
from nmt.models.build import build_translation
from nmt.text.tokenizer import Tokenizer, Tokenizers
from nmt.training.fit import train
from nmt.training.initialize import initial_checkpoint, load_weights, weights_of
from nmt.training.translation.run import rough_risk

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run fast"] * 5


def config(tmp_path: Path, **more: Any) -> Config:
    for language in ("de", "en"):
        (tmp_path / f"train.{language}").write_text("".join(f"ein Hund {i} {language}\n" for i in range(30)))
    sections: dict[str, dict[str, Any]] = {
        "data": {"train": str(tmp_path / "train"), "validation": str(tmp_path / "train"), "source": "de"},
        "tokenizer": {"kind": "bpe", "vocabulary_size": 290},
        "model": {"embedding_size": 8, "hidden_size": 8, "dropout": {"input": 0.0}},
        "train": {"max_steps": 1, "optimizer": {"learning_rate": 1e-7}, "precision": "32", "products": "torch"},
    }
    sections["data"] |= {"target": "en", "cleaning": {"drop_test_leakage": False}}
    for name, options in more.items():
        sections[name] |= options
    return Config.model_validate(sections)


def begun_with(config: Config, newest: Path | None) -> Checkpoint | None:
    return initial_checkpoint(config, newest, read=read_checkpoint, normalization="tokenizer.normalization")


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A checkpoint whose tokenizer has 300 pieces, unlike any that the corpus above would make."""
    tokenizer = Tokenizer.train(LINES, config=config(tmp_path, tokenizer={"vocabulary_size": 300}).tokenizer)
    torch.manual_seed(9)
    model = build_translation(config(tmp_path).model, 300, 300)
    file = tmp_path / "start.ckpt"
    write_checkpoint(file, Checkpoint(config(tmp_path), Tokenizers(tokenizer, tokenizer), model.state_dict(), {}))
    return file


@pytest.mark.slow
def test_a_run_begins_with_weights_and_tokenizer_and_goes_on_without_them(tmp_path: Path, start: Path) -> None:
    begun = read_checkpoint(start)
    fine = {"initialize_from": str(start), "risk": {"samples": 3}}
    train(config(tmp_path, train=fine), run_dir=tmp_path / "run")
    log = (tmp_path / "run" / "train.log").read_text()
    assert f"INFO weights of {start}\n" in log and log.count(" WARNING ") == 0
    after = read_checkpoint(tmp_path / "run")
    assert after.tokenizers.target.model == begun.tokenizers.target.model
    moved = [float((after.weights[name] - weights).abs().max()) for name, weights in begun.weights.items()]
    assert 0.0 < max(moved) < 1e-5
    start.unlink()
    train(config(tmp_path, train=fine | {"max_steps": 2}), run_dir=tmp_path / "run")
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt").about["step"] == 2
    assert (tmp_path / "run" / "train.log").read_text().count("weights of") == 1  # these are its own


def test_it_is_said_where_weights_come_from(tmp_path: Path, start: Path) -> None:
    """Nothing told a run that was begun with the weights of another from one that learnt from nothing."""
    checkpoint = replace(read_checkpoint(start), about={"step": 4300})
    folder = tmp_path / "earlier"
    write_checkpoint(folder / "checkpoints" / "best.ckpt", checkpoint)
    for begun, words in ((start, " (step 4,300)"), (folder, " (best, step 4,300)")):
        fine = config(tmp_path, train={"initialize_from": str(begun)})
        assert weights_of(fine, checkpoint) == f"weights of {begun}{words}"


@pytest.mark.parametrize(
    ("samples", "rate", "kind", "warned"),
    [
        (3, 3e-3, "adam", True),
        (3, 6e-4, "adamw", True),
        (3, 5e-4, "adam", False),
        (0, 3e-3, "adam", False),
        (3, 0.5, "sgd", False),  # whose rates are others
    ],
)
def test_large_steps_of_risk_tuning_are_warned_of(
    tmp_path: Path, samples: int, rate: float, kind: str, *, warned: bool
) -> None:
    """At the rate that the run had been trained with, tuning it took 2 BLEU away within 60 steps."""
    tuned = {"risk": {"samples": samples}, "optimizer": {"learning_rate": rate, "kind": kind}}
    warning = rough_risk(config(tmp_path, train=tuned))
    assert (warning is not None) == warned
    assert warning is None or (f"learning_rate {rate:g} is high" in warning and "learning_rate 1e-4" in warning)


def test_a_run_that_goes_on_reads_its_own_checkpoint(tmp_path: Path, start: Path) -> None:
    own = tmp_path / "own.ckpt"
    shutil.copy(start, own)
    start.unlink()
    fine = config(tmp_path, train={"initialize_from": str(start)})
    assert begun_with(config(tmp_path), own) is None
    found = begun_with(fine, own)
    assert found is not None and found.tokenizers.source.vocabulary_size == 300
    with pytest.raises(CheckpointError, match=r"start.ckpt: no such file"):
        begun_with(fine, None)


def test_a_model_of_another_shape_is_refused(tmp_path: Path, start: Path) -> None:
    checkpoint = read_checkpoint(start)
    wider = build_translation(config(tmp_path, model={"hidden_size": 12}).model, 300, 300)
    with pytest.raises(CheckpointError, match=r"initialize_from a\.ckpt: .*shape .* there, .* in this configuration"):
        load_weights(wider, checkpoint, name="a.ckpt")
    deeper = build_translation(config(tmp_path, model={"decoder_layers": 3}).model, 300, 300)
    with pytest.raises(CheckpointError, match=r"decoder\.layers\.2\..*no such weights there"):
        load_weights(deeper, checkpoint, name="a.ckpt")
    same = build_translation(checkpoint.config.model, 300, 300)
    load_weights(same, checkpoint, name="a.ckpt")
    assert all(value.equal(checkpoint.weights[name]) for name, value in same.state_dict().items())


def test_text_normalised_otherwise_is_refused(tmp_path: Path, start: Path) -> None:
    other = config(tmp_path, train={"initialize_from": str(start)}, tokenizer={"normalization": "nfkc"})
    with pytest.raises(CheckpointError, match=r"normalised by 'nfc'.*--tokenizer.normalization nfc"):
        begun_with(other, None)


def test_a_recogniser_that_spells_otherwise_is_refused(tmp_path: Path) -> None:
    file = write_tiny_recognizer(tmp_path / "tiny.ckpt")
    for form, refused in (("nfc", False), ("nfkc", True)):
        other = RecognitionConfig.model_validate(
            {"data": {"normalization": form}, "train": {"initialize_from": str(file), "max_steps": 1}}
        )
        with pytest.raises(CheckpointError, match="--data.normalization nfc") if refused else nullcontext():
            assert initial_checkpoint(other, None, read=read_recognition, normalization="data.normalization")


def test_what_cannot_be_begun_with_is_said_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nmt", "train", "--config", "gnmt_small", "--train.initialize_from"]
    run = subprocess.run([*command, str(tmp_path / "gone")], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert re.search(r"train.initialize_from: .*gone: no such file or run folder", run.stderr)
    with pytest.raises(ConfigError, match="initialize_from brings its own tokenizer"):
        load_config("gnmt_small", ["--train.initialize_from", "runs/x", "--tokenizer.model", "spm.model"])
    with pytest.raises(ConfigError, match="samples must be 0 or at least 2"):
        load_config("gnmt_small", ["--train.risk.samples", "1"])


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, start: Path) -> None:
    checkpoint = read_checkpoint(start)
    weights = {name: torch.full_like(value, torch.nan) for name, value in checkpoint.weights.items()}
    model = build_translation(checkpoint.config.model, 300, 300)
    with pytest.raises(CheckpointError, match="not finite"):
        load_weights(model, replace(checkpoint, weights=weights), name="a.ckpt")
