"""Score curves for a figure: which trials' are drawn, and the band over seeds of each finalist."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.ground.confirming import finalist_of_name
from study.results.levels import Curve
from study.trial import TrialRecord, rank

Curves = Mapping[str, Curve]
"""Score curves by the trial's identity."""

CURVES_AN_ARM = 60
"""Trials an arm whose score curves are drawn: each costs a request."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """The score curves of one finalist over its seeds, at the steps that all of them reached.

    Attributes:
        arm: The arm that it comes from.
        number: The trial that it was.
        seeds: How many curves there are.
        steps: Generator updates.
        low: Lowest score of a seed at each step.
        mean: Mean over the seeds.
        high: Highest.
    """

    arm: str
    number: int
    seeds: int
    steps: tuple[int, ...]
    low: tuple[float, ...]
    mean: tuple[float, ...]
    high: tuple[float, ...]


def leaders(rows: Sequence[TrialRecord], arm: str) -> list[TrialRecord]:
    """The trials of an arm whose curves are drawn: half of them the best, the others evenly from the rest.

    Args:
        rows: All trials, ended or not.
        arm: The arm.
    """
    mine = sorted((row for row in rows if row.arm == arm), key=rank)
    if len(mine) <= CURVES_AN_ARM:
        return mine
    half = CURVES_AN_ARM // 2
    rest = mine[half:]
    spread = [rest[place * (len(rest) - 1) // (half - 1)] for place in range(half)]
    return mine[:half] + spread


def bands(rows: Sequence[TrialRecord], curves: Curves) -> list[Band]:
    """The bands of the finalists.

    Args:
        rows: The trials of the confirming study, whose arms are called ARM-NUMBER.
        curves: Their score curves; a trial without one is left out.
    """
    groups: dict[str, list[Curve]] = {}
    for row in rows:
        curve = curves.get(row.identity)
        if curve:
            groups.setdefault(row.arm, []).append(curve)
    return [_band(name, group) for name, group in groups.items()]


def _band(name: str, curves: Sequence[Curve]) -> Band:
    arm, number = finalist_of_name(name)
    by_step: dict[int, list[float]] = {}
    for curve in curves:
        for step, score in curve:
            by_step.setdefault(step, []).append(score)
    # Where a seed has ended, a mean over the others would jump.
    steps = sorted(step for step, scores in by_step.items() if len(scores) == len(curves))
    return Band(
        arm=arm,
        number=number,
        seeds=len(curves),
        steps=tuple(steps),
        low=tuple(min(by_step[step]) for step in steps),
        mean=tuple(statistics.fmean(by_step[step]) for step in steps),
        high=tuple(max(by_step[step]) for step in steps),
    )
