"""A score's noise: over redrawn z, and at least that of real images."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.data import noisy

from trainables.data.images import ImageData, load_images
from trainables.levels import Score
from trainables.scores.scorer import build_scorer
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def digits(cache: Path) -> ImageData:
    return load_images(DataSettings(name="digits"), cache)


def evaluate(data: ImageData, cache: Path, level: float, **settings: object) -> Score:
    scorer = build_scorer(ScoreSettings.model_validate(settings), data, cache, "cpu")
    return scorer.evaluate(noisy(data, level))


@pytest.mark.slow
def test_noise_by_redraws_agrees_with_noise_from_one_draw(digits: ImageData, cache: Path) -> None:
    alone = evaluate(digits, cache, 0.3, samples=500)
    redrawn = evaluate(digits, cache, 0.3, samples=500, noise_draws=30)
    assert redrawn.value == alone.value
    assert redrawn.noise == pytest.approx(alone.noise, rel=0.4)


def test_redraws_count_the_draw_that_is_scored(digits: ImageData, cache: Path) -> None:
    scorer = build_scorer(ScoreSettings(samples=300, noise_draws=4), digits, cache, "cpu")
    alone = build_scorer(ScoreSettings(samples=300), digits, cache, "cpu")
    drawn: list[int] = []

    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        drawn.append(draw)
        return noisy(digits, 0.5)(draw, count)

    score = scorer.evaluate(sample, draw=2)
    assert drawn == [2, 3, 4, 5]
    values = [alone.evaluate(noisy(digits, 0.5), draw).value for draw in drawn]
    assert score.value == values[0]
    assert score.noise == pytest.approx(np.std(values, ddof=1), rel=1e-12)


def test_noise_is_at_least_that_of_real_images(digits: ImageData, cache: Path) -> None:
    scorer = build_scorer(ScoreSettings(samples=60), digits, cache, "cpu")
    image = torch.from_numpy(np.array(digits.images[:1])).permute(0, 3, 1, 2)
    score = scorer.evaluate(lambda draw, count: iter([image.expand(count, -1, -1, -1)]))
    assert score.noise == score.metrics["score_floor_noise"] > 0
