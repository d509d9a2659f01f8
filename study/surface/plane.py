"""The plane on which all arms search: trials as points, and the part of it that each arm may search.

One time scale is the diagonal b = a of the plane on which two time scales move. So a trial of any arm is a
point with the coordinates log b, log a, log d_steps and those of the further parameters; what an arm may
search is read from its trials: which values of whole numbers and choices it tries, how far each rate
reaches, and in which directions its points spread (the diagonal's in one only).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.surface.observations import Array
from study.trial import TrialRecord
from trainables.protocol import ParameterValue

Setting = Mapping[str, ParameterValue]
"""b, a, d_steps and the further parameters of a trial, by name."""

KIND = "its parameters"
"""The coordinate that tells trials apart whose further parameters are not the same."""

_DECADE = 10.0
"""A positive parameter that spans at least this factor is looked at on a logarithmic scale."""

_FLAT = 1e-6
"""Spread, as a share of a coordinate's range, below which points do not spread in a direction."""

_CHANCE = 0.05
"""Two arms whose ranges end at different values have the same range, if so large a gap has this chance."""

_EARLY = 10
"""Trials of an arm that are spread over its whole range; later ones crowd where scores are low."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One parameter as a coordinate of about [0, 1], or as several if its values have no order.

    Attributes:
        name: Of the parameter.
        low: Lowest value seen, 0 for one without order.
        high: Highest value seen.
        log: Whether the scale is logarithmic.
        choices: Its values if it has no order; else empty.
        whole: Whether only whole numbers were seen.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[ParameterValue, ...] = ()
    whole: bool = False

    @property
    def discrete(self) -> bool:
        """Whether an arm may take only values that it tried: choices, and whole numbers."""
        return self.whole or bool(self.choices)

    @property
    def width(self) -> int:
        """How many coordinates it takes."""
        return len(self.choices) or 1

    def encode(self, values: Sequence[ParameterValue]) -> Array:
        """Values as coordinates, shape (n, width)."""
        if self.choices:
            # Any two different choices are at a distance of 1.
            apart = np.eye(len(self.choices)) / math.sqrt(2)
            return apart[[self.choices.index(value) for value in values]]
        numbers = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            numbers, low, high = np.log(numbers), math.log(low), math.log(high)
        scaled: Array = (numbers - low) / (high - low)
        return scaled[:, None]

    def decode(self, coordinates: Array) -> ParameterValue:
        """The value at some coordinates, shape (width,)."""
        if self.choices:
            return self.choices[int(np.argmax(coordinates))]
        share = float(coordinates[0])
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return round(float(value)) if self.whole else float(value)


def axis(name: str, values: Sequence[ParameterValue]) -> Axis | None:
    """The axis of a parameter that takes these values; None if it does not vary."""
    different = list(dict.fromkeys(values))
    if len(different) < 2:
        return None
    numbers = [v for v in different if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(different):
        return Axis(name=name, choices=tuple(sorted(different, key=str)))
    low, high = float(min(numbers)), float(max(numbers))
    spans = low > 0 and (high / low >= _DECADE or name in ("b", "a", "d_steps"))
    return Axis(
        name=name, low=low, high=high, log=spans, whole=all(isinstance(n, int) for n in numbers)
    )


class Plane:
    """Coordinates for the trials of several arms.

    Trials with other further parameters are other things at the same rates: then a coordinate tells them
    apart, and a parameter that a trial does not have is in the middle.

    Args:
        rows: Trials of all arms, at least one.
    """

    def __init__(self, rows: Sequence[TrialRecord]) -> None:
        settings = [row.parameters.to_json() for row in rows]
        self.common = len({frozenset(known) for known in settings}) < 2
        if not self.common:
            settings = [known | {KIND: _kind(known)} for known in settings]
        names = dict.fromkeys(name for known in settings for name in known)
        values = {name: [known[name] for known in settings if name in known] for name in names}
        made = {name: axis(name, seen) for name, seen in values.items()}
        self.axes = tuple(found for found in made.values() if found is not None)
        self._fixed = {name: values[name][0] for name, found in made.items() if found is None}
        self.lengths = np.repeat(np.arange(len(self.axes)), [known.width for known in self.axes])

    def points(self, rows: Sequence[TrialRecord]) -> Array:
        """Trials as points, shape (n, p)."""
        settings = [row.parameters.to_json() for row in rows]
        settings = [known | {KIND: _kind(known)} for known in settings]
        columns = [np.zeros((len(rows), 0))]
        for known in self.axes:
            has = np.asarray([known.name in each for each in settings])
            column = np.full((len(rows), known.width), 0.0 if known.choices else 0.5)
            column[has] = known.encode(
                [each[known.name] for each in settings if known.name in each]
            )
            columns.append(column)
        return np.hstack(columns)

    def setting(self, point: Array, names: Iterable[str]) -> dict[str, ParameterValue]:
        """The parameters of these names at a point, shape (p,)."""
        found = dict(self._fixed)
        for index, known in enumerate(self.axes):
            found[known.name] = known.decode(point[self.lengths == index])
        return {name: found[name] for name in names}


def _kind(known: Setting) -> str:
    return " ".join(sorted(known))


class Region:
    """What one arm may search, as its trials show it.

    Args:
        plane: The plane.
        points: The arm's trials, shape (n, p).
        low: Lower ends of its coordinates, shape (p,).
        high: Upper ends.
    """

    def __init__(self, plane: Plane, points: Array, low: Array, high: Array) -> None:
        self._low, self._high = low, high
        discrete = np.asarray([axis.discrete for axis in plane.axes], dtype=bool)[plane.lengths]
        self._free = np.flatnonzero(~discrete)
        # Axes are combined freely: their values are those that the arm tried.
        columns = [np.flatnonzero(plane.lengths == i) for i in range(len(plane.axes))]
        self._choices = [
            (where, np.unique(points[:, where].round(9), axis=0))
            for where, axis in zip(columns, plane.axes, strict=True)
            if axis.discrete
        ]
        free = points[:, self._free]
        self._middle = free.mean(0)
        _, sizes, directions = np.linalg.svd(free - self._middle, full_matrices=False)
        self._directions = directions[sizes > _FLAT * math.sqrt(len(points))]

    def sample(self, count: int, generator: np.random.Generator) -> Array:
        """Points spread evenly over the region, at most ``count``, shape (m, p)."""
        half = np.maximum(self._high - self._middle_all, self._middle_all - self._low)[self._free]
        reach = np.abs(self._directions) @ half
        steps = generator.uniform(-reach, reach, (4 * count, len(reach)))
        return self._completed(self._middle + steps @ self._directions, generator)[:count]

    def around(self, points: Array, size: float, generator: np.random.Generator) -> Array:
        """A point of the region beside each of some points, whatever arm these come from."""
        free = points[:, self._free] - self._middle
        steps = free @ self._directions.T + generator.normal(
            scale=size, size=(len(points), len(self._directions))
        )
        return self._completed(self._middle + steps @ self._directions, generator)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which of some points the arm may try, shape (n,)."""
        free = points[:, self._free] - self._middle
        off = free - free @ self._directions.T @ self._directions
        inside = (np.abs(off) < 1e-5).all(1) & self._inside(points)
        for where, values in self._choices:
            gaps = np.abs(points[:, where][:, None, :] - values[None]).max(2)
            inside &= gaps.min(1) < 1e-6
        return np.asarray(inside)

    @property
    def _middle_all(self) -> Array:
        middle = np.zeros(len(self._low))
        middle[self._free] = self._middle
        return middle

    def _inside(self, points: Array) -> NDArray[np.bool_]:
        where = self._free
        above = (points[:, where] >= self._low[where] - 1e-9).all(1)
        return np.asarray(above & (points[:, where] <= self._high[where] + 1e-9).all(1))

    def _completed(self, free: Array, generator: np.random.Generator) -> Array:
        """Points inside the region with these free coordinates and choices drawn at random."""
        points = np.zeros((len(free), len(self._low)))
        points[:, self._free] = free
        for where, values in self._choices:
            points[:, where] = values[generator.integers(len(values), size=len(free))]
        return points[self._inside(points)]


def regions(plane: Plane, points: Array, groups: NDArray[np.int64]) -> list[Region]:
    """What each arm may search.

    An arm's range ends where its outermost trial lies, or where another arm's does, if the gap between
    the two is no larger than chance makes it: the arms of a study mostly share their ranges.

    Args:
        plane: The plane.
        points: All trials, shape (n, p).
        groups: The arm of each, from 0, shape (n,).
    """
    low, high = points.min(0), points.max(0)
    found = []
    for group in range(int(groups.max()) + 1):
        mine = points[groups == group]
        least, most = mine.min(0), mine.max(0)
        gap = 1 - _CHANCE ** (1 / min(len(mine), _EARLY))
        moves = most - least > _FLAT
        width = high - low  # > 0: what does not vary is not a coordinate
        least = np.where(moves & ((least - low) / width < gap), low, least)
        most = np.where(moves & ((high - most) / width < gap), high, most)
        found.append(Region(plane, mine, least, most))
    return found


def beyond(points: Array, scored: Array, lost: Array) -> NDArray[np.bool_]:
    """Which points lie nearer to a trial that diverged than to any with a score: they are taken to diverge.

    Args:
        points: Shape (n, p).
        scored: Trials with a score, at least one if any was lost, shape (m, p).
        lost: Trials that diverged without one, shape (k, p).

    Returns:
        Shape (n,); none if no trial was lost, or there is no coordinate.
    """
    from scipy.spatial import cKDTree

    if not len(lost) or not points.shape[1]:  # without a coordinate all are equally near
        return np.zeros(len(points), dtype=bool)
    to_scored, _ = cKDTree(scored).query(points)
    to_lost, _ = cKDTree(lost).query(points)
    return np.asarray(to_lost < to_scored)
