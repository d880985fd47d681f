"""What a configuration has whatever kind of run it is of; schema.py has the kinds."""

from typing import ClassVar, Literal

from pydantic import Field

from nmt.config.values import Frozen, NonNegative

LoggerKind = Literal["wandb", "csv", "tensorboard", "none"]


class EveryRun(Frozen):
    """Options of every kind of run, and what is said of a kind where none of its libraries are at hand."""

    makes: ClassVar[str]  # "a translator", in messages
    used_by: ClassVar[str]  # the command that uses what such a run makes

    task: str
    name: str = Field(default="run", pattern=r"^[A-Za-z0-9._-]+$")
    seed: NonNegative = Field(default=1, le=2**32 - 1)
    logger: LoggerKind = "csv"

    def trial(self, run: str) -> str:
        """The command that shows what came of the run in this folder, for whoever has just trained it."""
        raise NotImplementedError

    @property
    def training_data(self) -> str:
        """What can be trained on, as `--data.train` takes it, for one who has named nothing."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """Symbols between which the model will choose, about; how many they are, only the prepared data says."""
        raise NotImplementedError

    @property
    def cache(self) -> str | None:
        """The folder of what is worth keeping between runs; None for the default, $NMT_CACHE or ~/.cache/nmt."""
        return None
