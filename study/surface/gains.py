"""Gains: how much lower a trial comes to lie by its end, as the curves of whole trials have it.

Scores fall along a trial, some trials' faster than others'. How much lower the lowest score of a whole trial
came to lie after an evaluation than at it, in the logarithm, is its *gain* from there. The gains of the whole
trials of all arms at that step are taken for draws from one normal distribution whose mean and variance are
not known; what a further trial will come to has Student's t distribution then (Gelman et al., Bayesian Data
Analysis, 3rd ed., section 3.2), with a prior for the variance that counts as :data:`PRIOR` trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtr

Curve = Mapping[int, float]
"""The scores of one trial by step."""

PRIOR = 2.0
"""How many trials the prior of the gains' variance counts as."""

SPREAD = 0.5
"""Its standard deviation at the beginning of a trial; less in proportion to the steps that are left."""


@dataclass(frozen=True)
class Gains:
    """What a trial will still gain from a step on: Student's t distribution.

    Attributes:
        mean: Its centre, <= 0 of scores.
        scale: Its scale, >= 0.
        freedom: Its degrees of freedom, > 0.
        whole: How many whole trials it rests on.
    """

    mean: float
    scale: float
    freedom: float
    whole: int

    @property
    def deviation(self) -> float:
        """The standard deviation; the scale where there is none (of two degrees of freedom and fewer)."""
        heavy = self.freedom / (self.freedom - 2) if self.freedom > 2 else 1.0
        return self.scale * math.sqrt(heavy)

    def chance(self, now: float, target: float) -> float:
        """The probability that a trial whose lowest score is ``now`` ends below ``target``; both are > 0."""
        needed = math.log(target / now) - self.mean
        if self.scale == 0:
            return float(needed > 0)
        return float(stdtr(self.freedom, needed / self.scale))


def gains(
    step: int, whole: Sequence[Curve], noise: float = 0.0, early: Sequence[Curve] | None = None
) -> Gains:
    """What trials gain after a step.

    Where what is known of a trial by the step is an early evaluation, of fewer samples, its gain is the
    logarithm of the ratio of its lowest score to that: what the other number of samples makes is part of it.

    Args:
        step: The step.
        whole: Curves of whole trials, with scores > 0; those without an evaluation by this step are left
            out.
        noise: Standard deviation of a score over redrawn samples, as a share of it; 0 if unknown.
        early: The early evaluations of the same trials, > 0, in the same order; None: scores are meant.

    Example:
        >>> found = gains(1, [{1: 8.0, 2: 4.0}, {1: 6.0, 2: 3.0}])
        >>> f"{10 * math.exp(found.mean):.1f} {found.chance(10.0, 2.0):.2f}"
        '5.0 0.02'
    """
    pairs = zip(whole, whole if early is None else early, strict=True)
    known = [(curve, first) for curve, first in pairs if min(first, default=math.inf) <= step]
    seen = [_gain(curve, first, step) for curve, first in known]
    mean = sum(seen) / len(seen) if seen else 0.0
    squares = sum((gain - mean) ** 2 for gain in seen)
    end = max((max(curve) for curve, _ in known), default=math.inf)
    # Both scores that a gain is the ratio of have their noise.
    prior = (SPREAD * (1 - step / end)) ** 2 + 2 * noise**2
    freedom = PRIOR + max(len(seen) - 1, 0)
    variance = (PRIOR * prior + squares) / freedom
    scale = math.sqrt(variance * (1 + 1 / len(seen))) if seen else math.sqrt(variance)
    return Gains(mean, scale, freedom, len(seen))


def _gain(curve: Curve, first: Curve, step: int) -> float:
    """The logarithm of the ratio of a whole trial's lowest score and the lowest of the others by a step."""
    return math.log(min(curve.values()) / min(score for at, score in first.items() if at <= step))
