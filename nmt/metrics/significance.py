"""Is a difference more than chance? Confidence intervals, paired bootstrap, approximate randomisation; mean over seeds.

Bootstrap (Koehn 2004): draw the test set anew, with replacement, many times. The interval holds 95 % of the scores; p
is how often the difference of two systems strays from its mean by more than it is. Approximate randomisation (Riezler &
Maxwell 2005): exchange the two systems' outputs of every sentence with probability ½; p is how often that makes a
bigger difference. The resampling is sacreBLEU's, so that its numbers, seed included, are those of everybody.
"""

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple, cast

from sacrebleu.significance import PairedTest, Result

from nmt.errors import ConfigError
from nmt.metrics.bleu import Score, Scores, build_metrics, check_lengths

Test = Literal["bootstrap", "randomization"]
RESAMPLES: Final[dict[Test, int]] = {"bootstrap": 1000, "randomization": 10_000}
SEED: Final = 12345  # sacreBLEU's own
_MOST_BYTES: Final = 4 * 2**30
_BYTES: Final[dict[Test, int]] = {"bootstrap": 104, "randomization": 18}  # that sacreBLEU holds for each sentence drawn


class Spread(NamedTuple):
    """Scores of several trainings of one system."""

    mean: float
    deviation: float  # of the sample, with n - 1 in the denominator
    runs: int


def over_seeds(scores: Sequence[float]) -> Spread:
    """Mean and standard deviation of two scores or more."""
    return Spread(statistics.fmean(scores), statistics.stdev(scores), len(scores))


def resampled_scores(
    systems: Sequence[Sequence[str]],
    *references: Sequence[str],
    metrics: Sequence[str] = ("bleu", "chrf"),
    tokenize: str = "13a",
    lowercase: bool = False,
    test: Test = "bootstrap",
    resamples: int | None = None,
    confidence: bool = True,
    seed: int = SEED,
) -> list[Scores]:
    """Score systems against one list of references, or several.

    The first system is the baseline; every other gets a two-sided p-value for each metric. `resamples` is 1,000 by
    default, 10,000 for randomisation, which gives intervals of 1,000 resamples where `confidence` asks for them; the
    bootstrap always has them. `seed` is at least 1: sacreBLEU takes 0 for none. Raises as `corpus_scores`, and
    ConfigError for more resamples than memory holds.
    """
    for hypotheses in systems:
        check_lengths(hypotheses, references)
    draws = RESAMPLES[test] if resamples is None else resamples
    _check_memory(draws, len(systems[0]), test)
    with _sacrebleu_seed(seed):
        paired = PairedTest(
            [(str(number), hypotheses) for number, hypotheses in enumerate(systems)],
            build_metrics(metrics, tokenize=tokenize, lowercase=lowercase),
            references,
            test_type="bs" if test == "bootstrap" else "ar",
            n_samples=draws,
            n_ar_confidence=RESAMPLES["bootstrap"] if confidence and test == "randomization" else -1,
        )
        signatures, table = paired()
    texts = [str(signature) for signature in signatures.values()]
    _, *columns = cast(list[list[Result]], list(table.values()))  # the systems' names, then the metrics as given
    rows = list(zip(metrics, texts, columns, strict=True))
    return [
        Scores(len(hypotheses), {name: _score(results[row], results[0], text) for name, text, results in rows})
        for row, hypotheses in enumerate(systems)
    ]


def _score(result: Result, baseline: Result, signature: str) -> Score:
    # sacreBLEU counts bigger differences only, which calls a system significantly different from its own copy.
    p_value = 1.0 if result.p_value is not None and result.score == baseline.score else result.p_value
    mean = None if result.mean is None else float(result.mean)
    return Score(result.score, signature, mean, None if result.ci is None else float(result.ci), p_value)


@contextmanager
def _sacrebleu_seed(seed: int) -> Iterator[None]:
    """sacreBLEU has no other way to be told."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before


def _check_memory(draws: int, sentences: int, test: Test) -> None:
    most = _MOST_BYTES // (_BYTES[test] * sentences)
    if draws > most:
        raise ConfigError(
            f"{draws:,} resamples of {sentences:,} sentences need more than {_MOST_BYTES >> 30} GiB; at most"
            f" {most:,} will do"
        )
