"""A translation as what is written for it: plain text, an n-best list, or a JSON object."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nmt.cli.lines import one_line

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.inference.translation import TranslatedHypothesis, Translation

ALIGNMENTS: Final = ("none", "hard", "soft")
NAMED_LINES: Final = 10  # of each kind of remark
REMARKS: Final = {
    "cut": "reached the maximum length and may lack an end; raise --max-length or --max-length-ratio",
    "lacks_term": "came out without a term of the glossary; if the search did not reach it, raise --beam-size",
    "lacks_copy": "came out without what stands in brackets, for which --copy found no place; look at them",
}


class Row(NamedTuple):
    """What is written for one line of input, without the last line end, and what to know of its best candidate."""

    text: str
    cut: bool = False  # at its maximum length
    lacks_term: bool = False  # of the glossary
    lacks_copy: tuple[str, ...] = ()  # numbers, say, that were to be copied

    @classmethod
    def of(cls, translation: "Translation", text: str) -> "Row":
        """What there is to know of a translation that is written as `text`."""
        best = translation.hypotheses[:1]
        return cls(
            text,
            cut=any(not hypothesis.finished for hypothesis in best),
            lacks_term=any(hypothesis.missing_terms for hypothesis in best),
            lacks_copy=tuple(text for hypothesis in best for text in hypothesis.missing_copies),
        )


def text_row(number: int, translation: "Translation", alignment: str) -> str:
    """The best candidate."""
    return one_line(translation.text)


def nbest_row(number: int, translation: "Translation", alignment: str) -> str:
    """`NUMBER ||| TEXT ||| SCORE` a candidate, lines numbered from 0, as Moses and Marian write it.

    A line without a word has one row without text, so that no number is missing.
    """
    candidates = [(one_line(one.text), one.score) for one in translation.hypotheses] or [("", 0.0)]
    return "\n".join(f"{number - 1} ||| {text} ||| {score:.6f}" for text, score in candidates)


def json_row(number: int, translation: "Translation", alignment: str) -> str:
    """Everything that is known of a line; `alignment` is none, hard or soft."""
    value: dict[str, Any] = {
        "source": translation.source,
        "translation": translation.text,
        "source_tokens": translation.source_pieces,
        "parts": translation.parts,
        "hypotheses": [_candidate(hypothesis, alignment) for hypothesis in translation.hypotheses],
    }
    return json.dumps(value, ensure_ascii=False)


FORMATS: Final[dict[str, Callable[[int, "Translation", str], str]]] = {
    "text": text_row,
    "nbest": nbest_row,
    "jsonl": json_row,
}


def _candidate(hypothesis: "TranslatedHypothesis", alignment: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "text": hypothesis.text,
        "score": hypothesis.score,
        "log_probability": hypothesis.log_probability,
        "finished": hypothesis.finished,
        "tokens": hypothesis.pieces,
        "token_log_probabilities": hypothesis.token_log_probabilities,
    }
    if hypothesis.missing_terms:
        value["missing_terms"] = hypothesis.missing_terms
    if hypothesis.missing_copies:
        value["missing_copies"] = hypothesis.missing_copies
    if alignment == "hard":  # pairs of source token and target token, both counted from 0
        value["alignment"] = [(source, target) for target, source in enumerate(hypothesis.alignment)]
    elif alignment == "soft":  # of a line in parts a matrix each: one of everything grows with their square
        matrices = [_rounded(matrix) for matrix in hypothesis.attentions]
        value |= {"attentions": matrices} if len(matrices) > 1 else {"attention": matrices[0] if matrices else []}
    return value


def _rounded(matrix: "Tensor") -> list[list[float]]:
    """A row a target token, a column a source token."""
    return [[round(weight, 4) for weight in row] for row in matrix.tolist()]


class Remarks:
    """Counts what a reader should know of translations, and remembers the first lines of each kind."""

    def __init__(self, speaker: str) -> None:
        """`speaker` begins each warning: the command, and the system if there are several."""
        self._speaker = speaker
        self._count = dict.fromkeys(REMARKS, 0)
        self._first: dict[str, list[str]] = {kind: [] for kind in REMARKS}

    def note(self, number: int, row: Row) -> None:
        """Line `number` has been written."""
        for kind in REMARKS:
            if found := getattr(row, kind):
                self._count[kind] += 1
                if len(self._first[kind]) < NAMED_LINES:
                    what = f" ({', '.join(found)})" if isinstance(found, tuple) else ""
                    self._first[kind].append(f"{number}{what}")

    def warn(self) -> None:
        """A line a kind on the standard error output, if there is something to tell."""
        for kind, text in REMARKS.items():
            if count := self._count[kind]:
                named = ", ".join(self._first[kind]) + (", …" if count > NAMED_LINES else "")
                were = "translations of lines" if count > 1 else "translation of line"
                print(f"{self._speaker}: warning: {count} {were} {named} {text}", file=sys.stderr)
