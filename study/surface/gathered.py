"""Trials as the observations that a surface is fitted to: single ones, cells of many, runs of one setting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from study.surface.observations import Array, Observations
from study.surface.plane import Plane
from study.trial import TrialRecord

MOST = 250
"""Points that a surface is fitted to; of more trials those far from the optimum are averaged."""


def pressed(values: Array, among: Array | None = None) -> Array:
    """Logarithms of scores with the high ones pressed together; +inf is the upper end.

    Values up to twice as far above the median as a tenth of them lies below it are left as they are; above,
    they near a bound of as much again.

    Args:
        values: Logarithms of scores, shape (n,).
        among: Those whose median and tenth are meant, at least one of them finite, shape (m,); None: these.
    """
    finite = np.isfinite(values)
    known = values if among is None else among
    low, middle = np.quantile(known[np.isfinite(known)], (0.1, 0.5))
    width = max(2 * float(middle - low), 1e-3)
    bend = float(middle) + width
    above = np.where(finite, np.maximum(values - bend, 0.0), np.inf)
    pressed_: Array = np.where(above > 0, bend - width * np.expm1(-above / width), values)
    return pressed_


def vague(values: Array) -> float:
    """How unsure the value of a trial without a score is: how high it would be is not known, only that it is.

    Args:
        values: Pressed logarithms of scores, those without at the upper end, shape (n,).

    Returns:
        A standard deviation, >= 0.
    """
    return float(values.max() - np.median(values))


def distinct(rows: Sequence[TrialRecord]) -> list[int]:
    """The places of the rows without those that are a run of another arm over again, in order.

    Where two arms try one setting (a corner of both) from one seed, the score is the same: seen once.

    Args:
        rows: Trials.
    """
    arms: dict[tuple[object, ...], str] = {}
    runs = ((row.seed, row.objective, *sorted(row.parameters.to_json().items())) for row in rows)
    pairs = enumerate(zip(rows, runs, strict=True))
    return [place for place, (row, run) in pairs if arms.setdefault(run, row.arm) == row.arm]


def thinned(
    points: Array,
    lengths: NDArray[np.int64],
    groups: NDArray[np.int64],
    values: Array,
    noise: Array,
) -> Observations:
    """All trials, or of too many those near the optimum and the others averaged in cells.

    Near is who has good neighbours: whoever is chosen by his own score is too good by luck.
    """
    n = len(values)
    cells = [np.asarray([i]) for i in range(n)] if n <= MOST else _cells(points, groups, values)
    return averaged(cells, points, lengths, groups, values, noise)


def averaged(
    cells: Sequence[NDArray[np.int64]],
    points: Array,
    lengths: NDArray[np.int64],
    groups: NDArray[np.int64],
    values: Array,
    noise: Array,
) -> Observations:
    """One observation for each cell of trials, which are of one group: the mean of theirs."""
    means = np.asarray([values[cell].mean() for cell in cells])
    return Observations(
        points=np.asarray([points[cell].mean(0) for cell in cells]),
        lengths=lengths,
        groups=np.asarray([groups[cell[0]] for cell in cells]),
        values=means,
        counts=np.asarray([float(len(cell)) for cell in cells]),
        within=np.asarray(
            [((values[cell] - mean) ** 2).sum() for cell, mean in zip(cells, means, strict=True)]
        ),
        noise=np.asarray([np.sqrt((noise[cell] ** 2).mean()) for cell in cells]),
    )


def repeated(
    plane: Plane,
    arms: Sequence[str],
    runs: Sequence[TrialRecord],
    searched: Array,
    vague: float,
) -> Observations:
    """Further runs of settings that the search tried: of each setting the mean, and how far they spread.

    Args:
        plane: That of the search.
        arms: Its arms.
        runs: The runs, which count, each with the arm, number and parameters of the trial that it repeats.
        searched: Logarithms of the search's scores, which say what is a high one.
        vague: Standard deviation of the value of a run without a score; such runs are kept apart.
    """
    runs = sorted(runs, key=lambda row: (arms.index(row.arm), row.number))
    scores = np.asarray([row.objective for row in runs])
    lost = np.isinf(scores)
    keys = [(row.arm, row.number, bool(none)) for row, none in zip(runs, lost, strict=True)]
    cells = [np.flatnonzero([key == each for key in keys]) for each in dict.fromkeys(keys)]
    return averaged(
        cells,
        plane.points(runs),
        plane.lengths,
        np.asarray([arms.index(row.arm) for row in runs]),
        pressed(np.log(scores), searched),
        np.where(lost, vague, np.asarray([row.noise for row in runs]) / scores),
    )


def _cells(points: Array, groups: NDArray[np.int64], values: Array) -> list[NDArray[np.int64]]:
    """Trials in cells: half of :data:`MOST` alone, the others halved along their widest side."""
    if not points.shape[1]:  # all at one place: a mean of each arm says as much
        return [np.flatnonzero(groups == group) for group in np.unique(groups)]
    from scipy.spatial import cKDTree

    _, near = cKDTree(points).query(points, k=11)
    others = near != np.arange(len(near))[:, None]
    others[others.all(1), -1] = False  # one that many lie on need not be among its own nearest
    around = np.median(values[near[others].reshape(len(near), 10)], axis=1)
    order = np.argsort(around, kind="stable")
    alone = [np.asarray([i]) for i in order[: MOST // 2]]
    rest = order[MOST // 2 :]
    cells = [rest[groups[rest] == group] for group in np.unique(groups[rest])]
    extents = [_extent(points, cell) for cell in cells]
    while len(cells) + len(alone) < MOST:
        widest = max(range(len(cells)), key=extents.__getitem__)
        cell, _ = cells.pop(widest), extents.pop(widest)
        side = int(np.argmax(np.ptp(points[cell], axis=0)))
        halves = np.array_split(cell[np.argsort(points[cell, side], kind="stable")], 2)
        cells += [half for half in halves if len(half)]
        extents += [_extent(points, half) for half in halves if len(half)]
    return alone + cells


def _extent(points: Array, cell: NDArray[np.int64]) -> float:
    return float(np.ptp(points[cell], axis=0).max() * math.sqrt(len(cell)))
