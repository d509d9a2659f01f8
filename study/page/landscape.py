"""The surface of the score over the plane of (b, a), as a grid for each number of discriminator updates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.results.optimum import WITHIN
from study.surface.gaussian import mixed
from study.surface.observations import Array
from study.surface.surface import Surface
from study.trial import TrialRecord
from trainables.protocol import ParameterValue

SIDE = 41
"""Points of the grid along each rate."""

MOST_SLICES = 9
"""Values of d_steps that are shown, the most often tried ones."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The surface at one number of discriminator updates.

    Attributes:
        d_steps: That number.
        scores: Expected score (the median over seeds) at each a (rows) and b (columns), shape (SIDE, SIDE);
            the highest of them where the nearest trial diverged.
        errors: Standard deviation of its logarithm, which is about the relative error, same shape.
    """

    d_steps: int
    scores: Array
    errors: Array


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """The surface over the plane of an arm that moves b and a apart.

    Attributes:
        arm: The arm.
        b: The rates of the columns, shape (SIDE,).
        a: The rates of the rows, shape (SIDE,).
        slices: By d_steps.
        best: The d_steps at which the surface is lowest.
        near: Score up to which a setting is within 10 % of the lowest.
        given: The further parameters, which are held at the values of the lowest point.
    """

    arm: str
    b: Array
    a: Array
    slices: tuple[Slice, ...]
    best: int
    near: float
    given: Mapping[str, ParameterValue]


def landscape(rows: Sequence[TrialRecord], surface: Surface | None) -> Landscape | None:
    """The surface of a study's trials over the plane of (b, a).

    Args:
        rows: All trials.
        surface: Theirs, if there is one.

    Returns:
        None without a surface, or if no arm with enough trials moves b and a apart.
    """
    if surface is None:
        return None
    spread = [arm for arm in surface.arms if _moves_both(rows, arm)]
    if not spread:
        return None
    arm = spread[-1]
    names = {axis.name for axis in surface.plane.axes}
    if not {"b", "a"} <= names:
        return None
    best = surface.setting(surface.found(arm))
    b, a = _rates(rows, arm)
    slices = tuple(_slice(surface, arm, (b, a), d_steps) for d_steps in _values(rows, arm, best))
    low = min(float(each.scores.min()) for each in slices)
    return Landscape(
        arm=arm,
        b=b,
        a=a,
        slices=slices,
        best=int(best["d_steps"] or 1),
        near=low * (1 + WITHIN),
        given={name: value for name, value in best.items() if name not in ("b", "a", "d_steps")},
    )


def _moves_both(rows: Sequence[TrialRecord], arm: str) -> bool:
    """Whether the trials of an arm leave a line a = c b."""
    ratios = {round(math.log(row.a / row.b), 6) for row in rows if row.arm == arm and row.counts}
    rates = {row.b for row in rows if row.arm == arm}, {row.a for row in rows if row.arm == arm}
    return len(ratios) > 1 and min(map(len, rates)) > 1


def _rates(rows: Sequence[TrialRecord], arm: str) -> tuple[Array, Array]:
    """The rates of the grid, a little beyond the outermost trials of the arm."""
    mine = [row for row in rows if row.arm == arm and row.counts]
    ends = [(min(values), max(values)) for values in ([r.b for r in mine], [r.a for r in mine])]
    (b_low, b_high), (a_low, a_high) = ends
    return np.geomspace(b_low, b_high, SIDE), np.geomspace(a_low, a_high, SIDE)


def _values(rows: Sequence[TrialRecord], arm: str, best: Mapping[str, ParameterValue]) -> list[int]:
    """The numbers of discriminator updates that are shown, the best one among them."""
    tried = Counter(row.d_steps for row in rows if row.arm == arm and row.counts)
    most = [value for value, _ in tried.most_common(MOST_SLICES)]
    return sorted({*most, int(best["d_steps"] or 1)})


def _slice(surface: Surface, arm: str, rates: tuple[Array, Array], d_steps: int) -> Slice:
    b, a = (grid.ravel() for grid in np.meshgrid(*rates))
    points = np.tile(surface.points[surface.found(arm)], (len(b), 1))
    values: dict[str, Sequence[ParameterValue]] = {
        "b": b.tolist(),
        "a": a.tolist(),
        "d_steps": [d_steps] * len(b),
    }
    for place, axis in enumerate(surface.plane.axes):
        if axis.name in values:
            columns = np.flatnonzero(surface.plane.lengths == place)
            points[:, columns] = axis.encode(values[axis.name])
    group = np.full(len(points), surface.arms.index(arm))
    means, deviations = mixed(surface.processes[::2], points, group)
    # Where trials diverge no score is low, however far the surface falls beyond the edge.
    means = np.where(surface.beyond(points), means.max(), means)
    shape = len(rates[1]), len(rates[0])
    return Slice(
        d_steps=d_steps,
        scores=np.exp(means).reshape(shape),
        errors=deviations.reshape(shape),
    )
