"""The kinds of run, and every option once, with its one default.

A configuration is a frozen value; `model_dump(mode="json")` is the plain dictionary that travels in checkpoints.
Lists in YAML become tuples here, so that a configuration can be compared and hashed.
"""

import difflib
import shlex
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.recognition import RecognitionConfig
from nmt.config.run import EveryRun
from nmt.config.search import SearchConfig
from nmt.config.training import TranslationTrainConfig
from nmt.errors import ConfigError


class Config(EveryRun):
    """A translator's whole run; a file that says `task: recognition` holds a RecognitionConfig instead."""

    makes: ClassVar[str] = "a translator"
    used_by: ClassVar[str] = "translate"

    task: Literal["translation"] = "translation"
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    train: TranslationTrainConfig = TranslationTrainConfig(max_epochs=10)
    search: SearchConfig = SearchConfig()

    def trial(self, run: str) -> str:
        """A sentence is typed in sooner than a file is found."""
        return f"nmt {self.used_by} --checkpoint {shlex.quote(run)} --interactive"

    @property
    def training_data(self) -> str:
        """Files of one's own, or the embedded grammar."""
        return "DIR/train (or demo:train)"

    @property
    def outputs(self) -> int:
        """Pieces of the target vocabulary as asked for; a corpus with fewer, or a model that is given, may differ."""
        return self.tokenizer.vocabulary_size

    @property
    def cache(self) -> str | None:
        """Of the prepared corpora."""
        return self.data.cache_dir

    @model_validator(mode="after")
    def _tying_is_possible(self) -> Self:
        separate = not self.tokenizer.joint or self.tokenizer.source_model is not None
        if self.model.tie_embeddings == "all" and separate:
            raise ValueError("model.tie_embeddings 'all' needs tokenizer.joint; set it to 'target' or 'none'")
        return self

    @model_validator(mode="after")
    def _one_tokenizer(self) -> Self:
        given = self.tokenizer.model or self.tokenizer.source_model
        if self.train.initialize_from is not None and given is not None:
            raise ValueError("train.initialize_from brings its own tokenizer; leave tokenizer.model and others out")
        return self

    @model_validator(mode="after")
    def _a_stream_has_no_end(self) -> Self:
        if self.data.streaming and self.train.max_steps is None and self.train.max_minutes is None:
            raise ValueError("data.streaming has no epochs to count; give train.max_steps or train.max_minutes")
        return self


RunConfig = Config | RecognitionConfig
Root = type[Config] | type[RecognitionConfig]

# the word of `task` → the schema of such runs
ROOTS: dict[str, Root] = {"translation": Config, "recognition": RecognitionConfig}


def root_of(task: object) -> Root:
    """The schema that the word of `task` stands for; without a word, translation. Raises ConfigError for another."""
    if task is None:
        return Config
    if isinstance(task, str) and task in ROOTS:
        return ROOTS[task]
    near = difflib.get_close_matches(str(task), ROOTS, n=1)
    raise ConfigError(f"must be {' or '.join(ROOTS)}, got {task!r}" + (f"; did you mean {near[0]}?" if near else ""))


def check_validation(config: RunConfig) -> None:
    """Raise ConfigError where options wait for scores that nothing will measure.

    No validator, so that a checkpoint of such a run still loads.
    """
    train = config.train
    waiting = {
        f"train.patience {train.patience}": train.patience > 0,
        "train.schedule.kind 'plateau'": train.schedule.kind == "plateau",
        f"train.average_checkpoints {train.average_checkpoints}": train.average_checkpoints > 1,
    }
    if not config.data.validation and any(waiting.values()):
        named = ", ".join(option for option, waits in waiting.items() if waits)
        raise ConfigError(f"{named}: needs data.validation, by whose score it decides; give --data.validation")
