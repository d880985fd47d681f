"""A recogniser's run: its lines, its model and task, and its test sets read at the end."""

import logging
from functools import partial
from pathlib import Path

from nmt.checkpoint import read_recognition
from nmt.config.recognition import RecognitionConfig
from nmt.data.batch import RecognitionBatch
from nmt.data.lines.collate import line_evaluation_loader, line_training_loader
from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.prepare import LineCorpora, prepare_lines
from nmt.data.loader import TrainingLoader
from nmt.data.place import Place
from nmt.inference.line_search import LineSearch
from nmt.models.build import build_frontend, build_recognition
from nmt.text.alphabet import Alphabet
from nmt.training.ending.faults import lines_of
from nmt.training.initialize import initial_checkpoint, load_weights, weights_of
from nmt.training.machine.environment import environment
from nmt.training.parts import Parts, count_steps
from nmt.training.recognition.reading import language_model_of, read_tests
from nmt.training.recognition.task import RecognitionTask

log = logging.getLogger(__name__)

UNVALIDATED = (
    "no validation lines: no error rate will be known while training, the last checkpoint is kept rather than the best,"
    " and no language model is tuned; give --data.validation"
)


def assemble(config: RecognitionConfig, place: Place, *, newest: Path | None) -> Parts:
    """Prepares a recogniser's data and model: see `nmt.training.parts.Assemble`."""
    begin = initial_checkpoint(config, newest, read=read_recognition, normalization="data.normalization")
    if begin is not None and newest is None:
        symbols = len(begin.alphabet.symbols)
        log.info("begins with %s and its alphabet of %d characters", weights_of(config, begin), symbols)
    corpora = read_corpora(config, None if begin is None else begin.alphabet)
    if corpora.validation is None:
        log.warning(UNVALIDATED)
    loader = _training_loader(corpora.train, config, place)
    total_steps = count_steps(config.train, batches=len(loader))
    alphabet = corpora.alphabet
    model = build_recognition(config.model, len(alphabet))
    if begin is not None:
        load_weights(model, begin, name=str(newest or config.train.initialize_from))
    language_model = language_model_of(corpora.train.texts, config.search)
    LineSearch(config.search, alphabet, language_model)  # what is wrong with its files is said now, not later
    task = RecognitionTask(
        config,
        model,
        alphabet,
        validation=corpora.validation,
        total_steps=total_steps,
        language_model=language_model,
        about={"corpora": corpora.contents, "environment": environment()},
        name_lines=partial(lines_of, corpora.train),
    )
    spelling = f"alphabet: {len(alphabet.symbols)} characters and the blank"
    return Parts(
        task,
        loader,
        None if corpora.validation is None else partial(line_evaluation_loader, corpora.validation, config.data),
        introduction=(str(corpora.report), f"{spelling}; a frame every {model.frontend.stride} columns"),
        too_large=partial(too_large, corpora.train),
        evaluate_tests=partial(read_tests, corpora, config, language_model),
    )


def _training_loader(corpus: LineCorpus, config: RecognitionConfig, place: Place) -> TrainingLoader[RecognitionBatch]:
    """Batches of this process's share of the training lines."""
    return line_training_loader(
        corpus,
        config.data,
        seed=config.seed,
        ascending_epochs=config.train.curriculum_epochs,
        accumulate=config.train.accumulate,
        place=place,
    )


def read_corpora(config: RecognitionConfig, alphabet: Alphabet | None = None) -> LineCorpora:
    """The lines of a configuration, prepared for its front-end."""
    frontend = config.model.frontend
    return prepare_lines(
        config.data,
        height=frontend.height,
        colour=frontend.colour,
        kind=frontend.kind,
        frames_of=build_frontend(frontend).frames,
        alphabet=alphabet,
    )


def too_large(corpus: LineCorpus, batch: RecognitionBatch | None) -> str:
    """Which batch memory did not hold, and what to lower; without a batch, what to lower alone."""
    if batch is None:
        return (
            "lower data.batch_columns where it was validating (a validation line may be longer than data.max_columns),"
            " or the size of the model"
        )
    lines, _, height, columns = batch.inputs.shape
    return (
        f"the batch of {lines_of(corpus, batch.ids.tolist())}: {lines} lines, {columns} columns of {height} pixels"
        " each. Lower data.batch_columns (and raise train.accumulate as much), data.max_columns for single long lines,"
        " or the size of the model"
    )
