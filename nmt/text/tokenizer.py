"""SentencePiece (Kudo & Richardson 2018): a line of text as ids of subword pieces, and back.

Normalisation is ours and happens before (`nmt.text.normalize`); inside the model it is the identity. With byte
fallback, therefore, `decode(encode(text)) == normalize(text)` for every text; without it, a character that the training
text did not have is the unknown piece and is written as " ⁇ ".

A user symbol (`tokenizer.user_symbols`, say `<2de>`) keeps its one id wherever it stands in a text. That is what it is
for, and a trap where the text comes from strangers: pass such text through `break_symbols` first. `</s>` and the other
special pieces are never read from text.
"""

import hashlib
import io
import logging
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sentencepiece

from nmt.config.data import TokenizerConfig
from nmt.errors import ConfigError, DataError
from nmt.text.normalize import SPACE_SIGN, Form, normalize, single_line
from nmt.text.sampling import Sampler, read_vocabulary

PAD, UNKNOWN, START, END = 0, 1, 2, 3
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")

_SPECIALS: dict[str, Any] = {
    **{"pad_id": PAD, "unk_id": UNKNOWN, "bos_id": START, "eos_id": END},
    **dict(zip(("pad_piece", "unk_piece", "bos_piece", "eos_piece"), SPECIAL_PIECES, strict=True)),
}

_LONGEST_LINE = 2**30  # bytes; SentencePiece's own default, 4192, skips longer lines without a word
_UNKNOWN_CHARACTER = "\u2585"  # SentencePiece's own mark: a training line with it would be skipped without a word
_log = logging.getLogger(__name__)


class Tokenizer:
    """A SentencePiece model with the normalisation that goes before it. Compares, hashes and pickles by content."""

    def __init__(self, model: bytes, *, normalization: Form = "nfc", origin: str = "the tokenizer model") -> None:
        """Read a serialised model; `origin` names it in errors.

        Raises ConfigError where the bytes are no model, or its four special ids are not ours.
        """
        self.model = model
        self.normalization = normalization
        self._processor = _processor(model, origin)
        self._sampler: Sampler | None = None
        self.vocabulary_size: int = self._processor.vocab_size()
        self.fingerprint: str = hashlib.sha256(normalization.encode() + b"\0" + model).hexdigest()

    @classmethod
    def from_file(cls, path: str | Path, *, normalization: Form = "nfc") -> "Tokenizer":
        """Read a `.model` file. Raises ConfigError where it is missing or no model of ours."""
        try:
            model = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: cannot read the tokenizer model: {error.strerror}") from None
        return cls(model, normalization=normalization, origin=str(path))

    @classmethod
    def train(cls, lines: Iterable[str], *, config: TokenizerConfig, seed: int = 1) -> "Tokenizer":
        """Learn a vocabulary from lines of raw text; the same lines, config and seed give the same bytes.

        A corpus with too few different words for `vocabulary_size` gets what it has, with a warning. Raises DataError
        for a corpus without text, ConfigError for a vocabulary smaller than the corpus's characters.
        """
        _check_symbols(config)
        clean = (normalize(line, config.normalization).replace(_UNKNOWN_CHARACTER, " ") for line in lines)
        chosen = _choose((line for line in clean if line.strip()), config.max_training_lines, seed)
        if not chosen:
            raise DataError("no text to train a tokenizer on: every line is empty")
        tokenizer = cls(_fit(chosen, config, config.vocabulary_size), normalization=config.normalization)
        if tokenizer.vocabulary_size < config.vocabulary_size:
            _log.warning(
                "the corpus has only %d pieces, fewer than tokenizer.vocabulary_size %d; going on with %d",
                *(tokenizer.vocabulary_size, config.vocabulary_size, tokenizer.vocabulary_size),
            )
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of a raw text, without `<s>` and `</s>`; the empty list where nothing is left of it."""
        ids: list[int] = self._processor.encode(normalize(text, self.normalization))
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text."""
        normalized = [normalize(text, self.normalization) for text in texts]
        ids: list[list[int]] = self._processor.encode(normalized, num_threads=1)
        return ids

    def sample(self, text: str, *, alpha: float, seed: int) -> list[int]:
        """Ids of a random segmentation: subword regularisation (Kudo 2018) or BPE dropout (Provilkov et al. 2020).

        `alpha` is the smoothing of a unigram model (small: more random) or the dropout probability of a BPE model; 0 is
        `encode`. Depends on text, alpha and seed alone, in whichever process or order it is called.
        """
        if alpha <= 0.0:
            return self.encode(text)
        if self._sampler is None:
            vocabulary = read_vocabulary(self.model)
            if vocabulary is None:
                raise ConfigError("tokenizer.sampling needs a unigram or BPE model; set it to 0")
            self._sampler = Sampler(vocabulary, unknown=UNKNOWN)
        inner: str = self._processor.normalize(normalize(text, self.normalization))
        return self._sampler.sample(inner, alpha=alpha, seed=seed)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, always a single line; `<pad>`, `<s>` and `</s>` are skipped, `<unk>` reads ` ⁇ `.

        Raises DataError for an id that the vocabulary does not have.
        """
        kept = [i for i in self._known(ids) if i not in (PAD, START, END)]
        text: str = self._processor.decode(kept)
        return single_line(text)  # a model may well choose the byte of a line break

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as they are spelt in the vocabulary, `▁` for a space. Raises DataError for an unknown id."""
        return [self._processor.id_to_piece(i) for i in self._known(ids)]

    def ids(self, pieces: Sequence[str]) -> list[int]:
        """The inverse of `pieces`; a piece that the vocabulary does not have is `UNKNOWN`."""
        return [self._processor.piece_to_id(piece) for piece in pieces]

    def _known(self, ids: Sequence[int]) -> list[int]:
        known = [int(i) for i in ids]
        for i in known:
            if not 0 <= i < self.vocabulary_size:
                raise DataError(f"no piece has the id {i}; the vocabulary ends at {self.vocabulary_size - 1}")
        return known

    def __reduce__(self) -> tuple[Callable[[bytes, Form], "Tokenizer"], tuple[bytes, Form]]:
        return (_restore, (self.model, self.normalization))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


class Tokenizers(NamedTuple):
    """One tokenizer a side; the same object twice where the vocabulary is joint."""

    source: Tokenizer
    target: Tokenizer


def break_symbols(text: str, symbols: Iterable[str], form: Form) -> str:
    """A normalised text without user symbols: a space goes behind the first character of each, `<2de>` → `< 2de>`.

    A symbol of one character is removed. For text of strangers, where a symbol would be an instruction to the model.
    """
    text = normalize(text, form)  # first: `<2` + a zero-width space + `de>` is a symbol only afterwards
    longest_first = sorted(filter(None, symbols), key=len, reverse=True)
    while found := next((symbol for symbol in longest_first if symbol in text), None):
        text = text.replace(found, f"{found[0]} {found[1:]}" if len(found) > 1 else "")
    return single_line(text)


def _restore(model: bytes, normalization: Form) -> Tokenizer:
    """What a pickled tokenizer is made of again."""
    return Tokenizer(model, normalization=normalization)


def _processor(model: bytes, origin: str) -> sentencepiece.SentencePieceProcessor:
    """A loaded model whose special pieces stand where ours do."""
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        found = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    except RuntimeError:
        found = None
    if found is None or not processor.vocab_size():
        raise ConfigError(f"{origin}: not a SentencePiece model ({len(model)} bytes)")
    if found != (PAD, UNKNOWN, START, END):
        ours = f"pad {PAD}, unk {UNKNOWN}, bos {START}, eos {END}"
        theirs = "pad {}, unk {}, bos {}, eos {}".format(*found)
        raise ConfigError(f"{origin}: its special ids are {theirs} (-1: none); train it with {ours}")
    return processor


def _choose(lines: Iterable[str], count: int, seed: int) -> list[str]:
    """At most `count` lines, each with the same chance (Vitter's reservoir, Algorithm R)."""
    chosen: list[str] = []
    draw = random.Random(seed)
    for index, line in enumerate(lines):
        if index < count:
            chosen.append(line)
        elif (place := draw.randrange(index + 1)) < count:
            chosen[place] = line
    return chosen


def _fit(lines: list[str], config: TokenizerConfig, vocabulary_size: int) -> bytes:
    """A serialised model of `vocabulary_size` pieces, or as many as the lines have."""
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=written,
            model_type=config.kind,
            vocab_size=vocabulary_size,
            hard_vocab_limit=config.kind == "bpe",  # unigram shrinks by itself, BPE says by how much
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            user_defined_symbols=list(config.user_symbols),
            normalization_rule_name="identity",
            add_dummy_prefix=True,
            remove_extra_whitespaces=True,
            max_sentence_length=_LONGEST_LINE,
            num_threads=1,  # unigram models of several threads are not reproducible
            minloglevel=2,
            **_SPECIALS,
        )
    except RuntimeError as error:
        possible = _possible_size(str(error), config)
        if possible >= vocabulary_size:
            raise
        return _fit(lines, config, possible)
    return written.getvalue()


def _possible_size(complaint: str, config: TokenizerConfig) -> int:
    """The size that SentencePiece's complaint allows. Raises ConfigError where the wanted one is too small."""
    if too_small := re.search(r"smaller than required_chars\. \d+ vs (\d+)", complaint):
        raise ConfigError(
            f"tokenizer.vocabulary_size {config.vocabulary_size} is too small: the characters of this corpus, bytes "
            f"and symbols alone are {too_small[1]}; raise it, or lower tokenizer.character_coverage"
        )
    if too_large := re.search(r"value <= (\d+)", complaint):
        return int(too_large[1])
    raise DataError(f"SentencePiece cannot train a tokenizer on this corpus: {complaint}")


def _check_symbols(config: TokenizerConfig) -> None:
    """User symbols must survive normalisation whole and be nobody else's."""
    for symbol in config.user_symbols:
        if not symbol or any(c.isspace() for c in symbol) or normalize(symbol, config.normalization) != symbol:
            form = config.normalization
            raise ConfigError(f"tokenizer.user_symbols: {symbol!r} holds white space or is not in the form {form!r}")
        if symbol in SPECIAL_PIECES or SPACE_SIGN in symbol or re.fullmatch("<0x[0-9A-F]{2}>", symbol):
            raise ConfigError(f"tokenizer.user_symbols: {symbol!r} is a piece that every vocabulary has")
    if len(set(config.user_symbols)) < len(config.user_symbols):
        raise ConfigError("tokenizer.user_symbols: a symbol stands there twice")
