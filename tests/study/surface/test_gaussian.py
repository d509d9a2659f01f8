"""The Gaussian process against scikit-learn's, and its averaging against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from study.surface import gaussian
from study.surface.gaussian import KEPT, Process, drawn, matern, mixed, posterior
from study.surface.observations import Observations
from study.surface.shifts import shift_factor

Array = NDArray[np.float64]
HYPER = np.array([0.4, 0.9, 0.7, 0.15, 0.0])


def seen(
    n: int = 25, *, groups: NDArray[np.int64] | None = None, shift: float = 0.0
) -> Observations:
    generator = np.random.default_rng(3)
    points = generator.uniform(size=(n, 2))
    values = np.sin(4 * points[:, 0]) + points[:, 1] ** 2 + 0.1 * generator.normal(size=n)
    groups = np.zeros(n, dtype=np.int64) if groups is None else groups
    return Observations(
        points=points,
        lengths=np.arange(2),
        groups=groups,
        values=values + shift * groups,
        counts=np.ones(n),
        within=np.zeros(n),
        noise=generator.uniform(0.0, 0.2, n),
    )


def sklearns(known: Observations) -> GaussianProcessRegressor:
    """The same process by scikit-learn, at the same hyperparameters."""
    constant = 100 * known.spread**2
    kernel = ConstantKernel(HYPER[2] ** 2) * Matern(HYPER[:2], nu=2.5) + ConstantKernel(constant)
    alpha = HYPER[3] ** 2 + known.noise**2 + 1e-8 * known.spread**2
    process = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None)
    return process.fit(known.points, known.values - known.centre)


def test_the_process_is_scikit_learns() -> None:
    known, at = seen(), np.random.default_rng(1).uniform(-0.2, 1.2, (40, 2))
    process, reference = Process(known, HYPER), sklearns(known)
    mean, covariance = process.jointly_at(at, np.zeros(40, dtype=np.int64))
    expected, expected_covariance = reference.predict(at, return_cov=True)
    assert mean == pytest.approx(expected + known.centre, abs=1e-6)
    assert covariance == pytest.approx(expected_covariance, abs=1e-5)
    alone, variance = process.at(at, np.zeros(40, dtype=np.int64))
    assert alone == pytest.approx(mean)
    assert variance == pytest.approx(np.diag(covariance), abs=1e-6)
    constant = len(known.values) / 2 * np.log(2 * np.pi)
    likelihood = reference.log_marginal_likelihood_value_ + constant
    assert process.log_likelihood == pytest.approx(likelihood, rel=1e-9)


def test_the_kernel_is_the_matern_of_the_book() -> None:
    one, two = np.array([[0.0, 0.0]]), np.array([[0.3, 0.4], [0.0, 0.0]])
    r = 0.5 / 2
    by_hand = (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)
    assert matern(one, two, np.array([2.0, 2.0]))[0] == pytest.approx([by_hand, 1.0])


def test_a_mean_of_several_values_is_as_good_as_the_values() -> None:
    """Three values at one point, alone and as their mean: the same surface, the same likelihood ratios."""
    point, values = np.array([0.2, 0.7]), np.array([0.3, 0.5, 0.1])
    known = seen()
    apart = Observations(
        points=np.vstack([known.points, np.tile(point, (3, 1))]),
        lengths=known.lengths,
        groups=np.zeros(28, dtype=np.int64),
        values=np.append(known.values, values),
        counts=np.ones(28),
        within=np.zeros(28),
        noise=np.append(known.noise, np.full(3, 0.05)),
    )
    together = Observations(
        points=np.vstack([known.points, point]),
        lengths=known.lengths,
        groups=np.zeros(26, dtype=np.int64),
        values=np.append(known.values, values.mean()),
        counts=np.append(np.ones(25), 3.0),
        within=np.append(np.zeros(25), ((values - values.mean()) ** 2).sum()),
        noise=np.append(known.noise, 0.05),
    )
    # The constant's prior and the centre follow the values; both are fixed for this.
    for one in (apart, together):
        one.__dict__.update(centre=0.4, spread=1.0)
    at = np.random.default_rng(0).uniform(size=(9, 2))
    of = np.zeros(9, dtype=np.int64)
    other = HYPER * np.array([1.5, 0.5, 1.2, 2.0, 1.0])
    ratios = []
    for one in (apart, together):
        ratios.append(Process(one, HYPER).log_likelihood - Process(one, other).log_likelihood)
    assert ratios[0] == pytest.approx(ratios[1], abs=1e-3)
    for first, second in zip(
        Process(apart, HYPER).at(at, of), Process(together, HYPER).at(at, of), strict=True
    ):
        assert first == pytest.approx(second, abs=1e-5)


def test_the_chain_finds_the_posterior_that_a_grid_gives() -> None:
    """One unknown, the noise: its posterior by quadrature over everything else held fixed is not at hand,
    so the chain's mean of log noise is held against importance sampling from the prior."""
    known = seen(14)
    chain = posterior(known, shifted=False)
    log_noise = np.log([process.noise for process in chain])
    generator = np.random.default_rng(0)
    states = generator.normal(size=(6000, 4))
    medians = np.array([0.5, 0.5, known.spread, 0.3 * known.spread])
    hypers = medians * np.exp(np.array([0.7, 0.7, 0.7, 1.0]) * states)
    weights = np.array([Process(known, np.append(hyper, 0.0)).log_likelihood for hyper in hypers])
    weights = np.exp(weights - weights.max())
    weights /= weights.sum()
    mean = float(weights @ np.log(hypers[:, 3]))
    deviation = float(np.sqrt(weights @ (np.log(hypers[:, 3]) - mean) ** 2))
    assert 1 / (weights**2).sum() > 50, "importance sampling must itself be good enough to judge"
    assert log_noise.mean() == pytest.approx(mean, abs=deviation)
    assert 0.4 < log_noise.std() / deviation < 2.0


def test_draws_have_the_mixture_s_mean_and_deviation() -> None:
    known, at = seen(), np.random.default_rng(5).uniform(size=(6, 2))
    of = np.zeros(6, dtype=np.int64)
    chain = posterior(known, shifted=False)
    draws = drawn(chain, at, of, 400)
    mean, deviation = mixed(chain, at, of)
    assert draws.shape == (400 * len(chain), 6)
    assert draws.mean(0) == pytest.approx(mean, abs=0.02)
    assert draws.std(0) == pytest.approx(deviation, rel=0.1)


def test_points_that_are_one_are_drawn_as_one() -> None:
    at = np.array([[0.3, 0.3], [0.3, 0.3]])
    draws = drawn(posterior(seen(), shifted=False), at, np.zeros(2, dtype=np.int64), 8)
    assert draws[:, 0] == pytest.approx(draws[:, 1], abs=1e-5)


def test_only_groups_that_are_shifted_look_shifted() -> None:
    groups = np.arange(60) % 2
    equal = posterior(seen(60, groups=groups), shifted=False)
    apart = posterior(seen(60, groups=groups, shift=0.3), shifted=False)
    assert shift_factor(equal) < 1 < 10 < shift_factor(apart)


def test_the_same_points_give_the_same_posterior() -> None:
    one, two = (posterior(seen(), shifted=True) for _ in range(2))
    assert [process.noise for process in one] == [process.noise for process in two]


def test_a_chain_that_begins_with_a_part_of_many_points_comes_to_the_same_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = seen(204)  # noise of 0.1, and of each point up to twice that, which is known
    points, values = known.points, known.values
    part = known.part(3)
    assert np.array_equal(part.points, points[[*range(0, 204, 3)]])
    assert np.array_equal(part.values, values[[*range(0, 204, 3)]])
    assert np.array_equal(part.lengths, known.lengths)
    short = posterior(known, shifted=False)
    assert len(short) == KEPT
    monkeypatch.setattr(gaussian, "MANY", 204)
    long = posterior(known, shifted=False)
    heights = [np.median([each.log_likelihood for each in every]) for every in (short, long)]
    assert heights[0] == pytest.approx(heights[1], abs=3)
    assert short[0].log_likelihood > long[0].log_likelihood - 8  # the beginning is over
