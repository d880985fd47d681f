"""The scripts under benchmarks/: their searches, their tables, and that their baseline is the model they say."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@functools.cache
def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(limit=st.integers(0, 5000), start=st.integers(1, 300), most=st.integers(1, 4000))
def test_the_largest_batch_is_found_within_a_twentieth(limit: int, start: int, most: int) -> None:
    tried: list[int] = []

    def fits(number: int) -> bool:
        tried.append(number)
        return number <= limit

    found = load("batch_memory").largest_that_fits(fits, start=start, most=most)
    truth = min(limit, most)
    assert max(tried) <= most and len(tried) < 40
    if truth < min(start, most):
        assert found == 0
    else:
        assert found <= truth <= found + max(1, found // 20)


def test_a_batch_is_tried_with_a_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, since it is the same step; what a GPU does when memory runs out is not tested here."""
    module = load("batch_memory")
    given = ["--model.hidden_size", "8", "--model.embedding_size", "8", "--tokenizer.vocabulary_size", "40"]
    config = module.load_config("gnmt_small", [*given, "--train.precision", "32", "--model.bidirectional_size", "4"])
    seen: list[tuple[int, int]] = []
    loss = module.batch_loss

    def watched(model: torch.nn.Module, batch: object, **rest: float) -> object:
        seen.append(tuple(batch.source.shape))  # type: ignore[attr-defined]
        return loss(model, batch, **rest)

    monkeypatch.setattr(module, "batch_loss", watched)
    module.make_step(config, 60, 10, "cpu")
    assert seen == [(6, 10), (6, 10)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without one")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["batch_memory.py", "--config", "gnmt_small"])
    assert load("batch_memory").main() == 2
    assert "no GPU" in capsys.readouterr().err


def test_the_products_counted_are_those_of_the_model() -> None:
    """2 · parameters · positions, forward, for every matrix but the embeddings; backward costs twice that."""
    module = load("training")
    sizes = ["--model.hidden_size", "16", "--model.embedding_size", "16", "--tokenizer.vocabulary_size", "40"]
    config = module.configuration(None, sizes, None, 1)
    (batch,) = module.random_batches(config, count=1, sentences=3)
    counted = sum(n * k * m * times for n, k, m, times in module.products(config, batch))
    model = module.fresh_model(config)
    source, target, real = batch.source.numel(), batch.target_input.numel(), int(batch.target_lengths.sum())
    expected = 40 * 16 * real
    for name, weight in model.named_parameters():
        if "weight_" in name:
            expected += weight.numel() * (source if name.startswith("encoder") else target)
    assert counted == 3 * expected


def test_the_training_table_has_every_arm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("training")
    small = "--sizes 8 --tokenizer.vocabulary_size 40 --sentences 2 --batches 1 --rounds 1"
    monkeypatch.setattr(sys, "argv", ["training.py", *small.split()])
    assert module.main() == 0
    said = capsys.readouterr().out
    assert "| ours fp32 |" in said and "| (a) loop fp32 |" in said and "(c) " in said


@pytest.mark.parametrize("name", ["training", "corpus_size", "batch_memory"])
def test_help_has_examples(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit):
        load(name).main()
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out
