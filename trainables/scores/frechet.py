"""The Frechet distance between two Gaussians, in float64, by the symmetric form.

    d^2 = |m_r - m_g|^2 + tr(S_r) + tr(S_g) - 2 tr((S_r^1/2 S_g S_r^1/2)^1/2)

(paper, Eq. 6; Dowson and Landau 1982). The real side's root R (S_r = R R') is computed once, so a
distance needs the eigenvalues of one symmetric matrix: R' S_g R, or, with fewer samples than R has
columns, the N x N Gram matrix that has the same non-zero eigenvalues. Neither can turn complex,
whatever the rank of S_g.

Features are arrays of NumPy or tensors. What is on a device with float64 stays there: moments, eigenvalues
and noise are computed on it, and only the results come back; everything else is computed on the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from torch import Tensor

from trainables.levels import Score
from trainables.scores.arithmetic import (
    Array,
    are_finite,
    beside,
    carried,
    eigenvalues,
    eigenvectors,
    in_double,
    joined,
    numbers,
    on_host,
    placed,
    roots_of,
)

CHUNK = 4096
"""Samples converted to float64 at once."""
SPREAD = 1024
"""Samples that a spread is measured on, where there are as many: enough to know it to 3 %."""


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and covariance (d, d; divisor N - 1) of features, float64, where the features are."""

    mean: Array
    covariance: Array

    def on_host(self) -> Moments:
        """The same as arrays of NumPy."""
        return Moments(on_host(self.mean), on_host(self.covariance))


@dataclass(frozen=True)
class Reference:
    """The real side of the distance, with the factor that every distance needs, on the host.

    Attributes:
        mean: (d,) float64.
        root: (d, r) float64 with root @ root.T = covariance; r is its numerical rank. Where r is d it is
            lower triangular, which any root works like and makes a distance sooner.
        trace: Trace of the covariance.
    """

    mean: Array
    root: Array
    trace: float

    def beside(self, other: Array) -> Reference:
        """The same where another array is."""
        return Reference(beside(self.mean, other), beside(self.root, other), self.trace)


class MomentSum:
    """Mean and covariance of features that come in parts, in float64.

    Parts are merged by their own means and scatters (Chan, Golub and LeVeque 1983), so that nothing
    is lost to cancellation and the features need not be in memory together.
    """

    def __init__(self) -> None:
        self.count = 0
        self._merged = 0
        self._mean: Array
        self._scatter: Array
        self._waiting: list[Array] = []

    def add(self, features: np.ndarray | Tensor) -> None:
        """Adds a part (n, d); the sums do not depend on how the samples were cut into parts."""
        features = placed(features)
        while len(features):
            room = CHUNK - (self.count - self._merged)
            part, features = features[:room], features[room:]
            self._waiting.append(part)
            self.count += len(part)
            if len(part) == room:
                self._merge()

    def _merge(self) -> None:
        part = in_double(joined(self._waiting))
        self._waiting = []
        mean = part.mean(0)
        part -= mean
        if self._merged == 0:
            self._merged, self._mean, self._scatter = len(part), mean, part.T @ part
            return
        count = self._merged + len(part)
        gap = mean - self._mean
        self._scatter += part.T @ part
        self._scatter += gap[:, None] * gap * (self._merged * len(part) / count)
        self._mean = self._mean + gap * (len(part) / count)
        self._merged = count

    def moments(self) -> Moments:
        """Returns mean and covariance of all that was added.

        Raises:
            ValueError: Fewer than 2 samples, or a feature that is not finite.
        """
        if self.count < 2:
            raise ValueError(f"there are {self.count} samples; a covariance needs at least 2")
        if self._merged < self.count:
            self._merge()
        _check_finite(self._mean)
        return Moments(self._mean, self._scatter / (self.count - 1))


def moments(features: np.ndarray | Tensor) -> Moments:
    """Mean and covariance of features (N, d), N >= 2; see :class:`MomentSum`."""
    total = MomentSum()
    total.add(features)
    return total.moments()


def reference(real: Moments) -> Reference:
    """Factors the real covariance by its eigenvectors on the host, leaving out what is numerically zero.

    Raises:
        ValueError: The covariance is zero: all real images are the same to the extractor.
    """
    real = real.on_host()
    values, vectors = scipy.linalg.eigh(real.covariance)
    roots = roots_of(values)
    if not roots.any():
        raise ValueError("all real images have the same features; there is nothing to compare with")
    root = vectors[:, roots > 0] * roots[roots > 0]
    if root.shape[0] == root.shape[1]:
        # root @ Q is one as well, whatever orthogonal matrix Q is.
        root = scipy.linalg.qr(root.T, mode="r")[0].T
    return Reference(real.mean, root, float(np.trace(real.covariance)))


def between(real: Reference, generated: Moments) -> float:
    """The squared Frechet distance from the moments of both sides."""
    real = real.beside(generated.mean)
    roots = roots_of(eigenvalues(carried(generated.covariance, real.root)))
    return numbers(_sum(real, generated.mean, generated.covariance.trace(), roots))[0]


class Gathered:
    """Generated features that come in parts, of which only what their distance needs is kept.

    Those are the moments and the first of the samples, as many as the real side's root has columns: memory
    does not grow with the samples.
    """

    def __init__(self, real: Reference) -> None:
        self._real = real
        self._sum = MomentSum()
        self._first: list[Array] = []
        self._room = max(SPREAD, real.root.shape[1])

    def __len__(self) -> int:
        return self._sum.count

    def add(self, features: np.ndarray | Tensor) -> None:
        """Adds a part (n, d)."""
        features = placed(features)
        self._sum.add(features)
        if self._room:
            first = features[: self._room]
            self._first.append(first)
            self._room -= len(first)

    def distance(self) -> float:
        """See :func:`distance`."""
        if self._are_few:
            return _distance_small(self._real, self._samples)
        return between(self._real, self._sum.moments())

    def distance_with_noise(self) -> Score:
        """See :func:`distance_with_noise`."""
        if self._are_few:
            return _with_noise_small(self._real, self._samples)
        return _with_noise(self._real, self._sum.moments(), self._samples[:SPREAD], len(self))

    @property
    def _are_few(self) -> bool:
        return bool(len(self) <= self._real.root.shape[1])

    @property
    def _samples(self) -> Array:
        return joined(self._first) if self._first else np.zeros((0, len(self._real.mean)))


def distance(real: Reference, features: np.ndarray | Tensor) -> float:
    """The squared Frechet distance between the real side and features (N, d), N >= 2."""
    return _gathered(real, features).distance()


def distance_with_noise(real: Reference, features: np.ndarray | Tensor) -> Score:
    """The distance, and how far it would move if the N samples were drawn anew.

    The noise is the delta method's standard error: the distance's first-order change when the
    distribution moves towards one sample x (its influence function) is

        2 (m_g - m_r)'(x - m_g) + |x - m_g|^2 - (x - m_g)' T (x - m_g) - const,
        T = R (R' S_g R)^-1/2 R',

    and its standard deviation over the samples, divided by sqrt(N), is that of the distance. It is
    a function of the features alone, so it is the same whenever it is computed again.
    """
    return _gathered(real, features).distance_with_noise()


def _gathered(real: Reference, features: np.ndarray | Tensor) -> Gathered:
    gathered = Gathered(real)
    gathered.add(features)
    return gathered


def _distance_small(real: Reference, features: Array) -> float:
    """By the N x N form."""
    real = real.beside(features)
    mean, centred = _centred(features)
    roots = roots_of(eigenvalues(_gram(real, centred)))
    trace = (centred * centred).sum() / (len(features) - 1)
    return numbers(_sum(real, mean, trace, roots))[0]


def _with_noise(real: Reference, generated: Moments, samples: Array, count: int) -> Score:
    """By the r x r form; the spread of the influence is measured on some of the samples."""
    real = real.beside(generated.mean)
    values, vectors = eigenvectors(carried(generated.covariance, real.root))
    roots = roots_of(values)
    centred = in_double(samples) - generated.mean
    influence = 2.0 * (centred @ (generated.mean - real.mean)) + (centred * centred).sum(1)
    # Where the root is 0 the samples have no spread, so that it does not matter what they are divided by.
    transported = centred @ real.root @ (vectors / (roots + (roots == 0)) ** 0.5)
    influence -= (transported * transported).sum(1)
    value = _sum(real, generated.mean, generated.covariance.trace(), roots)
    value, noise = numbers(value, _standard_error(influence, count))
    return Score(value, noise)


def _with_noise_small(real: Reference, features: Array) -> Score:
    """By the N x N form, where x' T x is (N - 1) times the diagonal of G^1/2."""
    real = real.beside(features)
    mean, centred = _centred(features)
    values, vectors = eigenvectors(_gram(real, centred))
    roots = roots_of(values)
    squares = (centred * centred).sum(1)
    transported = ((vectors * vectors) @ roots) * (len(features) - 1)
    influence = 2.0 * (centred @ (mean - real.mean)) + squares - transported
    value = _sum(real, mean, squares.sum() / (len(features) - 1), roots)
    value, noise = numbers(value, _standard_error(influence, len(features)))
    return Score(value, noise)


def _sum(real: Reference, mean: Array, trace: Array, roots: Array) -> Array:
    difference = mean - real.mean
    return difference @ difference + real.trace + trace - 2.0 * roots.sum()


def _standard_error(influence: Array, count: int) -> Array:
    off = influence - influence.mean()
    return ((off * off).sum() / (len(off) - 1) / count) ** 0.5


def _gram(real: Reference, centred: Array) -> Array:
    projected = centred @ real.root
    return projected @ projected.T / (len(centred) - 1)


def _centred(features: Array) -> tuple[Array, Array]:
    """The mean of features (N, d) in float64, and the features about it."""
    if len(features) < 2:
        raise ValueError(f"there are {len(features)} samples; a covariance needs at least 2")
    exact = in_double(features)
    mean = exact.mean(0)
    _check_finite(mean)
    return mean, exact - mean


def _check_finite(mean: Array) -> None:
    if not are_finite(mean):
        raise ValueError("a feature is not finite; the extractor or its weights are damaged")
