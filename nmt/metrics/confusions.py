"""Which characters are read as which others, left out or invented, how often, and where to look."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from nmt.metrics.edits import Edit
from nmt.metrics.error_rate import DEFAULT, Measure, character_alignment


class Confusion(NamedTuple):
    """One kind of error. `reference` is None where a character was invented, `hypothesis` where one was left out."""

    reference: str | None
    hypothesis: str | None
    times: int
    occurrences: int  # of `reference` in all references; of an invented character, in all hypotheses
    lines: tuple[int, ...]  # the first lines it happens in, by position

    @property
    def kind(self) -> str:
        if self.reference is None:
            return "insertion"
        return "deletion" if self.hypothesis is None else "substitution"


def confusions(
    references: Sequence[str], hypotheses: Sequence[str | None], measure: Measure = DEFAULT, *, examples: int = 3
) -> list[Confusion]:
    """Every kind of error, the commonest first; equally common ones in the order of their code points.

    The edits are those that the character error rate counts, so that all counts together are its errors, except those
    of lines that could not be read (None): nothing was confused there.
    """
    counts: Counter[Edit] = Counter()
    lines: defaultdict[Edit, list[int]] = defaultdict(list)
    in_references: Counter[str] = Counter()
    in_hypotheses: Counter[str] = Counter()
    for line, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        if hypothesis is None:
            continue
        in_references.update(measure.characters(reference))
        in_hypotheses.update(measure.characters(hypothesis))
        if reference == hypothesis:
            continue
        wrong = Counter(edit for edit in character_alignment(reference, hypothesis, measure) if edit.is_error)
        counts.update(wrong)
        for edit in wrong:
            if len(lines[edit]) < examples:
                lines[edit].append(line)
    found = [
        Confusion(*edit, count, _occurrences(edit, in_references, in_hypotheses), tuple(lines[edit]))
        for edit, count in counts.items()
    ]
    return sorted(found, key=lambda one: (-one.times, one.reference or "", one.hypothesis or ""))


def _occurrences(edit: Edit, in_references: Counter[str], in_hypotheses: Counter[str]) -> int:
    return in_hypotheses[edit.hypothesis or ""] if edit.reference is None else in_references[edit.reference]
