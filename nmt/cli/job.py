"""What `translate` was asked to do, as plain data that another process can be given, and who does it there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli import decoding
from nmt.cli.guidance import NO_WISHES, Wishes
from nmt.cli.rows import FORMATS, Row
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.guidance import Guidance
    from nmt.inference.quantize import Precision
    from nmt.inference.translation import Translation
    from nmt.inference.translator import Translator
    from nmt.inference.windows import Window


@dataclass(frozen=True)
class Job:
    """Everything that decides what is written for a line, and where it is computed."""

    checkpoints: tuple[Path, ...]
    overrides: dict[str, Any]
    n_best: int = 1
    format: str = "text"
    alignment: str = "none"
    device: str = "auto"
    threads: int | None = None
    precision: "Precision" = "32"
    wishes: Wishes = NO_WISHES

    def load(self, number: int | None = None) -> "Worker":
        """Read the checkpoints; this imports torch. Of several GPUs, `number` says which one is this worker's.

        Raises CheckpointError, and ConfigError where the options do not go with the checkpoint's.
        """
        device = self.device if number is None else _own_device(self.device, number)
        translator = decoding.load_translator(
            list(self.checkpoints), device=device, threads=self.threads, precision=self.precision
        )
        if not number:  # the first worker, or the only one
            decoding.tell_unfinished(self.checkpoints)
        search = decoding.with_overrides(translator.search, self.overrides)
        self.wishes.check(sampling=search.sampling, groups=search.diverse_beam_groups, beam_size=search.beam_size)
        if self.n_best > search.beam_size and not search.sampling:
            raise ConfigError(
                f"--n-best {self.n_best}: more than the beam holds ({search.beam_size}); raise --beam-size"
            )
        return Worker(self, translator, search, self.wishes.guidance())


@dataclass(frozen=True)
class Worker:
    """A job with its model: rows for windows of lines."""

    job: Job
    translator: "Translator"
    search: "SearchConfig"
    guidance: "Guidance"

    def __call__(self, window: "Window") -> list[Row]:
        """One row a line."""
        translations = self.translator.translate(
            window.lines,
            search=self.search,
            n_best=self.job.n_best,
            attention=self.job.alignment != "none",
            guidance=self.guidance,
            first=window.first,
        )
        return [self._row(number, translation) for number, translation in enumerate(translations, start=window.first)]

    def _row(self, number: int, translation: "Translation") -> Row:
        return Row.of(translation, FORMATS[self.job.format](number, translation, self.job.alignment))


def _own_device(name: str, number: int) -> str:
    """The GPU of the worker `number` of this machine; a device that is named with its number stays."""
    if name not in ("auto", "cuda"):
        return name
    import torch

    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else name
