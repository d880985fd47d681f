"""What must come through a translation as it is (addresses, numbers, emoji, placeholders), copied by attention.

1.  The source is searched for what is protected (`nmt.text.protected`); with `unknown`, words with a character that the
    source tokenizer does not know are protected too, as the model could not read them.
2.  What stands in the output as it does in the source is left alone, each place for one. Of numbers only the digits
    must agree: "1,000" and "1.000" are translations of each other.
3.  Of the rest, each replaces the words of the output that look at it: at least half of the pieces of such a word give
    most of their attention to pieces of it. Words side by side go together, and the group that looks most is taken; a
    number takes the place of another number among them, if there is one. No word is replaced twice, nor what was
    found in 2.
4.  Where no word looks, an address, a placeholder and emoji are put behind the word that looks at what stands before
    them in the source. Numbers and unknown words are left out then: they may well have been translated. Numbers that
    are no words in running text are named by `left_out`, for somebody to look.
5.  With `unknown`, an output word with an unknown piece or a broken character is replaced by the source word that it
    looks at.

Pieces of either side that do not spell its text leave the output as it is.
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from jaxtyping import Float
from torch import Tensor

from nmt.inference.sides import CLOSING, OPENING, Side, Word, side_of, source_side
from nmt.text.normalize import single_line
from nmt.text.protected import KINDS, NUMBERS, WHOLE, Kind, Protected, alike, missing, places, protected_spans
from nmt.text.spans import BROKEN_MARK, UNKNOWN_MARK
from nmt.text.tokenizer import SPECIAL_PIECES, UNKNOWN

__all__ = ["KINDS", "Kind", "carry_through", "left_out"]


# German and English spell these out ("3 Hunde", "three dogs"), so that a lone 3 which is no longer there is mostly
# translated, and a warning that is mostly wrong is read by nobody. The price: a small number that is lost is not named.
SPELT_OUT: Final = frozenset(map(str, range(13)))


class _Edit(NamedTuple):
    """What replaces a part of the output; an insertion where the part is empty."""

    begin: int
    end: int
    text: str


def carry_through(
    source: str,
    output: str,
    *,
    source_pieces: Sequence[str],
    output_pieces: Sequence[str],
    attention: Float[Tensor, "T S"],
    kinds: Collection[Kind] = KINDS,
) -> str:
    """The output of one part of a line (before parts are joined), with what was lost or garbled put back.

    `source` and `output` are the texts, `source_pieces` and `output_pieces` their pieces as `Translation` and
    `TranslatedHypothesis` have them, with or without the `</s>` at their ends (`Tokenizer.pieces`); row t of
    `attention` is where output piece t looked. An output in which nothing is to be done comes back as it is.
    """
    left, right = source_side(source, source_pieces), side_of(output, output_pieces)
    if left is None or right is None or not left.pieces or attention.shape[0] < len(right.pieces):
        return output
    unknown = "unknown" in kinds
    protected = _protected(left, source_pieces, kinds)
    if not protected and not (unknown and any(mark in output for mark in (UNKNOWN_MARK, BROKEN_MARK))):
        return output
    copying = _Copying(left, right, attention[: len(right.pieces), : len(left.pieces)])
    for one in copying.settle_kept(protected):
        copying.restore(one)
    if unknown:
        copying.restore_unknown(output_pieces)
    return copying.result()


def left_out(source: str, output: str, *, source_pieces: Sequence[str], kinds: Collection[Kind] = KINDS) -> list[str]:
    """What an output lacks all the same: addresses, placeholders, emoji and numbers of its source, as they stand there.

    Unknown words are none of it, nor numbers that are `SPELT_OUT`, which 05, 3.5 and 3:30 are not. `source` and
    `source_pieces` are those of `carry_through`.
    """
    left = source_side(source, source_pieces)
    lost = missing(source if left is None else left.text, output, kinds)
    return [one.text for one in lost if one.kind != "numbers" or one.text not in SPELT_OUT]


class _Copying:
    """One output on its way: which of it is settled, and what is to be changed."""

    def __init__(self, source: Side, output: Side, attention: Float[Tensor, "T S"]) -> None:
        self.source, self.output = source, output
        self.attention: list[list[float]] = attention.tolist()
        self.looks: list[int] = attention.argmax(1).tolist()
        self.settled: list[tuple[int, int]] = []
        self.edits: list[_Edit] = []

    def settle_kept(self, protected: Sequence[Protected]) -> list[Protected]:
        """Settle what the output has as it is, by who looks at which where it has fewer than the source; the rest."""
        lost: list[Protected] = []
        for same in alike(protected):
            left = dict(enumerate(same))
            pairs = [
                (-self._weight([place], self.source.inside(one.begin, one.end)), place, index)
                for place in places(same[0], self.output.text)
                for index, one in left.items()
            ]
            for _, place, index in sorted(pairs):
                if index in left and self._is_free(*place):
                    self.settled.append(place)
                    del left[index]
            lost += left.values()
        return sorted(lost)

    def restore(self, one: Protected) -> None:
        """Put it where the output looks at it, or behind what stands before it."""
        pieces = self.source.inside(one.begin, one.end)
        group = max(
            self._groups(pieces), key=lambda words: self._weight([word.core for word in words], pieces), default=None
        )
        if group is not None:
            begin, end = group[0].core[0], group[-1].core[1]
            begin, end = self._number_within(begin, end) if one.kind == "numbers" else self._with_marks(begin, end, one)
            self._settle(begin, end, one.text)
        elif one.kind in WHOLE:
            place = self._behind(pieces)
            self.edits.append(_Edit(place, place, f" {one.text} "))

    def restore_unknown(self, pieces: Sequence[str]) -> None:
        """Replace what could not be written by the source word that it looks at, once for neighbours that agree."""
        before = None
        for word in self.output.words:
            inside = self.output.inside(*word.core)
            broken = BROKEN_MARK in self.output.text[slice(*word.core)]
            if not (broken or any(pieces[index] == SPECIAL_PIECES[UNKNOWN] for index in inside)):
                before = None
            elif self._is_free(*word.core):
                sums = [
                    sum(self.attention[index][place] for index in inside) for place in range(len(self.source.pieces))
                ]
                begin, end = self.source.pieces[sums.index(max(sums))]
                core = next((own.core for own in self.source.words if begin < own.core[1] and end > own.core[0]), None)
                if core is not None:
                    self._settle(*word.core, "" if core == before else self.source.text[slice(*core)])
                before = core

    def result(self) -> str:
        """The output with all changes made."""
        if not self.edits:
            return self.output.text
        written, at = "", 0
        for edit in sorted(self.edits, key=lambda edit: edit[:2]):
            written += self.output.text[at : max(at, edit.begin)] + edit.text
            at = max(at, edit.end)
        return single_line(written + self.output.text[at:])

    def _settle(self, begin: int, end: int, text: str) -> None:
        self.settled.append((begin, end))
        self.edits.append(_Edit(begin, end, text))

    def _is_free(self, begin: int, end: int) -> bool:
        return all(end <= first or begin >= last for first, last in self.settled)

    def _groups(self, pieces: list[int]) -> Iterator[list[Word]]:
        """Neighbouring words that look at these source pieces, without punctuation at either end of a group."""
        for looking, words in groupby(self.output.words, key=lambda word: self._is_looking(word, pieces)):
            group = list(words) if looking else []
            while group and self._is_punctuation(group[0]):
                group.pop(0)
            while group and self._is_punctuation(group[-1]):
                group.pop()
            if group:
                yield group

    def _is_looking(self, word: Word, pieces: list[int]) -> bool:
        inside = self.output.inside(*word.core)
        looking = sum(self.looks[index] in pieces for index in inside)
        return looking > 0 and 2 * looking >= len(inside) and self._is_free(*word.core)

    def _is_punctuation(self, word: Word) -> bool:
        return all(unicodedata.category(character)[0] == "P" for character in self.output.text[slice(*word.core)])

    def _weight(self, parts: Sequence[tuple[int, int]], pieces: list[int]) -> float:
        """How much these parts of the output look at these source pieces."""
        rows = [index for part in parts for index in self.output.inside(*part)]
        return sum(self.attention[row][piece] for row in rows for piece in pieces)

    def _number_within(self, begin: int, end: int) -> tuple[int, int]:
        """The first number of a part of the output, or the whole part."""
        for number in protected_spans(self.output.text, NUMBERS):
            if begin <= number.begin and number.end <= end and self._is_free(number.begin, number.end):
                return number.begin, number.end
        return begin, end

    def _with_marks(self, begin: int, end: int, one: Protected) -> tuple[int, int]:
        """More of the output where what is beside the part is what this begins or ends with, as braces are."""
        text = self.output.text
        opening = one.text[: len(one.text) - len(one.text.lstrip(OPENING))]
        closing = one.text[len(one.text.rstrip(CLOSING)) :]
        while opening and begin > 0 and text[begin - 1] == opening[-1]:
            begin, opening = begin - 1, opening[:-1]
        while closing and end < len(text) and text[end] == closing[0]:
            end, closing = end + 1, closing[1:]
        return begin, end

    def _behind(self, pieces: list[int]) -> int:
        """The end of the word that looks at the nearest source piece before these; 0 where there is none."""
        for before in range(min(pieces, default=0) - 1, -1, -1):
            ends = [self.output.pieces[row][1] for row, look in enumerate(self.looks) if look == before]
            for word in self.output.words:
                if ends and word.begin < max(ends) <= word.end:
                    return word.core[1] if max(ends) <= word.core[1] else word.end
        return 0


def _protected(source: Side, pieces: Sequence[str], kinds: Collection[Kind]) -> list[Protected]:
    """What is to come through, from left to right."""
    found = protected_spans(source.text, kinds)
    if "unknown" in kinds:
        unknown = [span for span, piece in zip(source.pieces, pieces, strict=True) if piece == SPECIAL_PIECES[UNKNOWN]]
        for word in source.words:
            begin, end = word.core
            if any(first < end and last > begin for first, last in unknown) and all(
                end <= one.begin or begin >= one.end for one in found
            ):
                found.append(Protected(begin, end, source.text[begin:end], "unknown"))
    return sorted(found)
