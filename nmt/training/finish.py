"""What follows the last step: the best checkpoints averaged, and the test sets translated and scored."""

import json
import logging
from collections.abc import Mapping

import torch

from nmt.checkpoint import Checkpoint, average_weights, read_checkpoint, write_checkpoint
from nmt.data.corpus import EncodedCorpus
from nmt.data.loader import EvaluationLoader
from nmt.files import atomic_write, replace_link
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores
from nmt.training.checkpoints import MONITORS, best_checkpoints
from nmt.training.run import RunFolder
from nmt.training.task import TranslationTask, batch_loss

log = logging.getLogger(__name__)


def average_best(run: RunFolder, task: TranslationTask, *, device: torch.device) -> None:
    """Average the best `train.average_checkpoints`; where validation finds the mean better, it becomes `best.ckpt`.

    One process does it by itself, after the others have gone.
    """
    wanted = run.config.train.average_checkpoints
    best = best_checkpoints(run.checkpoints)[:wanted]
    if wanted < 2 or len(best) < 2 or task.validation is None:
        return
    checkpoints = [read_checkpoint(path) for path in best]
    first = checkpoints[0]
    metric, mode = MONITORS[run.config.train.monitor]
    weights = average_weights(checkpoints)
    before, after = (score_weights(task, w, device=device)[metric] for w in (first.weights, weights))
    better = after > before if mode == "max" else after < before
    log.info(
        "average of the best %d checkpoints: %s %.4g, the best one alone %.4g; %s is kept as best",
        *(len(best), metric, after, before, "the average" if better else "the single one"),
    )
    if better:
        about = {**first.about, "scores": {metric: after}, "average_of": [path.name for path in best]}
        averaged = run.checkpoints / "averaged.ckpt"
        write_checkpoint(averaged, Checkpoint(first.config, first.tokenizers, weights, about))
        replace_link(run.checkpoints / "best.ckpt", averaged)


@torch.no_grad()
def score_weights(
    task: TranslationTask, weights: Mapping[str, torch.Tensor], *, device: torch.device
) -> dict[str, float]:
    """The validation scores that the task's model has with these weights, on the whole set."""
    assert task.validation is not None
    task.model.load_state_dict(weights)
    task.model.to(device).eval()  # Lightning has put it back on the CPU
    loss = tokens = 0.0
    for batch in EvaluationLoader(task.validation, task.config.data):
        moved = type(batch)(*(part.to(device) for part in batch))
        sums = batch_loss(task.model, moved)
        loss += float(sums.negative_log_likelihood)
        tokens += float(batch.target_lengths.sum())
    return {"validation/loss": loss / tokens} | task.translation_scores(task.validation, rank=0, world_size=1)


def evaluate_tests(run: RunFolder, tests: Mapping[str, EncodedCorpus], *, device: torch.device) -> None:
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
