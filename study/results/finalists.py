"""Which trials of an arm are worth training again: those whose settings the surface has lowest.

The lowest score that was seen is mostly luck where scores are noisy; the surface takes what its neighbours
scored into account. Of several finalists each is the one that lowers most what the best of all of them is
expected to score, so that two settings which are as good as one do not both come in while another hill is
left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.surface.gaussian import drawn, mixed
from study.surface.surface import DRAWS, Surface, lacking
from study.trial import TrialRecord, ranked

LOOKED_AT = 100
"""Trials of an arm, those with the lowest means, among which finalists are chosen."""


def finalists(rows: Sequence[TrialRecord], arm: str, count: int) -> list[int]:
    """The trials of an arm that are to be trained again, the most promising one first.

    Args:
        rows: Trials of all arms: they tell of one surface.
        arm: The arm.
        count: How many, >= 1; fewer are returned if the arm has fewer trials with a score.

    Returns:
        Numbers of its trials; by the surface, or, of too few trials for one, by their scores.
    """
    arms = [a for a in dict.fromkeys(row.arm for row in rows) if lacking(rows, a) is None]
    mine = ranked(row for row in rows if row.arm == arm)
    if arm not in arms:
        return [row.number for row in mine[:count]]
    return _named(Surface(rows, arms), arm, mine, count)


def _named(surface: Surface, arm: str, mine: Sequence[TrialRecord], count: int) -> list[int]:
    points = surface.plane.points(mine)
    of = np.full(len(mine), surface.arms.index(arm))
    means, _ = mixed(surface.processes, points, of)
    looked = np.argsort(means, kind="stable")[:LOOKED_AT]
    draws = drawn(surface.processes, points[looked], of[looked], DRAWS)
    best = np.full(len(draws), np.inf)
    named: list[int] = []
    for _ in range(min(count, len(looked))):
        expected = np.minimum(draws, best[:, None]).mean(0)
        expected[named] = np.inf
        chosen = int(np.argmin(expected))
        named.append(chosen)
        best = np.minimum(best, draws[:, chosen])
    return [mine[looked[place]].number for place in named]
