"""A recogniser's α and β, chosen on lines with transcripts so that the fewest characters are wrong; its confidences."""

from collections.abc import Iterable, Sequence

from nmt.config.recognition import CTCSearchConfig
from nmt.errors import ConfigError, DataError
from nmt.inference.ctc_tuning import Tuning, Weights, tune_language
from nmt.inference.line_confidence import PLAIN, Evidence, Outcome, fit_confidence
from nmt.inference.line_input import LineInput, LineLike
from nmt.inference.line_search import LineSearch
from nmt.inference.recognizer import Recognizer
from nmt.metrics.error_rate import DEFAULT, Measure, character_errors


def tune_search(
    recognizer: Recognizer,
    lines: Iterable[LineLike | LineInput],
    references: Sequence[str],
    *,
    measure: Measure = DEFAULT,
) -> tuple[CTCSearchConfig, Tuning]:
    """The recogniser's search with the weights that read these lines best, and what was tried; confidences are plain.

    The frames of all lines are in memory at once. Raises ConfigError for a recogniser without a beam or a language
    model, DataError where no line has anything to read.
    """
    search = recognizer.search
    if search.beam_size == 1:
        raise ConfigError("best path has no weights to tune; search with a beam, --beam-size 20")
    chooser = LineSearch(search, recognizer.alphabet, recognizer.language_model, recognizer.scorer)
    if chooser.scorer is None:
        raise ConfigError("there is no language model to weigh; give one, --language-model FILE.arpa")
    scores = recognizer.frame_scores(lines)
    filled = [(one, text) for one, text in zip(scores, references, strict=True) if len(one)]
    if not filled:
        raise DataError("no line has anything to read, so there is nothing to tune on")

    def errors(line: int, ids: tuple[int, ...]) -> float:
        return float(character_errors(filled[line][1], recognizer.alphabet.decode(ids), measure).errors)

    tuning = tune_language(
        [one for one, _ in filled],
        errors,
        scorer=chooser.scorer,
        start=Weights(search.language_weight, search.insertion_bonus),
        beam_size=search.beam_size,
        top_symbols=search.top_symbols,
        lexicon=chooser.lexicon,
    )
    return search.model_copy(update={**tuning.weights._asdict(), "confidence": PLAIN}), tuning


def calibrate_search(
    recognizer: Recognizer,
    lines: Iterable[LineLike | LineInput],
    references: Sequence[str],
    *,
    search: CTCSearchConfig | None = None,
    measure: Measure = DEFAULT,
) -> CTCSearchConfig:
    """A search, the recogniser's unless given, whose confidences are as high as these lines turned out to be right.

    The frames of all lines are in memory at once. Raises DataError where no line has anything to read.
    """
    search = recognizer.search if search is None else search
    chooser = LineSearch(search, recognizer.alphabet, recognizer.language_model, recognizer.scorer)
    evidence: list[Evidence] = []
    outcomes: list[Outcome] = []
    for log_probs, truth in zip(recognizer.frame_scores(lines), references, strict=True):
        if len(log_probs):
            best = chooser.candidates(log_probs)[0]
            counts = character_errors(truth, best.text, measure)
            evidence.append(best.evidence)
            outcomes.append(Outcome(counts.errors, max(counts.reference, len(best.text))))
    if not evidence:
        raise DataError("no line has anything to read, so there is nothing that confidences could be fitted to")
    return search.model_copy(update={"confidence": fit_confidence(evidence, outcomes)})
