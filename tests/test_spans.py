"""Pieces found again in texts, with SentencePiece itself as the judge of what they spell."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.data import TokenizerConfig
from nmt.text.normalize import normalize
from nmt.text.spans import piece_spans
from nmt.text.tokenizer import PAD, START, Tokenizer

LINES = ["the cat sat on the mat", "a dog and a cat", "on and on it sat", "the mat the dog the end"] * 3


def trained(*, byte_fallback: bool) -> Tokenizer:
    size = 320 if byte_fallback else 40
    return Tokenizer.train(LINES, config=TokenizerConfig(vocabulary_size=size, byte_fallback=byte_fallback))


TOKENIZERS = {fallback: trained(byte_fallback=fallback) for fallback in (True, False)}
TEXTS = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(["the", "cät", "日本", "👍🏽", "…on"])).map(" ".join))


@settings(max_examples=80, deadline=None)
@given(text=TEXTS, fallback=st.booleans())
def test_pieces_of_a_source_cover_it_in_order(text: str, fallback: bool) -> None:
    tokenizer = TOKENIZERS[fallback]
    clean = normalize(text, tokenizer.normalization)
    pieces = [*tokenizer.pieces(tokenizer.encode(text)), "</s>"]
    spans = piece_spans(clean, pieces)
    assert spans is not None and len(spans) == len(pieces)
    covered = {place for begin, end in spans for place in range(begin, end)}
    assert covered >= {place for place, character in enumerate(clean) if not character.isspace()}
    assert all(first <= second for first, second in itertools.pairwise(spans))
    for piece, (begin, end) in zip(pieces, spans, strict=True):
        if not piece.startswith("<"):
            assert clean[begin:end] == piece.replace("▁", "")
    assert spans[-1] == (len(clean), len(clean))


@settings(max_examples=80, deadline=None)
@given(data=st.data(), fallback=st.booleans())
def test_pieces_of_any_output_are_found_in_what_is_decoded(data: st.DataObject, fallback: bool) -> None:
    tokenizer = TOKENIZERS[fallback]
    usual = st.integers(START + 2, tokenizer.vocabulary_size - 1)
    ids = data.draw(st.lists(st.one_of(usual, st.integers(PAD, min(tokenizer.vocabulary_size, 300) - 1)), max_size=12))
    assert piece_spans(tokenizer.decode(ids), tokenizer.pieces(ids)) is not None


@pytest.mark.parametrize(
    ("text", "pieces", "spans"),
    [
        ("a bc", ["▁a", "▁b", "c"], [(0, 1), (2, 3), (3, 4)]),
        ("é!", ["▁", "<0xC3>", "<0xA9>", "!"], [(0, 0), (0, 1), (0, 1), (1, 2)]),
        ("x Ω x", ["▁x", "▁", "<unk>", "▁x"], [(0, 1), (1, 1), (2, 3), (4, 5)]),
        ("ΩΨ", ["▁", "<unk>", "</s>"], [(0, 0), (0, 2), (2, 2)]),
        ("x ⁇ x", ["▁x", "<unk>", "x"], [(0, 1), (2, 3), (4, 5)]),
        ("", ["</s>"], [(0, 0)]),
    ],
)
def test_spans_of_an_example(text: str, pieces: list[str], spans: list[tuple[int, int]]) -> None:
    assert piece_spans(text, pieces) == spans


@pytest.mark.parametrize(("text", "pieces"), [("ab", ["▁a"]), ("a", ["▁a", "b"]), ("a", ["▁b"]), ("", ["<unk>"])])
def test_pieces_of_another_text(text: str, pieces: list[str]) -> None:
    assert piece_spans(text, pieces) is None
