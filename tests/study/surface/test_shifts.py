"""Whether arms are shifted as wholes: by likelihoods summed over a grid, and in studies too small to tell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from support.mlflow import changed, row

from study.results.difference import difference
from study.surface.gaussian import Process, matern
from study.surface.observations import Observations
from study.surface.shifts import perhaps_shifted, shift_factor
from study.surface.surface import Surface
from study.trial import ONE, TWO, TrialRecord

HYPER = np.array([0.4, 0.9, 0.7, 0.2, 0.0])
"""Lengths of coordinates 0 and 1, the deviation of f, that of the noise, no shift."""
GROUPS = np.arange(14) % 2


def observed(apart: float) -> Observations:
    """Two groups of seven points, the second lower by so much."""
    draw = np.random.default_rng(8)
    points = draw.uniform(size=(14, 2))
    return Observations(
        points=points,
        lengths=np.array([0, 1]),
        groups=GROUPS,
        values=np.cos(3 * points).sum(1) + draw.normal(0, 0.2, size=14) - apart * GROUPS,
        noise=np.zeros(14),
        counts=np.ones(14),
        within=np.zeros(14),
    )


def likelihood(seen: Observations, shift: float) -> float:
    """Of what was seen, by the density of a normal distribution whose covariance is written out."""
    covariance = 0.7**2 * matern(seen.points, seen.points, HYPER[:2])
    covariance += 100 * seen.spread**2 + 0.2**2 * np.eye(14)
    covariance += shift**2 * np.equal.outer(GROUPS, GROUPS)
    density: Any = multivariate_normal(np.full(14, seen.centre), covariance)
    return float(density.logpdf(seen.values))


def test_the_bayes_factor_is_the_mean_ratio_of_the_likelihoods() -> None:
    known = observed(0.1)
    without = [Process(known, np.append(HYPER[:4] * factor, 0.0)) for factor in (0.7, 1.0, 1.8)]
    shifted = [Process(known, np.append(HYPER[:4] * factor, 1.0)) for factor in (0.7, 1.0, 1.8)]
    ratios = [
        math.exp(two.log_likelihood - one.log_likelihood)
        for one, two in zip(without, shifted, strict=True)
    ]
    assert shift_factor(without) == pytest.approx(sum(ratios) / 3, rel=1e-9)


@pytest.mark.parametrize("apart", [-0.4, 0.0, 0.2, 0.3, 0.5, 1.0])
def test_shifts_are_as_many_as_what_was_seen_makes_them_likely(apart: float) -> None:
    seen = observed(apart)
    found = perhaps_shifted([Process(seen, HYPER)] * 240)
    assert len(found) == 240
    # The prior of a shift: its logarithm is normal about that of the noise, with a deviation of 0.5.
    grid = np.linspace(-3, 3, 121)
    of_each = [
        math.exp(likelihood(seen, 0.2 * math.exp(0.5 * z)) - likelihood(seen, 0)) for z in grid
    ]
    ratio = float(np.average(of_each, weights=norm.pdf(grid)))
    # In 240th parts, and the integral by three points is a little off.
    assert np.mean([process._shift > 0 for process in found]) == pytest.approx(
        ratio / (1 + ratio), abs=0.015
    )


def test_of_several_processes_those_count_that_a_shift_makes_likelier() -> None:
    seen = observed(0.6)
    vague = Process(seen, HYPER * [1, 1, 1, 6, 1])  # so noisy that a shift says nothing
    found = perhaps_shifted([vague] * 30 + [Process(seen, HYPER)] * 30)
    with_shift = [round(process.noise, 6) for process in found if process._shift > 0]
    without = [round(process.noise, 6) for process in found if not process._shift]
    assert with_shift.count(0.2) > 1.5 * with_shift.count(1.2)
    assert without.count(0.2) == pytest.approx(without.count(1.2), abs=1)


def studied(seed: int, each: int = 8) -> list[TrialRecord]:
    """Two arms on one bowl, noise 0.2 in the logarithm; every score of the second is lower by exp(-0.2)."""
    draw, rows = np.random.default_rng(seed), []
    for arm, lower in ((ONE, 0.0), (TWO, 0.2)):
        for number, (x, y) in enumerate(draw.uniform(-4, -2, (each, 2)).tolist()):
            height = 0.6 * (x + 2.8) ** 2 + 0.9 * (y + 3.1) ** 2 + draw.normal(0, 0.2) - lower
            rows.append(changed(row(arm, number, 5 * math.exp(height)), b=10**x, a=10**y))
    return rows


def test_few_trials_do_not_hide_that_an_arm_may_be_lower_as_a_whole() -> None:
    intervals = []
    for seed in range(8):
        relative = difference(Surface(studied(seed), [ONE, TWO]), (ONE, TWO)).relative_interval
        assert relative is not None
        intervals.append(relative)
    truth = math.expm1(-0.2)
    assert sum(low <= truth <= high for low, high in intervals) >= 6  # without shifted copies 3
    assert all(high - low > 0.1 for low, high in intervals)
