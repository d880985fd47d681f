"""Sampled segmentations against SentencePiece's best ones, and against all segmentations of a word, enumerated."""

import math
from collections import Counter
from typing import Literal

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from test_tokenizer import SYMBOLS, corpus

from nmt.config.data import TokenizerConfig
from nmt.text.sampling import Sampler, Vocabulary, read_vocabulary
from nmt.text.tokenizer import UNKNOWN, Tokenizer

Kind = Literal["unigram", "bpe"]
SIZE = 420


def trained(kind: Kind, byte_fallback: bool) -> Tokenizer:
    options = {"kind": kind, "vocabulary_size": SIZE if byte_fallback else 200, "user_symbols": SYMBOLS}
    config = TokenizerConfig.model_validate({**options, "byte_fallback": byte_fallback})
    return Tokenizer.train(corpus(), config=config)


@pytest.fixture(scope="module", params=[(k, b) for k in ("unigram", "bpe") for b in (True, False)], ids=str)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(*request.param)


def sampler(tokenizer: Tokenizer) -> Sampler:
    vocabulary = read_vocabulary(tokenizer.model)
    assert vocabulary is not None
    return Sampler(vocabulary, unknown=UNKNOWN)


def test_the_vocabulary_is_read_as_sentencepiece_reads_it(tokenizer: Tokenizer) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    vocabulary = read_vocabulary(tokenizer.model)
    assert vocabulary is not None
    for piece, (index, score) in vocabulary.pieces.items():
        assert (processor.id_to_piece(index), processor.get_score(index)) == (piece, score)
    for piece, index in vocabulary.user_symbols.items():
        assert processor.id_to_piece(index) == piece
    for byte, index in vocabulary.byte_pieces.items():
        assert processor.is_byte(index)
        assert processor.id_to_piece(index) == f"<0x{byte:02X}>"
    groups = (vocabulary.pieces, vocabulary.user_symbols, vocabulary.byte_pieces)
    assert sum(map(len, groups)) == tokenizer.vocabulary_size - 4
    assert set(vocabulary.user_symbols) == set(SYMBOLS)


ODD = [*SYMBOLS, "日本", "x<2de>y", "<2de>+", "é日a"]
TEXTS = st.lists(st.sampled_from(" ".join(corpus(40)).split()) | st.sampled_from(ODD)).map(" ".join)


@given(text=TEXTS)
def test_without_randomness_it_is_sentencepieces_segmentation(tokenizer: Tokenizer, text: str) -> None:
    chooser = sampler(tokenizer)
    inner = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model).normalize(text)
    certain = 0.0 if chooser._vocabulary.is_bpe else 500.0  # α of a unigram model: p^α, so large means the best one
    assert chooser.sample(inner, alpha=certain, seed=0) == tokenizer.encode(text)


@given(text=TEXTS, alpha=st.floats(0.01, 1.0), seed=st.integers(0))
def test_a_sample_spells_the_text(tokenizer: Tokenizer, text: str, alpha: float, seed: int) -> None:
    assert tokenizer.decode(tokenizer.sample(text, alpha=alpha, seed=seed)) == tokenizer.decode(tokenizer.encode(text))


PIECES = {"▁": (4, -2.0), "a": (5, -2.5), "b": (6, -3.0), "ab": (7, -3.5), "▁a": (8, -2.2), "ba": (9, -4.0)}


def segmentations(word: str) -> list[tuple[str, ...]]:
    """All ways to spell a word with PIECES."""
    if not word:
        return [()]
    return [
        (word[:end], *rest)
        for end in range(1, len(word) + 1)
        if word[:end] in PIECES
        for rest in segmentations(word[end:])
    ]


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_unigram_samples_are_distributed_as_the_paper_says(alpha: float) -> None:
    chooser = Sampler(Vocabulary(False, PIECES, {}, {}), unknown=UNKNOWN)
    weights = {path: math.exp(alpha * sum(PIECES[p][1] for p in path)) for path in segmentations("▁abab")}
    assert len(weights) == 5 + 3  # of ▁ + abab, and of ▁a + bab
    draws = 20_000
    names = {index: piece for piece, (index, _) in PIECES.items()}
    seen = Counter(tuple(names[i] for i in chooser.sample("▁abab", alpha=alpha, seed=seed)) for seed in range(draws))
    assert set(seen) <= set(weights)
    for path, weight in weights.items():
        expected = weight / sum(weights.values())
        assert seen[path] / draws == pytest.approx(expected, abs=4 * math.sqrt(expected / draws)), path


def test_bpe_dropout_leaves_out_each_merge_with_its_probability() -> None:
    chooser = Sampler(Vocabulary(True, {"a": (4, 0.0), "b": (5, 0.0), "ab": (6, -1.0)}, {}, {}), unknown=UNKNOWN)
    merged = sum(chooser.sample("ab", alpha=0.3, seed=seed) == [6] for seed in range(10_000))
    assert merged / 10_000 == pytest.approx(0.7, abs=0.02)
    assert chooser.sample("abab", alpha=1.0, seed=0) == [4, 5, 4, 5]


def test_a_model_without_segmentations_is_told_apart(tokenizer: Tokenizer) -> None:
    character_model = b"\x12\x02\x18\x04"  # trainer_spec { model_type: CHAR }
    assert read_vocabulary(character_model) is None
    unigram_model = b"\x12\x02\x18\x01"
    assert read_vocabulary(unigram_model) == Vocabulary(False, {}, {}, {})
