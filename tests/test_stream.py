"""Streaming: the same pairs as a stored corpus gives, in an order a checkpoint can go on with."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.data import DataConfig, TokenizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.loader import training_loader
from nmt.data.place import Place
from nmt.data.prepare import Corpora, prepare_corpora
from nmt.data.stream import Gather, StreamingLoader, even_order
from nmt.data.streamed_corpus import BufferedCorpus, StreamedCorpus
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


def loader_of(
    corpora: Corpora, folder: Path, *, ahead: int = 0, workers: int = 0, streaming_buffer: int = 25, **options: Any
) -> StreamingLoader:
    assert isinstance(corpora.train, StreamedCorpus)
    data = config(folder, workers=workers, streaming_buffer=streaming_buffer)
    return StreamingLoader(corpora.train, data, seed=1, ahead=ahead, **options)


def ids(loader: StreamingLoader, steps: int) -> list[list[int]]:
    return [batch.ids.tolist() for batch in islice(loader, steps)]


def sentences(corpora: Corpora, batches: Iterator[TranslationBatch]) -> Iterator[list[str]]:
    decode = corpora.tokenizers.source.decode
    for batch in batches:
        yield [decode(row) for row in batch.source.tolist()]


def one_pass(corpora: Corpora, loader: StreamingLoader) -> list[list[str]]:
    """The batches of the first pass over the corpus."""
    batches: list[list[str]] = []
    for batch in sentences(corpora, iter(loader)):
        if loader.state_dict()["stream"][0][0] > 0:
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


@pytest.fixture(scope="module")
def whole(corpora: Corpora, folder: Path) -> list[list[str]]:
    return list(islice(sentences(corpora, iter(loader_of(corpora, folder, sampling=0.2))), 75))


@pytest.mark.parametrize("steps", [0, 1, 7, 30, 61])
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_gives_exactly_the_rest(
    corpora: Corpora, folder: Path, whole: list[list[str]], steps: int, workers: int
) -> None:
    stopped = loader_of(corpora, folder, sampling=0.2, workers=workers)
    iterator = iter(stopped)
    for _ in range(steps):
        next(iterator)
    assert sum(stopped.state_dict()["stream"][0][2:]) == steps  # by which all ranks choose batches of like lengths
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


def passes(loaders: list[StreamingLoader], steps: int) -> dict[int, Counter[int]]:
    """The ids that all ranks together see in each pass, in equally many steps."""
    batches: tuple[TranslationBatch, ...]
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    for batches in islice(zip(*loaders, strict=False), steps):
        for loader, batch in zip(loaders, batches, strict=True):
            [[epoch, *_]] = loader.state_dict()["stream"]
            seen[epoch].update(batch.ids.tolist())
    return seen


@pytest.mark.parametrize(("ranks", "workers", "buffer"), [(2, 2, 25), (2, 2, 7), (3, 1, 50), (5, 0, 60), (4, 1, 1000)])
def test_ranks_and_workers_show_every_line_once_a_pass(
    corpora: Corpora, folder: Path, ranks: int, workers: int, buffer: int
) -> None:
    """Also where buffers do not come out even (93 lines), where one is short, and where some ranks get none."""
    options: dict[str, Any] = {"workers": workers, "streaming_buffer": buffer}
    seen = passes([loader_of(corpora, folder, place=Place(rank, ranks), **options) for rank in range(ranks)], 60)
    whole = [epoch for epoch, ids in seen.items() if epoch < max(seen) - ranks]  # the last may be in the middle
    assert len(whole) >= 2
    usable = set(range(COUNT + 3)) - {30, 31, 32}  # the last one is a duplicate only if both are in one buffer
    for epoch in whole:
        assert set(seen[epoch].values()) == {1}
        assert seen[epoch].keys() >= usable
        assert seen[epoch].keys() <= usable | {32}


def test_ranks_tokenise_only_their_share(corpora: Corpora, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Counter[str]] = []
    encode = BufferedCorpus.__init__

    def counted(self: BufferedCorpus, pairs: Any, *rest: Any) -> None:
        made[-1].update(str(pair.origin) for pair in pairs)
        encode(self, pairs, *rest)

    monkeypatch.setattr(BufferedCorpus, "__init__", counted)
    for rank in range(2):
        made.append(Counter())
        loader = loader_of(corpora, folder, place=Place(rank, 2))
        for _ in loader:
            if loader.state_dict()["stream"][0][0] > 1:
                break
    assert 80 < sum(made[0].values()) < 130  # of two passes, one; the buffer that begins the third may be made already
    assert len(made[0].keys() | made[1].keys()) == COUNT


@pytest.mark.parametrize("sampling", [0.0, 0.2])
def test_workers_change_nothing(corpora: Corpora, folder: Path, sampling: float) -> None:
    def taken(workers: int) -> list[TranslationBatch]:
        loader = loader_of(corpora, folder, workers=workers, place=Place(1, 2), sampling=sampling)
        return list(islice(loader, 40))

    alone = taken(0)
    for workers in (1, 3):
        assert all(
            torch.equal(a, b) for x, y in zip(alone, taken(workers), strict=True) for a, b in zip(x, y, strict=True)
        )


@pytest.mark.parametrize("steps", [5, 29])
def test_ranks_resume_each_at_its_own_place(corpora: Corpora, folder: Path, steps: int) -> None:
    def ranks(workers: int, gather: Gather | None = None) -> list[StreamingLoader]:
        options: dict[str, Any] = {"workers": workers, "gather": gather}
        return [loader_of(corpora, folder, place=Place(rank, 2), streaming_buffer=20, **options) for rank in range(2)]

    everyone: list[list[int]] = []

    def gather(mine: list[int]) -> list[list[int]]:
        everyone.append(mine)
        return everyone

    stopped = ranks(0, gather)
    whole = [ids(loader, 60) for loader in ranks(0)]
    for loader in stopped:
        ids(loader, steps)
        state = json.loads(json.dumps(loader.state_dict()))  # in the end what both ranks get to know
    assert state["stream"][0] != state["stream"][1]
    for workers in (0, 1, 2):
        for loader, seen in zip(ranks(workers), whole, strict=True):
            loader.load_state_dict(state)
            assert ids(loader, 60 - steps) == seen[steps:]


def test_another_number_of_ranks_or_another_buffer_loses_nothing(
    corpora: Corpora, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = {"stream": [[3, 50, 40, 2], [3, 25, 40, 9]], "buffer": 25}
    for loaders in (
        [loader_of(corpora, folder, place=Place(rank, 3)) for rank in range(3)],
        [loader_of(corpora, folder, place=Place(rank, 2), streaming_buffer=20) for rank in range(2)],
    ):
        for loader in loaders:
            loader.load_state_dict(state)
        assert "going on with pair" in caplog.text
        seen = passes(loaders, 40)
        assert min(seen) == 3
        assert seen[3].keys() >= set(range(33, COUNT + 3))
        caplog.clear()
    old = loader_of(corpora, folder)
    old.load_state_dict({"stream": [3, 50, 4]})  # of a version whose ranks shared every buffer
    assert old.state_dict()["stream"] == [[3, 50, 0, 0]]


@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=3), seed=st.integers(0, 9))
def test_an_even_order_takes_every_batch_once(counts: list[int], seed: int) -> None:
    step = 0
    for count in counts:
        assert sorted(even_order(count, first_step=step, seed=seed)) == list(range(count))
        step += count


def test_an_even_order_gives_ranks_like_batches_wherever_they_are() -> None:
    def shares(counts: list[int]) -> list[float]:
        """Of every step: how far its batch is from the shortest to the longest of its buffer."""
        starts = [sum(counts[:number]) for number in range(len(counts))]
        buffers = zip(counts, starts, strict=True)
        return [place / count for count, step in buffers for place in even_order(count, first_step=step, seed=1)]

    one, two = np.array(shares([300] * 6)), np.array(shares([220, 310, 290, 280, 330, 370]))
    assert np.abs(one - two).mean() < 0.06  # a third, if they did not heed each other
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.1  # and the lengths of neighbours say nothing


def test_few_pairs_of_small_weight_do_not_stop_a_stream(folder: Path) -> None:
    tenth = config(folder, train=[{"path": f"{folder}/train", "weight": 0.1}], streaming_buffer=31)
    corpora = prepare_corpora(tenth, SMALL)
    assert isinstance(corpora.train, StreamedCorpus)
    loader = StreamingLoader(corpora.train, tenth.model_copy(update={"streaming_buffer": 3}), seed=1, ahead=0)
    with pytest.raises(DataError, match="no training pair of the whole stream"):  # 0.3 of a pair, in every buffer
        next(iter(loader))
    assert len(list(islice(StreamingLoader(corpora.train, tenth, seed=1), 9))) == 9  # the last buffer has none


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
    second = training_loader(corpora, config(folder), seed=1, place=Place(1, 2))
    assert isinstance(second, StreamingLoader)
    assert ids(second, 9) == ids(loader_of(corpora, folder, place=Place(1, 2)), 9) != ids(loader, 9)
    stored = prepare_corpora(config(folder, streaming=False), SMALL)
    assert len(training_loader(stored, config(folder), seed=1)) > 10


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
