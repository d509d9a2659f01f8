"""The lowest score that can be expected: real images against real images, at the same count."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trainables.data import store
from trainables.scores import frechet
from trainables.scores.statistics import RealStatistics

DRAWS = 5


@dataclass(frozen=True)
class Floor:
    """Mean score of real images, and its standard deviation from one set of them to another."""

    value: float
    noise: float


def real_floor(real: RealStatistics, samples: int, cache: Path) -> Floor | None:
    """What a generator that drew from the real images themselves would score.

    The mean over 5 sets of ``samples`` real images drawn with replacement: such a generator is
    perfect, and its score is above 0 only because ``samples`` is finite. Of a set of more than
    50,000 images it is drawn from the 50,000 kept ones.

    Returns:
        The floor, computed once per node; None if only the moments of the real side are known.
    """
    if real.features is None:
        return None
    path = cache / "statistics" / f"{real.fingerprint[:16]}-floor-{samples}.json"
    features = real.features
    return store.remembered(
        path,
        lambda: asdict(_measure(real.reference, features, samples)),
        lambda kept: Floor(**kept),
    )


def _measure(reference: frechet.Reference, features: np.ndarray, samples: int) -> Floor:
    random = np.random.default_rng(0)
    values = [
        frechet.distance(reference, features[random.integers(len(features), size=samples)])
        for _ in range(DRAWS)
    ]
    return floor_of(values)


def floor_of(values: list[float]) -> Floor:
    """The floor from the scores of at least 2 sets of real data."""
    return Floor(float(np.mean(values)), float(np.std(values, ddof=1)))
