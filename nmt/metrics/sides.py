"""Do translations stand in the language of their sources? By the words they use, without knowing any language.

A word of one language is seldom one of another. So the share of the hypotheses' words that the sources use anywhere is
small, the share that the references use is large, for a bad translator as for a good one; the other way round, somebody
has swapped the sides of the test set, or the translator copies.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

_WORD: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\\W\\d_]+")  # a sign of CJK is a word
EVIDENCE: Final = 10  # different words of the sources alone; a small test set proves nothing
SHARE: Final = 0.3  # of all words, at least; the rest may be garbled
RATIO: Final = 2.0  # between both shares


def are_in_source_language(
    hypotheses: Sequence[str], sources: Iterable[str], references: Iterable[Sequence[str]]
) -> bool:
    """Whether far more of the hypotheses' words are the sources' than the references' (each a list of lines)."""
    used = Counter(word for line in hypotheses for word in _words(line))
    of_sources = {word for line in sources for word in _words(line)}
    of_references = {word for lines in references for line in lines for word in _words(line)}
    if len((of_sources & used.keys()) - of_references) < EVIDENCE:
        return False
    left, right = (sum(count for word, count in used.items() if word in side) for side in (of_sources, of_references))
    return left >= SHARE * used.total() and left >= RATIO * right


def _words(line: str) -> list[str]:
    return _WORD.findall(line.casefold())
