"""What a search of k trials would have found: the best of k trials, resampled from those made.

The best of k draws with replacement from n scores x_1 <= ... <= x_n exceeds x_i with probability
((n - i) / n)^k. So every bootstrap quantity of "the best of k" has a closed form: nothing is drawn at
random, and the same trials always give the same interval. Scores may be +inf (a trial without one).
The expectation of this distribution is the "expected validation performance" of Dodge et al. (2019,
arXiv:1909.03004, Eq. 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEGLIGIBLE = 1e-12
"""Probability below which a worse score is not followed up: keeps 10,000 trials cheap."""


@dataclass(frozen=True)
class BestOfK:
    """The distribution of the best of k trials.

    Attributes:
        scores: Possible values, ascending, shape (m,).
        probabilities: Their probabilities, shape (m,); they add up to 1.
    """

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def quantile(self, q: float) -> float:
        """The smallest score that the best of k is at or below with a probability of at least q."""
        cumulative = np.cumsum(self.probabilities)
        index = int(np.searchsorted(cumulative, q - _NEGLIGIBLE))
        return float(self.scores[min(index, len(self.scores) - 1)])


def best_of(scores: Sequence[float], k: int) -> BestOfK:
    """The distribution of the lowest of k scores drawn with replacement.

    Args:
        scores: At least one score; +inf for a trial without a score.
        k: Number of draws, >= 1.

    Raises:
        ValueError: No scores, or k below 1.
    """
    if not scores or k < 1:
        raise ValueError(f"the best of {k} among {len(scores)} scores is not defined")
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    survival = ((n - np.arange(n + 1)) / n) ** k
    probabilities = survival[:-1] - survival[1:]
    kept = survival[:-1] > _NEGLIGIBLE
    probabilities = probabilities[kept]
    return BestOfK(ordered[kept], probabilities / probabilities.sum())


@dataclass(frozen=True)
class Difference:
    """The distribution of the difference of two independent bests, second minus first.

    Attributes:
        values: Possible differences, ascending, shape (m,).
        probabilities: Their probabilities, shape (m,).
    """

    values: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def quantile(self, q: float) -> float:
        """The smallest difference reached with a probability of at least q."""
        return BestOfK(self.values, self.probabilities).quantile(q)

    @property
    def below_zero(self) -> float:
        """Probability that the second is strictly lower; ties count half."""
        lower = self.probabilities[self.values < 0].sum()
        ties = self.probabilities[self.values == 0].sum()
        # A sum of probabilities can exceed 1 by a rounding error.
        return min(1.0, float(lower + ties / 2))


def difference(first: BestOfK, second: BestOfK) -> Difference:
    """The distribution of ``second - first``, given that both found a finite score.

    Raises:
        ValueError: One of them has no finite score.
    """
    one, two = _finite(first), _finite(second)
    values = (two.scores[None, :] - one.scores[:, None]).ravel()
    probabilities = (two.probabilities[None, :] * one.probabilities[:, None]).ravel()
    order = np.argsort(values, kind="stable")
    return Difference(values[order], probabilities[order])


def _finite(best: BestOfK) -> BestOfK:
    finite = np.isfinite(best.scores)
    if not finite.any():
        raise ValueError("no trial has a finite score")
    kept = best.probabilities[finite]
    return BestOfK(best.scores[finite], kept / kept.sum())
