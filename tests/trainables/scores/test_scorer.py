"""The scorer on the bundled digits, and what its scores depend on."""

import json
from pathlib import Path

import pytest
import torch
from support.data import noisy

from trainables.data.images import ImageData, load_images
from trainables.levels import Score
from trainables.scores.digits import DigitsExtractor
from trainables.scores.scorer import build_scorer
from trainables.scores.train_digits import accuracy, split
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


def test_shipped_classifier_is_as_accurate_as_its_card_says(cache: Path) -> None:
    extractor = DigitsExtractor("cpu")
    _, images, _, labels = split()
    assert accuracy(extractor._network, images, labels) >= 0.97


def test_score_rises_with_the_disturbance_and_states_its_name(
    digits: ImageData, cache: Path
) -> None:
    values = [evaluate(digits, cache, level).value for level in (0, 0.1, 0.25, 0.5, 0.75)]
    assert values == sorted(values)
    assert values[1] > 5 * values[0]
    scorer = build_scorer(ScoreSettings(), digits, cache, "cpu")
    assert scorer.name == "fd_digits_1k"
    assert len(scorer.facts["extractor_weights_sha256"]) == 64


def test_real_images_score_near_the_floor(digits: ImageData, cache: Path) -> None:
    score = evaluate(digits, cache, 0.0)
    assert abs(score.value - score.metrics["score_floor"]) < 4 * score.metrics["score_floor_noise"]


def test_same_images_give_the_same_score_whatever_the_batches(
    digits: ImageData, cache: Path
) -> None:
    scorer = build_scorer(ScoreSettings(samples=200), digits, cache, "cpu")
    images = torch.cat(list(noisy(digits, 0.3)(0, 200)))
    one = scorer.evaluate(lambda draw, count: iter([images]))
    other = scorer.evaluate(lambda draw, count: iter(torch.split(images, 13)))
    assert one == other


def test_wrong_samplers_are_refused(digits: ImageData, cache: Path) -> None:
    scorer = build_scorer(ScoreSettings(samples=50), digits, cache, "cpu")
    with pytest.raises(ValueError, match="49 images where 50"):
        scorer.evaluate(lambda draw, count: noisy(digits, 0)(draw, 49))
    with pytest.raises(ValueError, match="uint8"):
        scorer.evaluate(lambda draw, count: iter([torch.zeros(50, 1, 8, 8)]))
    with pytest.raises(ValueError, match="0 images where 50"):
        scorer.evaluate(lambda draw, count: iter([]))


def test_floor_is_kept(digits: ImageData, cache: Path) -> None:
    first = evaluate(digits, cache, 0.1, samples=60).metrics
    (path,) = (cache / "statistics").glob("*-floor-60.json")
    assert json.loads(path.read_text())["value"] == first["score_floor"]
    assert evaluate(digits, cache, 0.1, samples=60).metrics == first


def test_extras_are_named_after_the_extractor(digits: ImageData, cache: Path) -> None:
    extras = ("kid", "inception_score", "fid_inf")
    found = evaluate(digits, cache, 0.2, samples=300, extras=extras).metrics
    assert {"kd_digits", "class_score_digits", "fd_digits_inf"} <= set(found)
    assert found["fd_digits_inf"] < evaluate(digits, cache, 0.2, samples=300).value
