"""Cuts what the grammar draws into training and held-out sets that share no sentence, no name and no withheld pair."""

import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Final, NamedTuple
from zlib import crc32

from nmt.data.demo import nouns
from nmt.data.demo.adjectives import BY_CLASS
from nmt.data.demo.phrases import Pair
from nmt.data.demo.sentences import Sentences
from nmt.data.demo.withheld import Combination, is_withheld
from nmt.errors import DataError

SPLITS: Final[Mapping[str, int]] = {  # pairs in each
    "train": 20_000,
    "validation": 500,
    "test": 1_000,
    "test_long": 500,
    "test_new": 500,
}
LONGEST: Final = 20  # words of the longest sentence, in either language, of every split but test_long
_LONGEST_OF_ALL: Final = 45

# Ordinary sentences go to a split by a checksum of their English: the same sentence can never be in two.
_BUCKETS: Final = 16
_BUCKET_OF: Final[Mapping[str, int]] = {"validation": 0, "test": 1}


class Sample(NamedTuple):
    """A drawn pair with what the splits are cut by."""

    pair: Pair
    names: tuple[str, ...]
    combinations: tuple[Combination, ...]


def generate(split: str, *, seed: int = 1) -> list[tuple[str, str]]:
    """The German-English pairs of one split, the same for a seed in every process.

    No seed's held-out pairs are among any seed's training pairs. Raises DataError for a split there is not.
    """
    return [(sample.pair.german, sample.pair.english) for sample in samples(split, seed=seed)]


def samples(split: str, *, seed: int = 1) -> Iterator[Sample]:
    """As `generate`, with the names and the combinations of words in each pair."""
    if split not in SPLITS:
        raise DataError(f"the demo corpus has no split {split!r}; it has {', '.join(SPLITS)}")
    return _samples(split, seed)


def _samples(split: str, seed: int) -> Iterator[Sample]:
    sentences = Sentences(Random(f"{seed} {split}"), held_out_names=split != "train", withhold=split != "test_new")
    translations: dict[str, str] = {}
    while len(translations) < SPLITS[split]:
        sentences.forget((0, 0))
        pair = sentences.long_sentence(LONGEST) if split == "test_long" else sentences.sentence()
        if pair.german in translations or not _belongs(pair, split):
            continue
        met = tuple(sentences.met)
        if split == "test_new" and not any(is_withheld(c) and is_told(c, pair.german) for c in met):
            continue
        translations[pair.german] = pair.english
        yield Sample(pair, tuple(sentences.names), met)


def _belongs(pair: Pair, split: str) -> bool:
    """Whether length and checksum give the pair to the split; the pairs of test_new are new by what they combine."""
    words = [len(text.split()) for text in pair]
    if split == "test_long":
        return max(words) <= _LONGEST_OF_ALL  # and longer than LONGEST, as they are drawn
    if max(words) > LONGEST:
        return False
    bucket = crc32(pair.english.encode()) % _BUCKETS
    if split == "train":
        return bucket not in _BUCKET_OF.values()
    return split == "test_new" or bucket == _BUCKET_OF[split]


_STEMS: Final = {entry.german: entry.stem for entries in BY_CLASS.values() for entry in entries}


def is_told(combination: Combination, sentence: str) -> bool:
    """Whether a German sentence still has the words of a combination: a question may have taken its object away."""
    if combination.kind not in ("adjective", "object"):
        return True
    forms = "|".join(sorted(set(nouns.BY_LEMMA[combination.right].forms.values())))
    if combination.kind == "object":
        return re.search(rf"\b(?:{forms})\b", sentence) is not None
    stem = _STEMS[combination.left]
    return re.search(rf"\b{stem}e[mnrs]?\b(?: \w+e[mnrs]?)? (?:{forms})\b", sentence, re.IGNORECASE) is not None
