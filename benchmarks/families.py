"""Families of surfaces with a known truth, from which studies are simulated (answers.py).

A member is drawn with a seed: a height over (log10 b, log10 a, log2 d_steps), which is the logarithm of the
score over its unit, on the rates from 1e-4 to 1e-2, and noise on the logarithm. Its two optima are computed
on a grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Height = Callable[[Array, Array, Array], Array]
"""Height over x = log10 b, y = log10 a and z = log2 d_steps; +inf where a trial diverges."""

UNIT = 5.0
"""Score at height 0."""

LOW, HIGH, D_STEPS = 1e-4, 1e-2, (1, 2, 5)
GRID = 321
"""Points a side of the grid on which optima are computed: 0.006 decades apart."""

NOISE = (0.08, 0.25)
"""Range of the noise's standard deviation; real GANs' at one setting is 0.13 to 0.2."""


@dataclass(frozen=True)
class Formula:
    """One surface, which studies can be replayed on (benchmarks.replay.Curves).

    Attributes:
        height: The noise-free logarithm of the score over :data:`UNIT`.
        noise: Standard deviation of the logarithm of a score.
        rising: By how much of it the noise grows with each unit of height.
        steps: The steps of the evaluations.
        slow: How much higher the logarithm of a score is at the beginning, where there are several.
    """

    height: Height
    noise: float
    rising: float = 0.0
    steps: tuple[int, ...] = (100,)
    slow: float = 1.5
    d_steps: tuple[int, ...] = D_STEPS
    low: float = LOW
    high: float = HIGH

    def curve(self, b: float, a: float, d_steps: int, seed: int) -> Array:
        """A trial's scores, shape (steps,); of several the noise is mostly the trial's as a whole."""
        height = self._height(b, a, d_steps)
        spread = self.noise * (1 + self.rising * min(max(height, 0.0), 2.0))
        draw, count = np.random.default_rng(seed), len(self.steps)
        noise = spread * draw.normal()
        if count == 1:
            return UNIT * np.exp([height + noise])
        own = spread * draw.normal(size=count)
        noises = math.sqrt(0.8) * noise + math.sqrt(0.2) * own
        return np.asarray(UNIT * np.exp(height + self._above(b, a) + noises))

    def best(self, b: float, a: float, d_steps: int) -> float:
        """The lowest noise-free score of a trial."""
        return UNIT * math.exp(self._height(b, a, d_steps))

    def _height(self, b: float, a: float, d_steps: int) -> float:
        at = (np.asarray(value) for value in (math.log10(b), math.log10(a), math.log2(d_steps)))
        return float(self.height(*at))

    def _above(self, b: float, a: float) -> Array:
        """By how much a trial's curve lies above its lowest point: it falls the faster, the higher its rates.

        With rates above 10^-2.5 in the mean it is lowest after 3/5 of the steps and rises then.
        """
        share = np.arange(1, len(self.steps) + 1) / len(self.steps)
        rates = math.log10(b * a)
        lowest, speed = 0.6 if rates > -5 else 1.0, 3 * 10 ** (0.3 * (rates + 6))
        falling = np.exp(-speed * np.minimum(share, lowest)) - math.exp(-speed * lowest)
        return np.asarray(self.slow * falling + 2 * np.maximum(0.0, share - lowest))

    @cached_property
    def optima(self) -> dict[str, float]:
        """The lowest noise-free score of each arm."""
        rates = np.linspace(math.log10(self.low), math.log10(self.high), GRID)
        x, y = np.meshgrid(rates, rates, indexing="ij")
        layers = [self.height(x, y, np.full_like(x, math.log2(d))) for d in self.d_steps]
        lowest = np.min(layers, axis=0)
        one, two = float(np.diag(lowest).min()), float(lowest.min())
        return {"one_timescale": UNIT * math.exp(one), "two_timescale": UNIT * math.exp(two)}


def _steps(draw: np.random.Generator) -> Callable[[Array], Array]:
    """How much other values of d_steps cost."""
    best, steep = draw.uniform(0, 2.3), draw.uniform(0.01, 0.12)
    return lambda z: steep * (z - best) ** 2


def _bowl(draw: np.random.Generator, x0: float, y0: float) -> Height:
    """A turned parabola."""
    first, second = draw.uniform(0.3, 1.5, 2)
    angle, steps = draw.uniform(0, math.pi), _steps(draw)
    cos, sin = math.cos(angle), math.sin(angle)

    def height(x: Array, y: Array, z: Array) -> Array:
        u, v = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
        return np.asarray(first * u**2 + second * v**2 + steps(z))

    return height


def bowl(draw: np.random.Generator) -> Height:
    """Lowest anywhere on the plane."""
    return _bowl(draw, draw.uniform(-3.6, -2.4), draw.uniform(-3.6, -2.4))


def diagonal(draw: np.random.Generator) -> Height:
    """Lowest on the diagonal: two time scales gain nothing."""
    where = draw.uniform(-3.6, -2.4)
    return _bowl(draw, where, where)


def ridge(draw: np.random.Generator) -> Height:
    """A narrow valley of one ratio a/b, off the diagonal by up to a decade."""
    ratio, middle = draw.uniform(-1, 1), draw.uniform(-6.6, -5.4)
    across, along, steps = draw.uniform(1, 2.5), draw.uniform(0.02, 0.15), _steps(draw)
    return lambda x, y, z: np.asarray(
        across * (y - x - ratio) ** 2 + along * (x + y - middle) ** 2 + steps(z)
    )


def cliff(draw: np.random.Generator) -> Height:
    """Lower and lower towards a line of rates beyond which every trial diverges."""
    edge, weight, slope = draw.uniform(-2.8, -2.4), draw.uniform(), draw.uniform(0.2, 0.6)
    rest = bowl(draw)

    def height(x: Array, y: Array, z: Array) -> Array:
        beyond = (1 - weight) * x + weight * y > edge
        return np.where(beyond, math.inf, 0.3 * rest(x, y, z) - slope * (x + y + 6))

    return height


def basins(draw: np.random.Generator) -> Height:
    """Two basins of about equal depth, one of them at the diagonal."""
    x0, x1, y1 = draw.uniform(-3.7, -2.3, 3)
    y0 = x0 + draw.uniform(-0.2, 0.2)
    (deep, deep1), (wide, wide1) = draw.uniform(0.8, 1.3, 2), draw.uniform(0.3, 0.6, 2)
    steps = _steps(draw)

    def height(x: Array, y: Array, z: Array) -> Array:
        first = deep * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * wide**2))
        second = deep1 * np.exp(-((x - x1) ** 2 + (y - y1) ** 2) / (2 * wide1**2))
        return np.asarray(1.2 - np.maximum(first, second) + steps(z))

    return height


def flat(draw: np.random.Generator) -> Height:  # noqa: ARG001
    """The same everywhere: two time scales gain nothing."""
    return lambda x, y, z: np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape))


FAMILIES: dict[str, Callable[[np.random.Generator], Height]] = {
    "bowl": bowl,
    "ridge": ridge,
    "cliff": cliff,
    "two basins": basins,
    "flat": flat,
    "diagonal": diagonal,
    "rising noise": bowl,
}
"""Every family by name; the noise of the last one triples with the height."""


def member(family: str, seed: int, evaluations: int = 1) -> Formula:
    """One surface of a family, with trials of so many evaluations."""
    draw = np.random.default_rng([seed, list(FAMILIES).index(family)])
    noise = float(draw.uniform(*NOISE))
    height, rising = FAMILIES[family](draw), 1.0 if family == "rising noise" else 0.0
    steps = tuple(100 * (k + 1) for k in range(evaluations))
    return Formula(height, noise, rising, steps, slow=float(draw.uniform(0.5, 3)))
