"""The scorer, its floor and its batches on an extractor whose features are pixels, so that all is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from trainables.data.images import ImageData
from trainables.data.store import Progress
from trainables.levels import Score
from trainables.scores import frechet, measures
from trainables.scores import scorer as module
from trainables.scores.extractor import as_batches, extract, rebatched, rgb
from trainables.scores.scorer import FrechetScorer, metric_names
from trainables.scores.statistics import RealStatistics, floor_of, real_floor
from trainables.settings.score import ScoreSettings


class Pixels:
    """Three pixels of an image as its features, and two more as logits."""

    name, identity, weights_sha256 = "pixels", "pixels-1", "0" * 64

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        self.sizes.append(len(images))
        flat = images.flatten(1).float()
        return flat[:, :3], flat[:, 3:5] / 100


def pixels(count: int, seed: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, (count, 5, 1, 1), dtype=np.uint8)


REAL = pixels(400, 0)[:, :3, 0, 0].astype(np.float32)


def real(features: bool = True) -> RealStatistics:
    reference = frechet.reference(frechet.moments(REAL))
    return RealStatistics("f" * 64, reference, REAL if features else None)


def distance(made: np.ndarray) -> float:
    """By SciPy's square root of a matrix."""
    one, two = np.cov(REAL, rowvar=False), np.cov(made, rowvar=False)
    gap = REAL.mean(0) - made.mean(0)
    cross = scipy.linalg.sqrtm(one @ two).real
    return float(gap @ gap + np.trace(one + two - 2 * cross))


class Sampler:
    """Images of a draw; what was asked of it is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, draw: int, count: int) -> Iterator[Tensor]:
        self.asked.append((draw, count))
        return iter(torch.from_numpy(pixels(count, 100 + draw, 200)).split(7))


def features(draw: int, count: int) -> np.ndarray:
    return pixels(count, 100 + draw, 200)[:, :3, 0, 0].astype(np.float64)


def scorer(floor: Score | None = None, known: bool = True, **settings: object) -> FrechetScorer:
    chosen = ScoreSettings.model_validate({"samples": 40, "batch_size": 16, **settings})
    return FrechetScorer(chosen, "a_name", Pixels(), real(known), floor)


def test_a_score_is_the_distance_of_the_draw_that_is_asked_for() -> None:
    made, sampler = scorer(), Sampler()
    score = made.evaluate(sampler, draw=3)
    assert sampler.asked == [(3, 40)]
    assert score.value == pytest.approx(distance(features(3, 40)), rel=1e-6)
    exact = frechet.distance_with_noise(real().reference, features(3, 40))
    assert score.noise == pytest.approx(exact.noise, rel=1e-6)
    assert score.metrics == {}
    assert made._extractor.sizes == [16, 16, 8]  # type: ignore[attr-defined]
    assert made.facts == {
        "score_name": "a_name",
        "extractor": "pixels",
        "extractor_weights_sha256": "0" * 64,
        "real_fingerprint": "f" * 64,
    }
    assert made.floor is None
    first = Sampler()
    made.evaluate(first)
    assert first.asked == [(0, 40)]


def test_redraws_are_the_next_draws_and_their_spread_is_the_noise() -> None:
    sampler = Sampler()
    score = scorer(noise_draws=3).evaluate(sampler, draw=5)
    assert sampler.asked == [(5, 40), (6, 40), (7, 40)]
    values = [distance(features(draw, 40)) for draw in (5, 6, 7)]
    mean = sum(values) / 3
    spread = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
    assert score.noise == pytest.approx(spread, rel=1e-5)


@pytest.mark.parametrize(("floor", "larger"), [(1e-3, False), (1e6, True)])
def test_the_noise_is_at_least_that_of_real_images(floor: float, larger: bool) -> None:
    made = scorer(Score(12.0, floor))
    score = made.evaluate(Sampler())
    assert (score.noise == floor) is larger
    assert score.metrics == {"score_floor": 12.0, "score_floor_noise": floor}
    assert made.floor == Score(12.0, floor)


def test_extras_are_measures_of_the_same_images() -> None:
    score = scorer(extras=("kid", "inception_score", "fid_inf"), samples=300).evaluate(Sampler())
    made = features(0, 300)
    logits = pixels(300, 100, 200)[:, 3:, 0, 0].astype(np.float32) / 100
    assert score.metrics == {
        "kd_pixels": pytest.approx(measures.kernel_distance(REAL, made), rel=1e-6),
        "class_score_pixels": pytest.approx(measures.classifier_score(logits), rel=1e-6),
        "fd_pixels_inf": pytest.approx(
            measures.distance_at_infinity(real().reference, made), rel=1e-6
        ),
    }
    with pytest.raises(ValueError, match="extras has kid, which pixels cannot give"):
        scorer(known=False, extras=("kid",)).evaluate(Sampler())


def test_only_inceptions_measures_have_their_names() -> None:
    same = {"kid": "kid", "inception_score": "inception_score", "fid_inf": "fid_inf"}
    assert metric_names("inception") == same


def test_samples_of_nothing_are_at_most_as_many_as_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.ALIKE == 2000
    for most, count in ((2000, 40), (30, 30)):
        monkeypatch.setattr(module, "ALIKE", most)
        sampler = Sampler()
        value = scorer().level(sampler)
        assert sampler.asked == [(0, count)]
        assert value == pytest.approx(distance(features(0, count)), rel=1e-6)


@pytest.mark.parametrize("split", [None, "train"])
def test_a_scorer_is_built_of_what_the_settings_and_the_data_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str | None
) -> None:
    images = pixels(60, 3).reshape(60, 1, 1, 5)
    data, told, asked = ImageData(images, "mine", "of-mine", split), list[Progress](), []

    def built(*arguments: object) -> Pixels:
        asked.append(arguments)
        return Pixels()

    monkeypatch.setattr(module, "build_extractor", built)
    settings = ScoreSettings(samples=40, batch_size=16)
    made = module.build_scorer(settings, data, tmp_path, "a_device", told.append)
    assert asked == [(settings, tmp_path, "a_device")]
    assert made.name == ("fd_digits_40_train" if split else "fd_digits_40")
    assert [progress.done for progress in told] == [16, 32, 48, 60]
    floor = real_floor(made._real, 40, tmp_path / "elsewhere")  # type: ignore[attr-defined]
    assert made.floor == floor
    assert (tmp_path / "statistics").is_dir()
    named = module.build_scorer(settings, data, tmp_path, "cpu", name="as_the_trial_says")
    assert (named.name, named.floor) == ("as_the_trial_says", floor)
    np.savez(tmp_path / "given.npz", mu=np.zeros(64), sigma=np.eye(64))
    given = ScoreSettings(samples=40, statistics=str(tmp_path / "given.npz"))
    made = module.build_scorer(given, data, tmp_path, "cpu")
    assert (made.name, made.floor) == ("fd_digits_40_given", None)


def test_the_floor_is_the_mean_of_five_sets_drawn_with_replacement(tmp_path: Path) -> None:
    found = real_floor(real(), 30, tmp_path)
    random, values = np.random.default_rng(0), []
    for _ in range(5):
        chosen = [REAL[i] for i in random.integers(400, size=30)]
        values.append(distance(np.array(chosen, dtype=np.float64)))
    mean = sum(values) / 5
    noise = (sum((value - mean) ** 2 for value in values) / 4) ** 0.5
    assert found is not None
    assert (found.value, found.noise) == (
        pytest.approx(mean, rel=1e-6),
        pytest.approx(noise, rel=1e-5),
    )
    assert floor_of([1.0, 3.0]) == Score(2.0, pytest.approx(2**0.5))
    (path,) = tmp_path.rglob("*.json")
    assert path == tmp_path / "statistics" / f"{'f' * 16}-floor-30.json"
    assert json.loads(path.read_text()) == {"value": found.value, "noise": found.noise}
    path.write_text(json.dumps({"value": 1.0, "noise": 2.0}))
    assert real_floor(real(), 30, tmp_path) == Score(1.0, 2.0)
    assert real_floor(real(features=False), 30, tmp_path) is None


@pytest.mark.parametrize("sizes", [[10], [3, 3, 4], [4, 4, 2], [9, 1], [1] * 10, [8, 0, 2]])
@pytest.mark.parametrize("size", [1, 4, 5, 10, 11])
def test_batches_are_cut_and_joined_in_order(sizes: list[int], size: int) -> None:
    images = torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1)
    found = [part.flatten().tolist() for part in rebatched(images.split(sizes), size)]
    assert found == [list(range(start, min(start + size, 10))) for start in range(0, 10, size)]


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 1, 3, 4, 1)])
def test_what_is_not_a_batch_of_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images are torch\.uint8 of shape"):
        list(rebatched([torch.zeros(shape, dtype=torch.uint8)], 1))
    with pytest.raises(ValueError, match=r"images are torch\.float32 of shape"):
        list(rebatched([torch.zeros((1, 1, 2, 2))], 1))


def test_arrays_become_batches_with_the_channels_first() -> None:
    images = np.arange(5 * 2 * 3 * 3, dtype=np.uint8).reshape(5, 2, 3, 3)
    parts = list(as_batches(images, 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    for n in range(5):
        part = parts[n // 2][n % 2]
        assert all(
            part[c, y, x] == images[n, y, x, c]
            for c in range(3)
            for y in range(2)
            for x in range(3)
        )
    assert all(part.is_contiguous() for part in parts)


def test_grey_is_shown_in_three_channels_and_colour_as_it_is() -> None:
    grey = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
    assert rgb(grey).tolist() == [[[[0, 1], [2, 3]]] * 3]
    colour = grey.repeat(1, 3, 1, 1)
    assert rgb(colour) is colour


def test_logits_are_kept_where_there_are_any() -> None:
    batches = torch.from_numpy(pixels(5, 1)).split(2)
    found = extract(Pixels(), batches, 3)
    assert found.features.tolist() == pixels(5, 1)[:, :3, 0, 0].tolist()
    assert found.logits is not None
    assert found.logits.shape == (5, 2)

    class Mute(Pixels):
        def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
            return super().__call__(images)[0], None

    assert extract(Mute(), batches, 3).logits is None
