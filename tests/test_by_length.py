"""The order of length: that of sorting, however many blocks it is made from, and runs that say the same as lengths."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data import by_length
from nmt.data.by_length import ByLength, order_by_length

LENGTHS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


def arrays(lengths: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    source, target = np.array(lengths, dtype=np.int32).T
    return source, target


@given(LENGTHS, st.integers(1, 70))
def test_it_is_the_order_of_sorting(lengths: list[tuple[int, int]], block: int) -> None:
    source, target = arrays(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_length, "BLOCK", block)
        made = ByLength.of(source, target)
    expected = order_by_length((source + 1).astype(np.float64), (target + 1).astype(np.int64))
    assert made.at(np.arange(len(lengths))).tolist() == expected.tolist()
    runs = made.runs.at(np.arange(len(lengths)))
    assert made.runs.source[runs].tolist() == (source[expected] + 1).tolist()
    assert made.runs.target[runs].tolist() == (target[expected] + 1).tolist()
    assert made.checksum == zlib.crc32((target + 1).tobytes(), zlib.crc32((source + 1).tobytes()))


@given(LENGTHS, st.integers(1, 9))
def test_the_longest_of_neighbours(lengths: list[tuple[int, int]], group: int) -> None:
    made = ByLength.of(*arrays(lengths))
    ordered = [(lengths[pair][0] + 1, lengths[pair][1] + 1) for pair in made.pairs]
    groups = [ordered[begin : begin + group] for begin in range(0, len(ordered), group)]
    source, target = made.runs.longest(group)
    assert source.tolist() == [max(source for source, _ in members) for members in groups]
    assert target.tolist() == [max(target for _, target in members) for members in groups]
