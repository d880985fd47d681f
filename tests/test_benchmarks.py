"""The scripts under benchmarks/: their searches, their tables, that their baseline is the model they say, and peers."""

import functools
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
TOOLKITS = {"OpenNMT-py": "onmt", "Joey NMT": "joeynmt"}


@functools.cache
def load(name: str) -> ModuleType:
    """A script as `python benchmarks/NAME.py` runs it: its folder is where it imports from, here after all others."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
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
        seen.append(tuple(batch.source.shape))
        return loss(model, batch, **rest)

    monkeypatch.setattr(module, "batch_loss", watched)
    module.make_step(config, 60, 10, "cpu")
    assert seen == [(6, 10), (6, 10)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without one")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["batch_memory.py", "--config", "gnmt_small"])
    assert load("batch_memory").main() == 2
    assert "no GPU" in capsys.readouterr().err


@pytest.mark.parametrize("encoder", ["1 null", "1 4", "2 8", "0 null"])
def test_the_products_counted_are_those_of_the_model(encoder: str) -> None:
    """2 · parameters · positions, forward, for every matrix but the embeddings; backward costs twice that."""
    module = load("training")
    sizes = ["--model.hidden_size", "16", "--model.embedding_size", "16", "--tokenizer.vocabulary_size", "40"]
    layers, units = encoder.split()
    both_ways = ["--model.bidirectional_layers", layers, "--model.bidirectional_size", units]
    config = module.configuration(None, sizes + both_ways, None, 1)
    (batch,) = module.random_batches(config, count=1, sentences=3)
    counted = sum(n * k * m * times for n, k, m, times in load("baselines").products(config, batch))
    model = module.fresh_model(config)
    source, target, real = batch.source.numel(), batch.target_input.numel(), int(batch.target_lengths.sum())
    expected = 40 * 16 * real
    for name, weight in model.named_parameters():
        if "weight_" in name:
            expected += weight.numel() * (source if name.startswith("encoder") else target)
    assert counted == 3 * expected


def run(name: str, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments.split()])
    assert load(name).main() == 0


SMALL = {
    "training": "--sizes 8 --tokenizer.vocabulary_size 40 --sentences 2 --batches 1 --rounds 1",
    "decoding": "--hidden-size 8 --vocabulary 40 --sentences 3 --repeats 1 --batches 2 --beams 1 2",
}
NEIGHBOURS = {"training": "| (a) loop fp32 |", "decoding": "| beam 2 | 2 | naive fp32 |"}


@pytest.fixture
def no_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nobody installed them."""
    for adapter, package in (("peers.opennmt", "onmt"), ("peers.joey", "joeynmt"), ("peers.opennmt", "pyonmttok")):
        monkeypatch.delitem(sys.modules, adapter, raising=False)
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("name", list(SMALL))
@pytest.mark.usefixtures("no_peers")
def test_tables_say_which_toolkits_are_not_here(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(name, SMALL[name], monkeypatch)
    said = capsys.readouterr().out
    assert " ours fp32 |" in said and NEIGHBOURS[name] in said
    for toolkit in TOOLKITS:
        assert f"(c) {toolkit}: not here (" in said and f"| (c) {toolkit} |" not in said


class FakePeer:
    """A toolkit that does nothing, `more` tokens a sentence too many."""

    def __init__(self, more: int = 0) -> None:
        self.more = more
        self.recipes: list[SimpleNamespace] = []
        self.batches: list[int] = []

    def training_step(self, recipe: SimpleNamespace) -> object:
        self.recipes.append(recipe)
        return lambda batch: self.batches.append(len(batch.source))

    def search(self, recipe: SimpleNamespace) -> object:
        self.recipes.append(recipe)

        def decode(source: Tensor, lengths: Tensor, limits: Tensor, beam: int) -> list[int]:
            self.batches.append(len(source))
            return [limit + self.more for limit in limits.tolist()]

        return decode


@pytest.mark.parametrize("name", list(SMALL))
def test_a_toolkit_that_is_here_has_its_row_and_column(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads and cells agree in number; it gets the sizes of ours and the same batches."""
    peer = FakePeer()
    monkeypatch.setattr(load(name).peers, "installed", lambda: {"Fake": peer})
    run(name, SMALL[name], monkeypatch)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "| × (c) Fake |" in rows[0] and any("| (c) Fake |" in row for row in rows)
    assert len({row.count("|") for row in rows}) == 1
    (recipe,) = peer.recipes
    assert (recipe.hidden_size, recipe.embedding_size, recipe.layers, recipe.vocabulary_size) == (8, 8, 2, 40)
    assert recipe.additive_attention == (name == "decoding")
    assert set(peer.batches) == ({2} if name == "training" else {2, 1})


def test_a_toolkit_that_stops_elsewhere_is_no_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared is the same number of steps, or nothing."""
    monkeypatch.setattr(load("decoding").peers, "installed", lambda: {"Fake": FakePeer(more=1)})
    with pytest.raises(RuntimeError, match="tokens instead of"):
        run("decoding", SMALL["decoding"], monkeypatch)


def test_toolkits_get_our_sentences_in_their_numbers() -> None:
    load("training")  # which makes the folder one to import from
    peers = importlib.import_module("peers")
    tokens = torch.tensor([[7, 8, 9, 10], [7, 8, 0, 0]])
    renumbered = peers.renumber(tokens, torch.tensor([4, 2]))
    assert renumbered.tolist() == [[7, 8, 9, 3], [7, 3, 1, 1]]
    assert tokens.tolist() == [[7, 8, 9, 10], [7, 8, 0, 0]]


@given(limits=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_forced_sentences_end_where_they_must(limits: list[int], seed: int) -> None:
    """Step by step, whatever the model thinks of `</s>`."""
    load("training")
    peers = importlib.import_module("peers")
    generator = torch.Generator().manual_seed(seed)
    said = []
    for length in range(1, 6):
        scores = torch.randn(len(limits), 7, generator=generator)
        scores[:, peers.END] = 9.0
        peers.force_end(scores, torch.tensor(limits), length)
        said.append(scores.argmax(1).tolist())
    lengths = [[step[row] for step in said].index(peers.END) + 1 for row in range(len(limits))]
    assert lengths == limits


@pytest.mark.parametrize("toolkit", list(TOOLKITS))
def test_installed_toolkits_train_and_say_what_they_must(toolkit: str) -> None:
    """Only where somebody installed them. A second batch ends at its own limits. (Joey NMT says at least one word.)"""
    pytest.importorskip(TOOLKITS[toolkit])
    module = load("training")
    peer = module.peers.installed()[toolkit]
    config = module.configuration(None, ["--tokenizer.vocabulary_size", "40"], 8, 1)
    step = peer.training_step(module.recipe(config))
    for batch in module.random_batches(config, count=2, sentences=3):
        step(batch)
    search = peer.search(module.recipe(config))
    for limits in ([3, 5, 2], [2, 2, 6]):
        for beam in (1, 2):
            given = torch.tensor([[7, 8, 9], [7, 9, 3], [8, 3, 0]]), torch.tensor([3, 3, 2]), torch.tensor(limits)
            with torch.inference_mode():
                assert search(*given, beam) == limits


def test_speeds_and_ratios_are_medians_over_rounds() -> None:
    turns = load("turns")
    seconds = {"one": [1.0, 2.0, 4.0], "two": [2.0, 8.0, 4.0]}
    (one, first), (two, second) = turns.rows(seconds, 1000, ["two"])
    assert (one, first) == ("one", ["500", "250 to 1,000", "2.00"])
    assert (two, second) == ("two", ["250", "125 to 500", "1.00"])


def test_arms_take_turns_at_every_piece_of_work() -> None:
    seen: list[str] = []
    arms = {name: lambda piece, name=name: seen.append(f"{name}{piece}") for name in "ab"}
    seconds = load("turns").take_turns(arms, [1, 2], rounds=2, warm_up=1)
    assert seen == ["a1", "b1", "a2", "b2"] * 3
    assert {name: len(spent) for name, spent in seconds.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("name", ["training", "decoding", "corpus_size", "batch_memory"])
def test_help_has_examples(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit):
        load(name).main()
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out
