"""A translator's checkpoint: weights, configuration and tokenizers.

"nmt"   {"format": 1, "config": {…}, "tokenizers": {"source": bytes, "target": bytes}, "about": {…}}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt.checkpoint.file import Content, described, plain_header, read_content
from nmt.checkpoint.weights import check_finite, fitting
from nmt.config.schema import Config
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizer, Tokenizers


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds. `about` is plain data: versions, step, scores, where it came from."""

    config: Config
    tokenizers: Tokenizers
    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]

    @property
    def vocabulary(self) -> object:
        """The target tokenizer's model."""
        return self.tokenizers.target.model

    def header(self) -> dict[str, Any]:
        """The `"nmt"` entry."""
        return header(self.config, self.tokenizers, self.about)

    def build(self) -> TranslationModel:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit."""
        source, target = self.tokenizers
        check_finite(self.weights)
        with fitting():
            model = build_translation(self.config.model, source.vocabulary_size, target.vocabulary_size)
            model.load_state_dict(self.weights)
        return model.eval()


def header(config: Config, tokenizers: Tokenizers, about: Mapping[str, Any]) -> dict[str, Any]:
    """The `"nmt"` entry of a translator's checkpoint, as plain data."""
    models = {"source": tokenizers.source.model, "target": tokenizers.target.model}
    return plain_header(config, about, tokenizers=models)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a translator's file or run folder onto the CPU. Raises CheckpointError naming what is wrong with it."""
    return checkpoint_of(read_content(path, task="translation"))


def checkpoint_of(content: Content) -> Checkpoint:
    """A translator's description taken apart."""
    path, entry, weights = content
    with described(path):
        config = Config.model_validate(entry["config"])
        form = config.tokenizer.normalization
        models = entry["tokenizers"]
        source = Tokenizer(models["source"], normalization=form)
        joint = models["target"] == models["source"]
        target = source if joint else Tokenizer(models["target"], normalization=form)
    return Checkpoint(config, Tokenizers(source, target), weights, entry.get("about", {}))
