"""Lines too long to translate at once: split at sentence ends, and only where that is not enough in smaller parts.

A recurrent model that never saw more than a hundred tokens loses the thread in a thousand, and a line of a million
would not fit into memory. Four levels, each tried on what is still too long after the one before: sentences, clauses,
words, and as a last resort pieces of a word. Sentences stay alone, because models are trained on single ones; the
smaller units are packed together again as far as the limit allows. Nothing is lost: the parts are the line, without
the white space between.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

# A stop, whatever closes behind it, and white space before the next sentence; a full-width stop needs no space. A match
# begins only where a run of stops does, or a line of nothing but stops would take time squared.
_SENTENCE_END: Final = re.compile(
    r"""(?<![.!?…؟۔।॥։።])[.!?…؟۔।॥։።]++ ["'”’»›)\]}]*+ (?=\s) | (?<![。！？｡])[。！？｡]++ ["'”’»›」』）】)\]}]*+""",
    re.VERBOSE,
)
_CLAUSE_END: Final = re.compile(r"[,;:،؛](?=\s)|(?<=\s)[–—-](?=\s)|[，、；：—]")
_WORD_END: Final = re.compile(r"(?=\s)")

# Words before a full stop that ends no sentence: English, German, French. A missed split costs nothing, as clauses and
# words follow; a wrong one tears a name from its title.
_ABBREVIATIONS: Final = frozenset(
    "mr mrs ms dr prof st vs etc cf fig figs vol pp no approx inc ltd jr sr gen col capt lt sgt rev hon dept est"
    " jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e a.m p.m u.s"
    " z.b d.h u.a o.ä bzw ca usw nr abs art abb bd hr fr str evtl ggf vgl mio mrd geb gest sog inkl zzgl"
    " m mm mme mlle p.ex env".split()
)
_JOINS_BOTH: Final = "\u200d"  # zero-width joiner


def split_line(line: str, limit: int, *, count: Callable[[str], int]) -> tuple[str, ...]:
    """The parts of a line of more than `limit` tokens, each within it; a shorter line, or an empty one, is one part.

    `count` tells how many tokens a text has. A single character of more than `limit` tokens stays whole.
    """
    if count(line) <= limit:
        return (line,)
    return tuple(
        part for sentence in split_sentences(line) for part in _shorten(sentence, limit, count, level=0) if part.strip()
    ) or (line,)


def split_sentences(line: str) -> list[str]:
    """The sentences of a line, without the white space between them."""
    return [sentence.strip() for sentence in _cut(line, _SENTENCE_END, _ends_sentence)]


def join_parts(parts: list[str]) -> str:
    """Translated parts as one line: a space between them, but none between two characters of scripts without spaces."""
    line = ""
    for part in filter(None, parts):
        gap = " " if line and not (is_unspaced(line[-1]) and is_unspaced(part[0])) else ""
        line += gap + part
    return line


def _shorten(text: str, limit: int, count: Callable[[str], int], *, level: int) -> Iterator[str]:
    """The text, or parts of it of at most `limit` tokens made of the units of this level or of those below."""
    if count(text) <= limit or len(text) == 1:
        yield text
    elif level == len(_UNITS):
        middle = _middle(text)
        yield from _shorten(text[:middle].strip(), limit, count, level=level)
        yield from _shorten(text[middle:].strip(), limit, count, level=level)
    else:
        for packed in _packed(_cut(text, _UNITS[level]), limit, count):
            yield from _shorten(packed.strip(), limit, count, level=level + 1)


_UNITS: Final = (_CLAUSE_END, _WORD_END)


def _packed(units: list[str], limit: int, count: Callable[[str], int]) -> Iterator[str]:
    """Neighbouring units together as long as their tokens, counted one by one, are within the limit."""
    packed, tokens = "", 0
    for unit in units:
        more = count(unit)
        if packed and tokens + more > limit:
            yield packed
            packed, tokens = "", 0
        packed, tokens = packed + unit, tokens + more
    if packed:
        yield packed


def _cut(text: str, mark: re.Pattern[str], accepted: Callable[[str, int], bool] | None = None) -> list[str]:
    """The text cut behind every mark that is accepted; all of it, and no empty piece."""
    begin, units = 0, []
    for found in mark.finditer(text):
        end = found.end()
        if begin < end < len(text) and (accepted is None or accepted(text, end)):
            units.append(text[begin:end])
            begin = end
    return [*units, text[begin:]]


def _ends_sentence(text: str, end: int) -> bool:
    """Whether the stop before `end` ends a sentence: no small letter follows, and no abbreviation is before it."""
    rest = text[end : end + 80].lstrip().lstrip("\"'„“”‘«»¿¡([")
    if rest and rest[0].islower():
        return False
    last = text[max(0, end - 24) : end].split()[-1].lstrip("([\"'„“«").lower()
    if not last.endswith("."):
        return True
    word = last[:-1]
    is_ordinal = word.isdigit() and len(word) <= 2  # "am 3. Mai"
    is_initial = len(word) == 1 and word.isalpha() and word.isascii()  # "J. S. Bach"
    return not (word in _ABBREVIATIONS or is_ordinal or is_initial)


def _middle(text: str) -> int:
    """About half of the text, but not between a character and the marks that belong to it."""
    middle = len(text) // 2
    for cut in range(middle, max(0, middle - 20), -1):
        belongs = unicodedata.category(text[cut])[0] == "M" or _JOINS_BOTH in text[cut - 1 : cut + 1]
        if not belongs:
            return cut
    return middle


def is_unspaced(character: str) -> bool:
    """Whether the character is of a script that is written without spaces: Chinese and Japanese, with their marks."""
    return "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uffef"
