"""Batches hold the pairs they are asked for, and nothing else but padding."""

import multiprocessing
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.data import TokenizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.collate import SubwordSampling, collate
from nmt.data.corpus import Sentences
from nmt.text.tokenizer import END, PAD, START, Tokenizer, Tokenizers

PAIRS = st.lists(st.tuples(*[st.lists(st.integers(4, 999), max_size=6)] * 2), min_size=1, max_size=12)


class MemoryCorpus:
    """A `Corpus` of lists of ids and, where wanted, texts."""

    def __init__(self, pairs: Sequence[tuple[list[int], list[int]]], texts: Sequence[tuple[str, str]] = ()) -> None:
        self.source_ids = Sentences.from_lists([source for source, _ in pairs])
        self.target_ids = Sentences.from_lists([target for _, target in pairs])
        self._texts = list(texts)

    def __len__(self) -> int:
        return len(self.source_ids)

    def texts(self, indices: Sequence[int]) -> list[tuple[str, str]]:
        return [self._texts[index] for index in indices]


def unpad(batch: TranslationBatch) -> list[tuple[list[int], list[int]]]:
    """The pairs of a batch, after a check that all special ids and padding stand where they should."""
    pairs = []
    for row in range(len(batch.ids)):
        n, m = int(batch.source_lengths[row]), int(batch.target_lengths[row])
        source, entered, left = (part[row].tolist() for part in (batch.source, batch.target_input, batch.target_output))
        assert source[n - 1] == END
        assert set(source[n:]) <= {PAD}
        assert entered[0] == START
        assert left[m - 1] == END
        assert entered[1:m] == left[: m - 1]
        assert set(entered[m:]) | set(left[m:]) <= {PAD}
        pairs.append((source[: n - 1], left[: m - 1]))
    return pairs


@given(pairs=PAIRS, data=st.data())
def test_round_trip(pairs: list[tuple[list[int], list[int]]], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=8))
    batch = collate(MemoryCorpus(pairs), indices)
    assert unpad(batch) == [pairs[index] for index in indices]
    assert batch.ids.tolist() == indices
    assert all(part.dtype == torch.int64 for part in batch)
    for side, lengths in ((batch.source, batch.source_lengths), (batch.target_input, batch.target_lengths)):
        assert side.shape[1] == int(lengths.max())
    assert batch.target_input.shape == batch.target_output.shape


SENTENCES = [f"the {a} {b} is here today" for a in ("small", "red", "old") for b in ("house", "garden", "street")]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    config = TokenizerConfig(vocabulary_size=310, kind="bpe")
    tokenizer = Tokenizer.train(SENTENCES * 20, config=config)
    return Tokenizers(tokenizer, tokenizer)


@pytest.fixture(scope="module")
def corpus(tokenizers: Tokenizers) -> MemoryCorpus:
    texts = list(zip(SENTENCES, reversed(SENTENCES), strict=True))
    return MemoryCorpus([(tokenizers.source.encode(s), tokenizers.target.encode(t)) for s, t in texts], texts)


class TestSubwordSampling:
    def test_other_pieces_of_the_same_text_every_epoch(self, corpus: MemoryCorpus, tokenizers: Tokenizers) -> None:
        indices = [3, 1, 4]
        plain = unpad(collate(corpus, indices))
        sampled = [
            unpad(collate(corpus, indices, sampling=SubwordSampling(tokenizers, 0.3, 1, epoch))) for epoch in (0, 1)
        ]
        assert plain != sampled[0] != sampled[1]
        for batch in sampled:
            assert [(tokenizers.source.decode(s), tokenizers.target.decode(t)) for s, t in batch] == corpus.texts(
                indices
            )

    def test_a_pair_is_cut_the_same_wherever_it_stands(self, corpus: MemoryCorpus, tokenizers: Tokenizers) -> None:
        """Not by batch-mates, order, or what was sampled before: so resuming and workers change nothing."""
        sampling = SubwordSampling(tokenizers, 0.3, 1, 5)
        together = unpad(collate(corpus, np.arange(9), sampling=sampling))
        assert [unpad(collate(corpus, [index], sampling=sampling))[0] for index in range(8, -1, -1)] == together[::-1]

    def test_seeds_and_sides_differ(self, tokenizers: Tokenizers) -> None:
        text = SENTENCES[0]
        corpus = MemoryCorpus([([4], [4])] * 2, [(text, text)] * 2)
        batches = [
            unpad(collate(corpus, [0, 1], sampling=SubwordSampling(tokenizers, 0.5, seed, 0))) for seed in (1, 2)
        ]
        cuts = [tuple(side) for batch in batches for pair in batch for side in pair]
        assert len(set(cuts)) == len(cuts)  # seed, index and side all matter

    def test_other_processes_agree(self, corpus: MemoryCorpus, tokenizers: Tokenizers) -> None:
        sampling = SubwordSampling(tokenizers, 0.3, 1, 2)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            there = pool.apply(sampled_sources, (sampling,))
        assert there == sampled_sources(sampling)


def sampled_sources(sampling: SubwordSampling) -> list[list[int]]:
    texts = [(sentence, sentence) for sentence in SENTENCES]
    corpus = MemoryCorpus([([4], [4])] * len(texts), texts)
    return [source for source, _ in unpad(collate(corpus, np.arange(len(texts)), sampling=sampling))]
