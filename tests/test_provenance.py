"""A run goes on with what it began with, or the difference is named."""

from typing import Any

import pytest

from nmt.config.data import TokenizerConfig
from nmt.errors import CheckpointError
from nmt.text.tokenizer import Tokenizer, Tokenizers
from nmt.training.keeping.provenance import check_unchanged


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(["a b c d"] * 9, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def checkpoint(tokenizers: Tokenizers, **corpora: Any) -> dict[str, Any]:
    models = {"source": tokenizers.source.model, "target": tokenizers.target.model}
    return {"about": {"corpora": corpora} if corpora else {}, "tokenizers": models}


TRAIN = {"files": {"t.en": "0123456789", "t.de": "abcdefghij"}, "pairs": 1000}


def test_the_same_and_checkpoints_of_before_go_on(tokenizers: Tokenizers) -> None:
    check_unchanged(checkpoint(tokenizers, train=TRAIN), corpora={"train": TRAIN}, tokenizers=tokenizers)
    check_unchanged(checkpoint(tokenizers), corpora={"train": TRAIN}, tokenizers=tokenizers)
    check_unchanged(checkpoint(tokenizers, train=TRAIN), corpora=None, tokenizers=tokenizers)


def test_every_difference_is_named(tokenizers: Tokenizers) -> None:
    new = {"train": {"files": {"t.en": "0123456789", "t.de": "xyz4567890", "more.tsv": "1"}, "pairs": 1010}}
    held_out = {"files": {"v.en": "00"}, "pairs": 5}
    with pytest.raises(CheckpointError) as caught:
        check_unchanged(checkpoint(tokenizers, train=TRAIN, validation=held_out), corpora=new, tokenizers=tokenizers)
    assert str(caught.value).splitlines()[1:-1] == [
        "  train: t.de has changed: its content was abcdefgh, and is xyz45678",
        "  train: more.tsv was not there",
        "  train: 1,000 pairs after preparation there, 1,010 now",
        "  validation: v.en is not read any more",
    ]
    assert "--run-dir" in str(caught.value)
