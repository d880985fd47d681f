"""What follows a recogniser's training: the best checkpoint gets the run's search, tuned, and reads the test sets."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nmt.checkpoint import RecognitionCheckpoint, find_checkpoint, read_recognition, write_checkpoint
from nmt.config.recognition import CTCSearchConfig, RecognitionConfig
from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.prepare import LineCorpora
from nmt.files import atomic_write, replace_link
from nmt.inference.line_input import LineInput
from nmt.inference.line_tuning import calibrate_search, tune_search
from nmt.inference.recognition import told_silent
from nmt.inference.recognizer import Recognizer, with_search
from nmt.metrics.error_rate import Rates, error_rates
from nmt.text.arpa import arpa_bytes, read_arpa
from nmt.text.ngram import estimate
from nmt.training.run import RunFolder

log = logging.getLogger(__name__)

BEST_PATH = {"beam_size": 1, "nbest": 1}
LOOKED_AT = 16  # lines, in which a recogniser that has learnt anything reads something
TUNED = "search_tuned_on"  # in a checkpoint's `about`: validation lines


def language_model_of(texts: Sequence[str], search: CTCSearchConfig) -> bytes | None:
    """The language model that every checkpoint carries, as ARPA: the file given, else n-grams of the training text.

    None where none is wanted. DataError for a file that cannot be read.
    """
    if search.language_model is not None:
        return arpa_bytes(read_arpa(Path(search.language_model)))
    return arpa_bytes(estimate(texts, search.ngram_order)) if search.ngram_order else None


def read_tests(
    corpora: LineCorpora,
    config: RecognitionConfig,
    language_model: bytes | None,
    run: RunFolder,
    device: torch.device,
) -> None:
    """Give the best checkpoint the run's search, then read every test set with it; scores go to RUN/test.

    The search may have changed since that checkpoint was saved. Where it asks a language model, it is tuned first; what
    confidences say is then fitted to what it reads.
    """
    trained = read_recognition(find_checkpoint(run.path))
    checkpoint = _searching(trained, config.search, language_model)
    if corpora.validation is not None and len(corpora.validation) and config.train.tuning_lines:
        checkpoint = _tuned(checkpoint, corpora.validation, config.train.tuning_lines, device)
    best = run.checkpoints / "best.ckpt"
    if checkpoint.header() != trained.header() and best.exists():
        tuned = run.checkpoints / "tuned.ckpt"
        write_checkpoint(tuned, checkpoint)
        replace_link(best, tuned)
    recognizer = _recognizer(checkpoint, device)
    tests = {f"test set '{name}'": corpus for name, corpus in corpora.tests.items()}
    _warn_if_silent(recognizer, {"the validation set": corpora.validation, **tests})
    if corpora.tests:
        _read(corpora.tests, recognizer, run.path / "test")


def _searching(
    checkpoint: RecognitionCheckpoint, search: CTCSearchConfig, language_model: bytes | None
) -> RecognitionCheckpoint:
    """The same weights with another search, which nothing has tuned."""
    config = checkpoint.config.model_copy(update={"search": search})
    about = {name: value for name, value in checkpoint.about.items() if name != TUNED}
    return replace(checkpoint, config=config, language_model=language_model, about=about)


def _recognizer(checkpoint: RecognitionCheckpoint, device: torch.device) -> Recognizer:
    model = checkpoint.build().to(device)
    return Recognizer(model, checkpoint.alphabet, checkpoint.config, language_model=checkpoint.language_model)


def _tuned(
    checkpoint: RecognitionCheckpoint, validation: LineCorpus, count: int, device: torch.device
) -> RecognitionCheckpoint:
    """The same with α, β and confidences after `count` validation lines; α and β where there is a language model."""
    recognizer = _recognizer(checkpoint, device)
    chosen = _spread(len(validation), count)
    lines = [recognizer.read(validation.lines[i]) for i in chosen]
    texts = [validation.text(i) for i in chosen]
    search = _weighed(recognizer, lines, texts) if recognizer.has_language_model else recognizer.search
    part = f"{len(chosen):,} of " if len(chosen) < len(validation) else ""
    log.info("fitting confidences to what is right of %s%s validation lines", part, f"{len(validation):,}")
    search = calibrate_search(recognizer, lines, texts, search=search)
    tuned = _searching(checkpoint, search, checkpoint.language_model)
    return replace(tuned, about={**tuned.about, TUNED: len(chosen)})


def _spread(size: int, count: int) -> list[int]:
    """`count` of `size` positions, or all where there are no more, at even distances from the first."""
    return [i * size // count for i in range(count)] if count < size else list(range(size))


def _weighed(recognizer: Recognizer, lines: Sequence[LineInput], texts: Sequence[str]) -> CTCSearchConfig:
    """The search with the language model's weight and the bonus that read these lines best."""
    log.info("tuning the language model's weight on %d validation lines", len(lines))
    search, tuning = tune_search(recognizer, lines, texts)
    alone = next(errors for weights, errors in tuning.searched.items() if not weights.language_weight)
    characters = max(1, sum(map(len, texts)))
    log.info(
        "language weight α %.2f, insertion bonus β %.2f: CER %.2f %% on these lines, and %.2f %% without the model",
        *(search.language_weight, search.insertion_bonus),
        *(100 * errors / characters for errors in (tuning.errors, alone)),
    )
    return search


def _warn_if_silent(recognizer: Recognizer, corpora: Mapping[str, LineCorpus | None]) -> None:
    """Say so where nothing is read in a few lines, of the first corpus that has any: the next command would not."""
    for name, corpus in corpora.items():
        if corpus is None or not len(corpus):
            continue
        lines = [corpus.lines[i] for i in _spread(len(corpus), LOOKED_AT)]
        texts = [one.text for one in recognizer.recognize_stream(lines, alignment=False)]
        of = name + (f" (spread over all {len(corpus):,})" if len(lines) < len(corpus) else "")
        if said := told_silent(sum(not text.strip() for text in texts), len(texts), of=of):
            log.warning("%s", said)
        return


def _read(tests: dict[str, LineCorpus], recognizer: Recognizer, folder: Path) -> None:
    """Every test set by best path, and by the run's search where that is another."""
    best_path = with_search(recognizer.search, BEST_PATH)
    scored: dict[str, dict[str, Any]] = {}
    for name, corpus in tests.items():
        for search in dict.fromkeys((best_path, recognizer.search)):
            said = "best path" if search.beam_size == 1 else f"beam {search.beam_size}"
            rates, texts = _rates(recognizer, corpus, search)
            key = said if not recognizer.has_language_model or search.beam_size == 1 else f"{said} + language model"
            scored.setdefault(name, {})[key] = rates.as_dict() | {"search": search.model_dump(mode="json")}
            log.info("test '%s', %s:\n%s", name, key, rates.as_text())
            rows = [f"{corpus.name(i)}\t{text}\n" for i, text in enumerate(texts)]
            atomic_write(folder / f"{name}.{key.replace(' ', '_')}.tsv", "".join(rows))
    atomic_write(folder / "scores.json", json.dumps(scored, indent=2, ensure_ascii=False) + "\n")


def _rates(recognizer: Recognizer, corpus: LineCorpus, search: CTCSearchConfig) -> tuple[Rates, list[str]]:
    """Rates over all lines with a transcript, those that could not be used among them, and the texts of the others."""
    texts = [one.text for one in recognizer.recognize_stream(corpus.lines, search=search, alignment=False)]
    bad = [line for line in corpus.bad if line.text]
    references = [*corpus.texts, *(line.text or "" for line in bad)]
    writers = [*map(corpus.writer, range(len(corpus))), *(line.writer for line in bad)]
    return error_rates(references, [*texts, *[None] * len(bad)], writers), texts
