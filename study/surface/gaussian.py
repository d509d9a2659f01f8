"""A Gaussian process over scattered points, averaged over its hyperparameters.

The model of a value y at a point x of group g, all quantities in the units of y:

    y = constant + f(x) + shift[g] + noise,

f has a Matérn 5/2 kernel with a length a coordinate (Rasmussen & Williams 2006, Eq. 4.17), groups of points
may be shifted as wholes, and the noise is the sum of what is known of each point and of a common part that
is learnt. The hyperparameters are not maximised but sampled from their posterior by elliptical slice
sampling (Murray, Adams & MacKay 2010): with ten points the best ones say too little about how wrong the
surface may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtrs

from study.surface.observations import Array, Observations
from study.surface.threads import one_thread

LENGTH = (0.5, 0.7)
"""Prior of a length where the coordinates span [0, 1]: its median, and the standard deviation of its log."""

AMPLITUDE = (1.0, 0.7)
NOISE = (0.3, 1.0)
"""Priors of the standard deviations of f and of the noise, in standard deviations of y."""

SHIFT = (1.0, 0.5)
"""Prior of the standard deviation of the shifts, if there are any, in standard deviations of the noise."""

BURN, KEPT, APART = 80, 24, 4
"""States of the chain that are dropped, that are kept, and how many steps lie between two that are kept."""

MANY, PART, BURN_AGAIN = 200, 60, 20
"""Of more points the chain begins with about so many of them, and drops so many states with all."""

_JITTER = 1e-8


def matern(points: Array, others: Array, scales: Array) -> Array:
    """The Matérn 5/2 correlation of two sets of points.

    Args:
        points: Shape (n, p).
        others: Shape (m, p).
        scales: Length of each coordinate, shape (p,).

    Returns:
        Correlations, shape (n, m).
    """
    one, two = points / scales, others / scales
    distance: Array = (one**2).sum(1)[:, None] + (two**2).sum(1)[None, :]
    distance -= 2 * one @ two.T
    return _correlated(np.maximum(distance, 0.0, out=distance))


def _correlated(distance: Array) -> Array:
    """The Matérn 5/2 correlation at squared distances, which are overwritten."""
    distance *= 5
    root = np.sqrt(distance)
    distance /= 3
    distance += root
    distance += 1
    distance *= np.exp(np.negative(root, out=root), out=root)
    return distance


class Process:
    """The model with its hyperparameters given.

    Args:
        seen: What it is fitted to.
        hyper: The lengths, then the standard deviations of f, of the noise, and, in that of the noise,
            of the shifts.
    """

    def __init__(self, seen: Observations, hyper: Array) -> None:
        self._seen, self._hyper = seen, hyper
        self._lengths = hyper[:-3]
        self.amplitude, self.noise, shift = hyper[-3:].tolist()
        self._shift = shift * self.noise
        # The constant: so vague that nothing is said about it.
        self._constant = 100 * seen.spread**2
        self._upper = self._factor()
        self._white = self._solve(seen.values - seen.centre)

    @cached_property
    def log_likelihood(self) -> float:
        """Of what was seen, up to a constant that no hyperparameter changes."""
        fit = -0.5 * float(self._white @ self._white) - float(np.log(self._upper.diagonal()).sum())
        return fit + _of_repeats(self._seen, self.noise)

    def with_shift(self, shift: float) -> Process:
        """The same with another standard deviation of the shifts, in that of the noise."""
        return Process(self._seen, np.append(self._hyper[:-1], shift))

    def suits(self, seen: Observations) -> bool:
        """Whether its lengths are as many as these observations have."""
        return int(seen.lengths.max(initial=-1)) + 4 == len(self._hyper)

    def refitted(self, seen: Observations) -> Process:
        """The same hyperparameters, fitted to something else."""
        return Process(seen, self._hyper)

    def at(self, points: Array, groups: NDArray[np.int64]) -> tuple[Array, Array]:
        """Mean and variance of f, constant and shift included, shapes (m,)."""
        mean, half = self._conditioned(points, groups)
        prior = self.amplitude**2 + self._constant + self._shift**2
        return mean, np.maximum(prior - (half**2).sum(0), 1e-12)

    def jointly_at(self, points: Array, groups: NDArray[np.int64]) -> tuple[Array, Array]:
        """Mean and covariance of f, constant and shift included, shapes (m,) and (m, m)."""
        mean, half = self._conditioned(points, groups)
        return mean, self._covariance(points, groups, points, groups) - half.T @ half

    def _conditioned(self, points: Array, groups: NDArray[np.int64]) -> tuple[Array, Array]:
        half = self._solve(self._covariance(self._seen.points, self._seen.groups, points, groups))
        mean: Array = half.T @ self._white + self._seen.centre
        return mean, half

    def _covariance(
        self, one: Array, groups: NDArray[np.int64], two: Array, others: NDArray[np.int64]
    ) -> Array:
        covariance = matern(one, two, self._lengths[self._seen.lengths])
        covariance *= self.amplitude**2
        covariance += self._constant
        if self._shift:
            covariance += self._shift**2 * (groups[:, None] == others[None, :])
        return covariance

    def _factor(self) -> Array:
        """The upper Cholesky factor of what was seen; below its diagonal the matrix is left as it was."""
        seen = self._seen
        common, pairs, n = self._constant + self._shift**2, seen.pairs, len(seen.values)
        covariance = np.empty((n, n))
        between = _correlated(self._lengths**-2.0 @ pairs.apart)
        between *= self.amplitude**2
        between += self._constant
        if self._shift:
            between += self._shift**2 * pairs.same
        covariance.ravel()[pairs.places] = between
        own = _own_variances(seen, self.noise)
        covariance.ravel()[:: n + 1] = self.amplitude**2 + common + own + _JITTER * seen.spread**2
        # Its lower triangle by rows is the upper one by columns, as LAPACK has matrices.
        factor, failed = dpotrf(covariance.T, lower=0, clean=0, overwrite_a=1)
        if failed:
            raise np.linalg.LinAlgError(f"the covariance is not positive definite ({failed})")
        found: Array = factor
        return found

    def _solve(self, right: Array) -> Array:
        # The same that `solve_triangular` calls, whose checks cost more than solving so small a system.
        solved, failed = dtrtrs(self._upper, right, lower=0, trans=1)
        if failed:
            raise np.linalg.LinAlgError(f"the factor is singular or no number ({failed})")
        found: Array = solved
        return found


def most_likely(seen: Observations, noise: float) -> float:
    """What no process with this noise exceeds in its log-likelihood, whatever its other hyperparameters are.

    However well the other values tell a value, its own noise stays: the square of each element on the
    Cholesky factor's diagonal is at least that variance. And nothing is likelier than what is expected.

    ``noise`` is the standard deviation of the part that is learnt, > 0.
    """
    own = _own_variances(seen, noise) + _JITTER * seen.spread**2
    return _of_repeats(seen, noise) - 0.5 * float(np.log(own).sum())


def _own_variances(seen: Observations, noise: float) -> Array:
    """Variance of each value about f, shape (n,)."""
    own: Array = (noise**2 + seen.noise**2) / seen.counts
    return own


def _of_repeats(seen: Observations, noise: float) -> float:
    """Of values that stand for several: how far these lie from their mean tells of the noise alone."""
    if not seen.repeated:
        return 0.0
    variance = noise**2 + seen.noise**2
    return -0.5 * float(((seen.counts - 1) * np.log(variance) + seen.within / variance).sum())


@one_thread()
def posterior(seen: Observations, *, shifted: bool, seed: int = 0, every: int = 1) -> list[Process]:
    """Processes whose hyperparameters are draws from their posterior; the same for the same arguments.

    Args:
        seen: What was seen.
        shifted: Whether groups may be shifted.
        seed: Of the chain.
        every: 1: all that are kept; else the first one and each so-manieth after it.
    """
    generator = np.random.default_rng(seed)
    state, dropped = np.zeros(int(seen.lengths.max(initial=-1)) + 4), BURN
    if len(seen.values) > MANY:
        # On the way from the prior a part of them is as good a guide, and each step is far cheaper.
        part = _chain(seen.part(len(seen.values) // PART), state, shifted, generator)
        state, dropped = next(islice(part, BURN - 1, None))[0], BURN_AGAIN
    chain = islice(_chain(seen, state, shifted, generator), dropped + APART - 1, None, APART)
    # Up to the last one that is asked for, and not on to the end.
    wanted = islice(chain, 0, (KEPT - 1) // every * every + 1, every)
    return [process for _, process in wanted]


def _chain(
    seen: Observations, state: Array, shifted: bool, generator: np.random.Generator
) -> Iterator[tuple[Array, Process]]:
    """The states that follow one, each with its process."""
    process = _process(seen, state, shifted)
    while True:
        ellipse = generator.normal(size=len(state))
        level = process.log_likelihood + np.log(generator.uniform())
        angle = generator.uniform(0, 2 * np.pi)
        low, high = angle - 2 * np.pi, angle
        while True:
            proposed = state * np.cos(angle) + ellipse * np.sin(angle)
            # At an angle of 0 the proposal is the state itself, so the bracket always ends there.
            ends = high - low < 1e-9
            # Of many averaged values most proposals are too far off in the noise alone: that costs no factor.
            if ends or most_likely(seen, _hyper(seen, proposed, shifted)[-2]) > level:
                process = _process(seen, proposed, shifted)
                if ends or process.log_likelihood > level:
                    break
            low, high = (angle, high) if angle < 0 else (low, angle)
            angle = generator.uniform(low, high)
        state = proposed
        yield state, process


def _process(seen: Observations, state: Array, shifted: bool) -> Process:
    """The process at a state of the chain."""
    return Process(seen, _hyper(seen, state, shifted))


def _hyper(seen: Observations, state: Array, shifted: bool) -> Array:
    """The hyperparameters at a state of the chain, whose prior is standard normal in every direction."""
    medians, spreads = _prior(seen.spread, len(state), shifted)
    found: Array = medians * np.exp(spreads * state)
    return found


@lru_cache(maxsize=8)
def _prior(spread: float, size: int, shifted: bool) -> tuple[Array, Array]:
    """Medians of the hyperparameters, and the standard deviations of their logarithms, shapes (size,)."""
    scaled = [(median * spread, deviation) for median, deviation in (AMPLITUDE, NOISE)]
    each = [LENGTH] * (size - 3) + [*scaled, (SHIFT[0] * shifted, SHIFT[1])]
    medians, deviations = np.array(each).T
    return medians, deviations


@one_thread()
def mixed(
    processes: list[Process], points: Array, groups: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Mean and standard deviation of f under all hyperparameters, shapes (m,)."""
    found = [process.at(points, groups) for process in processes]
    mean = np.mean([mean for mean, _ in found], axis=0)
    second = np.mean([variance + mean**2 for mean, variance in found], axis=0)
    return mean, np.sqrt(np.maximum(second - mean**2, 1e-12))


@one_thread()
def drawn(
    processes: list[Process], points: Array, groups: NDArray[np.int64], each: int, seed: int = 0
) -> Array:
    """Joint draws of f at some points, constant and shift included.

    Args:
        processes: From :func:`posterior`.
        points: Shape (m, p).
        groups: Shape (m,).
        each: Draws from each process.
        seed: Of the draws.

    Returns:
        Shape (each * len(processes), m).
    """
    generator = np.random.default_rng([seed, 1])
    found = []
    for process in processes:
        mean, covariance = process.jointly_at(points, groups)
        values, vectors = _root(covariance)
        found.append(mean + (generator.normal(size=(each, len(values))) * values) @ vectors)
    return np.concatenate(found)


def _root(covariance: Array) -> tuple[Array, Array]:
    """Roots of the eigenvalues and the eigenvectors as rows: no jitter blurs points that are one."""
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(values, 0.0)), vectors.T
