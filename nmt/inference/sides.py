"""A text with its pieces and its words: what is looked at where something is copied by attention."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple, get_args

from nmt.inference.splitting import is_unspaced
from nmt.text.normalize import Form, normalize
from nmt.text.protected import WHOLE, protected_spans
from nmt.text.spans import piece_spans

OPENING: Final = "([{<\"'«„“‚‘¿¡"
CLOSING: Final = ".,;:!?)]}>\"'»”“’…"


class Word(NamedTuple):
    """Characters between spaces, one of a script without spaces, or an address, a placeholder or emoji.

    `core` leaves out punctuation around it.
    """

    begin: int
    end: int
    core: tuple[int, int]


class Side(NamedTuple):
    """A text with its pieces and words."""

    text: str
    pieces: list[tuple[int, int]]
    words: list[Word]

    def inside(self, begin: int, end: int) -> list[int]:
        """Indices of the pieces that share characters with a part of the text."""
        return [index for index, (first, last) in enumerate(self.pieces) if first < end and last > begin]


def source_side(source: str, pieces: Sequence[str]) -> Side | None:
    """The source in the form of its tokenizer, which its pieces tell; None where no form is spelt by them."""
    forms: tuple[Form, ...] = get_args(Form)
    return next((side for form in forms if (side := side_of(normalize(source, form), pieces)) is not None), None)


def side_of(text: str, pieces: Sequence[str]) -> Side | None:
    """A text as it is; None where its pieces do not spell it."""
    spans = piece_spans(text, pieces)
    return None if spans is None else Side(text, spans, _words(text))


def _words(text: str) -> list[Word]:
    whole = {}
    for one in protected_spans(text, WHOLE):
        whole.update(dict.fromkeys(range(one.begin, one.end), one.begin))
    words = []
    for place, character in enumerate(text):
        if not character.isspace() and is_unspaced(character):
            whole.setdefault(place, place)
    for kind, group in groupby(
        range(len(text)), key=lambda place: whole.get(place, -2 if text[place].isspace() else -1)
    ):
        places = list(group)
        begin, end = places[0], places[-1] + 1
        if kind == -1:
            words.append(Word(begin, end, _core(text, begin, end)))
        elif kind >= 0:
            words.append(Word(begin, end, (begin, end)))
    return words


def _core(text: str, begin: int, end: int) -> tuple[int, int]:
    """A word without the punctuation around it; one of nothing else is kept whole."""
    first, last = begin, end
    while first < last and text[first] in OPENING:
        first += 1
    while last > first and text[last - 1] in CLOSING:
        last -= 1
    return (first, last) if first < last else (begin, end)
