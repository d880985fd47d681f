"""What splits share that makes a score too good: writers, texts, nearly the same texts.

Two texts are nearly the same where the sets of their five-character pieces overlap by Jaccard's index (shared / all) of
`NEAR` or more: a line of forty characters with a letter changed has 0.76, with two 0.56. Such pairs share one of their
rarest pieces (prefix filtering, Bayardo et al. 2007, "Scaling Up All Pairs Similarity Search"): all are found, and a
hundred thousand lines take seconds, which shorter pieces, being common, would turn into minutes.
"""

import heapq
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

PIECE = 5  # characters
NEAR = 0.6
LEAST = 12  # pieces; of shorter lines ("Québec.", a date) many are alike by chance
SHORT = 10  # characters: a shorter text (a name, a year) stands in many places without having been copied
EXAMPLES = 3


class Split(NamedTuple):
    """One split's transcripts and the writer of each ("" where unknown)."""

    name: str
    texts: Sequence[str]
    writers: Sequence[str]


def find_leaks(splits: Sequence[Split]) -> list[str]:
    """One sentence for every pair of splits and kind of leak; case, punctuation and spaces make no difference."""
    forms = [[_plain(text) for text in split.texts] for split in splits]
    leaks: list[str] = []
    for first, second in combinations(range(len(splits)), 2):
        names = f"{splits[first].name} and {splits[second].name}"
        leaks += _same_writers(names, splits[first], splits[second])
        leaks += _same_texts(names, forms[first], forms[second])
        leaks += _near_texts(names, forms[first], forms[second])
    return leaks


def _same_writers(names: str, first: Split, second: Split) -> Iterator[str]:
    shared = sorted((set(first.writers) & set(second.writers)) - {""})
    if shared:
        lines = sum(writer in set(shared) for writer in second.writers)
        yield f"{names} share {_many(len(shared), 'writer')} of {_many(lines, 'line')}: {_listing(shared)}"


def _same_texts(names: str, first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    there = {text for text in first if len(text) >= SHORT}
    lines = [text for text in second if text in there]
    if lines:
        shared = list(dict.fromkeys(lines))
        yield f"{names} share {_many(len(shared), 'text')} of {_many(len(lines), 'line')}: {_listing(shared)}"


def _near_texts(names: str, first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    """Texts of the second split that are nearly, not wholly, one of the first."""
    wanted = {text: pieces for text in dict.fromkeys(second) if len(pieces := _pieces(text)) >= LEAST}
    frequency = Counter(piece for pieces in wanted.values() for piece in pieces)
    index: dict[str, list[str]] = defaultdict(list)
    for text, pieces in wanted.items():
        for piece in _rarest(pieces, frequency):
            index[piece].append(text)
    found: dict[str, str] = {}
    for text in dict.fromkeys(first):
        pieces = _pieces(text)
        if len(pieces) < LEAST or sum(piece in frequency for piece in pieces) < NEAR * len(pieces):
            continue
        candidates = {other for piece in _rarest(pieces, frequency) for other in index.get(piece, ())}
        for other in candidates - found.keys() - {text}:
            if len(pieces & wanted[other]) >= NEAR * len(pieces | wanted[other]):
                found[other] = text
    if found:
        pairs = [f"{text} ~ {found[text]}" for text in wanted if text in found]
        yield f"{names} share {_many(len(found), 'nearly equal text')}: {_listing(pairs)}"


def _pieces(text: str) -> frozenset[str]:
    return frozenset(text[start : start + PIECE] for start in range(len(text) - PIECE + 1))


def _rarest(pieces: Collection[str], frequency: Mapping[str, int]) -> list[str]:
    """So many of a text's rarest pieces that a text without any of them shares less than `NEAR` of all."""
    count = len(pieces) - math.ceil(NEAR * len(pieces)) + 1
    return heapq.nsmallest(count, pieces, key=lambda piece: (frequency.get(piece, 0), piece))


def _plain(text: str) -> str:
    """Letters and digits of a text in one case, words apart."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= 60 else f"{name[:57]}...") for name in names[:EXAMPLES])
    return shown + (", …" if len(names) > EXAMPLES else "")
