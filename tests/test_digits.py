"""The embedded digits: every glyph in one split and one form, lines composed the same way every time."""

import pickle
from difflib import SequenceMatcher
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.lines import LineSource
from nmt.data.lines.composed import compose, covering
from nmt.data.lines.digits import FORMS, HEIGHT, ROUNDS, SPLITS, DigitsLine, read_digits
from nmt.data.lines.line import Line, Pixels
from nmt.errors import DataError


def digits(split: str, symbols: int = 8, lines: int | None = None) -> list[Line]:
    return list(read_digits(LineSource(kind="digits", path=split, symbols=symbols, lines=lines)))


def glyphs(line: Line) -> tuple[int, ...]:
    assert isinstance(line.recording, DigitsLine)
    return line.recording.glyphs


def test_every_glyph_belongs_to_one_split_and_is_shown() -> None:
    shown = {split: [glyph for line in digits(split) for glyph in glyphs(line)] for split in SPLITS}
    together = sorted(glyph for split in shown.values() for glyph in set(split))
    assert together == list(range(FORMS[-1]))  # disjoint, and none left out
    for split, its in shown.items():
        counts = np.unique_counts(its).counts
        assert counts.min() >= ROUNDS[split] and counts.max() <= ROUNDS[split] + 1


def test_forms_begin_where_the_order_of_the_digits_begins_again() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    target = datasets.load_digits().target
    assert len(target) == FORMS[-1]
    first = list(target[: FORMS[1]])
    for start, end in pairwise(FORMS):
        alike = SequenceMatcher(None, first, list(target[start:end]), autojunk=False).ratio()
        shifted = SequenceMatcher(None, first, list(target[max(0, start - 5) : end - 5]), autojunk=False).ratio()
        assert alike > 0.9 and (start == 0 or alike > shifted), start


def test_a_line_is_one_writers_and_says_what_its_glyphs_mean() -> None:
    target = pytest.importorskip("sklearn.datasets").load_digits().target
    for line in digits("test"):
        own = glyphs(line)
        assert line.text == "".join(str(target[glyph]) for glyph in own)
        form = int(line.writer.removeprefix("form ")) - 1
        assert all(FORMS[form] <= glyph < FORMS[form + 1] for glyph in own)
        assert all(str(glyph) in line.name for glyph in own)


def test_writers_are_in_one_split() -> None:
    writers = [{line.writer for line in digits(split)} for split in SPLITS]
    assert [len(own) for own in writers] == [9, 2, 3] and len(set().union(*writers)) == 14


@pytest.mark.parametrize("symbols", [1, 3, 12])
def test_lines_have_no_more_symbols_than_asked_for(symbols: int) -> None:
    lengths = {len(line.text or "") for line in digits("validation", symbols)}
    assert lengths == set(range(1, symbols + 1))


def test_so_many_lines_as_asked_for_from_all_writers() -> None:
    lines = digits("train", lines=100)
    assert len(lines) == 100 and len({line.writer for line in lines}) == 9
    assert len(digits("test", lines=1000)) == 1000


def test_the_same_every_time_and_in_every_process() -> None:
    for line, again in zip(digits("test", lines=20), digits("test", lines=20), strict=True):
        assert line == again
        pixels, copied = line.recording.read(), pickle.loads(pickle.dumps(line)).recording.read()
        assert isinstance(pixels, Pixels) and isinstance(copied, Pixels)
        np.testing.assert_array_equal(pixels.values, copied.values)


def test_names_are_unique() -> None:
    names = [line.name for line in digits("train")]
    assert len(set(names)) == len(names)


def test_pictures_are_dark_digits_on_bright_paper() -> None:
    for line in digits("train", lines=50):
        pixels = line.recording.read()
        assert isinstance(pixels, Pixels)
        values = pixels.values
        assert values.dtype == np.uint8 and values.shape[0] == HEIGHT
        assert values.shape[1] >= 4 * len(glyphs(line))
        assert np.median(values) == 255 and values.min() < 60
        assert (values[:, -1] > 200).all()


def test_a_longer_number_is_a_wider_picture() -> None:
    widths = [DigitsLine((5,) * count, seed=3).read().values.shape[1] for count in (1, 2, 4, 8)]
    assert all(more > 1.4 * less for less, more in pairwise(widths))


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(DataError, match=r"digits:dev: digits have the splits train, validation, test"):
        digits("dev")


@given(
    writers=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    symbols=st.integers(1, 9),
    rounds=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_composing_uses_every_symbol_before_any_comes_again(
    writers: list[int], symbols: int, rounds: int, seed: int
) -> None:
    ends = np.cumsum([0, *writers])
    own = [range(start, end) for start, end in pairwise(ends)]
    lines = list(covering(own, symbols, np.random.default_rng(seed), lines=None, rounds=rounds))
    assert all(1 <= len(line) <= symbols and set(line) <= set(own[writer]) for writer, line in lines)
    np.testing.assert_array_equal(np.bincount([symbol for _, line in lines for symbol in line]), rounds)
    endless = islice(compose(own, symbols, np.random.default_rng(seed)), len(lines))
    assert list(endless) == lines
    assert len(list(covering(own, symbols, np.random.default_rng(seed), lines=7, rounds=rounds))) == 7
