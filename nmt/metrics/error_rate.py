"""Character and word error rate over all lines, with a signature that says how they were computed.

CER = (S + D + I) / N: the fewest substitutions, deletions and insertions of characters that turn the reference into the
hypothesis, summed over all lines, over the characters of all references (micro-average; Levenshtein 1966, and Hunt 1990
for words). It can exceed 1. WER is the same of words, which white space parts. The mean of the lines' own rates, the
edits over the longer text, and one minus such a rate are other numbers.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from nmt.errors import DataError
from nmt.metrics.edits import Edit, ErrorCounts, align_edits, count_edits
from nmt.metrics.writers import RESAMPLES, SEED, Interval, rate_interval

VERSION: Final = "0.1"  # of these definitions: it changes when a number would


@dataclass(frozen=True)
class Measure:
    """What is done to reference and hypothesis alike before they are compared, and what a character is.

    `form` is a Unicode normalisation; `spaces` makes one space of each run of white space and drops it at the ends;
    `lowercase` forgets case; a `grapheme` is what a reader calls one character, accents and all (Unicode Annex 29).
    """

    form: Literal["nfc", "nfkc", "none"] = "nfc"
    spaces: bool = True
    lowercase: bool = False
    unit: Literal["codepoint", "grapheme"] = "codepoint"

    def normalize(self, text: str) -> str:
        if self.form != "none":
            text = unicodedata.normalize("NFC" if self.form == "nfc" else "NFKC", text)
        if self.lowercase:
            text = text.lower()
        return " ".join(text.split()) if self.spaces else text

    def characters(self, text: str) -> Sequence[str]:
        """The normalised text's units, one by one."""
        text = self.normalize(text)
        if self.unit == "codepoint" or text.isascii():
            return text
        import regex  # type: ignore[import-untyped]  # it ships no types

        found: list[str] = regex.findall(r"\X", text)
        return found

    def words(self, text: str) -> list[str]:
        return self.normalize(text).split()

    def signature(self, metric: Literal["cer", "wer"]) -> str:
        """`cer|micro|norm:nfc+space|case:mixed|unit:codepoint|v0.1`: two rates compare where these are equal."""
        norm = "+".join([*([] if self.form == "none" else [self.form]), *(["space"] if self.spaces else [])])
        unit = self.unit if metric == "cer" else "word"
        case = "lower" if self.lowercase else "mixed"
        return f"{metric}|micro|norm:{norm or 'none'}|case:{case}|unit:{unit}|v{VERSION}"


DEFAULT: Final = Measure()


class Rates(NamedTuple):
    """What was measured of all lines. Rates are shares, not per cent; intervals are None where nothing can be drawn."""

    characters: ErrorCounts
    words: ErrorCounts
    lines: int
    right_lines: int  # lines without a single wrong character
    cer_interval: Interval | None
    wer_interval: Interval | None
    measure: Measure = DEFAULT

    @property
    def cer(self) -> float:
        return self.characters.rate

    @property
    def wer(self) -> float:
        return self.words.rate

    @property
    def signature(self) -> str:
        """The character error rate's."""
        return self.measure.signature("cer")

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a rate without a reference is null there."""
        return {
            "lines": self.lines,
            "right_lines": self.right_lines,
            "cer": _rate(self.characters, self.cer_interval, self.measure.signature("cer")),
            "wer": _rate(self.words, self.wer_interval, self.measure.signature("wer")),
        }

    def as_text(self) -> str:
        """A line a rate: per cent to two places, its interval, the counts and the signature; then the lines."""
        rows = [
            _row("CER", "characters", self.characters, self.cer_interval, self.measure.signature("cer")),
            _row("WER", "words", self.words, self.wer_interval, self.measure.signature("wer")),
        ]
        interval = self.cer_interval or self.wer_interval
        of = f"; {interval.described}" if interval else ""
        return "\n".join([*rows, f"{self.right_lines:,} of {self.lines:,} lines wholly right{of}"])


def character_errors(reference: str, hypothesis: str, measure: Measure = DEFAULT) -> ErrorCounts:
    """Edits of characters that turn the reference into the hypothesis."""
    return count_edits(measure.characters(reference), measure.characters(hypothesis))


def word_errors(reference: str, hypothesis: str, measure: Measure = DEFAULT) -> ErrorCounts:
    """Edits of words that turn the reference into the hypothesis."""
    return count_edits(measure.words(reference), measure.words(hypothesis))


def character_alignment(reference: str, hypothesis: str, measure: Measure = DEFAULT) -> list[Edit]:
    """Which character was read as which: the edits that `character_errors` counts, in order."""
    return align_edits(measure.characters(reference), measure.characters(hypothesis))


def cer(references: Sequence[str], hypotheses: Sequence[str], measure: Measure = DEFAULT) -> float:
    """The character error rate over all lines."""
    return error_rates(references, hypotheses, measure=measure, resamples=0).cer


def wer(references: Sequence[str], hypotheses: Sequence[str], measure: Measure = DEFAULT) -> float:
    """The word error rate over all lines."""
    return error_rates(references, hypotheses, measure=measure, resamples=0).wer


def error_rates(
    references: Sequence[str],
    hypotheses: Sequence[str | None],
    writers: Sequence[str] | None = None,
    *,
    measure: Measure = DEFAULT,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Rates:
    """CER and WER of hypotheses, one for each reference, with intervals over writers (see nmt/metrics/writers.py).

    A line that could not be read has the hypothesis None: all its characters count as errors, and it is never a right
    line. A line with an empty reference adds its insertions and no characters. `resamples=0` leaves the intervals out.
    Raises DataError where the numbers of lines differ, or there are none.
    """
    if len(references) != len(hypotheses) or not references:
        raise DataError(f"{len(references)} references but {len(hypotheses)} hypotheses; give one for each line")
    pairs = [(reference, hypothesis or "") for reference, hypothesis in zip(references, hypotheses, strict=True)]
    characters = [character_errors(*pair, measure) for pair in pairs]
    words = [word_errors(*pair, measure) for pair in pairs]

    def interval(counts: list[ErrorCounts]) -> Interval | None:
        errors, lengths = [one.errors for one in counts], [one.reference for one in counts]
        return rate_interval(errors, lengths, writers, resamples=resamples, seed=seed) if resamples else None

    return Rates(
        sum(characters, start=ErrorCounts()),
        sum(words, start=ErrorCounts()),
        lines=len(pairs),
        right_lines=sum(
            not one.errors and hypothesis is not None for one, hypothesis in zip(characters, hypotheses, strict=True)
        ),
        cer_interval=interval(characters),
        wer_interval=interval(words),
        measure=measure,
    )


def _rate(counts: ErrorCounts, interval: Interval | None, signature: str) -> dict[str, Any]:
    rate = counts.rate if counts.reference else None
    drawn = {} if interval is None else {"interval": interval._asdict()}
    return {"rate": rate, **counts._asdict(), **drawn, "signature": signature}


def _row(name: str, units: str, counts: ErrorCounts, interval: Interval | None, signature: str) -> str:
    span = "" if interval is None else f" [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"
    kinds = f"{counts.substitutions:,} substituted + {counts.deletions:,} left out + {counts.insertions:,} invented"
    return f"{name} {100 * counts.rate:6.2f} %{span}  {kinds}, of {counts.reference:,} {units}  {signature}"
