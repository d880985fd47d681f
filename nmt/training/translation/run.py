"""A translator's run: its corpora, its model and task, and its test sets translated at the end."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nmt.checkpoint import read_checkpoint
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.data.corpus import EncodedCorpus
from nmt.data.loader import evaluation_loader, training_loader
from nmt.data.place import Place
from nmt.data.prepare import Corpora, prepare_corpora
from nmt.files import atomic_write
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores
from nmt.models.build import build_translation
from nmt.text.tokenizer import Tokenizers
from nmt.training.ending.faults import Lines, lines_of
from nmt.training.initialize import initial_checkpoint, load_weights, weights_of
from nmt.training.machine.environment import environment
from nmt.training.parts import Parts, count_steps
from nmt.training.run import RunFolder
from nmt.training.translation.task import TranslationTask

log = logging.getLogger(__name__)

RISK_RATE = 5e-4  # of Adam: 1e-4 tunes (docs/benchmarks.md); on the way up to 3e-3 one run lost 2 BLEU in 60 steps


def assemble(config: Config, place: Place, *, newest: Path | None) -> Parts:
    """Prepares a translator's data and model: see `nmt.training.parts.Assemble`."""
    begin = initial_checkpoint(config, newest, read=read_checkpoint, normalization="tokenizer.normalization")
    tokenizers = None if begin is None else begin.tokenizers
    corpora = prepare_corpora(config.data, config.tokenizer, seed=config.seed, tokenizers=tokenizers)
    loader = _training_loader(corpora, config, place)
    total_steps = count_steps(config.train, batches=None if config.data.streaming else len(loader))
    source, target = corpora.tokenizers
    model = build_translation(config.model, source.vocabulary_size, target.vocabulary_size)
    introduction = [str(corpora.report), f"vocabulary: {_sizes(corpora.tokenizers)}"]
    if begin is not None:
        if newest is None:
            introduction.append(weights_of(config, begin))
        load_weights(model, begin, name=str(newest or config.train.initialize_from))
    languages = [config.data.source, config.data.target]
    task = TranslationTask(
        config,
        model,
        corpora.tokenizers,
        validation=corpora.validation,
        total_steps=total_steps,
        about={"languages": languages, "corpora": corpora.contents, "environment": environment()},
        name_pairs=partial(lines_of, corpora.train),
    )
    if place.rank == 0 and (warning := rough_risk(config)) is not None:
        log.warning("%s", warning)
    return Parts(
        task,
        loader,
        None if corpora.validation is None else partial(evaluation_loader, corpora.validation, config.data),
        introduction=tuple(introduction),
        too_large=partial(too_large, corpora.train),
        evaluate_tests=partial(_evaluate_tests, corpora.tests),
    )


def rough_risk(config: Config) -> str | None:
    """A warning where the steps of risk tuning are so large that they undo what was learnt."""
    optimizer = config.train.optimizer
    if not config.train.risk.samples or optimizer.kind == "sgd" or optimizer.learning_rate <= RISK_RATE:
        return None
    return (
        f"train.optimizer.learning_rate {optimizer.learning_rate:g} is high for train.risk, which wants about 1e-4,"
        " constant: --train.optimizer.learning_rate 1e-4 --train.schedule.kind constant"
    )


def _sizes(tokenizers: Tokenizers) -> str:
    """`4000`, of a vocabulary that both languages share; `4000 + 4000`."""
    return " + ".join(str(one.vocabulary_size) for one in dict.fromkeys(tokenizers))


def _training_loader(corpora: Corpora, config: Config, place: Place) -> Any:
    """Batches of this process's share of the training pairs."""
    return training_loader(
        corpora,
        config.data,
        seed=config.seed,
        sampling=config.tokenizer.sampling,
        accumulate=config.train.accumulate,
        place=place,
        gather=_gather if place.ranks > 1 else None,
    )


def _gather(mine: list[int]) -> list[list[int]]:
    """What every rank gives: Lightning writes the first one's position in the data alone."""
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, mine)
    return everyone


def too_large(corpus: Lines, batch: TranslationBatch | None) -> str:
    """Which batch memory did not hold, and what to lower; without a batch, what to lower alone."""
    if batch is None:
        return (
            "lower train.validation_sentences or search.batch_sentences where it was validating, or the size of the"
            " model"
        )
    (pairs, source), target = batch.source.shape, batch.target_input.shape[1]
    return (
        f"the batch of {lines_of(corpus, batch.ids.tolist())}: {pairs} pairs, {source} source and {target} target"
        " positions each. Lower data.batch_source_tokens and data.batch_target_tokens (and raise train.accumulate as"
        " much), data.cleaning.max_tokens for single long lines, or the size of the model"
    )


def _evaluate_tests(tests: Mapping[str, EncodedCorpus], run: RunFolder, device: torch.device) -> None:
    """Translate every test set with the best checkpoint and `config.search`; scores go to RUN/test."""
    if not tests:
        return
    translator = Translator.from_checkpoint(run.path, device=str(device))
    scored = {}
    for name, corpus in tests.items():
        pairs = [corpus.text(i) for i in range(len(corpus))]
        translations = [t.text.replace("\n", " ") for t in translator.translate([source for source, _ in pairs])]
        scores = corpus_scores(translations, [reference for _, reference in pairs])
        atomic_write(run.path / "test" / f"{name}.hypotheses.txt", "".join(f"{line}\n" for line in translations))
        scored[name] = scores.as_dict() | {"search": translator.search.model_dump(mode="json")}
        said = f"test '{name}', {scores.sentences:,} sentences, beam {translator.search.beam_size}:\n{scores.as_text()}"
        log.info("%s", said)
    atomic_write(run.path / "test" / "scores.json", json.dumps(scored, indent=2) + "\n")
