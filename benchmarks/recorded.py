"""Curves of a recorded surface (record_surfaces.py): what a trial at any setting would have scored.

Between the recorded settings the logarithm of the score is interpolated by a smoothing thin-plate spline
over (log b, log a), for each d_steps and step; that is the noise-free surface. A trial adds the deviations
of a whole curve, drawn with the trial's seed from those recorded nearest to it and about as low: the noise of
a curve hangs together, and where training is unstable two seeds differ by more than elsewhere, as in truth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

SURFACES = Path(__file__).parent / "surfaces"
SMOOTHING = 0.3
ENOUGH = 40
"""Curves with a second seed from which the noise is taken."""
NEAR = 16
"""Of so many nearest curves a trial has the noise of one: eight settings, two seeds each."""
LEVEL = 2.0
"""Decades of a rate that count as much as a factor of e in the score: where one of two seeds learnt nothing
they differ by factors, and no trial lies as far below the good settings beside it."""
WORST = 4.0
"""A score that is missing (diverged) counts as so many times the highest one recorded."""


@dataclass(frozen=True)
class Deviations:
    """How recorded curves of one d_steps differ from what is expected of their settings.

    Attributes:
        places: Their rates in log10, and the lowest point of their setting's logarithm times :data:`LEVEL`,
            shape (curves, 3).
        curves: What is added to the logarithm of the scores, shape (curves, steps).
    """

    places: NDArray[np.float64]
    curves: NDArray[np.float64]

    def near(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Those of the curves nearest to a place, shape (3,): shape (NEAR, steps)."""
        away = np.linalg.norm(self.places - place, axis=1)
        return np.asarray(self.curves[np.argsort(away, kind="stable")[:NEAR]])


@dataclass(frozen=True)
class Recorded:
    """A surface that can be asked anywhere.

    Attributes:
        name: The file's name.
        steps: The steps of the evaluations.
        d_steps: The recorded values of d_steps.
        low: Lowest recorded rate.
        high: Highest recorded rate.
    """

    name: str
    steps: tuple[int, ...]
    d_steps: tuple[int, ...]
    low: float
    high: float
    _smooth: dict[int, RBFInterpolator]
    _deviations: dict[int, Deviations]

    def truth(self, b: float, a: float, d_steps: int) -> NDArray[np.float64]:
        """The noise-free score at each step, shape (steps,)."""
        return np.asarray(np.exp(self._logarithms(*self._nearest(b, a, d_steps))))

    def best(self, b: float, a: float, d_steps: int) -> float:
        """The lowest noise-free score of a trial."""
        return float(self.truth(b, a, d_steps).min())

    def curve(self, b: float, a: float, d_steps: int, seed: int) -> NDArray[np.float64]:
        """One trial's scores, shape (steps,)."""
        every = self._curves(*self._nearest(b, a, d_steps))
        return np.asarray(np.exp(every[np.random.default_rng(seed).integers(len(every))]))

    def usual(self, b: float, a: float, d_steps: int) -> float:
        """The score of a trial on the average: the geometric mean, over its noise, of its lowest evaluation.

        It lies below the lowest noise-free one, as the lowest of several noisy evaluations is low by luck.
        """
        every = self._curves(*self._nearest(b, a, d_steps))
        return math.exp(float(every.min(1).mean()))

    def mean(self, b: float, a: float, d_steps: int) -> NDArray[np.float64]:
        """The mean score at each step over a trial's noise, shape (steps,)."""
        return np.asarray(np.exp(self._curves(*self._nearest(b, a, d_steps))).mean(0))

    def _curves(self, place: NDArray[np.float64], d_steps: int) -> NDArray[np.float64]:
        """Logarithms of all curves that a trial may have, shape (NEAR, steps)."""
        expected = self._logarithms(place, d_steps)
        noises = self._deviations[d_steps].near(np.append(place, LEVEL * expected.min()))
        return expected + noises

    def _logarithms(self, place: NDArray[np.float64], d_steps: int) -> NDArray[np.float64]:
        return np.asarray(self._smooth[d_steps](place[None])[0])

    def _nearest(self, b: float, a: float, d_steps: int) -> tuple[NDArray[np.float64], int]:
        # Outside of the plane that was recorded nothing is known: the nearest recorded setting counts.
        place = np.log10(np.clip([b, a], self.low, self.high))
        return place, min(self.d_steps, key=lambda known: abs(math.log(known / d_steps)))

    @functools.cached_property
    def optima(self) -> dict[str, float]:
        """The lowest noise-free score of one timescale and of two, on a grid of 1/16 decade."""
        return self._lowest(self.best)

    @functools.cached_property
    def usual_optima(self) -> dict[str, float]:
        """The same of what trials score on the average."""
        return self._lowest(self.usual)

    def _lowest(self, score: Callable[[float, float, int], float]) -> dict[str, float]:
        count = round(16 * math.log10(self.high / self.low)) + 1
        rates = np.geomspace(self.low, self.high, count).tolist()
        lowest = {(b, a): min(score(b, a, d) for d in self.d_steps) for b in rates for a in rates}
        diagonal = min(lowest[rate, rate] for rate in rates)
        return {"one_timescale": diagonal, "two_timescale": min(lowest.values())}


@functools.cache
def load(name: str, folder: Path = SURFACES) -> Recorded:
    """Reads a recorded surface by its name, once in a process."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    steps = tuple(sorted(int(step) for step in frame.loc[frame.score.notna(), "step"].unique()))
    keys = ["b", "a", "d_steps", "seed"]
    table = frame.pivot_table(index=keys, columns="step", values="score", dropna=False)[[*steps]]
    table = table.loc[frame.set_index(keys).index.unique()]
    logarithms = np.log(table.fillna(WORST * float(np.nanmax(table.to_numpy()))))
    means = logarithms.groupby(level=["b", "a", "d_steps"]).mean()
    smooth = {}
    for d_steps, part in means.groupby(level="d_steps"):
        places = np.log10(part.index.droplevel("d_steps").to_frame().to_numpy())
        smooth[int(d_steps)] = RBFInterpolator(places, part.to_numpy(), smoothing=SMOOTHING)
    rates = frame["b"]
    return Recorded(
        name=name,
        steps=steps,
        d_steps=tuple(sorted(smooth)),
        low=float(rates.min()),
        high=float(rates.max()),
        _smooth=smooth,
        _deviations=_deviations(logarithms, smooth),
    )


def _deviations(
    logarithms: pd.DataFrame, smooth: dict[int, RBFInterpolator]
) -> dict[int, Deviations]:
    """How curves of one setting differ from their mean; where few have a second seed, from the surface."""
    groups = logarithms.groupby(level=["b", "a", "d_steps"])
    count = groups[logarithms.columns[0]].transform("size")
    several = count > 1
    if several.sum() < ENOUGH:
        fitted = [smooth[int(d)](np.log10([[b, a]]))[0] for b, a, d, _ in logarithms.index]
        apart = logarithms - np.asarray(fitted)
    else:
        # A mean of these curves is nearer to them than the true one is.
        scale = np.sqrt(count[several] / (count[several] - 1))
        apart = (logarithms - groups.transform("mean"))[several].mul(scale, axis=0)
    levels = LEVEL * groups.transform("mean").min(axis=1).loc[apart.index].to_numpy()
    rates = np.log10(apart.index.to_frame()[["b", "a"]].to_numpy(dtype=np.float64))
    places, of = np.column_stack([rates, levels]), apart.index.get_level_values("d_steps")
    return {
        int(d_steps): Deviations(places[of == d_steps], apart.to_numpy(np.float64)[of == d_steps])
        for d_steps in sorted(set(of))
    }


def names(folder: Path = SURFACES) -> list[str]:
    """The surfaces that are recorded."""
    return sorted(path.stem for path in folder.glob("*.parquet"))
