"""A configured search over the frames of one line: best path, or prefix beam with a language model and a lexicon."""

import logging
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.config.recognition import CTCSearchConfig
from nmt.errors import DataError
from nmt.inference.line_confidence import COMPARED, Evidence, confidence
from nmt.inference.recognition import Reading
from nmt.search.ctc import best_path, log_likelihood
from nmt.search.lexicon import Lexicon
from nmt.search.prefix_beam import CTCHypothesis, LanguageScorer, prefix_beam
from nmt.text.alphabet import Alphabet
from nmt.text.arpa import parse_arpa, read_arpa
from nmt.text.ngram import NGram
from nmt.text.normalize import normalize

log = logging.getLogger(__name__)


class CharacterScorer:
    """A model of characters as the search asks it, by the ids of an alphabet."""

    def __init__(self, model: NGram, alphabet: Alphabet) -> None:
        self.model = model
        self.alphabet = alphabet

    def start(self) -> str:
        """The state before the first symbol."""
        return self.model.start()

    def extend(self, state: str, symbol: int) -> tuple[float, str]:
        """log p of a symbol, and the state behind it."""
        return self.model.extend(state, self.alphabet.symbols[symbol - 1])

    def finish(self, state: str) -> float:
        """log p that the text ends here."""
        return self.model.finish(state)


class Candidate(NamedTuple):
    """A text that a line may say, and what speaks for it."""

    text: str
    score: float
    evidence: Evidence


class LineSearch:
    """How texts are chosen, with what is read once for all lines."""

    def __init__(
        self,
        config: CTCSearchConfig,
        alphabet: Alphabet,
        language_model: bytes | None,
        scorer: LanguageScorer | None = None,
    ) -> None:
        """`language_model` is an ARPA file; without one that of `config.language_model` is read.

        `scorer`, over the alphabet's ids, is asked instead of either: any language model, a neural one say.

        Raises DataError for a language model or a lexicon that cannot be read.
        """
        self.config = config
        self.alphabet = alphabet
        beam = config.beam_size > 1  # the best path asks nobody
        model = _language_model(config, language_model) if beam and scorer is None else None
        own = None if model is None else CharacterScorer(model, alphabet)
        self.scorer: LanguageScorer | None = scorer if beam and scorer is not None else own
        self.lexicon = read_lexicon(Path(config.lexicon), alphabet) if beam and config.lexicon else None

    def readings(self, log_probs: Float[Tensor, "F V"]) -> list[Reading]:
        """Texts of a line, best first, at least one; the frames are on the CPU."""
        return [
            Reading(text, evidence.log_likelihood, score, *confidence(evidence, self.config.confidence))
            for text, score, evidence in self.candidates(log_probs)
        ]

    def candidates(self, log_probs: Float[Tensor, "F V"]) -> list[Candidate]:
        """The same texts with what is known of them."""
        if self.config.beam_size == 1:
            ids = best_path(log_probs[None], torch.tensor([len(log_probs)]))[0]
            likelihood = log_likelihood(log_probs, ids)
            return [Candidate(self.alphabet.decode(ids), likelihood, Evidence(likelihood, len(ids)))]
        found = prefix_beam(
            log_probs,
            beam_size=self.config.beam_size,
            top_symbols=self.config.top_symbols,
            nbest=max(self.config.nbest, COMPARED),
            scorer=self.scorer,
            language_weight=self.config.language_weight,
            insertion_bonus=self.config.insertion_bonus,
            lexicon=self.lexicon,
        )
        whole = _log_sum([one.score for one in found[:COMPARED]])
        return [self._candidate(one, whole) for one in found[: self.config.nbest]]

    def _candidate(self, found: CTCHypothesis, whole: float) -> Candidate:
        """`whole` is the log of what the first texts of the beam score together."""
        ids, likelihood, score = found
        bonus, weight = self.config.insertion_bonus * len(ids), self.config.language_weight
        asked = self.scorer is not None and weight > 0 and likelihood > -math.inf
        language = min(0.0, (score - likelihood - bonus) / weight) if asked else 0.0
        rivals = min(0.0, score - whole) if likelihood > -math.inf else 0.0
        return Candidate(self.alphabet.decode(ids), score, Evidence(likelihood, len(ids), language, rivals))


def _log_sum(values: Sequence[float]) -> float:
    """log Σ exp(value)."""
    return float(torch.tensor(values, dtype=torch.float64).logsumexp(0))


def _language_model(config: CTCSearchConfig, own: bytes | None) -> NGram | None:
    if own is not None:
        return parse_arpa(own, name="the checkpoint's language model")
    return None if config.language_model is None else read_arpa(Path(config.language_model))


def read_lexicon(path: Path, alphabet: Alphabet) -> Lexicon:
    """A file of words, one a line. Between words may stand every symbol that is no letter or digit, and is in no word.

    Words with characters outside the alphabet can never be read; they are left out, with a warning. DataError where the
    file cannot be read or no word is left.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not UTF-8 at byte {error.start}"
        raise DataError(f"{path}: cannot read the lexicon: {reason}; give a file of words, one a line") from error
    words = {word for line in lines if (word := normalize(line, "nfc"))}
    known = [word for word in words if not alphabet.missing(word)]
    if not known:
        raise DataError(f"{path}: none of {len(words):,} words can be spelled with the alphabet of the checkpoint")
    if spaced := [word for word in known if " " in word]:
        raise DataError(f"{path}: {min(spaced)!r} is more than a word; give one a line")
    if len(known) < len(words):
        log.warning(
            "%s: %s of %s words cannot be spelled here", path, f"{len(words) - len(known):,}", f"{len(words):,}"
        )
    spelling = set().union(*known)
    between = [symbol for symbol in alphabet.symbols if symbol not in spelling and not _is_letter(symbol)]
    return Lexicon([alphabet.encode(word) for word in sorted(known)], alphabet.encode("".join(between)))


def _is_letter(symbol: str) -> bool:
    """A letter, a digit, or a mark that belongs to one."""
    return unicodedata.category(symbol)[0] in "LNM"
