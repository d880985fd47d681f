"""How sure a reading is: what share of its characters is right, and the chance that all of them are.

Evidence of a reading is p(text | line), exact over all paths, its length, how odd the language model finds it, and what
the other texts of the beam leave it. A fit on validation lines makes chances of it (`nmt.metrics.log_hazard`), since
the frames alone know nothing of the language model that chose the text: "0.9" then means that of such lines nine tenths
of the characters, or nine of ten lines, are right. Without a fit the share is p(text | line) ** (1 / length), the
geometric mean of the frames' chances, and the chance of a whole line p(text | line) itself.
"""

import math
import shlex
from collections.abc import Sequence
from typing import Final, NamedTuple

from nmt.config.recognition import ConfidenceConfig, CTCSearchConfig
from nmt.metrics.log_hazard import chance, fit_chances

COMPARED: Final = 8  # texts of the beam that evidence is about, however many are given
LEAST: Final = 1e-6  # of a −log p: what is surer is as sure as that
MOST: Final = 1e6  # and what is less sure, or impossible
PLAIN: Final = ConfidenceConfig()
DECIDES: Final = ("language_weight", "insertion_bonus", "language_model", "lexicon")  # which texts come to be first


def is_fitted(search: CTCSearchConfig) -> bool:
    """Whether this search's confidences were made to come true on some lines."""
    return search.confidence != PLAIN


def told_unfitted(checkpoint: str) -> str:
    """What to say of confidences that were not, and the command that fits this checkpoint's, for people."""
    command = f"nmt evaluate-lines --checkpoint {shlex.quote(checkpoint)} --lines VALIDATION --calibrate FITTED.ckpt"
    return (
        "confidences are plain likelihoods, fitted to no lines; lines for validation, and the same options of the"
        f" search, fit them: {command}"
    )


class Evidence(NamedTuple):
    """What is known of one reading."""

    log_likelihood: float  # log p(text | line)
    length: int  # characters
    language: float = 0.0  # log p of the language model, 0 without one
    rivals: float = 0.0  # log of its share among the first texts of the beam, 0 where it is the only one

    @property
    def values(self) -> tuple[float, float, float, float]:
        """As the fit takes them."""
        length = max(1, self.length)
        surprise, doubt = (math.log(min(MOST, max(LEAST, -value))) for value in (self.log_likelihood, self.rivals))
        return surprise, math.log(length), min(MOST, -self.language / length), doubt


class Outcome(NamedTuple):
    """What a reading turned out to be."""

    errors: int
    size: int  # characters of the reading, or of the truth where that is longer

    @property
    def share(self) -> float:
        """Of the characters, that were right."""
        return 1.0 - min(1.0, self.errors / max(1, self.size))


class Confidence(NamedTuple):
    """From 0 to 1 each."""

    share: float  # expected, of characters that are right
    line: float  # chance that all are


def confidence(evidence: Evidence, calibration: ConfidenceConfig = PLAIN) -> Confidence:
    """How sure a reading is, by a fit or plainly."""
    if evidence.log_likelihood == -math.inf:
        return Confidence(0.0, 0.0)
    return Confidence(chance(calibration.share, evidence.values), chance(calibration.line, evidence.values))


def fit_confidence(evidence: Sequence[Evidence], outcomes: Sequence[Outcome]) -> ConfidenceConfig:
    """The weights by which the readings of these lines are as sure as they turned out to be; plain ones for no lines.

    A reading that no path says is not fitted to: it has no confidence, whatever the weights.
    """
    pairs = zip(evidence, outcomes, strict=True)
    possible = [(one, outcome) for one, outcome in pairs if one.log_likelihood > -math.inf]
    if not possible:
        return PLAIN
    values, outcomes = [one.values for one, _ in possible], [outcome for _, outcome in possible]
    whole = [float(one.errors == 0) for one in outcomes]
    shares, sizes = [one.share for one in outcomes], [float(max(1, one.size)) for one in outcomes]
    return ConfidenceConfig.model_validate(
        {
            "share": fit_chances(values, shares, sizes, prior=PLAIN.share),
            "line": fit_chances(values, whole, [1.0] * len(whole), prior=PLAIN.line),
        }
    )


def still_holds(fitted: CTCSearchConfig, search: CTCSearchConfig) -> bool:
    """Whether what was fitted to the readings of one search goes for another, which may differ in the beam's width."""
    same_kind = (fitted.beam_size == 1) == (search.beam_size == 1)
    return same_kind and all(getattr(fitted, name) == getattr(search, name) for name in DECIDES)
