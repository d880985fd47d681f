"""The tokenizer: round trips over all of Unicode, determinism, and what happens to impossible corpora and models."""

import io
import logging
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.data import TokenizerConfig
from nmt.errors import ConfigError, DataError
from nmt.text.normalize import normalize
from nmt.text.tokenizer import END, PAD, START, UNKNOWN, Tokenizer, break_symbols

Kind = Literal["unigram", "bpe"]
KINDS: tuple[Kind, ...] = ("unigram", "bpe")
SYMBOLS = ("<2de>", "<2de>+", "<2en>", "a,b")  # one begins another


def corpus(lines: int = 400) -> list[str]:
    """Sentences of invented words that share stems, so that there are subwords to find."""
    draw = random.Random(7)
    stems = ["".join(draw.choices("bcdfghklmnprst", k=1) + draw.choices("aeiou", k=1)) for _ in range(30)]
    words = ["".join(draw.choices(stems, k=draw.randint(1, 4))) for _ in range(300)]
    return [" ".join(draw.choices(words, k=draw.randint(2, 12))) + draw.choice(".!?") for _ in range(lines)]


def config(kind: Kind = "unigram", size: int = 420, **options: object) -> TokenizerConfig:
    return TokenizerConfig.model_validate({"kind": kind, "vocabulary_size": size, **options})


@pytest.fixture(scope="module")
def tokenizers() -> dict[Kind, Tokenizer]:
    return {kind: Tokenizer.train(corpus(), config=config(kind, user_symbols=SYMBOLS)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(st.characters(exclude_categories=())))
def test_every_text_survives_with_byte_fallback(tokenizers: dict[Kind, Tokenizer], kind: Kind, text: str) -> None:
    tokenizer = tokenizers[kind]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == normalize(text, "nfc")
    assert tokenizer.encode_batch([text, "", text]) == [ids, [], ids]
    assert tokenizer.ids(tokenizer.pieces(ids)) == ids
    assert not {PAD, UNKNOWN, START, END} & set(ids)


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.sampled_from(corpus(50)), alpha=st.floats(0.05, 1.0), seed=st.integers(0, 2**40) | st.just(2**32 - 1))
def test_a_sampled_segmentation_says_the_same(
    tokenizers: dict[Kind, Tokenizer], kind: Kind, text: str, alpha: float, seed: int
) -> None:
    tokenizer = tokenizers[kind]
    ids = tokenizer.sample(text, alpha=alpha, seed=seed)
    assert tokenizer.decode(ids) == text
    tokenizer.sample("some other call in between", alpha=alpha, seed=seed + 1)
    assert tokenizer.sample(text, alpha=alpha, seed=seed) == ids


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_varies_with_the_seed_and_is_off_at_zero(tokenizers: dict[Kind, Tokenizer], kind: Kind) -> None:
    tokenizer, text = tokenizers[kind], max(corpus(), key=len)
    assert len({tuple(tokenizer.sample(text, alpha=0.2, seed=seed)) for seed in range(40)}) > 10
    assert all(tokenizer.sample(text, alpha=0.0, seed=seed) == tokenizer.encode(text) for seed in range(5))


def test_sampling_is_the_same_in_another_process(tokenizers: dict[Kind, Tokenizer]) -> None:
    tokenizer, text = tokenizers["unigram"], max(corpus(), key=len)
    code = (
        "import pickle, sys; tokenizer, text = pickle.load(sys.stdin.buffer); "
        "print(tokenizer.sample(text, alpha=0.2, seed=11))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps((tokenizer, text)), capture_output=True)
    assert done.stdout.decode().strip() == str(tokenizer.sample(text, alpha=0.2, seed=11))


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_deterministic_and_fills_the_vocabulary(kind: Kind) -> None:
    first, second = (Tokenizer.train(iter(corpus()), config=config(kind)) for _ in range(2))
    assert first.model == second.model
    assert first.vocabulary_size == 420
    assert first.pieces([0, 1, 2, 3]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert len(first.encode(corpus()[0])) < len(corpus()[0])


def test_equal_content_is_an_equal_tokenizer(tokenizers: dict[Kind, Tokenizer]) -> None:
    tokenizer = tokenizers["bpe"]
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy == tokenizer
    assert hash(copy) == hash(tokenizer)
    assert copy.encode("bada <2de>") == tokenizer.encode("bada <2de>")
    assert pickle.dumps(copy) == pickle.dumps(tokenizer)  # what `datasets` takes its cache key from
    assert Tokenizer(tokenizer.model, normalization="nfkc").fingerprint != tokenizer.fingerprint
    assert pickle.loads(pickle.dumps(Tokenizer(tokenizer.model, normalization="nfkc"))).normalization == "nfkc"
    assert tokenizers["unigram"] != tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_too_large_for_the_corpus_shrinks(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tokenizer = Tokenizer.train(["a man", "a dog"], config=config(kind, 8000))
    assert 256 < tokenizer.vocabulary_size < 300
    assert "8000" in caplog.text
    assert str(tokenizer.vocabulary_size) in caplog.text
    assert tokenizer.decode(tokenizer.encode("a dog 日")) == "a dog 日"


def test_a_vocabulary_too_small_for_the_characters_says_how_many() -> None:
    with pytest.raises(ConfigError, match=r"vocabulary_size 40 is too small.* \d{3};"):
        Tokenizer.train(corpus(), config=config("bpe", 40))


@pytest.mark.parametrize("lines", [[], ["", "  ", "\u200b"]])
def test_an_empty_corpus_is_a_data_error(lines: list[str]) -> None:
    with pytest.raises(DataError, match="no text"):
        Tokenizer.train(lines, config=config())


def test_long_lines_and_reserved_characters_are_learnt_from() -> None:
    long_line = " ".join(["zyzzyva"] * 2000)  # 16,000 bytes
    tokenizer = Tokenizer.train(
        [long_line, "\u2585 wapiti \u2585"] * 20, config=config("bpe", 300, character_coverage=1.0)
    )
    assert tokenizer.pieces(tokenizer.encode("zyzzyva wapiti")) == ["▁zyzzyva", "▁wapiti"]


def test_training_lines_are_sampled_from_the_whole_corpus() -> None:
    lines = ["aaa bbb"] * 500 + ["xxx yyy"] * 500
    few = config("bpe", 300, max_training_lines=50)
    tokenizer = Tokenizer.train(lines, config=few)
    assert tokenizer.pieces(tokenizer.encode("aaa xxx")) == ["▁aaa", "▁xxx"]
    assert Tokenizer.train(lines, config=few).model == tokenizer.model


def test_unknown_characters_are_visible_without_byte_fallback() -> None:
    tokenizer = Tokenizer.train(corpus(), config=config("bpe", 200, byte_fallback=False))
    ids = tokenizer.encode("ba日ba")
    assert UNKNOWN in ids
    assert tokenizer.decode(ids) == "ba ⁇ ba"


def test_special_ids_are_skipped_and_line_breaks_never_come_out(tokenizers: dict[Kind, Tokenizer]) -> None:
    tokenizer = tokenizers["unigram"]
    ids = tokenizer.encode("bada")
    assert tokenizer.decode([START, *ids, END, PAD, PAD]) == "bada"
    assert tokenizer.decode([*ids, *tokenizer.ids(["<0x0A>"]), *ids]) == "bada bada"


@pytest.mark.parametrize("wrong", [-1, 420, 10**6])
def test_ids_outside_the_vocabulary_are_named(tokenizers: dict[Kind, Tokenizer], wrong: int) -> None:
    for method in (tokenizers["bpe"].decode, tokenizers["bpe"].pieces):
        with pytest.raises(DataError, match=str(wrong)):
            method([wrong])


def test_special_pieces_cannot_be_typed_but_user_symbols_can(tokenizers: dict[Kind, Tokenizer]) -> None:
    for tokenizer in tokenizers.values():
        typed = tokenizer.encode("<s> </s> <pad> <unk> <0x41>")
        assert not {PAD, UNKNOWN, START, END, *tokenizer.ids(["<0x41>"])} & set(typed)
        for symbol in SYMBOLS:
            assert tokenizer.ids([symbol])[0] in tokenizer.encode(f"{symbol} bada{symbol}")
            assert tokenizer.decode(tokenizer.encode(f"x{symbol}y")) == f"x{symbol}y"


@given(text=st.lists(st.sampled_from([*SYMBOLS, "<2", "de>", "\u200b", "a", "<", " "])).map("".join))
def test_broken_symbols_are_no_symbols(tokenizers: dict[Kind, Tokenizer], text: str) -> None:
    tokenizer = tokenizers["bpe"]
    ids = tokenizer.encode(break_symbols(text, SYMBOLS, "nfc"))
    assert not set(tokenizer.ids(SYMBOLS)) & set(ids)
    assert break_symbols(text, (), "nfc") == normalize(text, "nfc")


@pytest.mark.parametrize(
    "symbols", [("a b",), ("</s>",), ("<0x41>",), ("▁x",), ("",), ("x", "x"), ("e\u0301",), ("\u200b",)]
)
def test_symbols_that_cannot_work_are_refused(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="user_symbols"):
        Tokenizer.train(corpus(), config=config(user_symbols=symbols))


def foreign_model() -> bytes:
    """A model with SentencePiece's default ids: unk 0, bos 1, eos 2, no padding."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=written, vocab_size=100, model_type="bpe", minloglevel=2
    )
    return written.getvalue()


def test_a_given_model_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "spm.model"
    with pytest.raises(ConfigError, match=r"spm\.model: cannot read"):
        Tokenizer.from_file(path)
    for content in (b"", b"this is no model"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"spm\.model: not a SentencePiece model"):
            Tokenizer.from_file(path)
    path.write_bytes(foreign_model())
    with pytest.raises(ConfigError, match=r"spm\.model: .*pad -1, unk 0, bos 1, eos 2"):
        Tokenizer.from_file(path)
    trained = Tokenizer.train(corpus(), config=config())
    path.write_bytes(trained.model)
    assert Tokenizer.from_file(path) == trained
