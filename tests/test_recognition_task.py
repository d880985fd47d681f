"""Validation is what the recogniser that ships would score, bad lines and other ranks included; runs go on exactly."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from test_fit import rows, run_in_process
from tiny_recognizer import BLOCKS, tiny_recognizer, write_scribble, write_tiny_recognizer

from nmt.checkpoint import read_recognition
from nmt.config.recognition import RecognitionConfig
from nmt.data.lines.collate import line_evaluation_loader
from nmt.errors import DataError, TrainingError
from nmt.inference.recognizer import Recognizer
from nmt.metrics.error_rate import character_errors, error_rates
from nmt.models.build import build_recognition
from nmt.search.forced_alignment import align
from nmt.training.ending.faults import memory_explained
from nmt.training.fit import train
from nmt.training.recognition import run as recognition_run
from nmt.training.recognition.kind import RECOGNITION
from nmt.training.recognition.run import read_corpora, too_large
from nmt.training.recognition.samples import SAMPLES
from nmt.training.recognition.task import RecognitionTask
from nmt.training.translation.run import too_large as too_large_for_a_translator
from nmt.training.watching import curves
from nmt.training.watching.measurement import columns, speed

TEXTS = ["a nest", "seas", "rain", "arena east", "tin", "star sea", "an art", "nine", "inert", "artist", "raise", "s"]


def write_lines(folder: Path, texts: list[str], *, seed: int = 0) -> Path:
    """A folder of lines that nobody could read, with their texts."""
    folder.mkdir(parents=True, exist_ok=True)
    table = ["file\twriter\ttext"]
    for number, text in enumerate(texts):
        write_scribble(folder / f"{number}.png", 50 + 9 * min(len(text), 12), seed=seed + number)
        table.append(f"{number}.png\tw{number % 3}\t{text}")
    (folder / "lines.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


def small_config(folder: Path, **sections: Any) -> RecognitionConfig:
    """A model of a few kilobytes for the lines of `folder`/train and `folder`/val, four to a batch."""
    given: dict[str, Any] = {
        "name": "small",
        "data": {"train": str(folder / "train"), "validation": str(folder / "val"), "batch_lines": 4, "leaks": "off"},
        "model": {"frontend": {"height": 16, "blocks": BLOCKS}, "hidden_size": 8, "layers": 2},
        "train": {"optimizer": {"learning_rate": 0.003}, "max_epochs": 9, "log_every_steps": 1, "threads": 1},
    }
    for name, section in sections.items():
        given[name] = given.get(name, {}) | section if isinstance(section, dict) else section
    return RecognitionConfig.model_validate(given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines to train on and to validate with; of the latter two are bad, one of which has no transcript either."""
    folder = tmp_path_factory.mktemp("lines")
    write_lines(folder / "train", TEXTS)
    write_lines(folder / "val", [*TEXTS[::-1], "zebra", "s" * 90, ""], seed=50)
    return folder


def validated(folder: Path, **data: Any) -> tuple[RecognitionTask, dict[str, float]]:
    """A task of random weights, and the scores of its validation."""
    checkpoint = tiny_recognizer()
    config = small_config(folder, data=data)
    corpora = read_corpora(config, checkpoint.alphabet)
    assert corpora.validation is not None
    model = build_recognition(config.model, len(checkpoint.alphabet))
    model.load_state_dict(checkpoint.weights)
    task = RecognitionTask(config, model, checkpoint.alphabet, validation=corpora.validation, total_steps=None)
    task.eval()
    with torch.no_grad():
        for index, batch in enumerate(line_evaluation_loader(corpora.validation, config.data)):
            task.validation_step(batch, index)
    return task, {name: float(score) for name, score in task.finish_validation(rank=0, world_size=1).items()}


def test_scores_are_those_of_what_the_recogniser_reads_and_bad_lines_count_as_not_read(folder: Path) -> None:
    task, scores = validated(folder)
    corpus = task.validation
    assert corpus is not None and len(corpus) == len(TEXTS) and len(corpus.bad) == 3
    recognizer = Recognizer(task.model, task.alphabet, task.config)
    read = [one.text for one in recognizer.recognize(corpus.recording(i) for i in range(len(corpus)))]
    assert any(read)
    bad = [line.text for line in corpus.bad if line.text]
    assert sorted(bad) == sorted(["zebra", "s" * 90])
    rates = error_rates([*corpus.texts, *bad], [*read, None, None], resamples=0)
    assert scores["validation/cer"] == pytest.approx(100 * rates.cer)
    assert scores["validation/wer"] == pytest.approx(100 * rates.wer)
    assert abs(rates.cer - error_rates(corpus.texts, read, resamples=0).cer) > 0.01  # the bad ones do count


def test_batches_change_neither_scores_nor_samples(folder: Path) -> None:
    (first, scores), (second, others) = validated(folder), validated(folder, batch_lines=1)
    assert scores == pytest.approx(others, rel=1e-5)
    assert len(first.validation_samples) == SAMPLES
    for one, other in zip(first.validation_samples, second.validation_samples, strict=True):
        assert one[:5] == other[:5]
        assert one.line.blank == pytest.approx(other.line.blank, abs=1e-5)


def test_samples_are_what_the_recogniser_reads_with_its_alignment(folder: Path) -> None:
    task, _ = validated(folder)
    corpus = task.validation
    assert corpus is not None
    recognizer = Recognizer(task.model, task.alphabet, task.config)
    names = [corpus.name(i) for i in range(len(corpus))]
    widths = [sample.line.size[0] for sample in task.validation_samples]
    assert widths == sorted(widths) and len({sample.writer for sample in task.validation_samples}) == 3
    for sample in task.validation_samples:
        position = names.index(sample.name)
        recording = corpus.recording(position)
        [scores], [found] = recognizer.frame_scores([recording]), recognizer.recognize([recording])
        assert (sample.truth, sample.reading) == (corpus.text(position), found.text)
        assert sample.score == pytest.approx(100 * character_errors(sample.truth, sample.reading).rate)
        spans = align(scores, task.alphabet.encode(found.text)).spans
        assert [(letter.start, letter.end) for letter in sample.line.letters] == [tuple(span) for span in spans]
        for letter, character in zip(sample.line.letters, found.characters, strict=True):
            assert letter.certain == pytest.approx(character.confidence, abs=1e-5)


def test_the_next_validation_begins_with_nothing(folder: Path) -> None:
    """A line that no batch held is missed at once, not scored as it was read the time before."""
    task, _ = validated(folder)
    assert task.validation is not None
    batch = next(iter(line_evaluation_loader(task.validation, task.config.data)))
    with torch.no_grad():
        task.validation_step(batch, 0)
    with pytest.raises(KeyError):
        task.finish_validation(rank=0, world_size=1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_every_parameter_has_a_gradient_whatever_the_shortcuts_weight(folder: Path, weight: float) -> None:
    """Processes that train together wait for each of them."""
    config = small_config(folder, train={"shortcut_weight": weight})
    corpora = read_corpora(config)
    model = build_recognition(config.model, len(corpora.alphabet))
    task = RecognitionTask(config, model, corpora.alphabet, validation=None, total_steps=None)
    batch = next(iter(line_evaluation_loader(corpora.train, config.data)))
    task.training_step(batch, 0).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.shortcut is not None and bool(model.shortcut.weight.grad.any()) == (weight > 0)


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "draw_curves", lambda *_: None)


@pytest.mark.usefixtures("_undrawn")
def test_a_run_goes_on_in_the_middle_of_an_epoch_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    """Three steps an epoch, stopped after four: order, augmentation, dropout and running statistics go on."""
    schedule = {"schedule": {"kind": "constant", "warmup_steps": 2}, "validate_every_steps": 2}
    whole, part = (small_config(folder, train={**schedule, "max_steps": steps}) for steps in (7, 4))
    train(whole, run_dir=tmp_path / "whole")
    train(part, run_dir=tmp_path / "stopped")
    train(whole, run_dir=tmp_path / "stopped")
    assert "resuming from last-00000004" in (tmp_path / "stopped" / "train.log").read_text(encoding="utf-8")
    first, second = (read_recognition(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "stopped"))
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")
    measured = rows(tmp_path / "whole")
    said = {*columns(RECOGNITION.measurements)} - {one.name for one in speed("characters", "")}
    assert measured[0].keys() == said and all(any(row[name] for row in measured) for name in said)
    assert [row["step"] for row in measured if row["validation/cer"]] == ["2", "4", "6", "7"]
    for step in (2, 4, 6, 7):
        pages = [
            (tmp_path / name / "samples" / f"step_{step}.html").read_text("utf-8") for name in ("whole", "stopped")
        ]
        assert pages[0] == pages[1] and pages[0].count("<svg") == SAMPLES
    assert "char/s" in (tmp_path / "whole" / "train.log").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_undrawn")
def test_tensorboard_has_the_curves_and_the_panel(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(small_config(folder, logger="tensorboard", train={"max_steps": 1}), run_dir=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"validation/cer", "validation/wer", "train/characters_per_second"} <= set(tags["scalars"])
    assert tags["images"] == [f"alignment/{number}" for number in range(1, SAMPLES + 1)]


@pytest.mark.parametrize(
    ("describe", "named"),
    [(too_large, "data.batch_columns"), (too_large_for_a_translator, "train.validation_sentences")],
)
def test_memory_that_ends_between_batches_names_the_options_of_the_task(
    folder: Path, describe: Any, named: str
) -> None:
    corpus = read_corpora(small_config(folder)).train
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    said = rf"step 1: out of memory between two batches \(no more\); lower {named}"
    with pytest.raises(TrainingError, match=said), memory_explained(trainer, partial(describe, corpus)):
        raise MemoryError("no more")


def test_memory_that_a_model_does_not_fit_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\nmore")

    monkeypatch.setattr(recognition_run, "build_recognition", fail)
    with pytest.raises(TrainingError, match=r"before the first step \(.* 9 bytes\.\); lower the size of the model"):
        train(small_config(folder), run_dir=tmp_path / "run")


def test_whose_alphabet_it_is_that_refuses_a_line_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of another language were "not in the alphabet of 9 characters", and nobody knew of whose."""
    start = write_tiny_recognizer(tmp_path / "tiny.ckpt")
    write_lines(tmp_path / "train", ["Ж"])
    config = small_config(tmp_path, data={"validation": ()}, train={"initialize_from": str(start), "max_steps": 1})
    with pytest.raises(DataError, match="not in the alphabet of 9 characters: 'Ж'"):
        train(config, run_dir=tmp_path / "run")
    assert f"begins with weights of {start} (step 7) and its alphabet of 9 characters" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_validate_as_one_and_wandb_has_the_panel(folder: Path, tmp_path: Path) -> None:
    """Each rank reads a half; the scores are those that one process finds with the same weights."""
    often = {"max_steps": 4, "validate_every_steps": 4, "devices": 2}
    config = small_config(folder, train=often, logger="wandb")
    run = tmp_path / "run"
    run_in_process(config, run)
    [measured] = [row for row in rows(run) if row["validation/cer"]]
    checkpoint = read_recognition(run / "checkpoints" / "last.ckpt")
    corpora = read_corpora(config, checkpoint.alphabet)
    assert corpora.validation is not None
    task = RecognitionTask(
        config, checkpoint.build(), checkpoint.alphabet, validation=corpora.validation, total_steps=None
    )
    task.eval()
    with torch.no_grad():
        for index, batch in enumerate(line_evaluation_loader(corpora.validation, config.data)):
            task.validation_step(batch, index)
    for name, score in task.finish_validation(rank=0, world_size=1).items():
        assert float(measured[name]) == pytest.approx(float(score), rel=1e-5), name
    table = (run / "samples" / "step_4.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[:4] for line in table[1:]] == [list(s[:4]) for s in task.validation_samples]
    [offline] = (run / "wandb").glob("offline-run-*")
    assert len(list(offline.glob("files/media/images/alignment_*.png"))) == SAMPLES
    stored = json.loads(next(offline.glob("files/media/table/samples_*.json")).read_text(encoding="utf-8"))
    assert stored["columns"] == ["line", "writer", "truth", "reading", "cer"] and len(stored["data"]) == SAMPLES
    recorded = next(offline.glob("run-*.wandb")).read_bytes()
    assert all(name in recorded for name in (b"validation/cer", b"validation/wer", b"alignment"))
