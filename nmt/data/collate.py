"""Pairs of a corpus → one padded batch, by whole-array operations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from nmt.data.arrays import Int64
from nmt.data.batch import TranslationBatch
from nmt.data.corpus import Corpus, Sentences
from nmt.text.tokenizer import END, START, Tokenizers


class SubwordSampling(NamedTuple):
    """Subword regularisation (Kudo 2018): another random segmentation of every sentence in every epoch.

    It depends on (seed, epoch, position in the corpus) alone: not on processes, ranks, or where training was resumed.
    """

    tokenizers: Tokenizers
    alpha: float
    seed: int
    epoch: int

    def segment(self, corpus: Corpus, indices: Int64) -> tuple[Sentences, Sentences]:
        """Sampled ids of the sources and targets of some pairs."""
        texts = corpus.texts([int(index) for index in indices])
        sides = []
        for side, tokenizer in enumerate(self.tokenizers):
            seeds = np.random.SeedSequence([self.seed, self.epoch, side]).generate_state(1)[0]
            sampled = [
                tokenizer.sample(text[side], alpha=self.alpha, seed=_mix(int(seeds), int(index)))
                for text, index in zip(texts, indices, strict=True)
            ]
            sides.append(Sentences.from_lists(sampled))
        return sides[0], sides[1]


def collate(
    corpus: Corpus, indices: Sequence[int] | Int64, *, sampling: SubwordSampling | None = None
) -> TranslationBatch:
    """The pairs at `indices` as int64 tensors, padded with 0 to the longest of their side.

    With `sampling`, a batch may grow over the budget it was planned for, since other segmentations have more pieces.
    """
    ids = np.asarray(indices, dtype=np.int64)
    rows, source, target = ids, corpus.source_ids, corpus.target_ids
    if sampling is not None:
        source, target = sampling.segment(corpus, ids)
        rows = np.arange(len(ids))
    source_lengths = source.lengths[rows].astype(np.int64) + 1
    target_lengths = target.lengths[rows].astype(np.int64) + 1
    source_width, target_width = (int(lengths.max(initial=0)) for lengths in (source_lengths, target_lengths))
    return TranslationBatch(
        source=torch.from_numpy(source.padded(rows, source_width, after=[END])),
        source_lengths=torch.from_numpy(source_lengths),
        target_input=torch.from_numpy(target.padded(rows, target_width, before=[START])),
        target_output=torch.from_numpy(target.padded(rows, target_width, after=[END])),
        target_lengths=torch.from_numpy(target_lengths),
        ids=torch.from_numpy(ids.copy()),
    )


def _mix(seed: int, index: int) -> int:
    """32 bits that differ for neighbouring indices (the finaliser of SplitMix64)."""
    mixed = (seed + (index + 1) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 31)) & 0xFFFFFFFF
