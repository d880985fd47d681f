"""Strings of pendigits: which rows they are of, which way is up, and what a wrong file is told."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from nmt.config.lines import LinesConfig, LineSource
from nmt.data.lines.line import Line, Points
from nmt.data.lines.pendigits import EARLIER, PendigitsLine, read_pendigits
from nmt.data.lines.sources import check_lines_files
from nmt.data.lines.strokes import stroke_features
from nmt.errors import DataError

SHARED = Path(os.environ.get("NMT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL = SHARED / "handwriting" / "online" / "pendigits.csv"
needs_pendigits = pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there (NMT_SHARED_DATA)")
HEADER = ",".join(f"input{number}" for number in range(1, 17)) + ",class"
SEVEN = "0,100,30,100,60,100,100,100,80,75,60,50,40,25,20,0,7"


def pendigits(path: Path, split: str = "train", symbols: int = 4, lines: int | None = None) -> list[Line]:
    return list(read_pendigits(LineSource(kind="pendigits", path=str(path), split=split, symbols=symbols, lines=lines)))


def rows(line: Line) -> list[int]:
    return [int(row) for row in line.name.partition("(rows ")[2].removesuffix(")").split()]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Twenty digits whose first x is the number of the row."""
    path = tmp_path / "pendigits.csv"
    lines = [f" {row}," + ", ".join(str((row * k) % 101) for k in range(1, 16)) + f", {row % 10}" for row in range(20)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_every_row_is_shown_and_named(few: Path) -> None:
    lines = pendigits(few)
    shown = [row for line in lines for row in rows(line)]
    assert set(shown) == set(range(1, 21))
    for line in lines:
        assert line.text == "".join(str((row - 1) % 10) for row in rows(line))
        assert isinstance(line.recording, PendigitsLine)
        assert [digit[0] for digit in line.recording.digits] == [row - 1 for row in rows(line)]
    assert lines == pendigits(few) and len({line.name for line in lines}) == len(lines)
    assert max(len(line.text or "") for line in lines) == 4
    assert len(pendigits(few, lines=9)) == 9


def test_a_short_form_names_the_rows() -> None:
    config = LinesConfig.model_validate(
        {"train": "pendigits:a.csv", "test": ["pendigits:test:b.csv", "pendigits:test.csv"]}
    )
    assert [(source.kind, source.path, source.split) for source in (*config.train, *config.test)] == [
        ("pendigits", "a.csv", "train"),
        ("pendigits", "b.csv", "test"),
        ("pendigits", "test.csv", "train"),
    ]


def test_lines_are_read_alike_everywhere(few: Path) -> None:
    for line in pendigits(few, lines=5):
        read, copied = line.recording.read(), pickle.loads(pickle.dumps(line)).recording.read()
        assert isinstance(read, Points) and isinstance(copied, Points)
        for stroke, same in zip(read.strokes, copied.strokes, strict=True):
            assert stroke.dtype == np.float32 and stroke.shape == (8, 3)
            np.testing.assert_array_equal(stroke, same)


def test_digits_stand_upright_and_beside_one_another(tmp_path: Path) -> None:
    path = tmp_path / "sevens.csv"
    path.write_text(f"{SEVEN}\n" * 4)  # without a header
    for line in pendigits(path, lines=6):
        read = line.recording.read()
        assert isinstance(read, Points) and len(read.strokes) == len(line.text or "")
        for stroke in read.strokes:
            assert stroke[0, 1] < stroke[-1, 1]  # a 7 begins at the top, and y goes down
            assert stroke[0, 0] < stroke[3, 0] and 80 < np.ptp(stroke[:, 0]) < 120  # and is not mirrored
        gaps = [
            right[:, 0].min() - left[:, 0].max() for left, right in zip(read.strokes, read.strokes[1:], strict=False)
        ]
        assert all(gap >= 9.9 for gap in gaps)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,3", "pendigits.csv:3: has 3 values; pendigits have 16 coordinates and a class"),
        (SEVEN.replace("30", "x"), "pendigits.csv:3: could not convert string to float: 'x'"),
        (SEVEN[:-1] + "12", "pendigits.csv:3: class '12'"),
        (SEVEN[:-1] + "7.5", "pendigits.csv:3: class '7.5'"),
        (SEVEN.replace("30", "nan"), "pendigits.csv:3: class '7' or a coordinate"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "pendigits.csv"
    path.write_text(f"{HEADER}\n{SEVEN}\n{row}\n{SEVEN}\n")
    with pytest.raises(DataError) as caught:
        pendigits(path)
    assert said in str(caught.value)


def test_what_is_missing_is_named(few: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 20 digits; the split 'test' begins with row 7,495"):
        pendigits(few, "test")
    with pytest.raises(DataError, match="splits train, validation, test, not 'dev'"):
        pendigits(few, "dev")
    with pytest.raises(DataError, match=r"absent\.csv"):
        pendigits(tmp_path / "absent.csv")
    told = r"absent\.csv: no such file; there is .*; pendigits are UCI's \(archive\.ics\.uci\.edu/dataset/81\)"
    with pytest.raises(DataError, match=told):  # nobody said where to get it
        check_lines_files(LinesConfig(train=(LineSource(path=str(tmp_path / "absent.csv"), kind="pendigits"),)))


@needs_pendigits
def test_real_rows_belong_to_one_split_each() -> None:
    shown = {split: {row for line in pendigits(REAL, split, 8) for row in rows(line)} for split in SPLIT_ROWS}
    assert shown == SPLIT_ROWS


SPLIT_ROWS = {
    "train": set(range(1, 6501)),
    "validation": set(range(6501, EARLIER + 1)),
    "test": set(range(EARLIER + 1, 10_993)),
}


@needs_pendigits
def test_real_digits_are_some_forty_steps_of_the_pen() -> None:
    steps = []
    for line in pendigits(REAL, lines=50):
        read = line.recording.read()
        assert isinstance(read, Points)
        steps.append(stroke_features(read).shape[2] / len(line.text or ""))
    assert 20 < np.mean(steps) < 70
