"""Pictures of nothing, each pixel by hand from the same drawn numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from trainables.scores import ceiling as module
from trainables.scores.ceiling import pictures

HEIGHT, WIDTH, CHANNELS = 25, 9, 2
NAMES = [
    "uniform noise",
    "scrambled pixels",
    "smooth noise",
    "plain colours",
    "the mean image, brighter or darker",
]


def real(count: int = 7, height: int = HEIGHT) -> np.ndarray:
    """Dark on the left, and each brighter than the one before."""
    random = np.random.default_rng(5)
    images = random.integers(0, 120, (count, height, WIDTH, CHANNELS), dtype=np.uint8)
    images += np.arange(count, dtype=np.uint8)[:, None, None, None] * 10
    images[:, :, : WIDTH // 2] //= 3
    return images


def made(name: str, images: np.ndarray, draw: int = 3, count: int = 11) -> np.ndarray:
    """Pictures as (N, H, W, C)."""
    parts = [part.numpy() for part in pictures(images)[name](draw, count)]
    assert all(part.dtype == np.uint8 and part.flags.c_contiguous for part in parts)
    return np.concatenate(parts).transpose(0, 2, 3, 1)


def drawn(name: str, draw: int = 3) -> np.random.Generator:
    """Each kind has a stream of its own for each draw."""
    return np.random.default_rng([draw, NAMES.index(name)])


def rounded(value: float) -> int:
    """To the nearest whole number from 0 to 255, of two to the even one."""
    return min(255, max(0, round(value)))


def test_a_draw_is_always_the_same_and_comes_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(pictures(real())) == NAMES
    assert (module._BATCH, module.LOOKED_AT) == (500, 5000)
    for sampler in pictures(real(height=2)).values():
        sizes = [part.shape for part in sampler(0, 1001)]
        assert sizes == [(500, 2, 2, 9), (500, 2, 2, 9), (1, 2, 2, 9)]
    monkeypatch.setattr(module, "_BATCH", 4)
    for name in NAMES:
        one = made(name, real())
        np.testing.assert_array_equal(one, made(name, real()))
        assert not np.array_equal(one, made(name, real(), draw=4))
        assert len(one) == 11
        assert len({part.tobytes() for part in one}) > 3  # batches go on where the last one ended


def test_uniform_noise_is_every_value_of_every_pixel() -> None:
    expected = drawn("uniform noise").integers(0, 256, (11, HEIGHT, WIDTH, CHANNELS))
    np.testing.assert_array_equal(made("uniform noise", real()), expected)
    many = made("uniform noise", real(), count=50)
    assert (many.min(), many.max()) == (0, 255)


def test_scrambled_pixels_are_each_of_a_real_image_in_their_place() -> None:
    images = real()
    which = drawn("scrambled pixels").integers(7, size=(11, HEIGHT, WIDTH))
    for picture, sources in zip(made("scrambled pixels", images), which, strict=True):
        for row in range(HEIGHT):
            for column in range(WIDTH):
                source = images[sources[row, column], row, column]
                assert picture[row, column].tolist() == source.tolist()


def between(values: np.ndarray, size: int) -> list[float]:
    """A line of values stretched to ``size`` places, straight between their middles, flat at the ends."""
    found = []
    for place in range(size):
        at = min(max((place + 0.5) * len(values) / size - 0.5, 0.0), len(values) - 1.0)
        left = min(math.floor(at), len(values) - 2)
        found.append(values[left] * (left + 1 - at) + values[left + 1] * (at - left))
    return found


@pytest.mark.parametrize(
    ("height", "side"), [(8, 2), (23, 2), (24, 3), (25, 3), (32, 4), (33, 4), (48, 4)]
)
def test_smooth_noise_is_blots_about_the_mean_as_wide_as_the_images(height: int, side: int) -> None:
    images = real(height=height)
    blots = drawn("smooth noise").standard_normal((11, CHANNELS, side, side))
    wide = np.empty((11, height, WIDTH, CHANNELS))
    for picture in range(11):
        for channel in range(CHANNELS):
            rows = [between(row, WIDTH) for row in blots[picture, channel]]
            columns = [between(np.array(column), height) for column in zip(*rows, strict=True)]
            wide[picture, :, :, channel] = np.array(columns).T
    images = 255 - images if height > 30 else images  # bright ones are cut above as dark ones below
    values = images.astype(float).ravel().tolist()
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    expected = images.astype(float).mean(0) + wide * spread / wide.std()
    found = made("smooth noise", images)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-9


def test_plain_colours_are_the_mean_colour_of_a_real_image() -> None:
    images = real()
    chosen = drawn("plain colours").integers(7, size=11)
    for picture, which in zip(made("plain colours", images), chosen, strict=True):
        colour = [rounded(float(images[which, :, :, c].astype(float).mean())) for c in (0, 1)]
        assert (picture == colour).all()


def test_the_mean_image_is_shifted_to_the_colour_of_a_real_one() -> None:
    images = real()
    name = "the mean image, brighter or darker"
    chosen = drawn(name).integers(7, size=11)
    mean = images.astype(float).mean(0)
    whole = images.astype(float).mean((0, 1, 2))
    for picture, which in zip(made(name, images), chosen, strict=True):
        shift = images[which].astype(float).mean((0, 1)) - whole
        assert np.abs(picture - np.clip(mean + shift, 0, 255)).max() <= 0.5 + 1e-9


def test_of_many_images_some_are_looked_at_evenly_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    def means(chosen: Callable[[np.ndarray], np.ndarray], count: int) -> set[tuple[int, ...]]:
        images = real(count)
        return {
            tuple(rounded(value) for value in image.astype(float).mean((0, 1)))
            for image in chosen(images)
        }

    monkeypatch.setattr(module, "LOOKED_AT", 5)
    for count, step in ((4, 1), (5, 1), (9, 1), (10, 2), (14, 2), (16, 3)):
        found = made("plain colours", real(count), count=400)[:, 0, 0]
        assert {tuple(colour) for colour in found.tolist()} == means(
            lambda images, step=step: images[::step][:5], count
        )
