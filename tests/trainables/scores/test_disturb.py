"""The six disturbances: what each does to pixels, and that the score rises with their level."""

from pathlib import Path

import numpy as np
import pytest

from trainables.data.images import load_images
from trainables.scores.disturb import (
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


def random() -> np.random.Generator:
    return np.random.default_rng(0)


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
