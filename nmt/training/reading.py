"""What follows a recogniser's training: the search is tuned on validation lines, and the test sets are read with it."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from nmt.checkpoint import find_checkpoint, read_recognition, write_checkpoint
from nmt.config.recognition import CTCSearchConfig
from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.prepare import LineCorpora
from nmt.files import atomic_write, replace_link
from nmt.inference.line_input import LineInput
from nmt.inference.line_tuning import tune_search
from nmt.inference.recognizer import Recognizer
from nmt.metrics.error_rate import error_rates
from nmt.text.arpa import arpa_bytes
from nmt.text.ngram import estimate
from nmt.training.run import RunFolder

log = logging.getLogger(__name__)

BEST_PATH = {"beam_size": 1, "nbest": 1}


def language_model_of(texts: Sequence[str], search: CTCSearchConfig) -> bytes | None:
    """The n-gram model of the training text that every checkpoint carries, as ARPA; None where none is wanted."""
    if not search.ngram_order or search.language_model is not None:
        return None
    return arpa_bytes(estimate(texts, search.ngram_order))


def read_tests(corpora: LineCorpora, tuning_lines: int, run: RunFolder, device: torch.device) -> None:
    """Tune the search where it asks a language model, then read every test set; scores go to RUN/test."""
    if corpora.validation is not None and len(corpora.validation) and tuning_lines:
        _tune(corpora.validation, tuning_lines, run, device)
    if not corpora.tests:
        return
    recognizer = Recognizer.from_checkpoint(run.path, device=str(device))
    best_path = recognizer.search.model_copy(update=BEST_PATH)
    scored: dict[str, dict[str, Any]] = {}
    for name, corpus in corpora.tests.items():
        for search in dict.fromkeys((best_path, recognizer.search)):
            said = "best path" if search.beam_size == 1 else f"beam {search.beam_size}"
            scores, texts = _scores(recognizer, corpus, search)
            key = said if not recognizer.has_language_model or search.beam_size == 1 else f"{said} + language model"
            scored.setdefault(name, {})[key] = scores | {"search": search.model_dump(mode="json")}
            log.info("test '%s', %s:\n%s", name, key, scores.pop("said"))
            rows = [f"{corpus.name(i)}\t{text}\n" for i, text in enumerate(texts)]
            atomic_write(run.path / "test" / f"{name}.{key.replace(' ', '_')}.tsv", "".join(rows))
    atomic_write(run.path / "test" / "scores.json", json.dumps(scored, indent=2, ensure_ascii=False) + "\n")


def _scores(recognizer: Recognizer, corpus: LineCorpus, search: CTCSearchConfig) -> tuple[dict[str, Any], list[str]]:
    """Rates over all lines with a transcript, those that could not be used among them, and the texts of the others."""
    found = recognizer.recognize(inputs_of(recognizer, corpus), search=search, alignment=False)
    texts = [one.text for one in found]
    bad = [line for line in corpus.bad if line.text]
    references = [*corpus.texts, *(line.text or "" for line in bad)]
    writers = [*map(corpus.writer, range(len(corpus))), *(line.writer for line in bad)]
    rates = error_rates(references, [*texts, *[None] * len(bad)], writers)
    return rates.as_dict() | {"said": rates.as_text()}, texts


def inputs_of(recognizer: Recognizer, corpus: LineCorpus) -> list[LineInput]:
    """The lines of a corpus as the recogniser reads them."""
    return [recognizer.read(line) for line in corpus.lines]


def _tune(validation: LineCorpus, count: int, run: RunFolder, device: torch.device) -> None:
    """Choose α and β on validation lines; the best checkpoint's weights, with them, become `best.ckpt`."""
    recognizer = Recognizer.from_checkpoint(run.path, device=str(device))
    if not recognizer.has_language_model:
        return
    chosen = range(0, len(validation), -(-len(validation) // count))  # spread over the set
    log.info("tuning the language model's weight on %d validation lines", len(chosen))
    lines = [recognizer.read(validation.lines[i]) for i in chosen]
    search, tuning = tune_search(recognizer, lines, [validation.text(i) for i in chosen])
    log.info(
        "language weight α %.2f, insertion bonus β %.2f: %d characters wrong; with α 0: %d",
        *(search.language_weight, search.insertion_bonus, tuning.errors),
        next(errors for weights, errors in tuning.searched.items() if not weights.language_weight),
    )
    best = find_checkpoint(run.path).resolve()
    checkpoint = read_recognition(best)
    tuned = run.checkpoints / "tuned.ckpt"
    weights = {name: value.clone() for name, value in checkpoint.weights.items()}
    about = {**checkpoint.about, "search_tuned_on": len(chosen)}
    new = checkpoint.config.model_copy(update={"search": search})
    write_checkpoint(tuned, replace(checkpoint, config=new, weights=weights, about=about))
    replace_link(run.checkpoints / "best.ckpt", tuned)
