"""A recogniser's run: its lines, its model and task, and its test sets read at the end."""

import logging
from functools import partial
from pathlib import Path

from nmt.config.recognition import RecognitionConfig
from nmt.data.batch import RecognitionBatch
from nmt.data.lines.collate import line_evaluation_loader, line_training_loader
from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.prepare import LineCorpora, prepare_lines
from nmt.inference.line_search import LineSearch
from nmt.models.build import build_frontend, build_recognition
from nmt.text.alphabet import Alphabet
from nmt.training.ending.faults import lines_of
from nmt.training.initialize import initial_recogniser, load_weights
from nmt.training.machine.environment import environment
from nmt.training.parts import Parts, Place, count_steps
from nmt.training.recognition.reading import language_model_of, read_tests
from nmt.training.recognition.task import RecognitionTask
from nmt.training.schedules import check_schedule

log = logging.getLogger(__name__)


def assemble_recognition(config: RecognitionConfig, place: Place, *, newest: Path | None) -> Parts:
    """Every process of a run does the same; `newest` is the checkpoint it goes on from."""
    train = config.train
    begin = initial_recogniser(config, newest)
    if begin is not None and newest is None:
        log.info("begins with %s and its alphabet of %d characters", train.initialize_from, len(begin.alphabet.symbols))
    corpora = read_corpora(config, None if begin is None else begin.alphabet)
    loader = line_training_loader(
        corpora.train,
        config.data,
        seed=config.seed,
        ascending_epochs=train.curriculum_epochs,
        accumulate=train.accumulate,
        rank=place.rank,
        world_size=place.ranks,
        pin_memory=place.on_gpu,
    )
    validation, evaluation = None, None
    if corpora.validation is not None:
        evaluation = partial(line_evaluation_loader, corpora.validation, config.data)
        validation = evaluation(rank=place.rank, world_size=place.ranks, pin_memory=place.on_gpu)
    else:
        log.warning(
            "no validation lines: no error rate will be known while training, the last checkpoint is kept rather than"
            " the best, and no language model is tuned; give --data.validation"
        )
    total_steps = count_steps(
        max_steps=train.max_steps, max_epochs=train.max_epochs, batches=len(loader), accumulate=train.accumulate
    )
    check_schedule(train.schedule, total_steps=total_steps)
    model = build_recognition(config.model, len(corpora.alphabet))
    if begin is not None:
        load_weights(model, begin, name=str(newest or train.initialize_from))
    language_model = language_model_of(corpora.train.texts, config.search)
    LineSearch(config.search, corpora.alphabet, language_model)  # what is wrong with its files is said now, not later
    task = RecognitionTask(
        config,
        model,
        corpora.alphabet,
        validation=corpora.validation,
        total_steps=total_steps,
        language_model=language_model,
        about={"corpora": corpora.contents, "environment": environment()},
        name_lines=partial(lines_of, corpora.train),
    )
    frontend = model.frontend
    return Parts(
        task,
        loader,
        validation,
        introduction=(
            str(corpora.report),
            f"alphabet: {len(corpora.alphabet.symbols)} characters and the blank; a frame every"
            f" {frontend.stride} columns",
        ),
        too_large=partial(too_large, corpora.train),
        evaluation=evaluation,
        evaluate_tests=partial(read_tests, corpora, config, language_model),
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
