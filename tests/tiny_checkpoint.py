"""A checkpoint of a few kilobytes whose translations are nonsense, but the same nonsense every time."""

from pathlib import Path

import torch

from nmt.checkpoint import Checkpoint, write_checkpoint
from nmt.config.schema import Config
from nmt.models.build import build_translation
from nmt.text.tokenizer import Tokenizer, Tokenizers

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run"] * 5


def tiny_checkpoint(*, seed: int = 1, vocabulary_size: int = 300, normalization: str = "nfc") -> Checkpoint:
    """Random weights, deviation 1, so that every source is translated differently."""
    config = Config.model_validate(
        {
            "model": {"embedding_size": 16, "hidden_size": 16, "initialization": {"scale": 1.0}},
            "tokenizer": {"kind": "bpe", "vocabulary_size": vocabulary_size, "normalization": normalization},
            "search": {"beam_size": 3, "batch_sentences": 4, "max_length": 12},
        }
    )
    tokenizer = Tokenizer.train(LINES, config=config.tokenizer)
    torch.manual_seed(seed)
    model = build_translation(config.model, tokenizer.vocabulary_size, tokenizer.vocabulary_size)
    return Checkpoint(config, Tokenizers(tokenizer, tokenizer), model.state_dict(), {})


def write_tiny_checkpoint(path: Path, *, seed: int = 1, vocabulary_size: int = 300) -> Path:
    """The file of one."""
    write_checkpoint(path, tiny_checkpoint(seed=seed, vocabulary_size=vocabulary_size))
    return path
