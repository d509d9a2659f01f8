"""The distance of features on a pretend accelerator (support/pretend.py) is the CPU's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.scores import frechet
from trainables.scores.scorer import FrechetScorer
from trainables.scores.statistics import RealStatistics
from trainables.settings.score import ScoreSettings

D = 12


def features(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).normal(size=(D, D)) / np.arange(1, D + 1)
    return (random.normal(size=(count, D)) @ mixing + 5 + shift).astype(np.float32)


REAL = frechet.reference(frechet.moments(features(2, 500)))


def on_the_device(parts: list[np.ndarray]) -> frechet.Gathered:
    gathered = frechet.Gathered(REAL)
    for part in parts:
        gathered.add(torch.from_numpy(part).to(DEVICE))
    return gathered


@pytest.mark.parametrize("count", [2, 7, 12, 13, 300, 4096, 9000])
def test_distance_and_noise_are_the_cpus(count: int) -> None:
    made = features(3, count, 0.4)
    exact = frechet.distance_with_noise(REAL, made)
    with Accelerator() as gpu:
        gathered = on_the_device(np.array_split(made, 5))
        before = gpu.kernels
        measured = gathered.distance_with_noise()
        assert gpu.kernels - before > 10  # computed there
        assert gathered.distance() == pytest.approx(exact.value, rel=1e-9)
    assert measured.value == pytest.approx(exact.value, rel=1e-9)
    assert measured.noise == pytest.approx(exact.noise, rel=1e-9)


def test_moments_are_the_cpus_and_one_copy_brings_each_back() -> None:
    made = features(4, 5000)
    with Accelerator() as gpu:
        found = frechet.moments(torch.from_numpy(made).to(DEVICE))
        gpu.reset()
        found = found.on_host()
        assert gpu.reads == 2
    np.testing.assert_allclose(found.mean, made.mean(0, float), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(made.T.astype(float)), rtol=1e-9)


def test_a_feature_that_is_not_finite_is_refused_there_too() -> None:
    for count in (5, 50):
        made = features(5, count)
        made[3, 2] = np.nan
        with Accelerator(), pytest.raises(ValueError, match="not finite"):
            on_the_device([made]).distance_with_noise()


def test_without_float64_it_is_computed_on_the_host() -> None:
    made = features(6, 400, 0.2)
    with Accelerator(float64=False):
        assert on_the_device([made]).distance_with_noise() == frechet.distance_with_noise(
            REAL, made
        )


class Pixels:
    """An extractor whose features are the first pixels."""

    name, identity, weights_sha256 = "pixels", "pixels", "0" * 64

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        return images.to(DEVICE).flatten(1)[:, :D].float(), None


def sampler(draw: int, count: int) -> Iterator[Tensor]:
    random = np.random.default_rng(draw)
    pixels = random.integers(0, 256, (count, D, 1, 1), dtype=np.uint8)
    return iter(torch.from_numpy(pixels).to(DEVICE).split(7))


def test_an_evaluation_waits_as_often_for_many_batches_as_for_few() -> None:
    """For whether features are finite, and for the result; its memory is given back."""
    waits = []
    for samples in (40, 400):
        settings = ScoreSettings(samples=samples, batch_size=10)
        scorer = FrechetScorer(settings, "name", Pixels(), RealStatistics("f", REAL, None), None)
        with Accelerator() as gpu:
            batches = list(sampler(0, samples))
            held = gpu.bytes
            gpu.reset()
            scorer.evaluate(lambda draw, count, batches=batches: iter(batches))
            waits.append((gpu.reads, gpu.uploads))
            assert gpu.bytes == held
    assert waits == [(2, 2), (2, 2)]
