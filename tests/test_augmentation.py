"""Varied lines: nothing at 0, the same for the same generator, readable and within bounds for every other setting."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.config.lines import ImageAugmentationConfig
from nmt.data.lines.augmentation import DRIFT, augment_image

CHANGES = [name for name in ImageAugmentationConfig.model_fields if name != "elastic_grid"]
NOTHING = dict.fromkeys(CHANGES, 0.0)


def only(**changes: Any) -> ImageAugmentationConfig:
    return ImageAugmentationConfig(**{**NOTHING, **changes})


def written(height: int = 32, columns: int = 90, channels: int = 1) -> NDArray[np.float32]:
    """A cross of ink in the middle of paper."""
    image = np.zeros((channels, height, columns), dtype=np.float32)
    image[:, height // 2 - 1 : height // 2 + 1, 10:-10] = 1.0
    image[:, 8:-8, columns // 2 - 1 : columns // 2 + 1] = 1.0
    return image


def test_nothing_changes_at_zero() -> None:
    image = np.random.default_rng(0).random((3, 20, 50), dtype=np.float32)
    np.testing.assert_allclose(augment_image(image, only(), np.random.default_rng(1)), image, atol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_changes_something_and_leaves_its_input(name: str) -> None:
    image, value = 0.1 + 0.6 * written(), 0.99 if name in ("thickness", "blur", "elastic") else 0.2
    before = image.copy()
    changed = [augment_image(image, only(**{name: value}), np.random.default_rng(seed)) for seed in range(3)]
    assert any(other.shape != image.shape or not np.allclose(other, image, atol=1e-4) for other in changed)
    np.testing.assert_array_equal(image, before)


def test_the_generator_decides_and_nothing_else() -> None:
    image, config = written(), ImageAugmentationConfig(thickness=0.5)
    torch.manual_seed(0)
    first = augment_image(image, config, np.random.default_rng(7))
    torch.manual_seed(1)
    np.testing.assert_array_equal(first, augment_image(image, config, np.random.default_rng(7)))
    other = augment_image(image, config, np.random.default_rng(8))
    assert first.shape != other.shape or not np.array_equal(first, other)
    tensor = augment_image(torch.from_numpy(image), config, np.random.default_rng(7))
    assert torch.equal(torch.from_numpy(first), tensor)


@given(
    columns=st.integers(1, 200),
    channels=st.sampled_from([1, 3]),
    minimum=st.integers(1, 200),
    seed=st.integers(0, 1000),
    strength=st.floats(0.0, 1.0),
)
def test_ink_height_and_width_keep_their_bounds(
    columns: int, channels: int, minimum: int, seed: int, strength: float
) -> None:
    config = ImageAugmentationConfig(
        rotation=20 * strength,
        shear=strength,
        scale=0.5 * strength,
        stretch=0.5 * strength,
        shift=0.5 * strength,
        elastic=5 * strength,
        thickness=0.9 * strength,
        brightness=strength,
        contrast=0.9 * strength,
        noise=strength,
        blur=3 * strength,
    )
    image = np.random.default_rng(seed).random((channels, 24, columns), dtype=np.float32)
    varied = augment_image(image, config, np.random.default_rng(seed), minimum_columns=minimum)
    assert varied.dtype == np.float32 and varied.shape[:2] == (channels, 24)
    assert varied.min() >= 0.0 and varied.max() <= 1.0
    widest = columns * (1 + config.stretch) + 24 * config.shear + 1
    assert minimum <= varied.shape[2] <= max(minimum, widest)


def test_stretch_resamples_the_whole_line() -> None:
    """A ramp along the line stays a ramp from end to end: nothing is cut off, nothing added."""
    ramp = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (1, 16, 1))
    for seed in range(5):
        varied = augment_image(ramp, only(stretch=0.5), np.random.default_rng(seed))
        expected = np.interp(
            (np.arange(varied.shape[2]) + 0.5) * 100 / varied.shape[2] - 0.5, np.arange(100), ramp[0, 0]
        )
        np.testing.assert_allclose(varied[0, 8, 1:-1], expected[1:-1], atol=2e-3)


def test_sheared_ink_stays_inside() -> None:
    """Width grows by what shear moves the top and bottom, so that no letter leaves at the ends."""
    image = np.zeros((1, 40, 50), dtype=np.float32)
    image[:, :, :10] = image[:, :, -10:] = 1.0
    for seed in range(5):
        varied = augment_image(image, only(shear=1.0), np.random.default_rng(seed))
        assert varied.sum() == pytest.approx(image.sum(), rel=0.03)


@pytest.mark.parametrize("columns", [100, 1500])
def test_rotation_keeps_long_lines_in_the_picture(columns: int) -> None:
    image = np.zeros((1, 48, columns), dtype=np.float32)
    image[:, 23:25] = 1.0
    for seed in range(8):
        varied = augment_image(image, only(rotation=20.0), np.random.default_rng(seed))
        rows = np.arange(48)[:, None] * varied[0]
        centres = rows[:, [2, -3]].sum(0) / varied[0][:, [2, -3]].sum(0)
        assert abs(centres - 23.5).max() <= DRIFT * 48 + 0.5
    assert abs(centres - 23.5).max() > 0.5


def test_the_papers_grey_reaches_the_new_corners() -> None:
    image = written() * 0.7 + 0.3
    for seed in range(5):
        varied = augment_image(
            image, only(rotation=10.0, shear=1.0, shift=0.3, elastic=2.0), np.random.default_rng(seed)
        )
        assert varied.min() > 0.29


def test_thicker_and_thinner() -> None:
    image = written()
    amounts = [
        augment_image(image, only(thickness=0.99), np.random.default_rng(s)).sum() / image.sum() for s in range(20)
    ]
    assert min(amounts) < 0.95 and max(amounts) > 1.1 and min(amounts) > 0.5


def test_blur_keeps_the_amount_of_ink() -> None:
    image = written()
    varied = augment_image(image, only(blur=2.0), np.random.default_rng(0))
    assert varied.sum() == pytest.approx(image.sum(), rel=1e-3) and varied.max() < 0.95


def test_a_short_line_may_grow_but_not_shrink() -> None:
    image = written(columns=40)
    varied = [augment_image(image, only(stretch=0.5), np.random.default_rng(s), minimum_columns=40) for s in range(20)]
    widths = [one.shape[2] for one in varied]
    assert min(widths) == 40 and max(widths) > 45
    for one, width in zip(varied, widths, strict=True):
        assert (one[0, 16] > 0.5).sum() == pytest.approx(width / 2, abs=1)  # as much of it is ink as before
