"""A recogniser's checkpoint: weights, configuration, alphabet and the language model it reads with.

"nmt"   {"format": 1, "config": {"task": "recognition", …}, "alphabet": [symbols], "language_model": ARPA bytes or None,
         "about": {…}}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt.checkpoint.file import Content, described, plain_header, read_content
from nmt.checkpoint.weights import check_finite, fitting
from nmt.config.recognition import RecognitionConfig
from nmt.models.build import build_recognition
from nmt.models.recognition import RecognitionModel
from nmt.text.alphabet import Alphabet


@dataclass(frozen=True)
class RecognitionCheckpoint:
    """What a file holds. `language_model` is an ARPA file; `about` is plain data: versions, step, scores."""

    config: RecognitionConfig
    alphabet: Alphabet
    language_model: bytes | None
    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]

    @property
    def vocabulary(self) -> object:
        """The alphabet's symbols."""
        return self.alphabet.symbols

    def header(self) -> dict[str, Any]:
        """The `"nmt"` entry."""
        return recognition_header(self.config, self.alphabet, self.language_model, self.about)

    def build(self) -> RecognitionModel:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit."""
        check_finite(self.weights)
        with fitting():
            model = build_recognition(self.config.model, len(self.alphabet))
            model.load_state_dict(self.weights)
        return model.eval()


def recognition_header(
    config: RecognitionConfig, alphabet: Alphabet, language_model: bytes | None, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The `"nmt"` entry of a recogniser's checkpoint, as plain data."""
    return plain_header(config, about, alphabet=list(alphabet.symbols), language_model=language_model)


def read_recognition(path: str | Path) -> RecognitionCheckpoint:
    """Read a recogniser's file or run folder onto the CPU. Raises CheckpointError naming what is wrong with it."""
    return recognition_of(read_content(path, task="recognition"))


def recognition_of(content: Content) -> RecognitionCheckpoint:
    """A recogniser's description taken apart."""
    path, entry, weights = content
    with described(path):
        config = RecognitionConfig.model_validate(entry["config"])
        alphabet = Alphabet(entry["alphabet"])
        language_model = entry["language_model"]
        if not isinstance(language_model, bytes | None):
            raise TypeError(f"language_model is {type(language_model).__name__}, not bytes")
    return RecognitionCheckpoint(config, alphabet, language_model, weights, entry.get("about", {}))
