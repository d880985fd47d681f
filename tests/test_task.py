"""The training task: gradients per token of the global batch, whatever its cut; validation that translates."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch

from nmt.config.data import TokenizerConfig
from nmt.config.schema import Config
from nmt.config.training import OptimizerConfig
from nmt.data.batch import TranslationBatch
from nmt.errors import CheckpointError, TrainingError
from nmt.models.build import build_translation
from nmt.text.tokenizer import END, START, Tokenizer, Tokenizers
from nmt.training.loggers import quiet_lightning
from nmt.training.task import TranslationTask, build_optimizer

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run"] * 5


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def config(**train: Any) -> Config:
    small = {"embedding_size": 8, "hidden_size": 8, "dropout": {"input": 0.0}, "initialization": {"scale": 0.5}}
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


def trained(
    tokenizers: Tokenizers, batches: list[TranslationBatch], tmp_path: Path, *, spoil: float = 0.0, **train: Any
) -> TranslationTask:
    """A task after the steps these batches make; `spoil` is added to its weights before."""
    torch.manual_seed(5)
    options = config(**train)
    model = build_translation(options.model, 300, 300)
    if spoil:
        model.output.bias.data += spoil
    task = TranslationTask(options, model, tokenizers, validation=None, total_steps=None)
    quiet_lightning()
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accumulate_grad_batches=options.train.accumulate, default_root_dir=tmp_path,
        log_every_n_steps=1,
    )  # fmt: skip
    loader: Any = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(task, loader)
    return task


def weights(task: TranslationTask) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in task.model.parameters()])


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
    expected = torch.cat([(p - 0.5 * p.grad).detach().flatten() for p in model.parameters() if p.grad is not None])
    task = trained(tokenizers, [data], tmp_path, log_every_steps=1)
    torch.testing.assert_close(weights(task), expected, atol=1e-6, rtol=1e-5)
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


def test_a_gradient_that_is_not_finite_stops_before_it_does_harm(tokenizers: Tokenizers, tmp_path: Path) -> None:
    """It turned every weight into NaN, and the next checkpoints pushed the good ones out."""
    broken = batch((4, 5))
    with pytest.raises(TrainingError, match=r"step 1: the gradient is not finite \(nan\).*intact"):
        trained(tokenizers, [broken], tmp_path, spoil=float("nan"))


def test_teacher_forcing_reaches_the_loss(tokenizers: Tokenizers, tmp_path: Path) -> None:
    data = [batch((4, 9), (5, 9))]
    forced = trained(tokenizers, data, tmp_path)
    free = trained(tokenizers, data, tmp_path, teacher_forcing=0.0)
    assert not torch.allclose(weights(forced), weights(free), atol=1e-5)


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
    with pytest.raises(CheckpointError, match="the tokenizer differs"):
        task.on_load_checkpoint(saved)
