"""The levels of an image score, against Frechet distances by scipy's square root of noise drawn here."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from support.data import noisy
from support.trials import SMALL

from trainables.data.images import ImageData, load_images
from trainables.gan import levels as module
from trainables.gan.levels import kept_levels, levels_path, measured_levels, scorer_of
from trainables.kinds import build_trial, parse_settings
from trainables.levels import Levels, Measured
from trainables.protocol import Context, Measurement, Parameters
from trainables.scores.ceiling import pictures
from trainables.scores.digits import DigitsExtractor
from trainables.settings.gan import GanSettings

BASE: dict[str, Any] = {
    **SMALL["gan"],
    "steps": 4,
    "score": {"extractor": "digits", "samples": 400},
}


def settings(**changed: Any) -> GanSettings:
    made = parse_settings({**BASE, **changed})
    assert isinstance(made, GanSettings)
    return made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def digits(cache: Path) -> np.ndarray:
    return np.asarray(load_images(settings().data, cache).images)


@pytest.fixture(scope="module")
def measured(cache: Path) -> Measured:
    return measured_levels(settings(), cache, "cpu")


def features(images: np.ndarray) -> np.ndarray:
    rounded = torch.from_numpy(np.rint(images).astype(np.uint8).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        return DigitsExtractor("cpu")(rounded)[0].double().numpy()


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """The textbook formula, by scipy's square root of a matrix."""
    s1, s2 = (np.cov(each, rowvar=False) for each in (one, other))
    root = scipy.linalg.sqrtm(s1 @ s2).real
    gap = one.mean(axis=0) - other.mean(axis=0)
    return float(gap @ gap + np.trace(s1 + s2 - 2 * root))


def test_noise_and_other_pictures_of_nothing_score_what_scipy_says(
    digits: np.ndarray, measured: Measured
) -> None:
    random, count = np.random.default_rng(99), 400
    some = digits[random.integers(len(digits), size=count)].astype(float)
    bright = some.mean(axis=(1, 2, 3), keepdims=True)
    mean = digits.mean(axis=0)
    drawn_here = {
        "uniform noise": random.uniform(0, 255, some.shape),
        "plain colours": np.broadcast_to(bright, some.shape),
        "the mean image, brighter or darker": np.clip(mean + bright - digits.mean(), 0, 255),
        "scrambled pixels": np.stack(
            [
                digits[random.integers(len(digits), size=count), at // 8, at % 8, 0]
                for at in range(64)
            ],
            axis=1,
        ).reshape(count, 8, 8, 1),
    }
    real = features(digits)
    for what, images in drawn_here.items():
        expected = frechet(real, features(images))
        assert measured.nothing[what] == pytest.approx(expected, rel=0.05), what
    assert measured.floor is not None
    assert measured.floor == pytest.approx(frechet(real, features(some)), abs=0.5)


def test_the_ceiling_is_the_lowest_of_them_and_noise_has_learnt_nothing(
    cache: Path, digits: np.ndarray, measured: Measured
) -> None:
    scores = [score for score in measured.nothing.values() if score is not None]
    assert len(scores) == len(measured.nothing) == 6
    assert measured.levels == Levels(floor=measured.floor, ceiling=min(scores))
    data = load_images(settings().data, cache)
    scorer = scorer_of(settings(), data, cache, "cpu")
    for level, learnt in ((0.0, True), (0.1, True), (0.25, True), (1.0, False)):
        score = scorer.evaluate(noisy(data, level))
        assert measured.levels.learnt(score.value, score.noise) is learnt, level
    share = measured.levels.share(scorer.evaluate(noisy(data, 0.0)).value)
    assert share == pytest.approx(1.0, abs=0.01)


def test_an_untrained_generator_scores_what_a_trial_before_its_first_update_does(
    cache: Path, measured: Measured
) -> None:
    trial = build_trial(
        BASE, Parameters(b=1e-3, a=1e-3, d_steps=1), Context(seed=0, cache=str(cache))
    )
    with torch.no_grad():
        score = trial._scorer.evaluate(trial.sampler)  # type: ignore[attr-defined]
    assert measured.nothing["an untrained generator"] == pytest.approx(score.value, rel=0.05)


def test_levels_come_with_every_evaluation_and_are_told_once(
    cache: Path, measured: Measured
) -> None:
    trial = build_trial(
        BASE, Parameters(b=1e-3, a=1e-3, d_steps=1), Context(seed=3, cache=str(cache))
    )
    result = trial.advance()
    assert isinstance(result, Measurement)
    assert Levels.of(result.metrics) == measured.levels
    assert result.metrics["score_floor"] == measured.floor
    told = json.loads(trial.artifacts()["score.json"])["levels"]
    assert told == measured.to_json()
    assert told["ceiling"] == min(told["nothing"].values())
    assert f"no better than nothing (scrambled pixels {told['ceiling']:.4g}, " in str(measured)


def test_they_are_measured_once_and_kept(
    cache: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept_levels(settings(), cache) == measured
    with monkeypatch.context() as patch:
        patch.setattr(module, "pictures", lambda images: pytest.fail("measured again"))
        assert measured_levels(settings(), cache, "cpu") == measured
    kept = levels_path(settings(), load_images(settings().data, cache).fingerprint, cache)
    kept.write_text(kept.read_text().replace("real_fingerprint", "another"))
    monkeypatch.setattr(module, "pictures", lambda images: {})
    anew = measured_levels(settings(), cache, "cpu")  # of other facts, so it is measured again
    assert list(anew.nothing) == ["an untrained generator"]
    kept.unlink()
    assert kept_levels(settings(), cache) is None
    monkeypatch.undo()
    assert measured_levels(settings(), cache, "cpu") == measured
    assert kept_levels(settings(networks={"name": "dcgan", "width": 3}), cache) is None
    assert kept_levels(settings(score={"samples": 500}), cache) is None


def test_measuring_touches_no_stream_of_the_trial(tmp_path: Path) -> None:
    """The trial that measures them and the one that finds them kept train alike."""
    rates, place = Parameters(b=1e-3, a=1e-3, d_steps=1), str(tmp_path)
    first, second = (
        build_trial(BASE, rates, Context(seed=1, cache=place)).advance() for _ in range(2)
    )
    assert isinstance(first, Measurement)
    assert isinstance(second, Measurement)
    assert first.score == second.score
    assert first.metrics["d_loss"] == second.metrics["d_loss"]


def test_pictures_are_the_same_whenever_they_are_drawn_and_fit_the_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    for what, sampler in pictures(images).items():
        parts = list(sampler(0, 700))
        assert [tuple(part.shape) for part in parts] == [(500, 3, 16, 16), (200, 3, 16, 16)], what
        assert all(part.dtype is torch.uint8 for part in parts)
        assert torch.equal(parts[0], next(sampler(0, 700)))


MODULE = """
import torch

def flatness(batches):  # scrambled pixels have as much contrast as real images: it tells nothing
    images = torch.cat(list(batches)).double()
    if images.std(dim=(1, 2, 3)).max() == 0:
        raise ZeroDivisionError("no contrast")
    return 1000 / images.std()

def darkness(batches):  # noise and grey are as good as real images, or better
    return 255 - torch.cat(list(batches)).double().mean()

def roughness(batches):  # digits have a mean step of 53.3 from pixel to pixel
    images = torch.cat(list(batches)).double()
    return (images.diff(dim=3).abs().mean() - STEP).abs()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "scores_of_nothing.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("scores_of_nothing", None)


@pytest.mark.usefixtures("own")
def test_a_score_of_ones_own_is_asked_of_the_same_pictures(cache: Path, digits: np.ndarray) -> None:
    step = float(np.abs(np.diff(digits.astype(float), axis=2)).mean())
    sys.modules["scores_of_nothing"] = importlib.import_module("scores_of_nothing")
    sys.modules["scores_of_nothing"].STEP = step  # type: ignore[attr-defined]
    mine = settings(score={"own": "scores_of_nothing:roughness", "samples": 300})
    found = measured_levels(mine, cache, "cpu")
    assert found.floor == pytest.approx(0, abs=2)
    assert found.nothing["plain colours"] == pytest.approx(step)
    # Two numbers from 0 to 255 drawn by chance lie a third of 256 apart.
    assert found.nothing["uniform noise"] == pytest.approx(256 / 3 - step, abs=2)
    assert found.levels.ceiling == min(score for score in found.nothing.values() if score)


@pytest.mark.parametrize("function", ["flatness", "darkness"])
@pytest.mark.usefixtures("own")
def test_a_score_that_prefers_noise_tells_nothing_and_what_it_cannot_score_is_said(
    cache: Path, function: str
) -> None:
    mine = settings(score={"own": f"scores_of_nothing:{function}", "samples": 300})
    found = measured_levels(mine, cache, "cpu")
    assert found.floor is not None
    assert found.levels == Levels(floor=found.floor)
    assert found.levels.learnt(1e9)
    assert "so it does not tell what is learnt" in str(found)
    if function == "flatness":
        assert found.nothing["plain colours"] is None
        assert "plain colours has no score" in str(found)


def test_given_statistics_have_a_ceiling_without_a_floor(
    cache: Path, digits: np.ndarray, tmp_path: Path
) -> None:
    real = features(digits)
    np.savez(tmp_path / "given.npz", mu=real.mean(axis=0), sigma=np.cov(real, rowvar=False))
    given = settings(score={"samples": 400, "statistics": str(tmp_path / "given.npz")})
    found = measured_levels(given, cache, "cpu")
    assert found.floor is None
    assert found.levels.share(10.0) is None
    assert found.levels.ceiling == pytest.approx(42.7, rel=0.1)


def test_images_alone_decide(tmp_path: Path) -> None:
    """Another data set has levels of its own, in the same cache."""
    random = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 128)):
        images = random.integers(low, low + 128, (80, 8, 8, 1), dtype=np.uint8)
        np.save(tmp_path / f"{name}.npy", images)
    found = [
        measured_levels(
            settings(data={"path": str(tmp_path / f"{name}.npy")}), tmp_path / "cache", "cpu"
        )
        for name in ("dark", "light")
    ]
    assert found[0].levels != found[1].levels
    data = [ImageData(np.load(tmp_path / f"{n}.npy"), n, n) for n in ("dark", "light")]
    assert data[0].images.mean() < data[1].images.mean()
