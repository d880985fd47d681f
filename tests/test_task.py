"""The training task: gradients per token of the global batch, whatever its cut; validation that translates."""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback

from nmt.config.data import TokenizerConfig
from nmt.config.schema import Config
from nmt.config.training import OptimizerConfig
from nmt.data.batch import TranslationBatch
from nmt.errors import CheckpointError, TrainingError
from nmt.models.build import build_translation
from nmt.text.tokenizer import END, START, Tokenizer, Tokenizers
from nmt.training.ending.faults import BatchOnHand, NonFiniteLimit, is_out_of_memory, lines_of, memory_explained
from nmt.training.ending.stopping import FinalValidation
from nmt.training.keeping.checkpoints import Checkpoints
from nmt.training.keeping.random_state import RandomState
from nmt.training.running import share_of_rank
from nmt.training.sequence_task import build_optimizer
from nmt.training.translation import risk
from nmt.training.translation import task as task_module
from nmt.training.translation.kind import TRANSLATION
from nmt.training.translation.risk import Drawn
from nmt.training.translation.run import too_large
from nmt.training.translation.task import TranslationTask
from nmt.training.watching.loggers import quiet_lightning
from nmt.training.watching.measurement import speed

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run"] * 5


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def config(**train: Any) -> Config:
    small = {
        "embedding_size": 8,
        "hidden_size": 8,
        "dropout": {"input": 0.0},
        "initialization": {"scale": 0.5},
        "tie_embeddings": "target",
    }
    sgd = {"kind": "sgd", "learning_rate": 0.5}
    return Config.model_validate(
        {"model": small, "train": {"max_steps": 1, "optimizer": sgd, "clip_norm": 0.0} | train}
    )


def batch(*sizes: tuple[int, int]) -> TranslationBatch:
    """Random pairs of these (source, target) lengths, the same ones whenever the same sizes are asked for."""
    generator = torch.Generator().manual_seed(sum(17 * s + t for s, t in sizes))
    width, height = max(s for s, _ in sizes), max(t for _, t in sizes)
    source = torch.zeros(len(sizes), width, dtype=torch.long)
    inputs, outputs = (torch.zeros(len(sizes), height, dtype=torch.long) for _ in range(2))
    for i, (s, t) in enumerate(sizes):
        source[i, :s] = torch.tensor([*torch.randint(4, 300, (s - 1,), generator=generator).tolist(), END])
        words = torch.randint(4, 300, (t - 1,), generator=generator).tolist()
        inputs[i, :t], outputs[i, :t] = torch.tensor([START, *words]), torch.tensor([*words, END])
    lengths = torch.tensor(sizes)
    return TranslationBatch(source, lengths[:, 0], inputs, outputs, lengths[:, 1], torch.arange(len(sizes)))


def joined(first: TranslationBatch, second: TranslationBatch) -> TranslationBatch:
    """Both batches as one, padded to common widths."""

    def rows(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.dim() == 1:
            return torch.cat([a, b])
        width = max(a.shape[1], b.shape[1])
        return torch.cat([torch.nn.functional.pad(t, (0, width - t.shape[1])) for t in (a, b)])

    return TranslationBatch(*(rows(a, b) for a, b in zip(first, second, strict=True)))


POISON = 299  # a source token whose embedding is not finite


def trained(
    tokenizers: Tokenizers,
    batches: list[TranslationBatch],
    tmp_path: Path,
    *,
    callbacks: Any = (),
    total_steps: int | None = None,
    **train: Any,
) -> TranslationTask:
    """A task after the steps these batches make, on as many processes as there are."""
    torch.manual_seed(5)
    options = config(**train)
    model = build_translation(options.model, 300, 300)
    with torch.no_grad():
        model.source_embedding.weight[POISON] = float("inf")
    task = TranslationTask(options, model, tokenizers, validation=None, total_steps=total_steps)
    quiet_lightning()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=len(callbacks) > 1,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        accumulate_grad_batches=options.train.accumulate,
        log_every_n_steps=1, callbacks=list(callbacks), use_distributed_sampler=False,
        devices=processes, strategy="ddp" if processes > 1 else "auto",
    )  # fmt: skip
    loader: Any = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(task, loader)
    return task


def poisoned(clean: TranslationBatch, *, ids: int = 70) -> TranslationBatch:
    """The batch with a first word whose embedding is not finite, and other ids."""
    source = clean.source.clone()
    source[0, 0] = POISON
    return clean._replace(source=source, ids=clean.ids + ids)


def weights(task: TranslationTask) -> torch.Tensor:
    """All of them but the poison."""
    parameters = {name: p.detach() for name, p in task.model.named_parameters()}
    parameters["source_embedding.weight"] = parameters["source_embedding.weight"][:POISON]
    return torch.cat([p.flatten() for p in parameters.values()])


def test_two_accumulated_batches_are_one_large_batch(tokenizers: Tokenizers, tmp_path: Path) -> None:
    short, long = batch((3, 2), (2, 2)), batch((6, 9), (5, 8), (4, 7))  # 4 and 24 target tokens
    apart = trained(tokenizers, [short, long], tmp_path, accumulate=2)
    together = trained(tokenizers, [joined(short, long)], tmp_path)
    torch.testing.assert_close(weights(apart), weights(together), atol=1e-6, rtol=1e-5)
    one_by_one = trained(tokenizers, [short, long], tmp_path)
    assert not torch.allclose(weights(apart), weights(one_by_one), atol=1e-4)


def test_a_last_window_that_is_not_full_is_normalised_too(tokenizers: Tokenizers, tmp_path: Path) -> None:
    batches = [batch((3, 2)), batch((4, 5)), batch((6, 9))]
    short_window = trained(tokenizers, batches, tmp_path, accumulate=2)
    as_steps = trained(tokenizers, [joined(batches[0], batches[1]), batches[2]], tmp_path)
    torch.testing.assert_close(weights(short_window), weights(as_steps), atol=1e-6, rtol=1e-5)


def test_the_step_is_that_of_the_mean_loss_per_token(tokenizers: Tokenizers, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = build_translation(config().model, 300, 300)
    data = batch((4, 5), (2, 3))
    logits = model(data.source, data.source_lengths, data.target_input)
    real = data.target_output != 0
    loss = torch.nn.functional.cross_entropy(logits[real], data.target_output[real], label_smoothing=0.1)
    loss.backward()
    stepped = {name: (p - 0.5 * p.grad).detach() for name, p in model.named_parameters() if p.grad is not None}
    task = trained(tokenizers, [data], tmp_path, log_every_steps=1)
    for name, parameter in task.model.named_parameters():
        rows = slice(POISON) if name == "source_embedding.weight" else ...
        torch.testing.assert_close(parameter[rows], stepped[name][rows], atol=1e-6, rtol=1e-5)
    logged = task.trainer.callback_metrics
    norm = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    assert float(logged["train/loss"]) == pytest.approx(loss.item(), rel=1e-5)
    assert float(logged["train/gradient_norm"]) == pytest.approx(norm.item(), rel=1e-4)


def test_gradients_longer_than_the_limit_are_shortened_to_it(tokenizers: Tokenizers, tmp_path: Path) -> None:
    start = trained(tokenizers, [], tmp_path)
    free = weights(trained(tokenizers, [batch((4, 5))], tmp_path)) - weights(start)
    clipped = weights(trained(tokenizers, [batch((4, 5))], tmp_path, clip_norm=0.01)) - weights(start)
    assert free.norm() > 0.02
    assert clipped.norm().item() == pytest.approx(0.01 * 0.5, rel=1e-3)  # learning rate 0.5
    assert torch.nn.functional.cosine_similarity(free, clipped, dim=0).item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("first", [True, False], ids=["first step", "a later one"])
def test_a_step_that_is_not_finite_changes_nothing_and_names_its_batch(
    tokenizers: Tokenizers, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, first: bool
) -> None:
    """It turned every weight into NaN, and the next checkpoints pushed the good ones out."""
    one, two = batch((4, 5), (3, 3)), batch((3, 2))
    optimizer = {"kind": kind, "learning_rate": 0.1, "momentum": 0.9}
    bad = poisoned(batch((5, 4)))
    without = trained(tokenizers, [one, two], tmp_path, optimizer=optimizer)
    with caplog.at_level(logging.WARNING):
        skipped = trained(tokenizers, [bad, one, two] if first else [one, bad, two], tmp_path, optimizer=optimizer)
    torch.testing.assert_close(weights(skipped), weights(without), atol=0.0, rtol=0.0)
    step = 1 if first else 2
    assert (
        f"step {step}: loss or gradient is not finite: the loss of the batch of [70]; the step is skipped"
        in caplog.text
    )
    assert skipped.finite.in_a_row == 0


def test_of_accumulated_batches_the_one_that_is_not_finite_is_named(
    tokenizers: Tokenizers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = batch((4, 5), (3, 3)), poisoned(batch((5, 4), (4, 4)))
    untrained = trained(tokenizers, [], tmp_path)
    with caplog.at_level(logging.WARNING):
        skipped = trained(tokenizers, [good, bad], tmp_path, accumulate=2, log_every_steps=1)
    assert torch.equal(weights(skipped), weights(untrained))
    assert "the loss of the batch of [70, 71]; the step" in caplog.text
    assert torch.isfinite(skipped.trainer.callback_metrics["train/loss"])  # that of the good batch


def test_a_gradient_alone_that_is_not_finite_is_a_skipped_step_too(
    tokenizers: Tokenizers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Spoil(Callback):
        def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
            next(pl_module.parameters()).grad[0] = float("nan")

    untrained = trained(tokenizers, [], tmp_path)
    with caplog.at_level(logging.WARNING):
        skipped = trained(tokenizers, [batch((4, 5))], tmp_path, callbacks=[Spoil()])
    assert torch.equal(weights(skipped), weights(untrained))
    assert "the gradient, though not the loss, of the batch of [0]; the step" in caplog.text


def test_more_steps_in_a_row_than_allowed_end_the_run_with_its_state_saved(
    tokenizers: Tokenizers, tmp_path: Path
) -> None:
    good, bad = batch((4, 5)), poisoned(batch((5, 4)))
    saving = Checkpoints(tmp_path, monitor="bleu")
    callbacks = [RandomState(), saving, NonFiniteLimit(saving, limit=2, resume_command="again")]
    before = trained(tokenizers, [good], tmp_path)
    with pytest.raises(
        TrainingError, match=r"step 7: .* batch of \[70\]; 3 steps in a row were so.*skip_nonfinite is 2"
    ):
        trained(tokenizers, [bad, bad, good, good, bad, bad, bad, good], tmp_path, callbacks=callbacks)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 7 and saved["skipped_in_a_row"] == 3
    assert all(torch.isfinite(w).all() for name, w in saved["state_dict"].items() if "source_embedding" not in name)
    before.on_load_checkpoint(saved)
    assert before.finite.in_a_row == 3  # 10 are allowed here; where the limit ended the run, it begins anew
    before.train_config = config(skip_nonfinite=2).train
    before.on_load_checkpoint(saved)
    assert before.finite.in_a_row == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
    ids=["gpu", "cpu", "python"],
)
def test_too_little_memory_names_the_batch_and_what_to_lower(
    tokenizers: Tokenizers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Corpus:
        def origin(self, index: int) -> str:
            return f"train.en:{index + 1}"

    def fail(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(task_module, "batch_loss", fail)
    trainer = MagicMock(spec=lightning.Trainer, callbacks=[BatchOnHand()], global_step=0)
    said = (
        r"(?s)step 1: out of memory \([^\n]+\) on the batch of train.en:1, train.en:2: 2 pairs, 4 source and 5 target.*"
    )
    with (
        pytest.raises(TrainingError, match=said + r"Lower data\.batch_source_tokens"),
        memory_explained(trainer, partial(too_large, Corpus())),
    ):
        trained(tokenizers, [batch((4, 5), (3, 3))], tmp_path, callbacks=trainer.callbacks)


def test_an_allocation_that_really_fails_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_only_the_first_lines_of_a_large_batch_are_named() -> None:
    class Corpus:
        def origin(self, index: int) -> str:
            return f"a:{index}"

    assert lines_of(Corpus(), [3, 1]) == "a:3, a:1"
    assert lines_of(Corpus(), range(100)).endswith(", a:7 and 92 more")


def test_teacher_forcing_reaches_the_loss(tokenizers: Tokenizers, tmp_path: Path) -> None:
    data = [batch((4, 9), (5, 9))]
    forced = trained(tokenizers, data, tmp_path)
    free = trained(tokenizers, data, tmp_path, teacher_forcing=0.0)
    assert not torch.allclose(weights(forced), weights(free), atol=1e-5)


def test_the_reward_of_the_draws_is_reported_over_all_batches(
    tokenizers: Tokenizers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A risk that is tuned without a look at the reward is tuned in the dark."""
    rewards = iter([0.3, 0.9])  # of three sentences together, and of one
    monkeypatch.setattr(risk, "draw_targets", lambda *given, **options: Drawn([], next(rewards)))
    data = [batch((4, 5), (3, 3), (2, 2)), batch((3, 2))]
    task = trained(tokenizers, data, tmp_path, accumulate=2, log_every_steps=1, risk={"samples": 2})
    assert float(task.trainer.callback_metrics["train/gleu"]) == pytest.approx(100 * 1.2 / 4)


def test_the_last_step_is_reported_though_no_report_is_due(tokenizers: Tokenizers, tmp_path: Path) -> None:
    """Lightning logged it with what had been measured ten steps before: a run of 60 steps had row 50 twice."""
    data = [batch((4, 5), (3, 3)), batch((2, 2)), batch((3, 2))]

    def reported(every: int) -> float:
        stop = [FinalValidation()]
        task = trained(tokenizers, data, tmp_path, callbacks=stop, log_every_steps=every, total_steps=3)
        return float(task.trainer.callback_metrics["train/loss"])

    assert reported(2) == reported(1)


def test_without_risk_no_reward_is_reported(tokenizers: Tokenizers, tmp_path: Path) -> None:
    reported = trained(tokenizers, [batch((3, 2))], tmp_path, log_every_steps=1).trainer.callback_metrics
    assert "train/loss" in reported and "train/gleu" not in reported


def test_a_translator_measures_what_its_kind_says(tokenizers: Tokenizers, tmp_path: Path) -> None:
    """What it logs under another name has no word, no curve and a column that comes late."""
    data = [batch((3, 2))]
    reported = trained(tokenizers, data, tmp_path, log_every_steps=1, risk={"samples": 2}).trainer.callback_metrics
    said = {one.name for one in TRANSLATION.measurements if one.name.startswith("train/")}
    assert {*reported} == said - {one.name for one in speed("tokens", "")}


def test_with_risk_a_batch_that_is_not_finite_is_named_and_skipped(
    tokenizers: Tokenizers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Drawing from what is no number raised an error that named no line."""
    untrained = trained(tokenizers, [], tmp_path)
    with caplog.at_level(logging.WARNING):
        skipped = trained(tokenizers, [poisoned(batch((5, 4)))], tmp_path, risk={"samples": 2})
    assert torch.equal(weights(skipped), weights(untrained)) and "the loss of the batch of [70]" in caplog.text


def test_what_was_summed_since_the_last_report_goes_on_after_a_restart() -> None:
    """With as many ranks, with fewer or more, and from the files of earlier versions."""
    parts = [[torch.tensor(float(10 * rank + i)) for i in range(5)] for rank in range(2)]

    def goes_on(saved: Any, rank: int, world_size: int) -> list[float] | None:
        running = share_of_rank(saved, rank=rank, world_size=world_size)
        return None if running is None else [float(part) for part in running.values()]

    assert goes_on(None, 0, 1) is None and goes_on(parts, 1, 2) == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert goes_on(parts, 0, 1) == goes_on(parts, 0, 3) == [10.0, 12.0, 14.0, 16.0, 18.0]
    assert goes_on(parts, 2, 3) == [0.0] * 5
    assert goes_on(parts[1][:3], 0, 1) == [10.0, 11.0, 12.0, 0.0, 0.0]


def test_optimisers_are_the_ones_named() -> None:
    parameter = [torch.nn.Parameter(torch.ones(2))]
    for kind, expected in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)):
        made = build_optimizer(OptimizerConfig(kind=kind, learning_rate=0.1, momentum=0.5), parameter)
        assert type(made) is expected
        assert made.param_groups[0]["lr"] == 0.1


def test_another_tokenizer_under_a_resumed_run_is_refused(tokenizers: Tokenizers, tmp_path: Path) -> None:
    task = trained(tokenizers, [batch((4, 5))], tmp_path)
    saved: dict[str, Any] = {}
    task.on_save_checkpoint(saved)
    task.on_load_checkpoint(saved)
    other = Tokenizer.train(["something else entirely"] * 9, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    task.tokenizers = Tokenizers(other, other)
    said = r"(?s)differs from what.*the source model is another one.*the target model"
    with pytest.raises(CheckpointError, match=said):
        task.on_load_checkpoint(saved)
