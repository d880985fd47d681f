"""Features of pen strokes: the same wherever, however large and however densely a line was recorded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.config.lines import StrokeAugmentationConfig
from nmt.data.lines.augmentation import PEN_DRIFT, augment_points, augment_strokes
from nmt.data.lines.line import Points
from nmt.data.lines.strokes import AIR_STEP, LONGEST_AIR, SHORTEST_STROKE, STEP, line_extent, stroke_features, walk_of
from nmt.errors import DataError

NOTHING = StrokeAugmentationConfig(jitter=0, rotation=0, shear=0, scale=0, speed=0)


def points(*strokes: list[tuple[float, float]]) -> Points:
    """Strokes with ten milliseconds from point to point."""
    arrays = [np.array(stroke, dtype=np.float32).reshape(-1, 2) for stroke in strokes]
    return Points(
        tuple(np.c_[array, 10 * np.arange(len(array), dtype=np.float32)].astype(np.float32) for array in arrays)
    )


def seven() -> Points:
    """A 7 of height 100 with its bar."""
    return points([(0, 0), (60, 0), (20, 100)], [(10, 50), (50, 50)])


def moved(line: Points, scale: float, right: float, down: float) -> Points:
    """Enlarged, then shifted; times as they were."""
    factor, offset = np.array([scale, scale, 1]), np.array([right, down, 0])
    return Points(tuple((stroke * factor + offset).astype(np.float32) for stroke in line.strokes))


def test_a_stroke_is_walked_in_equal_steps() -> None:
    features = stroke_features(points([(0, 0), (0, 90)]))[:, 0]
    assert features.shape[1] == round(1 / 0.9 / STEP) + 1  # nine tenths of a stroke are the line's height
    np.testing.assert_allclose(features[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(features[1, 1:], 1.0, rtol=0.05)
    np.testing.assert_allclose(features[2, [0, -1]], [-0.5 / 0.9, 0.5 / 0.9], atol=1e-6)
    np.testing.assert_array_equal(features[3], 1.0)
    np.testing.assert_array_equal(features[4], np.eye(1, features.shape[1])[0])
    np.testing.assert_allclose(features[5:, 1:-1].T, [[0.0, 1.0]] * (features.shape[1] - 2), atol=1e-5)


def test_a_corner_turns() -> None:
    features = stroke_features(points([(0, 0), (100, 0), (100, 100)]))[:, 0]
    sine, cosine = features[5], features[6]
    corner = int(np.abs(sine).argmax())
    assert sine[corner] > 0.6 and cosine[corner] < 0.8  # right is followed by down: clockwise, y going down
    assert np.abs(np.delete(sine, [corner - 1, corner, corner + 1])).max() < 1e-5


def test_the_pen_in_the_air() -> None:
    line = points([(0, 0), (0, 100)], [(60, 100), (60, 0)])
    walk = walk_of(line)
    air = walk.places[walk.on_paper == 0]
    assert 0 < air[0, 0] < air[-1, 0] < 60 and (air[:, 1] == 100).all()
    assert len(air) == round(60 / walk.height / AIR_STEP) - 1
    assert walk.starts.sum() == 2 and (walk.on_paper[walk.starts == 1] == 1).all()
    far = walk_of(points([(0, 0), (0, 100)], [(6000, 100), (6000, 0)]))
    assert (far.on_paper == 0).sum() == LONGEST_AIR
    assert np.abs(stroke_features(points([(0, 0), (0, 100)], [(6000, 100), (6000, 0)]))).max() <= 4.0


@given(scale=st.floats(0.01, 50.0), right=st.floats(-1000, 1000), down=st.floats(-1000, 1000), dense=st.integers(1, 20))
def test_place_size_and_density_do_not_matter(scale: float, right: float, down: float, dense: int) -> None:
    line = seven()
    expected = stroke_features(line)
    other = moved(line, scale, right * scale, down * scale)
    np.testing.assert_allclose(stroke_features(other), expected, atol=0.02)
    denser = Points(tuple(_denser(stroke, dense) for stroke in line.strokes))
    np.testing.assert_allclose(stroke_features(denser), expected, atol=0.02)


def _denser(stroke: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    places = np.linspace(0, len(stroke) - 1, times * (len(stroke) - 1) + 1)
    return np.stack([np.interp(places, np.arange(len(stroke)), axis) for axis in stroke.T], axis=1).astype(np.float32)


def test_time_does_not_matter_and_may_be_missing() -> None:
    line = seven()
    timeless = Points(tuple(stroke[:, :2] for stroke in line.strokes))
    unknown = Points(tuple((stroke * np.array([1, 1, np.nan])).astype(np.float32) for stroke in line.strokes))
    np.testing.assert_array_equal(stroke_features(timeless), stroke_features(line))
    np.testing.assert_array_equal(stroke_features(unknown), stroke_features(line))
    assert augment_points(timeless, StrokeAugmentationConfig(), np.random.default_rng(0)).strokes[0].shape == (3, 2)


def test_the_order_of_points_matters() -> None:
    line = seven()
    backwards = Points(tuple(stroke[::-1] for stroke in line.strokes))
    forwards, reverse = stroke_features(line), stroke_features(backwards)
    assert forwards.shape[2] > 30
    assert np.abs(forwards[:2, 0, 1:20] - reverse[:2, 0, 1:20]).max() > 0.5
    swapped = stroke_features(Points(line.strokes[::-1]))
    assert swapped.shape != forwards.shape or not np.allclose(swapped, forwards)


@pytest.mark.parametrize("line", [points([(5, 5)]), points([(5, 5), (5, 5)]), points([], [(5, 5)])])
def test_a_dot_stays_visible(line: Points) -> None:
    features = stroke_features(line)
    assert features.shape == (7, 1, SHORTEST_STROKE)
    assert np.isfinite(features).all() and (features[3] == 1).all() and features[4, 0, 0] == 1


def test_a_dot_beside_letters_stays_visible() -> None:
    line = points([(0, 0), (0, 100)], [(30, -20)])
    walk = walk_of(line)
    assert (walk.places[-SHORTEST_STROKE:] == [30, -20]).all() and (walk.on_paper[-SHORTEST_STROKE:] == 1).all()


def test_what_is_no_line_is_named() -> None:
    with pytest.raises(DataError, match="not a finite number"):
        stroke_features(points([(0, 0), (float("nan"), 1)]))
    with pytest.raises(DataError, match=r"\d{2},\d{3} times the line's height; is it one line"):
        stroke_features(points([(0.0, 0.0), (100.0, 100.0)] * 10_000))


def test_nothing_drawn_has_no_points() -> None:
    assert stroke_features(Points(())).shape == stroke_features(points([])).shape == (7, 1, 0)
    assert augment_points(Points(()), StrokeAugmentationConfig(), np.random.default_rng(0)) == Points(())


def test_a_stray_dot_or_a_dash_alone_keeps_a_sensible_height() -> None:
    letters = [np.array([[x, 0.0], [x, 100.0]]) for x in range(0, 300, 20)]
    height, middle = line_extent(letters)
    stray, stray_middle = line_extent([*letters, np.array([[50.0, 900.0]])])
    assert (stray, stray_middle) == pytest.approx((height, middle), rel=0.05)
    assert line_extent([np.array([[0.0, 7.0], [100.0, 7.0]])]) == (20.0, 7.0)
    assert stroke_features(points([(0, 7), (100, 7)])).shape[2] == 1 + 5 / STEP


def test_without_augmentation_nothing_changes() -> None:
    line, generator = seven(), np.random.default_rng(0)
    for new, old in zip(augment_points(line, NOTHING, generator).strokes, line.strokes, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4)
    np.testing.assert_allclose(augment_strokes(line, NOTHING, generator), stroke_features(line), atol=1e-5)


@pytest.mark.parametrize("name", ["jitter", "rotation", "shear", "scale"])
def test_each_change_changes_points_but_neither_times_nor_input(name: str) -> None:
    config = NOTHING.model_copy(update={name: 0.3 if name != "rotation" else 20.0})
    line = seven()
    before = [stroke.copy() for stroke in line.strokes]
    varied = augment_points(line, config, np.random.default_rng(0))
    again = augment_points(line, config, np.random.default_rng(0))
    for new, same, old, kept in zip(varied.strokes, again.strokes, line.strokes, before, strict=True):
        assert np.abs(new[:, :2] - old[:, :2]).max() > 0.5
        np.testing.assert_array_equal(new[:, 2], old[:, 2])
        np.testing.assert_array_equal(new, same)
        np.testing.assert_array_equal(old, kept)


def test_speed_changes_the_number_of_points_within_bounds() -> None:
    config, line = NOTHING.model_copy(update={"speed": 0.3}), seven()
    points_of = [augment_strokes(line, config, np.random.default_rng(seed)).shape[2] for seed in range(40)]
    plain = stroke_features(line).shape[2]
    assert 0.68 * plain <= min(points_of) < 0.85 * plain and 1.15 * plain < max(points_of) <= 1.32 * plain
    enough = [augment_strokes(line, config, np.random.default_rng(s), minimum_columns=plain) for s in range(40)]
    assert min(features.shape[2] for features in enough) == plain


def test_jitter_bends_dense_strokes_smoothly() -> None:
    line = points([(float(x), 0.0) for x in range(0, 500)], [(0.0, y) for y in range(100)])
    config = NOTHING.model_copy(update={"jitter": 0.05})
    way = augment_points(line, config, np.random.default_rng(0)).strokes[0][:, :2]
    assert np.hypot(*np.diff(way, axis=0).T).sum() < 1.2 * 499 and np.abs(way[:, 1]).max() > 1


def test_rotation_does_not_tilt_long_lines_out_of_their_height() -> None:
    letters = points(*([(x, 0.0), (x, 100.0)] for x in np.linspace(0, 6000, 60)))
    config = NOTHING.model_copy(update={"rotation": 45.0})
    for seed in range(5):
        tops = [stroke[0, 1] for stroke in augment_points(letters, config, np.random.default_rng(seed)).strokes]
        assert max(tops) - min(tops) <= 2 * PEN_DRIFT * 100 + 1
