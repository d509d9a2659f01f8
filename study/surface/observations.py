"""Observations that a surface is fitted to, and their pairs, which no hyperparameter changes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What a surface is fitted to.

    Attributes:
        points: Coordinates of about [0, 1], shape (n, p).
        lengths: For each coordinate which length is its, from 0, shape (p,): choices that are told apart by
            several coordinates share one.
        groups: Which shift is added to each point, from 0, shape (n,).
        values: What was seen, or the mean of several values seen at one point, shape (n,).
        counts: How many values each mean is of, shape (n,).
        within: Sum of squares of those values about their mean, shape (n,).
        noise: Known standard deviation of each value, shape (n,); 0 where nothing is known.
    """

    points: Array
    lengths: NDArray[np.int64]
    groups: NDArray[np.int64]
    values: Array
    counts: Array
    within: Array
    noise: Array

    def part(self, every: int) -> Observations:
        """The first one and each so-manieth after it."""
        names = [each.name for each in fields(self) if each.name != "lengths"]
        return replace(self, **{name: getattr(self, name)[::every] for name in names})

    def joined(self, others: Observations) -> Observations:
        """These and others of the same coordinates, in this order."""
        if not len(others.values):
            return self
        names = [each.name for each in fields(self) if each.name != "lengths"]
        both = {n: np.concatenate([getattr(self, n), getattr(others, n)]) for n in names}
        return replace(self, **both)

    @cached_property
    def centre(self) -> float:
        """A value in the middle, which is taken off before fitting."""
        return float(np.median(self.values))

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the values, > 0."""
        return max(float(np.std(self.values)), 1e-6)

    @cached_property
    def repeated(self) -> bool:
        """Whether a value is the mean of several."""
        return bool((self.counts > 1).any())

    @cached_property
    def pairs(self) -> Pairs:
        """What the points' covariances are computed from, whatever the hyperparameters are."""
        return Pairs(self)


class Pairs:
    """Every two of some points, each pair once: of so small matrices the making is what costs.

    Attributes:
        places: Of each pair in a square matrix, row by row, shape (n (n - 1) / 2,).
        apart: Squared differences, those of the coordinates of one length summed, a row a length.
        same: Whether the two are of the same group.
    """

    def __init__(self, seen: Observations) -> None:
        rows, columns = np.tril_indices(len(seen.values), -1)
        self.places = rows * len(seen.values) + columns
        squares = (seen.points[rows] - seen.points[columns]) ** 2
        several = range(int(seen.lengths.max(initial=-1)) + 1)
        sums = [squares[:, seen.lengths == length].sum(1) for length in several]
        self.apart: Array = np.asarray(sums).reshape(len(several), len(rows))
        self.same = seen.groups[rows] == seen.groups[columns]
