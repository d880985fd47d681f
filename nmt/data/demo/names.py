"""Invented names of persons and cities, put together from syllables: a space of many thousands, cut in two.

The names of the held-out sets never occur in training, though each of their syllables does: a model has to copy them.
"""

from random import Random
from typing import Final
from zlib import crc32

_SYLLABLES: Final = {
    "first": "Bal Bor Dal Dar Fan Fel Gar Gor Hal Jor Kal Kar Kel Kir Lan Lar Lor Mal Mar Mel Mir Nal Nor Pal Per Ral "
    "Ron Sal San Sor Tal Tar Tel Tor Val Var Vel Wal Zan Zel",
    "middle": "a e i o da la mi ra ro ve",
    "person": "bin dan din dor gan kas ken kim kus lan lin los mar min mos nar nek nik pek ris rok sen sik tan tin tok "
    "ven vik zin",
    "city": "bach berg burg dorf feld furt hagen hausen heim hofen ingen kirch leben rode stein tal wald",
}
_FIRST, _MIDDLE, _PERSON, _CITY = (text.split() for text in _SYLLABLES.values())
HELD_OUT_SHARE: Final = 5  # one name in five


def is_held_out(name: str) -> bool:
    """Whether a name is kept for the held-out sets: decided by a checksum, so without any list."""
    return crc32(name.encode()) % HELD_OUT_SHARE == 0


def person(random: Random, *, held_out: bool) -> str:
    """A surname of two or three syllables."""
    return _draw(random, _PERSON, held_out=held_out)


def city(random: Random, *, held_out: bool) -> str:
    """A city, recognisable by its German ending."""
    return _draw(random, _CITY, held_out=held_out)


def _draw(random: Random, endings: list[str], *, held_out: bool) -> str:
    while True:
        middle = random.choice(_MIDDLE) if random.random() < 0.6 else ""
        name = random.choice(_FIRST) + middle + random.choice(endings)
        if is_held_out(name) == held_out:
            return name
