"""What a model makes of a few examples at each validation: a table for programs, a page for people, both for a logger.

The task offers them as an attribute `validation_samples`, a sequence of `Sample`, filled anew at each validation.
"""

import csv
import html
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from nmt.errors import StorageError
from nmt.files import atomic_write
from nmt.training.watching.loggers import log_pictures, tensorboard_writer
from nmt.training.watching.weights_and_biases import log_samples, wandb_run

log = logging.getLogger(__name__)

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 64em; padding: 0 1em; color: #222 }
article { border-top: 1px solid #ddd; padding: .8em 0 }
dl { display: grid; grid-template-columns: 7em 1fr; gap: .2em 1em; margin: 0 }
dt { color: #777 } dd { margin: 0; overflow-wrap: anywhere }
.hypothesis { font-weight: 600 }
del { background: #ffd7d5; color: #82071e } ins { background: #cfe8ff; color: #0a3069; text-decoration: none }
summary { color: #777; cursor: pointer; margin-top: .4em }
article > svg { display: block; max-width: 100%; height: auto; margin-top: .6em }
"""


class Picture(NamedTuple):
    """A sample as loggers want it; `name` is one for all samples of a kind."""

    name: str
    png: bytes
    caption: str


@runtime_checkable
class Sample(Protocol):
    """One example of the validation set and what the model makes of it now."""

    def cells(self) -> dict[str, str | float]:
        """Column → content, of a table with one row a sample."""
        ...

    def article(self) -> str:
        """The same for a page: an HTML `article`."""
        ...

    def legend(self) -> str:
        """What an article's colours and numbers mean, as HTML; one for all samples of a kind."""
        ...

    def picture(self) -> Picture | None:
        """None where there is nothing to draw."""
        ...


class ValidationSamples(Callback):
    """Writes `step_N.tsv` and `step_N.html` into `folder` after each validation, and logs them to W&B or TensorBoard
    where they run."""

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
        run, writer = wandb_run(trainer.loggers), tensorboard_writer(trainer.loggers)
        if run is None and writer is None:
            return
        pictures = [picture for sample in samples if (picture := sample.picture()) is not None]
        if run is not None:
            log_samples(run, [sample.cells() for sample in samples], images=pictures, step=step - 1)
        if writer is not None:
            log_pictures(writer, pictures, step=step - 1)  # Lightning counts logged steps from 0


def samples_table(samples: Sequence[Sample]) -> str:
    """Tab-separated with a header; white space inside a text becomes one space, numbers have two decimals."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    rows = [sample.cells() for sample in samples]
    writer.writerow(rows[0])
    for row in rows:
        cells = row.values()
        writer.writerow([f"{cell:.2f}" if isinstance(cell, float) else " ".join(cell.split()) for cell in cells])
    return stream.getvalue()


def samples_page(samples: Sequence[Sample], *, step: int) -> str:
    """A page that needs nothing but itself."""
    title = f"Validation samples after step {step:,}"
    articles = "\n".join(sample.article() for sample in samples)
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n<p>{samples[0].legend()}</p>\n{articles}\n</body></html>\n"
    )


def terms(rows: Mapping[str, str]) -> str:
    """Name → HTML as a definition list; a name is the class of what it stands for."""
    written = (f'<dt>{name}</dt><dd class="{html.escape(name)}" dir="auto">{text}</dd>' for name, text in rows.items())
    return f"<dl>{''.join(written)}</dl>"
