"""Prepared lines: every recording read once, scaled, checked against its transcript and, where memory allows, kept.

A line is bad, and never replaced or shortened, where it cannot be read, has no transcript, holds a character without an
id, is longer than training allows, or has fewer frames than its symbols need (Graves et al. 2006, eq. 2: one each, and
a blank between equal neighbours). Bad lines are out of the corpus and in `bad`; evaluation counts them as not read.
"""

import bisect
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from tqdm import tqdm

from nmt.config.lines import LinesConfig, LineSource
from nmt.data.lines.corpus import LineCorpus, Preparation, Prepared
from nmt.data.lines.leaks import Split, find_leaks
from nmt.data.lines.line import BadLine, Line, Pixels, Recording
from nmt.data.lines.picture import Colour
from nmt.data.lines.report import LinesReport, SplitReport
from nmt.data.lines.sources import read_lines
from nmt.errors import DataError
from nmt.text.alphabet import Alphabet, minimum_frames
from nmt.text.normalize import normalize

CHUNK = 256  # lines that are read, and in memory, at a time before they are kept or let go


class Content(TypedDict):
    """What stood in the sources when they were read, as plain data, to tell a changed corpus by."""

    files: dict[str, str]  # source → hash of its lines' recordings and transcripts
    pairs: int  # lines that are used


class LineCorpora(NamedTuple):
    """All that a run reads; `train` is empty where only evaluation was asked for. `tests` has one entry a source."""

    train: LineCorpus
    validation: LineCorpus | None
    tests: dict[str, LineCorpus]
    alphabet: Alphabet
    report: LinesReport
    contents: dict[str, Content]


def prepare_lines(
    config: LinesConfig,
    *,
    height: int,
    colour: Colour,
    kind: Literal["image", "strokes"],
    frames_of: Callable[[int], int],
    alphabet: Alphabet | None = None,
) -> LineCorpora:
    """Read every split; the alphabet is that of the training text unless one is given.

    `frames_of` tells the frames that the model makes of so many columns. Raises DataError for sources that cannot be
    read or hold nothing, for training without a usable line, and for leaks between splits with `leaks: error`.
    """
    if not config.train and alphabet is None:
        raise DataError("no training lines; give --data.train FOLDER (with a lines.tsv, x.gt.txt or .xml) or a table")
    reading = _Reading(config, Preparation(kind, height, colour), frames_of)
    report, contents = LinesReport(), dict[str, Content]()
    splits = {"train": config.train, "validation": config.validation}
    splits |= {f"test {name}": (source,) for name, source in names_of_tests(config.test).items()}
    corpora: dict[str, LineCorpus] = {}
    for name, sources in splits.items():
        if not sources and name != "train":
            continue
        found = reading.read(sources, longest=config.max_columns if name == "train" else None)
        if alphabet is None:
            alphabet = found.alphabet()
        corpora[name], report.splits[name] = found.corpus(alphabet, reading.preparation)
        contents[name] = Content(files=found.files, pairs=len(corpora[name]))
    if config.train and not len(corpora["train"]):
        raise DataError(f"no line can be trained on:\n{report}")
    if config.train and config.validation and not len(corpora["validation"]):
        raise DataError(f"no line can be validated with (leave data.validation out to do without):\n{report}")
    if config.leaks != "off":
        report.leaks = find_leaks([_split(name, corpus) for name, corpus in corpora.items() if len(corpus)])
        if report.leaks and config.leaks == "error":
            raise DataError("splits share what they must not (data.leaks):\n" + "\n".join(report.leaks))
    assert alphabet is not None  # given, or learnt from the training text
    train, validation = corpora.pop("train"), corpora.pop("validation", None)
    tests = {name.removeprefix("test "): corpus for name, corpus in corpora.items()}
    return LineCorpora(train, validation, tests, alphabet, report, contents)


def names_of_tests(sources: Sequence[LineSource]) -> dict[str, LineSource]:
    """A short, unique name for every test set: its file's or folder's, the folder's where the file is a `lines.tsv`."""
    named: dict[str, LineSource] = {}
    for source in sources:
        path = Path(source.path)
        name = path.parent.name if path.stem == "lines" and path.parent.name else path.name or source.path
        free = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        named[next(candidate for candidate in free if candidate not in named)] = source
    return named


class _Found(NamedTuple):
    """The lines of a split with what was found out about each, still without an alphabet."""

    lines: list[Line]
    kept: list[Prepared | None]
    columns: list[int]
    minimum_columns: list[int]
    problems: list[tuple[str, str] | None]  # key of REASONS, and the reason
    files: dict[str, str]
    repeated_names: int

    def alphabet(self) -> Alphabet:
        """Of the lines without a problem. DataError naming the problems where there is no such line."""
        usable = [line.text for line, problem in zip(self.lines, self.problems, strict=True) if problem is None]
        texts = [text for text in usable if text]
        if not texts:
            _, report = self.corpus(Alphabet("?"), Preparation("image", 1, "grey"))
            raise DataError(f"no line can be trained on:\n{LinesReport({'train': report})}")
        return Alphabet.of(texts)

    def corpus(self, alphabet: Alphabet, preparation: Preparation) -> tuple[LineCorpus, SplitReport]:
        """The good lines, and all of them counted."""
        report = SplitReport(repeated_names=self.repeated_names)
        good: list[int] = []
        bad: list[BadLine] = []
        for index, (line, problem) in enumerate(zip(self.lines, self.problems, strict=True)):
            problem = problem or _outside(line, alphabet)
            if problem is None:
                good.append(index)
            else:
                bad.append(BadLine(line.name, problem[1], line.text, line.writer))
                report.add_bad(problem[0], bad[-1])
        lines = [self.lines[index] for index in good]
        corpus = LineCorpus(
            lines,
            [self.kept[index] for index in good],
            [self.columns[index] for index in good],
            alphabet=alphabet,
            preparation=preparation,
            minimum_columns=[self.minimum_columns[index] for index in good],
            bad=bad,
        )
        report.count(corpus.texts, (line.writer for line in lines))
        return corpus, report


@dataclass
class _Reading:
    """Reads splits one after the other, which share the memory that prepared lines may take."""

    config: LinesConfig
    preparation: Preparation
    frames_of: Callable[[int], int]

    def __post_init__(self) -> None:
        self._free = self.config.memory_megabytes * 2**20

    def read(self, sources: Sequence[LineSource], *, longest: int | None) -> _Found:
        """Every line of a split. DataError for a source without any."""
        found = _Found([], [], [], [], [], {}, 0)
        names: Counter[str] = Counter()
        for source in sources:
            before = len(found.lines)
            digest = hashlib.blake2b(digest_size=16)
            for line, result in _read_ahead(_watched(source), self.preparation):
                named = self._named(line, names)
                digest.update(f"{named.text}\0{result.digest}\n".encode(errors="surrogateescape"))
                self._add(found, named, result, longest)
            if len(found.lines) == before:
                raise DataError(f"{source.path}: holds no line")
            found.files[source.path] = digest.hexdigest()
        return found._replace(repeated_names=sum(count > 1 for count in names.values()))

    def _named(self, line: Line, names: Counter[str]) -> Line:
        """The line with a name of its own and a normalised transcript."""
        names[line.name] += 1
        name = line.name if names[line.name] == 1 else f"{line.name} ({names[line.name]})"
        text = None if line.text is None else normalize(line.text, self.config.normalization)
        return replace(line, name=name, text=text)

    def _add(self, found: _Found, line: Line, result: "_Result", longest: int | None) -> None:
        """Note a line, and keep what was prepared of it while there is memory."""
        keep = result.prepared if result.prepared is not None and result.prepared.nbytes <= self._free else None
        self._free -= 0 if keep is None else keep.nbytes
        columns = 0 if result.prepared is None else result.prepared.shape[-1]
        found.lines.append(line)
        found.kept.append(keep)
        found.columns.append(columns)
        problem = self._problem(line, result, columns, longest)
        found.problems.append(problem)
        found.minimum_columns.append(1 if problem else self._fewest_columns(line.text or "", columns))

    def _problem(self, line: Line, result: "_Result", columns: int, longest: int | None) -> tuple[str, str] | None:
        """What is wrong with a line, whatever the alphabet."""
        if result.error is not None:
            return "unreadable", result.error if line.name in result.error else f"{line.name}: {result.error}"
        if not line.text:
            return "transcript", f"{line.name}: has {'no' if line.text is None else 'an empty'} transcript"
        if longest is not None and columns > longest:
            return "long", f"{line.name}: {columns:,} columns; data.max_columns allows {longest:,}"
        frames, needed = self.frames_of(columns), _frames_needed(line.text)
        if frames < needed:
            return "frames", _too_few(line.name, columns, frames, len(line.text), needed)
        return None

    def _fewest_columns(self, text: str, columns: int) -> int:
        """The least number of columns, at most `columns`, with frames enough: more columns never make fewer frames."""
        needed = _frames_needed(text)
        return 1 + bisect.bisect_left(range(1, columns), needed, key=self.frames_of)


class _Result(NamedTuple):
    prepared: Prepared | None
    digest: str
    error: str | None


def _watched(source: LineSource) -> Iterator[Line]:
    """The lines of a source, under a progress bar where someone watches."""
    with tqdm(desc=f"reading {source.path}", unit=" lines", disable=None, leave=False) as bar:
        for line in read_lines(source):
            bar.update()
            yield line


def _read_ahead(lines: Iterable[Line], preparation: Preparation) -> Iterator[tuple[Line, _Result]]:
    """Every line with what became of it, in order; decoding images leaves Python's lock, so threads share it."""

    def read(line: Line) -> _Result:
        return _read(line.recording, preparation)

    rest = iter(lines)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
        while chunk := list(itertools.islice(rest, CHUNK)):
            yield from zip(chunk, threads.map(read, chunk), strict=True)


def _read(recording: Recording, preparation: Preparation) -> _Result:
    try:
        read = recording.read()
        parts = (read.values,) if isinstance(read, Pixels) else read.strokes
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            digest.update(f"{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        prepared = preparation(read)
        if not prepared.shape[-1]:
            return _Result(None, "", "has no stroke")
        return _Result(prepared, digest.hexdigest(), None)
    except DataError as error:
        return _Result(None, "", str(error))


def _outside(line: Line, alphabet: Alphabet) -> tuple[str, str] | None:
    try:
        alphabet.encode(line.text or "")
    except DataError as error:
        return "alphabet", f"{line.name}: {error}"
    return None


def _frames_needed(text: str) -> int:
    """By characters, which are equal where their ids are."""
    return minimum_frames([ord(character) for character in text])


def _too_few(name: str, columns: int, frames: int, symbols: int, needed: int) -> str:
    repeats = f" (with blanks between equal ones: {needed})" if needed > symbols else ""
    stride = f" ({columns / frames:.3g})" if frames else ""
    return (
        f"{name}: {frames} frames cannot spell {symbols} symbols{repeats}; "
        f"widen the image or lower the front-end's stride{stride}"
    )


def _split(name: str, corpus: LineCorpus) -> Split:
    return Split(name, corpus.texts, [corpus.writer(index) for index in range(len(corpus))])
