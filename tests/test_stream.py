"""Streaming: the same pairs as a stored corpus gives, in an order a checkpoint can go on with."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.loader import training_loader
from nmt.data.prepare import Corpora, prepare_corpora
from nmt.data.stream import StreamedCorpus, StreamingLoader
from nmt.errors import CheckpointError, DataError

COUNT = 90
SMALL = TokenizerConfig(vocabulary_size=320, kind="bpe")


def config(folder: Path, **options: Any) -> DataConfig:
    values: dict[str, Any] = {
        "train": f"{folder}/train",
        "validation": f"{folder}/val",
        "cache_dir": f"{folder}/cache",
        "streaming": True,
        "streaming_buffer": 25,
        "batch_source_tokens": 60,
        "batch_target_tokens": 60,
    }
    return DataConfig(**(values | options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 good pairs; besides one empty one, one that leaks, and one that stands twice in a buffer."""
    folder = tmp_path_factory.mktemp("stream")
    lines = [f"number {n} is {'very ' * (n % 7)}odd" for n in range(COUNT)]
    lines[30:30] = ["", "leak leak", lines[29]]
    (folder / "train.en").write_text("\n".join(lines) + "\n")
    (folder / "train.de").write_text("\n".join(line.upper() for line in lines) + "\n")
    (folder / "val.en").write_text("leak leak\n")
    (folder / "val.de").write_text("LEAK LEAK\n")
    return folder


@pytest.fixture(scope="module")
def corpora(folder: Path) -> Corpora:
    return prepare_corpora(config(folder), SMALL)


def loader_of(corpora: Corpora, folder: Path, *, ahead: int = 0, workers: int = 0, **options: Any) -> StreamingLoader:
    assert isinstance(corpora.train, StreamedCorpus)
    return StreamingLoader(corpora.train, config(folder, workers=workers), seed=1, ahead=ahead, **options)


def sentences(corpora: Corpora, batches: Iterator[TranslationBatch]) -> Iterator[list[str]]:
    decode = corpora.tokenizers.source.decode
    for batch in batches:
        yield [decode(row) for row in batch.source.tolist()]


def one_pass(corpora: Corpora, loader: StreamingLoader) -> list[list[str]]:
    """The batches of the first pass over the corpus."""
    batches = []
    for batch in sentences(corpora, iter(loader)):
        if loader.state_dict()["stream"][0] > 0:
            return batches
        batches.append(batch)
    raise AssertionError("a stream has no end")


def test_a_pass_shows_every_clean_pair_once(corpora: Corpora, folder: Path) -> None:
    seen = Counter(text for batch in one_pass(corpora, loader_of(corpora, folder)) for text in batch)
    assert len(seen) == COUNT
    assert set(seen.values()) == {1}
    assert "leak leak" not in seen
    assert corpora.validation is not None
    assert corpora.validation.text(0) == ("leak leak", "LEAK LEAK")


def test_ids_name_the_pair(corpora: Corpora, folder: Path) -> None:
    assert isinstance(corpora.train, StreamedCorpus)
    loader = loader_of(corpora, folder)
    for batch in islice(loader, 25):
        for index, row in zip(batch.ids.tolist(), batch.source.tolist(), strict=True):
            assert corpora.train.text(index)[0] == corpora.tokenizers.source.decode(row)
    assert corpora.train.origin(int(batch.ids[0])) == f"{folder}/train.en:{int(batch.ids[0]) + 1}"


def test_nothing_of_training_is_stored(folder: Path, corpora: Corpora) -> None:
    stored = [path for path in (folder / "cache").glob("*/*.arrow") if path.stat().st_size > 2000]
    assert stored == []


def test_batches_keep_the_budget_and_hold_neighbours_in_length(corpora: Corpora, folder: Path) -> None:
    batches = list(islice(loader_of(corpora, folder), 40))
    assert all(batch.source.numel() <= 60 and batch.target_input.numel() <= 60 for batch in batches)
    padding = sum(int((batch.source == 0).sum()) for batch in batches) / sum(batch.source.numel() for batch in batches)
    assert padding < 0.15


def test_passes_differ_in_order(corpora: Corpora, folder: Path) -> None:
    steps = len(one_pass(corpora, loader_of(corpora, folder)))
    batches = list(islice(sentences(corpora, iter(loader_of(corpora, folder))), 2 * steps))
    assert batches[:steps] != batches[steps:]


@pytest.mark.parametrize("steps", [0, 1, 7, 30, 61])
@pytest.mark.parametrize("workers", [0, 1])
def test_resuming_gives_exactly_the_rest(corpora: Corpora, folder: Path, steps: int, workers: int) -> None:
    whole = list(islice(sentences(corpora, iter(loader_of(corpora, folder, sampling=0.2))), 75))
    stopped = loader_of(corpora, folder, sampling=0.2, workers=workers)
    iterator = iter(stopped)
    for _ in range(steps):
        next(iterator)
    resumed = loader_of(corpora, folder, sampling=0.2)
    resumed.load_state_dict(stopped.state_dict())
    assert list(islice(sentences(corpora, iter(resumed)), 75 - steps)) == whole[steps:]


def test_the_state_of_a_reader_ahead_is_that_of_the_batch_before(corpora: Corpora, folder: Path) -> None:
    exact, ahead = loader_of(corpora, folder), loader_of(corpora, folder, ahead=1)
    first, second = iter(exact), iter(ahead)
    next(second)
    assert ahead.state_dict() == exact.state_dict()  # fetched, but not trained on
    for _ in range(20):
        next(first)
        next(second)
        assert ahead.state_dict() == exact.state_dict()


def test_ranks_share_each_buffer_and_its_position(corpora: Corpora, folder: Path) -> None:
    loaders = [loader_of(corpora, folder, rank=rank, world_size=2) for rank in range(2)]
    seen: Counter[str] = Counter()
    for batches in zip(*(sentences(corpora, iter(loader)) for loader in loaders), strict=False):
        assert loaders[0].state_dict() == loaders[1].state_dict()
        if loaders[0].state_dict()["stream"][0] > 0:
            break
        seen.update(text for batch in batches for text in batch)
    assert len(seen) == COUNT
    assert set(seen.values()) == {1}


def test_weights_hold_within_a_buffer(folder: Path) -> None:
    twice = config(folder, train=[{"path": f"{folder}/train", "weight": 2.0}])
    corpora = prepare_corpora(twice, SMALL)
    seen = Counter(text for batch in one_pass(corpora, loader_of(corpora, folder)) for text in batch)
    assert set(seen.values()) == {2}


def test_several_corpora_are_read_in_turn(folder: Path) -> None:
    copy = {"path": "copy", "source_file": f"{folder}/train.en", "target_file": f"{folder}/copy.de"}
    (folder / "copy.de").write_bytes((folder / "train.de").read_bytes())
    sources = [f"{folder}/train", copy]
    train = prepare_corpora(config(folder, train=sources), SMALL).train
    assert isinstance(train, StreamedCorpus)
    lines = [pair.origin.line for pair in islice(train.pairs(), 6)]
    assert lines == [1, 1, 2, 2, 3, 3]
    assert [pair.origin.line for pair in islice(train.pairs(skip=3), 2)] == [2, 3]


def test_the_tokenizer_learns_from_the_first_pairs(folder: Path) -> None:
    first = prepare_corpora(config(folder), SMALL.model_copy(update={"max_training_lines": 10})).tokenizers
    again = prepare_corpora(config(folder), SMALL.model_copy(update={"max_training_lines": 10})).tokenizers
    whole = prepare_corpora(config(folder), SMALL).tokenizers
    assert first == again != whole


def test_the_global_random_numbers_are_left_alone(corpora: Corpora, folder: Path) -> None:
    before = torch.get_rng_state()
    for workers in (0, 1):
        next(iter(loader_of(corpora, folder, workers=workers)))
    assert torch.equal(torch.get_rng_state(), before)


def test_one_door_for_both_kinds(corpora: Corpora, folder: Path) -> None:
    loader = training_loader(corpora, config(folder), seed=1)
    assert isinstance(loader, StreamingLoader)
    assert not hasattr(loader, "__len__")  # Lightning asks for it
    stored = prepare_corpora(config(folder, streaming=False), SMALL)
    assert len(training_loader(stored, config(folder), seed=1)) > 10  # type: ignore[arg-type]


def test_unusable_streams_are_errors(folder: Path, tmp_path: Path, corpora: Corpora) -> None:
    with pytest.raises(CheckpointError, match="not trained with data.streaming"):
        loader_of(corpora, folder).load_state_dict({"epoch": 0, "position": 0})
    for side in ("en", "de"):
        (tmp_path / f"empty.{side}").write_text("\n\n")
    with pytest.raises(DataError, match="left no training pair"):
        prepare_corpora(config(folder, train=f"{tmp_path}/empty"), SMALL)
    assert isinstance(corpora.train, StreamedCorpus)
    model = folder / "joint.model"
    model.write_bytes(corpora.tokenizers.source.model)
    nothing = prepare_corpora(config(folder, train=f"{tmp_path}/empty"), TokenizerConfig(model=str(model)))
    with pytest.raises(DataError, match="no training pair of the whole stream"):
        next(iter(loader_of(nothing, folder)))
