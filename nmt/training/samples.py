"""Sample translations of each validation: a table for programs, a page for people, and both for W&B.

The task offers them as an attribute `validation_samples`, a sequence of `Sample`, filled anew at each validation.
"""

import csv
import html
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from nmt.errors import StorageError
from nmt.files import atomic_write
from nmt.inference.heatmap import Matrix, heatmap_png, heatmap_svg
from nmt.training.weights_and_biases import log_samples, wandb_run

log = logging.getLogger(__name__)

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222 }
article { border-top: 1px solid #ddd; padding: .8em 0 }
dl { display: grid; grid-template-columns: 7em 1fr; gap: .2em 1em; margin: 0 }
dt { color: #777 } dd { margin: 0 }
.hypothesis { font-weight: 600 }
summary { color: #777; cursor: pointer; margin-top: .4em }
"""


class Sample(NamedTuple):
    """One sentence of the validation set as it is translated now."""

    source: str
    reference: str
    hypothesis: str
    score: float  # sentence chrF, 0 to 100
    attention: Matrix | None = None  # (target pieces, source pieces), rows sum to 1
    source_pieces: Sequence[str] = ()
    target_pieces: Sequence[str] = ()


class SampleTranslations(Callback):
    """Writes `step_N.tsv` and `step_N.html` into `folder` after each validation, and logs them to W&B where it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        samples: Sequence[Sample] = getattr(pl_module, "validation_samples", ())
        if not samples or trainer.sanity_checking or not trainer.is_global_zero:
            return
        step = trainer.global_step
        try:
            atomic_write(self._folder / f"step_{step}.tsv", samples_table(samples))
            atomic_write(self._folder / f"step_{step}.html", samples_page(samples, step=step))
        except StorageError as error:  # the checkpoint may still fit, and matters more
            log.warning("%s", error)
        if (run := wandb_run(trainer.loggers)) is not None:
            rows = [[s.source, s.reference, s.hypothesis, s.score] for s in samples]
            log_samples(run, rows, images=_pictures(samples), step=step - 1)  # Lightning counts logged steps from 0


def samples_table(samples: Sequence[Sample]) -> str:
    """Tab-separated with a header; white space inside a sentence becomes one space."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(["source", "reference", "hypothesis", "chrf"])
    for sample in samples:
        sentences = [" ".join(text.split()) for text in (sample.source, sample.reference, sample.hypothesis)]
        writer.writerow([*sentences, f"{sample.score:.2f}"])
    return stream.getvalue()


def samples_page(samples: Sequence[Sample], *, step: int) -> str:
    """A page that needs nothing but itself; attention folds out below each sentence."""
    title = f"Sample translations after step {step:,}"
    articles = "\n".join(_article(sample) for sample in samples)
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{articles}\n</body></html>\n"
    )


def _article(sample: Sample) -> str:
    rows = [("source", sample.source), ("reference", sample.reference), ("hypothesis", sample.hypothesis)]
    terms = "".join(f'<dt>{name}</dt><dd class="{name}" dir="auto">{html.escape(text)}</dd>' for name, text in rows)
    picture = ""
    if sample.attention is not None and sample.attention.size:
        svg = heatmap_svg(sample.attention, sample.source_pieces, sample.target_pieces)
        picture = f"<details><summary>attention</summary>{svg}</details>"
    return f"<article><dl>{terms}<dt>chrF</dt><dd>{sample.score:.1f}</dd></dl>{picture}</article>"


def _pictures(samples: Sequence[Sample], limit: int = 4) -> list[tuple[bytes, str]]:
    """(PNG, caption) of the first few attention matrices."""
    with_attention = [s for s in samples if s.attention is not None and s.attention.size][:limit]
    return [
        (heatmap_png(s.attention, s.source_pieces, s.target_pieces), s.hypothesis)
        for s in with_attention
        if s.attention is not None
    ]
