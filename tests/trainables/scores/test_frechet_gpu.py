"""The distance of features on a real accelerator against the CPU's, at sizes of real use.

python -m pytest -m gpu tests/trainables/scores/test_frechet_gpu.py
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.devices import accelerator
from torch import Tensor

from trainables.scores import frechet
from trainables.scores.scorer import FrechetScorer
from trainables.scores.statistics import RealStatistics
from trainables.settings.score import ScoreSettings

pytestmark = pytest.mark.gpu


def features(seed: int, count: int, d: int, shift: float = 0.0) -> np.ndarray:
    """Like those of a network that ends in a rectifier: correlated, skewed, not below 0."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).standard_normal((d, d)) / np.arange(1, d + 1) ** 0.7
    drawn = random.standard_normal((count, d)) @ mixing + 0.3 + shift
    return np.maximum(drawn, 0).astype(np.float32)


@pytest.mark.parametrize(
    ("d", "real", "made"),
    [(1, 100, 50), (64, 1700, 1000), (64, 300, 20), (2048, 5000, 10_000), (2048, 5000, 1000)],
)
def test_distance_and_noise_are_the_cpus_and_repeat(d: int, real: int, made: int) -> None:
    side = frechet.reference(frechet.moments(features(0, real, d)))
    drawn = features(2, made, d, 0.05)
    exact = frechet.distance_with_noise(side, drawn)
    there = torch.from_numpy(drawn).to(accelerator())
    measured = [frechet.distance_with_noise(side, there) for _ in range(3)]
    assert measured[0] == measured[1] == measured[2]
    assert measured[0].value == pytest.approx(exact.value, rel=1e-9)
    assert measured[0].noise == pytest.approx(exact.noise, rel=1e-9)
    assert frechet.distance(side, there) == pytest.approx(exact.value, rel=1e-9)


def test_moments_in_parts_are_the_cpus() -> None:
    drawn = features(3, 9000, 256)
    total = frechet.MomentSum()
    for part in np.array_split(drawn, 37):
        total.add(torch.from_numpy(part).to(accelerator()))
    found = total.moments().on_host()
    np.testing.assert_allclose(found.mean, drawn.mean(0, float), rtol=1e-12)
    exact = np.cov(drawn.T.astype(float))
    np.testing.assert_allclose(found.covariance, exact, rtol=0, atol=1e-12 * np.abs(exact).max())


class Pixels:
    """An extractor whose features are the pixels."""

    name, identity, weights_sha256 = "pixels", "pixels", "0" * 64

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        return images.to(accelerator()).flatten(1).float(), None


def test_an_evaluation_waits_for_the_result_alone_and_keeps_nothing() -> None:
    kind = accelerator()
    if kind != "cuda":
        pytest.skip("only CUDA tells what waits and what is held")
    drawn = np.random.default_rng(4).integers(0, 256, (3000, 64, 1, 1), dtype=np.uint8)
    side = frechet.reference(frechet.moments(drawn[:, :, 0, 0]))
    settings = ScoreSettings(samples=3000, batch_size=100)
    scorer = FrechetScorer(settings, "name", Pixels(), RealStatistics("f", side, None), None)
    batches = list(torch.from_numpy(drawn).to(kind).split(100))

    def sampler(_draw: int, _count: int) -> Iterator[Tensor]:
        yield from batches

    score = scorer.evaluate(sampler)
    assert score.value == pytest.approx(0.0, abs=1e-3)  # of traces of 350,000
    torch.cuda.synchronize()
    held = torch.cuda.memory_allocated()
    torch.cuda.set_sync_debug_mode("error")
    try:
        gathered, _ = scorer._gathered(sampler, 0, 3000)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert gathered.distance_with_noise().value == score.value
    del gathered
    assert torch.cuda.memory_allocated() == held
