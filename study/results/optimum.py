"""The optimum of an arm's surface: where it is, how sure that is, and how much it matters to hit it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.surface.surface import Surface
from trainables.protocol import ParameterValue

WITHIN = 0.1
"""Part above the lowest score up to which a setting is as good as the best for practical purposes."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where the surface of one arm is lowest.

    Attributes:
        setting: The parameters there.
        score: Expected score there: the median over seeds.
        interval: 95 % interval of that.
        share: Part of the arm's region where the score is within 10 % of the lowest, in [0, 1].
        ranges: Lowest and highest value of each numeric parameter in that part.
    """

    setting: Mapping[str, ParameterValue]
    score: float
    interval: tuple[float, float]
    share: float
    ranges: Mapping[str, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "setting": dict(self.setting),
            "score": self.score,
            "interval": list(self.interval),
            "share": self.share,
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
        }


def optimum(surface: Surface, arm: str) -> Optimum:
    """Where an arm's surface is lowest."""
    found = surface.found(arm)
    low, middle, high = np.exp(np.quantile(surface.draws[:, found], (0.025, 0.5, 0.975)))
    points, means = surface.spread(arm)
    best = surface.setting(found)
    near = means <= surface.means[found] + math.log1p(WITHIN)
    good = [best, *(surface.setting_at(point, arm) for point in points[near])]
    return Optimum(
        setting=best,
        score=float(middle),
        interval=(float(low), float(high)),
        share=float(near.mean()) if len(near) else 1.0,
        ranges=_ranges(good),
    )


def _ranges(settings: Sequence[Mapping[str, ParameterValue]]) -> dict[str, tuple[float, float]]:
    ranges = {}
    for name in settings[0]:
        values = [known[name] for known in settings]
        numbers = [
            float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)
        ]
        if len(numbers) == len(values):
            ranges[name] = (min(numbers), max(numbers))
    return ranges
