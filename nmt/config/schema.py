"""Every option of a run, once, with its one default.

A configuration is a frozen value; `model_dump(mode="json")` is the plain dictionary that travels in checkpoints.
Lists in YAML become tuples here, so that a configuration can be compared and hashed.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.config.training import TrainConfig
from nmt.config.values import Frozen, NonNegative

LoggerKind = Literal["wandb", "csv", "tensorboard", "none"]


class Config(Frozen):
    """A whole run. Everything in a YAML file of `configs/` stands in one of these places."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9._-]+$")
    seed: NonNegative = Field(default=1, le=2**32 - 1)
    logger: LoggerKind = "csv"
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig(max_epochs=10)
    search: SearchConfig = SearchConfig()

    @model_validator(mode="after")
    def _tying_is_possible(self) -> Self:
        separate = not self.tokenizer.joint or self.tokenizer.source_model is not None
        if self.model.tie_embeddings == "all" and separate:
            raise ValueError("model.tie_embeddings 'all' needs tokenizer.joint; set it to 'target' or 'none'")
        return self

    @model_validator(mode="after")
    def _a_stream_has_no_end(self) -> Self:
        if self.data.streaming and self.train.max_steps is None and self.train.max_minutes is None:
            raise ValueError("data.streaming has no epochs to count; give train.max_steps or train.max_minutes")
        return self
