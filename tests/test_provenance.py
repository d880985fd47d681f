"""A run goes on with what it began with, or the difference is named."""

from typing import Any

import pytest

from nmt.checkpoint.recognition import recognition_header
from nmt.config.data import TokenizerConfig
from nmt.config.recognition import RecognitionConfig
from nmt.config.schema import Config
from nmt.errors import CheckpointError
from nmt.models.build import build_translation
from nmt.text.alphabet import Alphabet
from nmt.text.tokenizer import Tokenizer, Tokenizers
from nmt.training.keeping.provenance import check_unchanged
from nmt.training.recognition.task import alphabet_differences
from nmt.training.translation.task import TranslationTask, tokenizer_differences


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(["a b c d"] * 9, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def checkpoint(**corpora: Any) -> dict[str, Any]:
    return {"about": {"corpora": corpora} if corpora else {}}


def check(before: dict[str, Any], now: dict[str, Any] | None, *spelling: str) -> None:
    check_unchanged(before, corpora=now, unit="pairs", spelling=spelling, what="corpus or the tokenizer")


TRAIN = {"files": {"t.en": "0123456789", "t.de": "abcdefghij"}, "pairs": 1000}


def test_the_same_and_checkpoints_of_before_go_on() -> None:
    check(checkpoint(train=TRAIN), {"train": TRAIN})
    check(checkpoint(), {"train": TRAIN})
    check(checkpoint(train=TRAIN), None)


def test_every_difference_is_named() -> None:
    new = {"train": {"files": {"t.en": "0123456789", "t.de": "xyz4567890", "more.tsv": "1"}, "pairs": 1010}}
    held_out = {"files": {"v.en": "00"}, "pairs": 5}
    with pytest.raises(CheckpointError) as caught:
        check(checkpoint(train=TRAIN, validation=held_out), new, "tokenizer: another")
    assert str(caught.value).splitlines()[1:-1] == [
        "  train: t.de has changed: its content was abcdefgh, and is xyz45678",
        "  train: more.tsv was not there",
        "  train: 1,000 pairs after preparation there, 1,010 now",
        "  validation: v.en is not read any more",
        "  tokenizer: another",
    ]
    assert str(caught.value).startswith("the corpus or the tokenizer differs") and "--run-dir" in str(caught.value)


def test_another_spelling_alone_is_refused() -> None:
    with pytest.raises(CheckpointError, match="  tokenizer: another\n"):
        check(checkpoint(), {"train": TRAIN}, "tokenizer: another")


def test_another_tokenizer_is_named_by_its_side(tokenizers: Tokenizers) -> None:
    models = {"source": tokenizers.source.model, "target": tokenizers.target.model}
    assert tokenizer_differences(models, tokenizers) == []
    size = f"{len(models['source']):,}"
    assert tokenizer_differences({**models, "target": b"12"}, tokenizers) == [
        f"tokenizer: the target model is another one (2 bytes there, {size} now)"
    ]


def test_another_alphabet_is_told_from_the_same() -> None:
    """Also where it has as many symbols: their order is what the weights stand for."""
    assert alphabet_differences(["a", "b"], Alphabet(["a", "b"])) == []
    assert alphabet_differences(["b", "a"], Alphabet(["a", "b"])) == ["alphabet: 2 characters there, 2 now"]


def test_the_checkpoint_of_another_kind_of_run_is_named(tokenizers: Tokenizers) -> None:
    """One of a recogniser among those of a translator ended in a traceback."""
    config = Config()
    model = build_translation(config.model.model_copy(update={"hidden_size": 4, "embedding_size": 4}), 300, 300)
    task = TranslationTask(config, model, tokenizers, validation=None, total_steps=1)
    header = recognition_header(RecognitionConfig(), Alphabet(["a"]), None, {})
    with pytest.raises(CheckpointError, match="of another kind of run, for it has no 'tokenizers'; move it out"):
        task.on_load_checkpoint({"nmt": header})
    with pytest.raises(CheckpointError, match="for it has no 'nmt'"):
        task.on_load_checkpoint({})
