"""Prepared corpora as they are written: Arrow files of `datasets`, text first, then token ids, then their index."""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.data.arrays import Int32, Int64, forget_file
from nmt.data.corpus import PAIRS_FILE, SIDES, TOKENS_FILE, open_dataset, token_files
from nmt.data.index import Rows, write_index
from nmt.data.pairs import Pair
from nmt.data.sources import WeightedReader
from nmt.text.tokenizer import Tokenizers

if TYPE_CHECKING:
    import pyarrow

READ_AT_A_TIME = 64_000  # pairs whose text a process has mapped
PAIRS_PER_PROCESS = 20_000  # about a second of work; below it another process costs more than it saves


def read_all(readers: Sequence[WeightedReader], title: str) -> Iterator[Pair]:
    """All pairs, under a progress bar where someone watches."""
    from tqdm import tqdm

    with tqdm(desc=title, unit=" pairs", unit_scale=True, disable=None, leave=False) as bar:
        for reader, _ in readers:
            for pair in reader.pairs():
                bar.update()
                yield pair


def write_pairs(pairs: Iterable[Pair], readers: Sequence[WeightedReader], directory: Path) -> None:
    """Text and origins as an Arrow file of `datasets`."""
    from datasets import Features, Value
    from datasets.arrow_writer import ArrowWriter

    places: dict[str, int] = {}
    for number, (reader, _) in enumerate(readers):
        places.setdefault(reader.place, number)  # a file may be read twice, by other columns
    features = Features(source=Value("string"), target=Value("string"), place=Value("int32"), line=Value("int64"))
    with ArrowWriter(path=str(directory / PAIRS_FILE), features=features, writer_batch_size=1000) as writer:
        for block in _blocks(pairs, 1000):
            writer.write_batch(
                {
                    "source": [pair.source for pair in block],
                    "target": [pair.target for pair in block],
                    "place": [places[pair.origin.place] for pair in block],
                    "line": [pair.origin.line for pair in block],
                }
            )
        writer.finalize()


def write_tokens(pairs: Path, directory: Path, tokenizers: Tokenizers, *, processes: int, fingerprint: str) -> None:
    """Ids of every pair, one Arrow file a process."""
    import datasets

    text = open_dataset(pairs / PAIRS_FILE)
    processes = max(1, min(processes, len(text) // PAIRS_PER_PROCESS))
    ids = datasets.List(datasets.Value("int32"))
    shown = datasets.is_progress_bar_enabled()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        text.map(
            _encode_rows,
            batched=True,
            input_columns=list(SIDES),
            with_indices=True,
            fn_kwargs={"tokenizers": tokenizers, "file": pairs / PAIRS_FILE},
            remove_columns=text.column_names,
            features=datasets.Features({f"{side}_ids": ids for side in SIDES}),
            num_proc=processes if processes > 1 else None,
            cache_file_name=str(directory / TOKENS_FILE),
            new_fingerprint=fingerprint,
            desc="tokenising",
        )
    finally:
        if shown:
            datasets.enable_progress_bars()


def _encode_rows(
    sources: list[str], targets: list[str], numbers: list[int], *, tokenizers: Tokenizers, file: Path
) -> dict[str, list[list[int]]]:
    """The ids of some rows of a file, of which these are the numbers."""
    if numbers[0] % READ_AT_A_TIME < len(numbers):
        forget_file(file)
    return {
        "source_ids": tokenizers.source.encode_batch(sources),
        "target_ids": tokenizers.target.encode_batch(targets),
    }


def write_corpus_index(pairs: Path, tokens: Path, directory: Path, *, max_tokens: int | None) -> None:
    """The index of the pairs of at most `max_tokens` tokens a side; a block of rows at a time is in memory."""
    write_index(_stored_rows(pairs, tokens), directory, max_tokens=max_tokens)


def _stored_rows(pairs: Path, tokens: Path) -> Iterator[Rows]:
    """Where the sentences of every row stand, a block of an Arrow file of tokens at a time."""
    all_places = (block.column("place").to_numpy() for block in _blocks_of(_mapped(pairs / PAIRS_FILE)))
    places = np.zeros(0, np.int32)
    before = 0  # ids of the files read
    read = 0  # pairs since pages were last forgotten
    for path in token_files(tokens):
        mapped = _mapped(path)
        for block in _blocks_of(mapped):
            if (read := read + block.num_rows) >= READ_AT_A_TIME:
                read = 0
                forget_file(pairs / PAIRS_FILE)
                forget_file(path)
            while len(places) < block.num_rows:  # the blocks of the two files need not end together
                places = np.concatenate([places, next(all_places)])
            (sources, source_lengths), (targets, target_lengths) = (
                _starts_and_lengths(block.column(f"{side}_ids"), mapped) for side in SIDES
            )
            yield Rows(before + sources, source_lengths, before + targets, target_lengths, places[: block.num_rows])
            places = places[block.num_rows :]
        before += mapped.size // 4


def _starts_and_lengths(lists: "pyarrow.ListArray", mapped: "pyarrow.Buffer") -> tuple[Int64, Int32]:
    """Of lists of int32: where each starts in the file, and how long it is."""
    ids = lists.values.buffers()[1]
    first = (ids.address - mapped.address) // 4 if ids is not None else 0  # Arrow aligns buffers to 8 bytes
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return first + lists.values.offset + offsets[:-1], np.diff(offsets).astype(np.int32)


def _mapped(path: Path) -> "pyarrow.Buffer":
    """The bytes of a file; parts of it keep it open."""
    import pyarrow

    return pyarrow.memory_map(str(path)).read_buffer()


def _blocks_of(mapped: "pyarrow.Buffer") -> Iterator["pyarrow.RecordBatch"]:
    import pyarrow

    yield from pyarrow.ipc.open_stream(mapped)


def stored_texts(directory: Path) -> Iterator[tuple[str, str]]:
    """Sources and targets of a prepared corpus, in order."""
    file = directory / PAIRS_FILE
    for number, rows in enumerate(open_dataset(file).select_columns(list(SIDES)).iter(1000)):
        if number * 1000 % READ_AT_A_TIME == 0:
            forget_file(file)
        yield from zip(rows["source"], rows["target"], strict=True)


def _blocks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while block := list(itertools.islice(iterator, size)):
        yield block
