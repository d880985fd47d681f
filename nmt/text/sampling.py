"""Random segmentations that a seed decides: subword regularisation and BPE dropout.

    unigram (Kudo 2018):            p(pieces) ∝ Π p(piece)^α           forward filtering, backward sampling
    BPE (Provilkov et al. 2020):    at every merge each candidate is left out with probability α

SentencePiece samples too, but its random numbers also depend on the process: the same seed gives other pieces after a
restart, so that an interrupted training could not be resumed exactly. Pieces never cross a space, hence words are
sampled one by one, and the lattice of a word is kept for the next time it comes.
"""

import math
import random
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from nmt.text.normalize import SPACE_SIGN

_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # SentencePiece's kinds of pieces, as numbered in its file format
_UNIGRAM, _BPE = 1, 2  # and of models
_UNKNOWN_PENALTY = 10.0  # an unknown character scores this much less than the least likely piece, as in SentencePiece
_CACHED_WORDS = 100_000

_Arcs = tuple[tuple[int, ...], tuple[float, ...]]  # where pieces that end here begin; their cumulative probabilities


class Vocabulary(NamedTuple):
    """What a segmentation needs of a SentencePiece model."""

    is_bpe: bool
    pieces: dict[str, tuple[int, float]]  # ordinary pieces → id, score
    user_symbols: dict[str, int]
    byte_pieces: dict[int, int]  # value of the byte → id; empty without byte fallback


class Sampler:
    """Draws segmentations of texts in SentencePiece's inner spelling (`▁` for spaces)."""

    def __init__(self, vocabulary: Vocabulary, *, unknown: int) -> None:
        self._vocabulary = vocabulary
        self._unknown = unknown
        pieces = vocabulary.pieces
        self._longest = max(map(len, pieces), default=1)
        self._unknown_score = min((score for _, score in pieces.values()), default=0.0) - _UNKNOWN_PENALTY
        self._lattices: dict[tuple[str, float], list[_Arcs]] = {}
        symbols = "|".join(re.escape(symbol) for symbol in sorted(vocabulary.user_symbols, key=len, reverse=True))
        words = f"{SPACE_SIGN}?[^{SPACE_SIGN}]+|{SPACE_SIGN}"
        self._words = re.compile(words)
        self._symbols = re.compile(f"({symbols})") if symbols else None

    def sample(self, text: str, *, alpha: float, seed: int) -> list[int]:
        """Ids of the pieces that `seed` draws for `text`."""
        draw = random.Random(seed)
        segment = self._bpe if self._vocabulary.is_bpe else self._unigram
        ids: list[int] = []
        for chunk in self._symbols.split(text) if self._symbols else (text,):
            symbol = self._vocabulary.user_symbols.get(chunk)
            if symbol is not None:
                ids.append(symbol)
                continue
            for word in self._words.findall(chunk):
                for piece in segment(word, alpha, draw):
                    self._append(ids, piece)
        return ids

    def _append(self, ids: list[int], piece: str) -> None:
        """The piece's id, or its bytes, or one unknown for a whole run of unknown characters."""
        if piece in self._vocabulary.pieces:
            ids.append(self._vocabulary.pieces[piece][0])
        elif self._vocabulary.byte_pieces:
            ids.extend(self._vocabulary.byte_pieces[byte] for byte in piece.encode())
        elif not ids or ids[-1] != self._unknown:
            ids.append(self._unknown)

    def _bpe(self, word: str, alpha: float, draw: random.Random) -> list[str]:
        """Merges of ever less likely pairs, the leftmost first, until none is left or all were left out."""
        pieces = self._vocabulary.pieces
        parts = list(word)
        while True:
            best, at = -math.inf, -1
            for i in range(len(parts) - 1):
                entry = pieces.get(parts[i] + parts[i + 1])
                if entry is not None and entry[1] > best and (alpha <= 0.0 or draw.random() >= alpha):
                    best, at = entry[1], i
            if at < 0:
                return parts
            parts[at : at + 2] = [parts[at] + parts[at + 1]]

    def _unigram(self, word: str, alpha: float, draw: random.Random) -> list[str]:
        """One path through the word's lattice, from its end to its beginning."""
        key = (word, alpha)
        lattice = self._lattices.get(key)
        if lattice is None:
            if len(self._lattices) >= _CACHED_WORDS:
                self._lattices.clear()
            lattice = self._lattices[key] = self._lattice(word, alpha)
        parts: list[str] = []
        end = len(word)
        while end > 0:
            starts, cumulative = lattice[end]
            start = starts[0] if len(starts) == 1 else draw.choices(starts, cum_weights=cumulative)[0]
            parts.append(word[start:end])
            end = start
        return parts[::-1]

    def _lattice(self, word: str, alpha: float) -> list[_Arcs]:
        """Forward filtering: for every end, where its last piece can begin and how likely each beginning is."""
        pieces = self._vocabulary.pieces
        forward = [0.0]  # log of the summed weight of all segmentations of word[:end]
        lattice: list[_Arcs] = [((), ())]
        for end in range(1, len(word) + 1):
            scores: dict[int, float] = {}
            for start in range(max(0, end - self._longest), end):
                entry = pieces.get(word[start:end])
                if entry is not None:
                    scores[start] = forward[start] + alpha * entry[1]
            if end - 1 not in scores:
                scores[end - 1] = forward[end - 1] + alpha * self._unknown_score
            top = max(scores.values())
            total, cumulative = 0.0, []
            for score in scores.values():
                total += math.exp(score - top)
                cumulative.append(total)
            forward.append(top + math.log(total))
            lattice.append((tuple(scores), tuple(cumulative)))
        return lattice


def read_vocabulary(model: bytes) -> Vocabulary | None:
    """The pieces of a serialised SentencePiece model; None where it is neither a unigram nor a BPE model."""
    kind = _UNIGRAM
    pieces: dict[str, tuple[int, float]] = {}
    symbols: dict[str, int] = {}
    byte_pieces: dict[int, int] = {}
    index = 0
    for number, value in _fields(model):
        if number == 2 and isinstance(value, bytes):  # how it was trained; field 3 of it: the kind of model
            kind = next((v for n, v in _fields(value) if n == 3 and isinstance(v, int)), _UNIGRAM)
        elif number == 1 and isinstance(value, bytes):
            text, score, of = _piece(value)
            if of == _NORMAL:
                pieces[text] = (index, score)
            elif of == _USER_DEFINED:
                symbols[text] = index
            elif of == _BYTE:
                byte_pieces[int(text[3:5], 16)] = index  # "<0x41>"
            index += 1
    return Vocabulary(kind == _BPE, pieces, symbols, byte_pieces) if kind in (_UNIGRAM, _BPE) else None


def _piece(message: bytes) -> tuple[str, float, int]:
    """Text, score and kind of one piece."""
    text, score, kind = "", 0.0, _NORMAL
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            text = value.decode()
        elif number == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            kind = value
    return text, score, kind


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a Protocol Buffers message: integers as such, everything else as its bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == 2:
            size, position = _varint(message, position)
        else:
            size = 8 if wire == 1 else 4
        yield number, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """An integer in groups of seven bits, the lowest first, and the position behind it."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
