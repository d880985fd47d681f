"""Loading: the plan, handed out exactly once, from wherever a checkpoint stopped, on any rank, by any workers."""

import logging
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_corpus import write_corpus

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.collate import SubwordSampling
from nmt.data.corpus import EncodedCorpus
from nmt.data.loader import (
    LENT,
    EvaluationLoader,
    PlannedBatches,
    TrainingLoader,
    TranslationBatches,
    evaluation_loader,
    evaluation_plan,
)
from nmt.data.place import ALONE, Place
from nmt.data.sampler import BatchBudget, TokenBudgetSampler
from nmt.errors import CheckpointError
from nmt.text.tokenizer import Tokenizer, Tokenizers

BUDGET = BatchBudget(40, 40, 6)
COUNT = 60


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> EncodedCorpus:
    rng = np.random.default_rng(0)
    pairs = [([4 + n] * int(rng.integers(1, 12)), [4 + n] * int(rng.integers(1, 12))) for n in range(COUNT)]
    return EncodedCorpus(write_corpus(tmp_path_factory.mktemp("loader"), pairs, files=2), places=["a", "b"])


def loader_of(
    corpus: EncodedCorpus,
    *,
    budget: BatchBudget = BUDGET,
    sampling: SubwordSampling | None = None,
    place: Place = ALONE,
    accumulate: int = 1,
    workers: int = 0,
    pool: int | None = None,
) -> TrainingLoader[TranslationBatch]:
    plans = TokenBudgetSampler(
        *(corpus.source_lengths, corpus.target_lengths, budget),
        seed=3,
        world_size=place.ranks,
        accumulate=accumulate,
        by_length=corpus.by_length,
        pool=pool,
    )
    return TrainingLoader(plans, TranslationBatches(corpus, sampling), place=place, workers=workers)


def ids(batches: list[TranslationBatch]) -> list[list[int]]:
    return [batch.ids.tolist() for batch in batches]


def test_an_epoch_is_every_pair_once_and_as_long_as_it_says(corpus: EncodedCorpus) -> None:
    loader = loader_of(corpus)
    for epoch in range(3):
        loader.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader)
        assert Counter(i for batch in ids(batches) for i in batch) == Counter(range(COUNT))
        for batch in batches:  # and they are the pairs that ids say
            assert batch.source[:, 0].tolist() == [4 + index for index in batch.ids.tolist()]


def test_ranks_share_an_epoch(corpus: EncodedCorpus) -> None:
    loaders = [loader_of(corpus, place=Place(rank, 3)) for rank in range(3)]
    seen = [ids(list(loader)) for loader in loaders]
    assert len({len(batches) for batches in seen}) == 1
    assert Counter(i for batches in seen for batch in batches for i in batch) == Counter(range(COUNT))


@given(
    position=st.integers(0, 15),
    epoch=st.integers(0, 2),
    ranks=st.sampled_from([1, 2]),
    pool=st.sampled_from([17, None]),
)
def test_resuming_gives_exactly_the_rest(
    corpus: EncodedCorpus, position: int, epoch: int, ranks: int, pool: int | None
) -> None:
    straight = loader_of(corpus, place=Place(ranks - 1, ranks), pool=pool)
    position = min(position, len(straight))
    straight.set_epoch(epoch)
    whole = ids(list(straight))
    straight.set_epoch(epoch + 1)
    following = ids(list(straight))

    stopped = loader_of(corpus, place=Place(0, ranks), pool=pool)  # rank 0's state is everyone's
    stopped.set_epoch(epoch)
    iterator = iter(stopped)
    for _ in range(position):
        next(iterator)
    state = pickle.loads(pickle.dumps(stopped.state_dict()))

    resumed = loader_of(corpus, place=Place(ranks - 1, ranks), pool=pool)
    resumed.load_state_dict(state)
    iter(resumed)  # Lightning makes an iterator before it says set_epoch, and may throw it away
    if position < len(whole):
        resumed.set_epoch(epoch)
        assert ids(list(resumed)) == whole[position:]
        assert resumed.state_dict()["position"] == len(whole)
    else:
        assert (resumed.epoch, resumed.state_dict()["position"]) == (epoch + 1, 0)
    resumed.set_epoch(epoch + 1)  # after the last batch of an epoch the next one follows, whole
    assert ids(list(resumed)) == following


def test_iterating_twice_begins_anew(corpus: EncodedCorpus) -> None:
    loader = loader_of(corpus)
    whole = ids(list(loader))
    next(iter(loader))
    assert ids(list(loader)) == whole
    state = loader.state_dict()
    state["position"] = 2
    loader.load_state_dict(state)
    assert ids(list(loader)) == whole[2:]
    assert ids(list(loader)) == whole


@pytest.mark.parametrize("pool", [17, None])
def test_workers_change_nothing(corpus: EncodedCorpus, pool: int | None) -> None:
    straight = loader_of(corpus, pool=pool)
    whole = ids(list(straight))
    working = loader_of(corpus, workers=2, pool=pool)
    iterator = iter(working)
    assert ids([next(iterator) for _ in range(3)]) == whole[:3]
    state = working.state_dict()
    assert state["position"] == 3  # handed out, not fetched ahead
    resumed = loader_of(corpus, workers=1, pool=pool)
    resumed.load_state_dict(state)
    assert ids(list(resumed)) == whole[3:]


def test_a_worker_is_given_neither_plan_nor_corpus(corpus: EncodedCorpus) -> None:
    """What is pickled for a process (with 'spawn') or copied when it writes (with 'fork') once grew with the corpus."""
    batches = PlannedBatches(TranslationBatches(corpus), 3)
    assert len(pickle.dumps(batches)) < 1000
    again = pickle.loads(pickle.dumps(batches))
    assert all(torch.equal(*parts) for parts in zip(again[np.array([5, 2])], batches[np.array([5, 2])], strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_random_numbers_are_left_alone(corpus: EncodedCorpus, workers: int) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(loader_of(corpus, workers=workers))
    list(evaluation_loader(corpus, DataConfig()))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_plan_keeps_the_share_of_the_epoch(corpus: EncodedCorpus, caplog: pytest.LogCaptureFixture) -> None:
    loader = loader_of(corpus)
    state = {**loader.state_dict(), "epoch": 4, "position": len(loader) // 2}
    halved = loader_of(corpus, budget=BatchBudget(20, 20, 3))
    with caplog.at_level(logging.WARNING):
        halved.load_state_dict(state)
    assert "is not that of the checkpoint" in caplog.text
    assert halved.epoch == 4
    assert abs(len(list(halved)) / len(halved) - 0.5) < 0.1
    with pytest.raises(CheckpointError, match="no 'epoch'"):
        loader.load_state_dict({"stream": [0, 0, 0]})


def test_sampling_follows_the_epoch(corpus: EncodedCorpus) -> None:
    config = TokenizerConfig(vocabulary_size=320, kind="bpe")
    tokenizer = Tokenizer.train([f"s{n} t{n}" for n in range(COUNT)] * 9, config=config)
    sampling = SubwordSampling(Tokenizers(tokenizer, tokenizer), 0.5, 3, 0)

    def lengths(workers: int, epoch: int) -> dict[int, int]:
        loader = loader_of(corpus, sampling=sampling, workers=workers)
        loader.set_epoch(epoch)
        return {int(i): int(n) for batch in loader for i, n in zip(batch.ids, batch.source_lengths, strict=True)}

    assert lengths(0, 1) == lengths(1, 1)
    assert lengths(0, 1) != lengths(0, 2)


@pytest.mark.parametrize("ranks", [1, 3])
def test_evaluation_shows_every_pair_once_sorted(corpus: EncodedCorpus, ranks: int) -> None:
    data = DataConfig(batch_source_tokens=40, batch_target_tokens=30, batch_sentences=5)
    loaders = [evaluation_loader(corpus, data, Place(rank, ranks)) for rank in range(ranks)]
    batches = [list(loader) for loader in loaders]
    assert [len(loader) for loader in loaders] == [len(part) for part in batches]
    assert Counter(i for part in batches for batch in ids(part) for i in batch) == Counter(range(COUNT))
    for part in batches:
        longest = [int(batch.target_lengths.max()) for batch in part]
        assert longest == sorted(longest)
        assert all(batch.source.numel() <= 40 or len(batch.ids) == 1 for batch in part)


def test_every_rank_has_something_to_evaluate_where_there_are_pairs_enough(tmp_path: Path) -> None:
    """Lightning stops a rank whose loader is empty while the others wait for it."""
    corpus = EncodedCorpus(write_corpus(tmp_path, [([5], [6]), ([7], [8])]), places=["a", "b"])
    loaders = [evaluation_loader(corpus, DataConfig(), Place(rank, 2)) for rank in range(2)]
    assert sorted(int(batch.ids[0]) for loader in loaders for batch in loader) == [0, 1]
    assert [len(loader) for loader in loaders] == [1, 1]


def test_more_ranks_than_batches(tmp_path: Path) -> None:
    """A rank without a batch of its own evaluates another's, which counts for nothing: without any, all hung."""
    corpus = EncodedCorpus(write_corpus(tmp_path, [([5], [6])]), places=["a", "b"])
    data = DataConfig()
    loaders = [evaluation_loader(corpus, data, Place(rank, 3)) for rank in range(3)]
    assert [len(loader) for loader in loaders] == [1, 1, 1]
    assert [batch.ids.tolist() for loader in loaders for batch in loader] == [[0], [LENT], [LENT]]
    first, second, _ = (next(iter(loader)) for loader in loaders)
    assert torch.equal(first.source, second.source)
    assert [len(list(loader_of(corpus, place=Place(rank, 2)))) for rank in range(2)] == [1, 1]


def test_of_no_pairs_there_are_no_batches(corpus: EncodedCorpus) -> None:
    """There was an IndexError at the first one."""
    nothing = np.zeros(0, np.int32)
    for rank in range(2):
        plan = evaluation_plan(nothing, nothing, BUDGET, Place(rank, 2))
        loader = EvaluationLoader(plan, TranslationBatches(corpus))
        assert len(loader) == 0 and list(loader) == []
