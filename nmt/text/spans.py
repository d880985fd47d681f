"""Where the pieces of a tokenizer stand in the text that they were made of, or that was made of them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from nmt.text.normalize import SPACE_SIGN
from nmt.text.tokenizer import SPECIAL_PIECES, UNKNOWN

UNKNOWN_MARK: Final = "\u2047"  # as which SentencePiece writes an unknown piece: ⁇
BROKEN_MARK: Final = "\ufffd"  # as which it writes a byte that is no character
_UNKNOWN_PIECE: Final = SPECIAL_PIECES[UNKNOWN]
_UNREAD: Final = frozenset(SPECIAL_PIECES) - {_UNKNOWN_PIECE}  # stand for no text
_BYTE: Final = re.compile("<0x([0-9A-F]{2})>")


def piece_spans(text: str, pieces: Sequence[str]) -> list[tuple[int, int]] | None:
    """Begin and end in `text` of every piece, without the space before it; None where the pieces do not spell the text.

    White space counts for nothing. Byte pieces have the whole character that they are part of. An unknown piece stands
    for one `UNKNOWN_MARK`, or in a text that was tokenized for one character or more up to where the next piece goes
    on. A piece without text, such as `</s>`, is empty, at the end of the one before.
    """
    solid = [place for place, character in enumerate(text) if not character.isspace()]
    bare = "".join(text[place] for place in solid)
    ends: list[tuple[int, int]] = []
    spelled = list(_spelled(pieces))
    for index, (letters, continues) in enumerate(spelled):
        begin = ends[-1][1] if ends else 0
        if continues:  # a byte of the same character
            ends.append(ends[-1])
            continue
        if letters is None:
            letters = bare[begin : _unknown_end(bare, begin, [one for one, _ in spelled[index + 1 :]])]
        if not bare.startswith(letters, begin) or (not letters and pieces[index] == _UNKNOWN_PIECE):
            return None
        ends.append((begin, begin + len(letters)))
    if (ends[-1][1] if ends else 0) != len(bare):
        return None
    return [(solid[begin], solid[end - 1] + 1) if end > begin else _empty(solid, end) for begin, end in ends]


def _empty(solid: list[int], end: int) -> tuple[int, int]:
    place = solid[end - 1] + 1 if end else 0
    return place, place


def _spelled(pieces: Sequence[str]) -> Iterator[tuple[str | None, bool]]:
    """The letters of each piece, None for an unknown one; and whether it belongs to the character before."""
    index = 0
    while index < len(pieces):
        numbers = list[int]()
        while index + len(numbers) < len(pieces) and len(numbers) < 4:
            found = _BYTE.fullmatch(pieces[index + len(numbers)])
            if found is None:
                break
            numbers.append(int(found[1], 16))
        if numbers:
            character, length = _first_character(bytes(numbers))
            yield "".join(character.split()), False
            yield from (("", True) for _ in range(length - 1))
            index += length
            continue
        piece = pieces[index]
        if piece == _UNKNOWN_PIECE:
            yield None, False
        else:
            yield "" if piece in _UNREAD else "".join(piece.replace(SPACE_SIGN, " ").split()), False
        index += 1


def _first_character(numbers: bytes) -> tuple[str, int]:
    """The character that begins there and its bytes; `BROKEN_MARK` for one byte where none does."""
    for length in range(1, len(numbers) + 1):
        try:
            return numbers[:length].decode(), length
        except UnicodeDecodeError:
            continue
    return BROKEN_MARK, 1


def _unknown_end(bare: str, begin: int, following: Sequence[str | None]) -> int:
    """Where an unknown piece ends: behind its mark, else where what follows can go on."""
    if bare.startswith(UNKNOWN_MARK, begin):
        return begin + 1
    next_letters = next((letters for letters in following if letters != ""), "")
    if next_letters == "":
        return len(bare)
    if next_letters is None:  # another unknown piece, behind a space: nothing tells how the two share
        return begin + 1
    found = bare.find(next_letters, begin + 1)
    return len(bare) if found < 0 else found
