"""Character n-gram models as ARPA files, the format of SRILM and KenLM: log10 p, n-gram, log10 backoff, by tabs.

A token is a character; `<space>` is the space and `<U+00A0>` any other that is no token by itself. `<s>`, `</s>` and
`<unk>` are as everywhere.
"""

import gzip
import io
import math
import re
import zlib
from pathlib import Path

from nmt.errors import DataError
from nmt.files import atomic_write
from nmt.marks import GZIP
from nmt.text.ngram import END, START, UNKNOWN, NGram

_NAMED = {START: "<s>", END: "</s>", UNKNOWN: "<unk>", " ": "<space>"}
_CHARACTERS = {name: character for character, name in _NAMED.items()} | {"<UNK>": UNKNOWN}
_CODED = re.compile(r"<U\+([0-9A-F]{4,6})>")
_COUNT = re.compile(r"ngram +([0-9]{1,9}) *= *([0-9]{1,18})", re.ASCII)
_SECTION = re.compile(r"\\([0-9]{1,9})-grams:", re.ASCII)
_FIELDS = re.compile(r"[ \t]+")  # other kinds of space are characters
_IMPOSSIBLE = -99.0  # log10 p of <s>, which is never predicted, and the least there is


def write_arpa(model: NGram, path: Path) -> None:
    """As text, compressed where the name ends in `.gz`; the same model gives the same bytes. May raise StorageError."""
    atomic_write(path, arpa_bytes(model) if path.suffix == ".gz" else arpa_text(model))


def arpa_bytes(model: NGram) -> bytes:
    """The compressed file."""
    return gzip.compress(arpa_text(model).encode("utf-8"), mtime=0)


def arpa_text(model: NGram) -> str:
    """The file as a string; numbers have seven digits, as in other tools."""
    lengths: list[list[str]] = [[] for _ in range(model.order)]
    for gram in sorted({**model.log_probabilities, START: 0.0}):
        lengths[len(gram) - 1].append(gram)
    parts = ["\\data\\"] + [f"ngram {n}={len(grams)}" for n, grams in enumerate(lengths, start=1)]
    for n, grams in enumerate(lengths, start=1):
        parts += ["", f"\\{n}-grams:"]
        parts += [_row(model, gram) for gram in grams]
    return "\n".join([*parts, "", "\\end\\", ""])


def read_arpa(path: Path) -> NGram:
    """A model of any order. DataError, with the line's number, for a file that is missing, damaged or of words."""
    try:
        return parse_arpa(path.read_bytes(), name=str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot read the language model: {error.strerror or error}") from error


def parse_arpa(data: bytes, *, name: str) -> NGram:
    """A model of a file's bytes, compressed or not; `name` is what errors call it."""
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name}: damaged gzip data: {error}; was it copied whole?") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: not UTF-8 at byte {error.start}; an ARPA file is UTF-8 text") from error
    return _Reader(text, name).model()


def _row(model: NGram, gram: str) -> str:
    log_probability = model.log_probabilities.get(gram)
    value = _IMPOSSIBLE if log_probability is None else max(_IMPOSSIBLE, log_probability / math.log(10))
    row = f"{value:.7g}\t{' '.join(map(_token, gram))}"
    backoff = model.backoffs.get(gram)
    return row if backoff is None else f"{row}\t{backoff / math.log(10):.7g}"


def _token(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    return f"<U+{ord(character):04X}>" if character.isspace() or not character.isprintable() else character


class _Reader:
    """Reads a file from top to bottom; every complaint names its line."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.number = 0
        self.lines = iter(io.StringIO(text))
        self.line = ""
        self.log_probabilities: dict[str, float] = {}
        self.backoffs: dict[str, float] = {}

    def model(self) -> NGram:
        counts = self._counts()
        for length, count in enumerate(counts, start=1):
            self._section(length, count, highest=length == len(counts))
        if self.line != "\\end\\":
            raise self._problem(f"expected \\end\\ after the {len(counts)}-grams, got {self.line[:60]!r}")
        if END not in self.log_probabilities:
            raise self._problem("the model has no </s> among its 1-grams, so that no text could end")
        for gram in self.log_probabilities:
            if len(gram) > 1:
                self.backoffs.setdefault(gram[:-1], 0.0)
        self.log_probabilities.pop(START, None)
        return NGram(len(counts), self.log_probabilities, self.backoffs)

    def _counts(self) -> list[int]:
        """The header: how many n-grams of each length there are."""
        while self._next() != "\\data\\":  # other tools put comments before it
            pass
        counts: list[int] = []
        while match := _COUNT.fullmatch(self._next()):
            if int(match[1]) != len(counts) + 1:
                raise self._problem(f"expected the count of {len(counts) + 1}-grams, got {self.line!r}")
            counts.append(int(match[2]))
        if not counts:
            raise self._problem(f"expected `ngram 1=…` after \\data\\, got {self.line[:60]!r}")
        return counts

    def _section(self, length: int, count: int, *, highest: bool) -> None:
        """The n-grams of one length; ends at the line that is none."""
        match = _SECTION.fullmatch(self.line)
        if match is None or int(match[1]) != length:
            raise self._problem(f"expected \\{length}-grams:, got {self.line[:60]!r}")
        found = 0
        while not (line := self._next()).startswith("\\"):
            fields = _FIELDS.split(line)
            if len(fields) != length + 1 and (highest or len(fields) != length + 2):
                wanted = f"log10 p and {length} characters" + ("" if highest else ", perhaps a backoff")
                raise self._problem(f"expected {wanted}, got {len(fields)} fields: {line[:60]!r}")
            gram = "".join([self._character(token) for token in fields[1 : length + 1]])
            if gram in self.log_probabilities:
                raise self._problem(f"the n-gram {' '.join(fields[1 : length + 1])!r} stands here a second time")
            self.log_probabilities[gram] = self._number(fields[0], most=0.0)
            if len(fields) == length + 2:
                self.backoffs[gram] = self._number(fields[-1], most=99.0)
            found += 1
        if found != count:
            raise self._problem(f"the header says {count:,} {length}-grams, but {found:,} stand before this line")

    def _character(self, token: str) -> str:
        if token in _CHARACTERS:
            return _CHARACTERS[token]
        if len(token) == 1:
            return token
        match = _CODED.fullmatch(token)
        if match and int(match[1], 16) < 0x110000 and not 0xD800 <= int(match[1], 16) < 0xE000:
            return chr(int(match[1], 16))
        raise self._problem(
            f"{token!r} is not one character; a model of characters is needed, with <space> for the space"
        )

    def _number(self, field: str, *, most: float) -> float:
        """log10 to natural logarithm; -inf, as some tools write what never happens, like the -99 of others."""
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not value <= most:  # NaN is not either
            raise self._problem(f"{field!r} is not a logarithm of at most {most:g}")
        return max(value, _IMPOSSIBLE) * math.log(10)

    def _next(self) -> str:
        """The next line that is not empty."""
        for line in self.lines:
            self.number += 1
            self.line = line.strip(" \t\r\n")
            if self.line:
                return self.line
        raise self._problem("the file ends here, before \\end\\; was it copied whole?")

    def _problem(self, what: str) -> DataError:
        return DataError(f"{self.name}, line {self.number}: {what}")
