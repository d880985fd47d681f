"""From the configuration to prepared corpora: read, clean, learn the vocabulary, tokenise; once, then from the cache.

    pairs-KEY/       the cleaned text        KEY: bytes of the files, columns, cleaning, normalisation, held-out pairs
    tokenizer-KEY/   SentencePiece models    KEY: that of the pairs, tokenizer options, seed
    tokens-KEY/      ids of every pair       KEY: that of the pairs, fingerprints of the tokenizers
    index-KEY/       where each pair is      KEY: that of the tokens, most tokens of a pair

Names of files are not part of a key: a corpus that moves stays prepared.
"""

import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from nmt.config.data import CorpusSource, DataConfig, TokenizerConfig
from nmt.data.cache import Cache, cache_key, contents_of
from nmt.data.cleaning import CleaningReport, Counts, clean, pair_hash, verify
from nmt.data.corpus import SIDES, Directories, EncodedCorpus
from nmt.data.hashes import RememberedHashes
from nmt.data.pairs import Languages
from nmt.data.sources import WeightedReader, contents, open_corpora, open_sources, size_of
from nmt.data.store import read_all, stored_texts, write_corpus_index, write_pairs, write_tokens
from nmt.data.stored_report import store_report, stored_report
from nmt.data.streamed_corpus import StreamedCorpus, in_turn
from nmt.data.text_files import hash_file
from nmt.errors import DataError
from nmt.text.tokenizer import Tokenizer, Tokenizers


class Corpora(NamedTuple):
    """All that a run reads. `train` is a `StreamedCorpus` with `data.streaming`; `tests` has one entry a source."""

    train: EncodedCorpus | StreamedCorpus
    validation: EncodedCorpus | None
    tests: dict[str, EncodedCorpus]
    tokenizers: Tokenizers
    report: CleaningReport
    contents: dict[str, "Content"]  # of train, validation and test


class Content(TypedDict):
    """What stood in the files when they were read, as plain data, to tell a changed corpus by."""

    files: dict[str, str]  # hash of each
    pairs: int | None  # that are used; None for a stream


class PreparedPairs(NamedTuple):
    """Cleaned text in the cache, and the readers it came from."""

    directory: Path
    key: str
    readers: list[WeightedReader]
    files: dict[str, str]  # and their hashes


def prepare_corpora(
    data: DataConfig, tokenizer: TokenizerConfig, *, seed: int = 1, tokenizers: Tokenizers | None = None
) -> Corpora:
    """Training, validation and test corpora ready to be batched, and the tokenizers they were encoded with.

    A tokenizer that is not given, here or in a file, is trained on the cleaned training text alone. Any number of
    processes may call this at once: one prepares, the others wait. Raises `DataError` for corpora that cannot be read
    or hold nothing.
    """
    return _Preparation(data, tokenizer, seed, tokenizers).corpora()


def train_tokenizers(data: DataConfig, tokenizer: TokenizerConfig, *, seed: int = 1) -> Tokenizers:
    """The tokenizers alone: read from the files given, or trained on the cleaned training text."""
    return _Preparation(data, tokenizer, seed).tokenizers()


def _shared_places(readers: Sequence[WeightedReader]) -> dict[str, list[int]]:
    """Which readers share a place (two translations of one file), for a cache's key: a stored pair knows only places.

    Empty where none do, so that entries of such corpora keep the keys they had before this was looked at.
    """
    places = [reader.place for reader, _ in readers]
    first = [places.index(place) for place in places]
    return {} if first == list(range(len(places))) else {"shared_places": first}


class _Preparation:
    """The steps for one configuration."""

    def __init__(
        self, data: DataConfig, tokenizer: TokenizerConfig, seed: int, tokenizers: Tokenizers | None = None
    ) -> None:
        self.given = tokenizers
        self.data = data
        self.config = tokenizer
        self.seed = seed
        self.cache = Cache(data.cache_dir)
        self.hash_of = RememberedHashes(self.cache.directory / "hashes", hash_file)
        self.languages = Languages(data.source, data.target)

    def corpora(self) -> Corpora:
        if not self.data.train:
            raise DataError(
                f"no training corpus; give --data.train PREFIX for two files PREFIX.{self.data.source} and "
                f"PREFIX.{self.data.target}, a table (.tsv, .jsonl, .parquet), hub:OWNER/NAME, or demo:train"
            )
        validation = self.held_out_pairs(self.data.validation)
        tests = {name: self.held_out_pairs([source]) for name, source in _names(self.data.test).items()}
        tokenizers = self.tokenizers()
        report: CleaningReport
        train: EncodedCorpus | StreamedCorpus
        contents: dict[str, Content] = {}
        if self.data.streaming:
            report = CleaningReport()
            train = self.stream(tokenizers, report)
            sizes = [size_of(reader) for reader, _ in train.readers]
            contents["train"] = Content(files=_together(sizes), pairs=None)
        else:
            train, report = self.train_corpus(tokenizers)
            contents["train"] = Content(files=self.train_pairs.files, pairs=len(train))
        held_out = {"validation": validation} | {f"test {name}": pairs for name, pairs in tests.items()}
        encoded = {name: self.encoded(pairs, tokenizers) for name, pairs in held_out.items() if pairs is not None}
        for name, pairs in held_out.items():
            if pairs is not None:
                contents[name] = Content(files=pairs.files, pairs=len(encoded[name]))
        read = encoded.pop("validation", None)
        named = {name.removeprefix("test "): corpus for name, corpus in encoded.items()}
        return Corpora(train, read, named, tokenizers, report, contents)

    @functools.cached_property
    def train_files(self) -> list[list[WeightedReader]]:
        """Those of each source; what a pattern stands for is looked up once."""
        return open_corpora(self.data.train, self.languages)

    @functools.cached_property
    def train_pairs(self) -> PreparedPairs:
        """The cleaned training text; its files are read once to tell whether they have changed."""
        readers = list(itertools.chain.from_iterable(self.train_files))
        fingerprints = [reader.fingerprint(self.hash_of) for reader, _ in readers]
        cleaning = self.data.cleaning
        held_out = open_sources(self._held_out_sources(), self.languages)
        key = cache_key(
            step="training pairs",
            content=fingerprints,
            cleaning=cleaning.model_dump(mode="json", exclude={"max_tokens"}),
            normalization=self.config.normalization,
            held_out=sorted(reader.fingerprint(self.hash_of) for reader, _ in held_out),
            **_shared_places(readers),
        )

        def build(directory: Path) -> None:
            report = CleaningReport()
            for reader, _ in readers:
                report.sources[reader.place] = Counts()  # in this order, and those too that hold nothing
            pairs = read_all(readers, "reading training pairs")
            excluded = self.held_out_hashes()
            kept = clean(pairs, cleaning, report, normalization=self.config.normalization, held_out=excluded)
            write_pairs(kept, readers, directory)
            if report.kept == 0:
                raise DataError(f"cleaning left no training pair; data.cleaning says what is dropped:\n{report}")
            store_report(report, directory)

        return PreparedPairs(self.cache.entry("pairs", key, build), key, readers, _files(readers, fingerprints))

    def held_out_pairs(self, sources: Sequence[CorpusSource]) -> PreparedPairs | None:
        """The whole text of validation or test."""
        if not sources:
            return None
        readers = open_sources(sources, self.languages)
        fingerprints = [reader.fingerprint(self.hash_of) for reader, _ in readers]
        key = cache_key(step="held-out pairs", content=fingerprints)

        def build(directory: Path) -> None:
            pairs = verify(read_all(readers, "reading held-out pairs"))
            first = next(pairs, None)
            if first is None:
                raise DataError(f"{', '.join(source.path for source in sources)}: holds no pair")
            write_pairs(itertools.chain([first], pairs), readers, directory)

        return PreparedPairs(self.cache.entry("pairs", key, build), key, readers, _files(readers, fingerprints))

    def held_out_hashes(self) -> frozenset[int]:
        """The pairs that training must not see."""
        form = self.config.normalization
        pairs = (
            pair for reader, _ in open_sources(self._held_out_sources(), self.languages) for pair in reader.pairs()
        )
        return frozenset(pair_hash(pair.source, pair.target, form) for pair in pairs)

    def _held_out_sources(self) -> tuple[CorpusSource, ...]:
        return (*self.data.validation, *self.data.test) if self.data.cleaning.drop_test_leakage else ()

    def tokenizers(self) -> Tokenizers:
        """Those given, as they are or as files, else those trained on the corpus."""
        if self.given is not None:
            return self.given
        config = self.config
        if config.model is not None:
            return Tokenizers(*[Tokenizer.from_file(config.model, normalization=config.normalization)] * 2)
        if config.source_model is not None and config.target_model is not None:
            files = (config.source_model, config.target_model)
            return Tokenizers(*(Tokenizer.from_file(file, normalization=config.normalization) for file in files))
        if self.data.streaming:
            texts = self._first_texts
            digest = hashlib.blake2b(digest_size=16)
            for text in itertools.chain.from_iterable(texts()):
                digest.update(text.encode() + b"\n")
            return self._trained(texts, digest.hexdigest())
        pairs = self.train_pairs
        return self._trained(lambda: stored_texts(pairs.directory), pairs.key)

    def _trained(self, texts: Callable[[], Iterable[tuple[str, str]]], content: str) -> Tokenizers:
        """Trained on pairs of texts, which are read once per model."""
        models = ("joint",) if self.config.joint else SIDES
        key = cache_key(
            step="tokenizer",
            content=content,
            config=self.config.model_dump(mode="json", exclude={"sampling"}),
            seed=self.seed,
        )

        def build(directory: Path) -> None:
            for model in models:
                sides = (0, 1) if model == "joint" else (SIDES.index(model),)
                lines = (pair[side] for pair in texts() for side in sides)
                tokenizer = Tokenizer.train(lines, config=self.config, seed=self.seed)
                (directory / f"{model}.model").write_bytes(tokenizer.model)

        directory = self.cache.entry("tokenizer", key, build)
        form = self.config.normalization
        trained = [Tokenizer.from_file(directory / f"{model}.model", normalization=form) for model in models]
        return Tokenizers(trained[0], trained[-1])

    def train_corpus(self, tokenizers: Tokenizers) -> tuple[EncodedCorpus, CleaningReport]:
        """The tokenised training corpus without pairs of too many tokens, and the report that counts those too."""
        pairs = self.train_pairs
        corpus = self.encoded(pairs, tokenizers, max_tokens=self.data.cleaning.max_tokens)
        report = stored_report(pairs.directory, corpus, zip(self.data.train, self.train_files, strict=True))
        if not len(corpus):
            raise DataError(
                f"no training pair has at most {self.data.cleaning.max_tokens} tokens on both sides "
                f"(--data.cleaning.max_tokens):\n{report}"
            )
        return corpus, report

    def encoded(self, pairs: PreparedPairs, tokenizers: Tokenizers, *, max_tokens: int | None = None) -> EncodedCorpus:
        """Token ids of prepared text."""
        fingerprints = [tokenizer.fingerprint for tokenizer in tokenizers]
        key = cache_key(step="tokens", pairs=pairs.key, tokenizers=fingerprints)
        processes = self.data.preparation_processes or _cores()

        def build(directory: Path) -> None:
            write_tokens(pairs.directory, directory, tokenizers, processes=processes, fingerprint=key)

        tokens = self.cache.entry("tokens", key, build)

        def build_index(directory: Path) -> None:
            write_corpus_index(pairs.directory, tokens, directory, max_tokens=max_tokens)

        index_key = cache_key(step="index", tokens=key, files=contents_of(tokens), max_tokens=max_tokens)
        return EncodedCorpus(
            Directories(pairs.directory, tokens, self.cache.entry("index", index_key, build_index)),
            places=[reader.place for reader, _ in pairs.readers],
            place_weights=[weight for _, weight in pairs.readers],
        )

    def stream(self, tokenizers: Tokenizers, report: CleaningReport) -> StreamedCorpus:
        return StreamedCorpus(
            open_corpora(self.data.train, self.languages, streaming=True),
            tokenizers,
            cleaning=self.data.cleaning,
            held_out=self.held_out_hashes(),
            report=report,
        )

    def _first_texts(self) -> Iterator[tuple[str, str]]:
        """The first cleaned pairs of a streamed corpus."""
        rows = in_turn(open_corpora(self.data.train, self.languages, streaming=True))
        pairs = (parsed() for parsed in rows)
        form, report = self.config.normalization, CleaningReport()
        kept = clean(pairs, self.data.cleaning, report, normalization=form, held_out=self.held_out_hashes())
        for pair in itertools.islice(kept, self.config.max_training_lines):
            yield pair.source, pair.target
        if report.kept == 0:
            raise DataError(f"cleaning left no training pair; data.cleaning says what is dropped:\n{report}")


def _files(readers: Sequence[WeightedReader], fingerprints: Sequence[str]) -> dict[str, str]:
    return _together([contents(r, fingerprint) for (r, _), fingerprint in zip(readers, fingerprints, strict=True)])


def _together(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return {file: content for part in parts for file, content in part.items()}


def _names(sources: Sequence[CorpusSource]) -> dict[str, CorpusSource]:
    """A short, unique name for every test set: the last part of its path."""
    named: dict[str, CorpusSource] = {}
    for source in sources:
        name = Path(source.path).name or source.path
        number = next(n for n in itertools.count(1) if (name if n == 1 else f"{name}-{n}") not in named)
        named[name if number == 1 else f"{name}-{number}"] = source
    return named


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
