"""From the configuration's list of corpora to sentence pairs, whatever the corpora are kept in."""

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nmt.config.data import CorpusSource
from nmt.data.hub import HubDataset
from nmt.data.pairs import HashOf, Languages, Origin, Pair, Reader, Row
from nmt.data.tables import Columns, JsonLines, Parquet, TabSeparated, expand_glob
from nmt.data.text_files import ParallelText, hash_file, resolve_side
from nmt.errors import DataError

TABLES = {".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}


class WeightedReader(NamedTuple):
    """A reader and how often an epoch shows each of its pairs."""

    reader: Reader
    weight: float


def read_pairs(sources: Sequence[CorpusSource], languages: Languages) -> Iterator[Pair]:
    """Every pair of every corpus, in the order given, as it was written.

    Raises `DataError` for what cannot be read; a row without a pair of texts is yielded with its `problem`, and a line
    that is not UTF-8 with lone surrogates, for `nmt.data.cleaning` to drop or refuse.
    """
    for reader, _ in open_sources(sources, languages):
        yield from reader.pairs()


def open_sources(sources: Sequence[CorpusSource], languages: Languages) -> list[WeightedReader]:
    """The readers of all corpora, one a file (a pair of files, a split); patterns are expanded. Opens none yet."""
    return list(itertools.chain.from_iterable(open_corpora(sources, languages)))


def open_corpora(
    sources: Sequence[CorpusSource], languages: Languages, *, streaming: bool = False
) -> list[list[WeightedReader]]:
    """The same, apart by corpus; those of a hub stored here, or with `streaming` read over the network each time."""
    opened: set[Reader] = set()
    corpora: list[list[WeightedReader]] = []
    for source in sources:
        readers = _open_source(source, languages, streaming=streaming)
        for reader in readers:
            if reader in opened:
                raise DataError(
                    f"{reader.place}: is given twice; leave one out (give it once, with weight 2.0, to show it twice)"
                )
            opened.add(reader)
        corpora.append([WeightedReader(reader, source.weight) for reader in readers])
    return corpora


def _open_source(source: CorpusSource, languages: Languages, *, streaming: bool) -> list[Reader]:
    columns = Columns(
        source.source_column or languages.source,
        source.target_column or languages.target,
        explicit=source.source_column is not None or source.target_column is not None,
    )
    match source_kind(source):
        case "tsv":
            return [TabSeparated(path, columns) for path in expand_glob(source.path)]
        case "jsonl":
            return [JsonLines(path, columns) for path in expand_glob(source.path)]
        case "parquet":
            return [Parquet(path, columns) for path in expand_glob(source.path)]
        case "hub":
            return [HubDataset(source.path, source.subset, source.split, source.revision, columns, streaming)]
        case "demo":
            return [Demo(source.path, languages)]
        case _:
            source_file = resolve_side(source.path, languages.source, source.source_file)
            target_file = resolve_side(source.path, languages.target, source.target_file)
            return [ParallelText(source_file, target_file)]


def contents(reader: Reader, fingerprint: str) -> dict[str, str]:
    """Every file of a reader and what stands for its content, out of `reader.fingerprint()`."""
    if isinstance(reader, ParallelText):
        _, source, target = fingerprint.split()
        return {reader.source_file: source, reader.target_file: target}
    return {reader.place: fingerprint.split()[-1]}


def size_of(reader: Reader) -> dict[str, str]:
    """The same for a stream, which is not read twice: the sizes of its files; nothing stands for what is no file."""
    files = (reader.source_file, reader.target_file) if isinstance(reader, ParallelText) else (reader.place,)
    return {file: f"{os.path.getsize(file)} bytes" if os.path.isfile(file) else "streamed" for file in files}


def source_kind(source: CorpusSource) -> str:
    """The kind of a corpus, read off its path where the configuration leaves it open."""
    if source.kind != "auto":
        return source.kind
    if source.source_file is not None or source.target_file is not None:
        return "text"
    path = source.path.removesuffix(".gz")
    return next((kind for suffix, kind in TABLES.items() if path.endswith(suffix)), "text")


@dataclass(frozen=True)
class Demo(Reader):
    """The embedded corpus, in either direction."""

    split: str
    languages: Languages

    @property
    def place(self) -> str:
        return f"demo:{self.split}"

    def fingerprint(self, hash_of: HashOf = hash_file) -> str:
        """Of the grammar's code, which with the split decides every sentence: so a prepared corpus is not generated."""
        from nmt.data import demo

        files = sorted(Path(str(demo.__file__)).parent.glob("*.py"))
        code = hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=16).hexdigest()
        return f"demo {self.split} {self.languages.source} {self.languages.target} {code}"

    def check(self) -> None:
        """Raise DataError for a split or a direction there is not."""
        from nmt.data.demo import DEMO_LANGUAGES, SPLITS

        if self.split not in SPLITS:
            raise DataError(f"{self.place}: the demo corpus has no split {self.split!r}; it has {', '.join(SPLITS)}")
        if sorted(self.languages) != sorted(DEMO_LANGUAGES):
            raise DataError(
                f"{self.place}: the embedded corpus is {' and '.join(DEMO_LANGUAGES)}, not {self.languages.source} and "
                f"{self.languages.target}; set --data.source and --data.target to these two, either way round"
            )

    def rows(self) -> Iterator[Row]:
        from nmt.data.demo import DEMO_LANGUAGES, generate

        self.check()
        source, target = (DEMO_LANGUAGES.index(language) for language in self.languages)
        for number, sides in enumerate(generate(self.split), start=1):
            yield partial(Pair, sides[source], sides[target], Origin(self.place, number))
