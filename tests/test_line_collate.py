"""Batches of lines: padded with paper, within the budget, varied by epoch alone, the same from any process."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.lines import LinesConfig
from nmt.data.batch import RecognitionBatch
from nmt.data.lines.collate import LineBatches, line_evaluation_loader, line_training_loader
from nmt.data.lines.corpus import LineCorpus, Preparation
from nmt.data.lines.line import Line, Pixels
from nmt.data.place import Place
from nmt.text.alphabet import Alphabet

HEIGHT = 8
PLAIN: dict[str, Any] = {"batch_columns": 200, "batch_lines": 4, "augmentation": {"enabled": False}}
VARIED: dict[str, Any] = {"batch_columns": 200, "batch_lines": 4}


class Unread:
    """A recording that nobody needs to read, for its line is kept."""

    def read(self) -> Pixels:
        raise AssertionError


def corpus_of(widths: list[int], *, colour: bool = False) -> LineCorpus:
    """Lines of random ink in 256 levels; line i says `i % 3 + 1` letters."""
    generator = np.random.default_rng(1)
    shape = (3 if colour else 1, HEIGHT)
    return LineCorpus(
        [Line(f"{number}.png", "abc"[: number % 3 + 1], "", Unread()) for number in range(len(widths))],
        [generator.integers(0, 256, (*shape, width)).astype(np.uint8) for width in widths],
        widths,
        alphabet=Alphabet("abc"),
        preparation=Preparation("image", HEIGHT, "rgb" if colour else "grey"),
        minimum_columns=[1] * len(widths),
    )


def config(**options: Any) -> LinesConfig:
    return LinesConfig.model_validate(options)


def ids(batches: Iterable[RecognitionBatch]) -> list[list[int]]:
    return [batch.ids.tolist() for batch in batches]


def same(one: Iterable[RecognitionBatch], other: Iterable[RecognitionBatch]) -> bool:
    return all(
        all(a.equal(b) for a, b in zip(first, second, strict=True)) for first, second in zip(one, other, strict=True)
    )


WIDTHS = np.random.default_rng(4).integers(5, 90, 60).tolist()


@pytest.mark.parametrize("colour", [False, True])
def test_a_batch_is_its_lines_padded_with_zeros(colour: bool) -> None:
    corpus = corpus_of([5, 9, 7], colour=colour)
    batch = LineBatches(corpus)(np.array([2, 0, 1]), 0)
    assert batch.inputs.shape == (3, 3 if colour else 1, HEIGHT, 9)
    assert batch.lengths.tolist() == [7, 5, 9]
    for row, position in enumerate([2, 0, 1]):
        width = int(batch.lengths[row])
        assert np.array_equal(batch.inputs[row, ..., :width].numpy(), corpus.input(position))
        assert not batch.inputs[row, ..., width:].any()
    assert batch.targets.tolist() == [[1, 2, 3], [1, 0, 0], [1, 2, 0]]
    assert batch.target_lengths.tolist() == [3, 1, 2]
    assert batch.ids.tolist() == [2, 0, 1]
    assert (batch.inputs.dtype, batch.targets.dtype, batch.ids.dtype) == (torch.float32, torch.int64, torch.int64)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=40), st.integers(1, 200), st.integers(1, 6))
def test_every_line_once_and_within_the_budget_or_alone(widths: list[int], columns: int, lines: int) -> None:
    corpus, data = corpus_of(widths), config(**(PLAIN | {"batch_columns": columns, "batch_lines": lines}))
    for loader in (line_training_loader(corpus, data, seed=1), line_evaluation_loader(corpus, data)):
        seen = []
        for batch in loader:
            count, _, _, width = batch.inputs.shape
            assert count == 1 or (count <= lines and count * width <= columns)
            seen += batch.ids.tolist()
        assert sorted(seen) == list(range(len(widths)))


def test_a_varied_batch_exceeds_the_budget_by_the_stretch_and_shear_at_most() -> None:
    data = config(**VARIED)
    image = data.augmentation.image
    for batch in line_training_loader(corpus_of(WIDTHS), data, seed=1):
        count, _, _, width = batch.inputs.shape
        assert count * (width - image.shear * HEIGHT - 1) <= data.batch_columns * (1 + image.stretch)


def test_how_a_line_is_varied_follows_seed_epoch_and_line_alone() -> None:
    corpus, variety = corpus_of([40, 30, 35]), config(**VARIED).augmentation

    def line(position: int, mates: list[int], *, seed: int = 1, epoch: int = 0) -> torch.Tensor:
        batch = LineBatches(corpus, variety, seed)(np.array([*mates, position]), epoch)
        return batch.inputs[-1, ..., : int(batch.lengths[-1])]

    alone = line(0, [])
    assert alone.equal(line(0, [2, 1]))
    for other in (line(0, [], epoch=1), line(0, [], seed=2), torch.from_numpy(corpus.input(0))):
        assert other.shape != alone.shape or not other.equal(alone)


@pytest.mark.parametrize("options", [PLAIN, VARIED], ids=["plain", "varied"])
def test_worker_processes_change_nothing(options: dict[str, Any]) -> None:
    corpus = corpus_of(WIDTHS)
    here, there = (line_training_loader(corpus, config(**options, workers=workers), seed=3) for workers in (0, 2))
    for epoch in (0, 1):
        here.set_epoch(epoch)
        there.set_epoch(epoch)
        assert same(here, there)


def test_a_restored_epoch_goes_on_with_the_next_batch() -> None:
    corpus, data = corpus_of(WIDTHS), config(**VARIED)
    straight = line_training_loader(corpus, data, seed=3)
    straight.set_epoch(2)
    whole = list(straight)
    halted = line_training_loader(corpus, data, seed=3)
    halted.set_epoch(2)
    iterator = iter(halted)
    for _ in range(4):
        next(iterator)
    resumed = line_training_loader(corpus, data, seed=3)
    resumed.load_state_dict(halted.state_dict())
    assert same(resumed, whole[4:])


def test_ranks_share_the_lines() -> None:
    shares = [line_training_loader(corpus_of(WIDTHS), config(**PLAIN), seed=1, place=Place(rank, 2)) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1])
    assert sorted(one for share in shares for batch in ids(share) for one in batch) == list(range(len(WIDTHS)))


def test_in_the_first_epochs_lines_grow_and_then_they_come_as_they_may() -> None:
    loader = line_training_loader(corpus_of(WIDTHS), config(**PLAIN), seed=1, ascending_epochs=2)
    grows = []
    for epoch in range(3):
        loader.set_epoch(epoch)
        means = [float(batch.lengths.float().mean()) for batch in loader]
        grows.append(all(later > 0.8 * earlier for earlier, later in itertools.pairwise(means)))
        assert sorted(means) != means or epoch < 2
    assert grows == [True, True, False]


def test_batches_are_pinned_where_a_gpu_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Size] = []

    def pin_memory(self: torch.Tensor) -> torch.Tensor:
        pinned.append(self.shape)
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    corpus, data = corpus_of([5, 6]), config(**PLAIN)
    batches = list(line_training_loader(corpus, data, seed=1, place=Place(on_gpu=True)))
    batches += list(line_evaluation_loader(corpus, data, Place(on_gpu=True)))
    assert pinned == [part.shape for batch in batches for part in batch]
    assert all(isinstance(batch, RecognitionBatch) for batch in batches)
