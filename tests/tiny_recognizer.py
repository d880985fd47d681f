"""A recogniser of a few kilobytes whose readings are nonsense, but the same nonsense every time."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nmt.checkpoint import RecognitionCheckpoint, write_checkpoint
from nmt.config.recognition import RecognitionConfig
from nmt.models.build import build_recognition
from nmt.text.alphabet import Alphabet

SYMBOLS = " aeinrstœ"
BLOCKS = [{"channels": 4, "pool": (2, 2)}, {"channels": 6, "pool": (2, 1)}]


def tiny_recognizer(
    *, seed: int = 1, kind: str = "image", language_model: bytes | None = None, silent: bool = False, **sections: Any
) -> RecognitionCheckpoint:
    """Random weights, large enough that every line is read differently; stride 2 columns a frame.

    One that is `silent` sees a blank in every frame, like one that has hardly been trained.
    """
    frontend = {"kind": kind, "height": 16, "blocks": BLOCKS}
    model = {"frontend": frontend, "hidden_size": 8, "layers": 2}
    config = RecognitionConfig.model_validate({"model": model, **sections})
    torch.manual_seed(seed)
    built = build_recognition(config.model, len(SYMBOLS) + 1)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
        built.output.bias[0] += 1000 * silent
    return RecognitionCheckpoint(config, Alphabet(SYMBOLS), language_model, built.state_dict(), {"step": 7})


def write_tiny_recognizer(path: Path, **options: Any) -> Path:
    """The file of one, of the same options."""
    write_checkpoint(path, tiny_recognizer(**options))
    return path


def scribble(width: int, *, height: int = 24, seed: int = 0) -> NDArray[np.uint8]:
    """A grey image of dark strokes on bright paper, nothing anybody could read."""
    generator = np.random.default_rng([seed, width, height])
    values = np.full((height, width), 235, dtype=np.uint8)
    for x in range(2, width - 3, 5):
        top = int(generator.integers(1, height // 2))
        values[top : int(generator.integers(top + 2, height)), x : x + int(generator.integers(1, 3))] = 30
    return values


def write_scribble(path: Path, width: int, *, height: int = 24, seed: int = 0) -> Path:
    """The file of one."""
    Image.fromarray(scribble(width, height=height, seed=seed)).save(path)
    return path
