"""Which combinations of words training never shows, though it shows each of their words with others.

A checksum decides, so that the set is the same everywhere and needs no list: about one combination in eight.
"""

from functools import cache
from typing import NamedTuple
from zlib import crc32


class Combination(NamedTuple):
    """Two things that meet in a sentence.

    `kind` is "adjective" (adjective + its noun), "object" (verb + its object's noun), "modal" (modal + verb) or
    "relative" (verb + "relative": the verb inside a relative clause).
    """

    kind: str
    left: str
    right: str


@cache
def is_withheld(combination: Combination) -> bool:
    """Whether the combination is kept for the split `test_new`."""
    return crc32(" ".join(combination).encode()) % 8 == 0
