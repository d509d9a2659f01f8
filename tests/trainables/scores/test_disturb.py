"""The six disturbances: what each does to pixels, and that the score rises with their level."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from trainables.data.images import load_images
from trainables.scores.disturb import (
    _to_uint8,
    black_rectangles,
    contamination,
    disturbances,
    gaussian_blur,
    gaussian_noise,
    photograph_patches,
    salt_and_pepper,
    swirl,
)
from trainables.scores.extractor import as_batches
from trainables.scores.scorer import build_scorer
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings


def grey(count: int = 20, side: int = 32, value: int = 100) -> np.ndarray:
    return np.full((count, side, side, 3), value, dtype=np.uint8)


def random_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def random() -> np.random.Generator:
    return random_of(0)


def test_every_kind_leaves_images_alone_at_level_zero_and_changes_them_above() -> None:
    images = random().integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    for kind in disturbances(255 - images).values():
        np.testing.assert_array_equal(kind.apply(images, 0.0, random()), images)
        changed = kind.apply(images, kind.levels[1], random())
        assert changed.shape == images.shape
        assert changed.dtype == np.uint8
        assert (changed != images).any()


def test_noise_is_a_mixture() -> None:
    noisy = gaussian_noise(grey(), 0.75, random())
    # 0.25 * 100 and three quarters of noise that reaches from 0 to 255 in each image
    assert noisy.min() == 25
    assert noisy.max() == 25 + round(0.75 * 255)


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    point = np.zeros((1, 33, 33, 1), dtype=np.uint8)
    point[0, 16, 16] = 255
    blurred = gaussian_blur(point, 1.0, random())[0, :, :, 0]
    assert blurred[16, 16] == round(255 / (2 * np.pi))
    assert blurred[16, 17] == blurred[15, 16] == round(255 / (2 * np.pi) * np.exp(-0.5))


def test_rectangles_cover_what_five_can() -> None:
    covered = (black_rectangles(grey(), 0.25, random()) == 0).all(axis=3).mean(axis=(1, 2))
    assert covered.min() >= 1 / 16
    assert covered.max() <= 5 / 16


def test_swirl_turns_the_middle_and_keeps_the_border() -> None:
    image = np.zeros((1, 65, 65, 1), dtype=np.uint8)
    image[0, 32, 34] = 255  # two pixels right of the centre
    turn = np.exp(-5 * 2 / (np.log(2) * 25 / 64 * 65))
    swirled = swirl(image, np.pi / 2 / turn, random())[0, :, :, 0]
    assert swirled[30, 32] + swirled[34, 32] == 255  # up or down by a quarter turn
    noise = random().integers(0, 256, size=(1, 64, 64, 1), dtype=np.uint8)
    np.testing.assert_allclose(swirl(noise, 1.0, random())[0, 0], noise[0, 0], atol=2)


def test_salt_and_pepper_change_the_stated_fraction() -> None:
    changed = salt_and_pepper(grey(50), 0.3, random())
    assert (changed != 100).all(axis=3).mean() == pytest.approx(0.3, abs=0.01)
    assert (changed == 255).mean() == pytest.approx(0.15, abs=0.01)


def test_contamination_replaces_the_stated_fraction() -> None:
    changed = contamination(grey(7, value=9))(grey(40), 0.25, random())
    assert (changed == 9).all(axis=(1, 2, 3)).sum() == 10


def noisy(count: int = 3, height: int = 9, width: int = 12) -> np.ndarray:
    return random().integers(0, 256, size=(count, height, width, 2), dtype=np.uint8)


def test_noise_of_each_image_reaches_from_0_to_255_by_itself() -> None:
    images = noisy()
    drawn = random().standard_normal(images.shape, dtype=np.float32)
    for image, noise, found in zip(
        images, drawn, gaussian_noise(images, 0.4, random()), strict=True
    ):
        scaled = [255 * (n - noise.min()) / (noise.max() - noise.min()) for n in noise.ravel()]
        mixed = [round(0.6 * int(x) + 0.4 * n) for x, n in zip(image.ravel(), scaled, strict=True)]
        assert np.abs(found.ravel().astype(int) - mixed).max() <= 1


def test_blur_does_not_mix_images_or_channels() -> None:
    images = np.zeros((2, 17, 17, 2), dtype=np.uint8)
    images[0, :, :, 1] = 200
    np.testing.assert_array_equal(gaussian_blur(images, 2.0, random()), images)
    line = np.zeros((1, 33, 33, 1), dtype=np.uint8)
    line[0, 16] = 255
    across = gaussian_blur(line, 2.0, random())[0, :, 16, 0]
    assert across[16] == round(255 / (2 * np.sqrt(2 * np.pi)))
    assert across[18] == round(255 / (2 * np.sqrt(2 * np.pi)) * np.exp(-0.5))


def test_rectangles_are_five_of_the_stated_sides_anywhere_inside() -> None:
    """At a half the sides are 4 of 9 (rounded to even) and 6 of 12; each is found where it was drawn."""
    images = np.maximum(noisy(40), 1)
    found, places = black_rectangles(images, 0.5, random()), random()
    rows, columns = set(), set()
    for before, after in zip(images, found, strict=True):
        expected = before.copy()
        for _ in range(5):
            top, left = places.integers(9 - 4 + 1), places.integers(12 - 6 + 1)
            expected[top : top + 4, left : left + 6] = 0
            rows.add(int(top))
            columns.add(int(left))
        np.testing.assert_array_equal(after, expected)
    assert (rows, columns) == (set(range(6)), set(range(7)))


def test_swirl_moves_each_pixel_along_its_circle() -> None:
    """By hand for every pixel: where it comes from, between four neighbours, the border repeated."""
    images, level = noisy(4), 2.0
    sides = random()
    for image, found in zip(images, swirl(images, level, random()), strict=True):
        way = sides.choice((-1, 1))
        for row in range(9):
            for column in range(12):
                y, x = row - 4.0, column - 5.5
                turn = way * level * np.exp(-5 * np.hypot(x, y) / (np.log(2) * 25 / 64 * 12))
                at_y = np.clip(4.0 + y * np.cos(turn) + x * np.sin(turn), 0, 8)
                at_x = np.clip(5.5 + x * np.cos(turn) - y * np.sin(turn), 0, 11)
                top, left = min(int(at_y), 7), min(int(at_x), 10)
                down, right = at_y - top, at_x - left
                corners = image[top : top + 2, left : left + 2].astype(float)
                weights = np.outer([1 - down, down], [1 - right, right])
                value = (corners * weights[..., None]).sum((0, 1))
                assert np.abs(found[row, column] - value).max() <= 0.51


def test_salt_and_pepper_hit_whole_pixels_and_are_half_and_half() -> None:
    found = salt_and_pepper(grey(50), 0.3, random())
    hit = (found != 100).any(axis=3)
    assert ((found[hit] == 255).all(1) | (found[hit] == 0).all(1)).all()
    assert (found[hit] == 255).all(1).mean() == pytest.approx(0.5, abs=0.02)


def test_contamination_takes_any_other_image_and_keeps_the_rest() -> None:
    others = np.concatenate([grey(1, value=value) for value in range(200, 210)])
    found = contamination(others)(grey(400), 0.5, random())[:, 0, 0, 0]
    assert (found == 100).sum() == 200
    assert set(found[found != 100].tolist()) == set(range(200, 210))
    assert 100 in found[:200]
    assert 100 in found[200:]


def test_the_levels_are_the_papers() -> None:
    kinds = disturbances(grey())
    assert {name: kind.levels for name, kind in kinds.items()} == {
        "gaussian_noise": (0.0, 0.25, 0.5, 0.75),
        "gaussian_blur": (0.0, 1.0, 2.0, 4.0),
        "black_rectangles": (0.0, 0.25, 0.5, 0.75),
        "swirl": (0.0, 1.0, 2.0, 4.0),
        "salt_and_pepper": (0.0, 0.1, 0.2, 0.3),
        "contamination": (0.0, 0.25, 0.5, 0.75),
    }


def test_patches_are_cut_out_of_the_photographs() -> None:
    patches = photograph_patches(6, 300, 3, seed=1)
    assert (patches.shape, patches.dtype) == ((6, 300, 300, 3), np.uint8)
    photographs = load_sample_images().images
    places = random_of(1)
    for patch in patches:
        photograph = photographs[places.integers(2)]
        height, width = photograph.shape[:2]
        top, left = places.integers(height - 299), places.integers(width - 299)
        np.testing.assert_array_equal(patch, photograph[top : top + 300, left : left + 300])
    greyed = photograph_patches(6, 300, 1, seed=1)
    assert greyed.shape == (6, 300, 300, 1)
    assert np.abs(greyed[..., 0] - patches.astype(float).mean(3)).max() <= 0.5


@pytest.mark.slow
def test_score_rises_with_every_kind(tmp_path: Path) -> None:
    data = load_images(DataSettings(name="digits"), tmp_path)
    scorer = build_scorer(ScoreSettings(samples=500), data, tmp_path, "cpu")
    images = np.asarray(data.images[:500])
    for name, kind in disturbances(photograph_patches(500, 8, 1, seed=0)).items():
        values = [
            scorer.evaluate(
                lambda draw, count, kind=kind, level=level: as_batches(
                    kind.apply(images, level, random()), 100
                )
            ).value
            for level in kind.levels[:3]
        ]
        assert values == sorted(values), name


def test_levels_are_rounded_and_cut_to_what_a_pixel_holds() -> None:
    values = np.array([-300.0, -0.6, 0.4, 1.6, 254.6, 255.6, 300.0])
    assert _to_uint8(values).tolist() == [0, 0, 0, 2, 255, 255, 255]
