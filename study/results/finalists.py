"""The finalists: the trials of an arm whose settings the surface has lowest, worth training again.

The lowest score that was seen is mostly luck where scores are noisy; the surface takes what its neighbours
scored into account. Of several finalists each is the one that lowers most what the best of all of them is
expected to score, so that two settings which are as good as one do not both come in while another hill is
left out.

A trial that was stopped while its score still fell is none, as long as there are others: its runs would be
read at the step at which it was stopped, where no setting is at its best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.surface.gaussian import drawn, mixed
from study.surface.surface import DRAWS, Surface, surface_of
from study.trial import Outcome, TrialRecord, ranked

LOOKED_AT = 100
"""Trials of an arm, those with the lowest means, among which finalists are chosen."""


def promising(
    rows: Sequence[TrialRecord],
    arms: Sequence[str],
    count: int,
    fresh: Sequence[TrialRecord] = (),
) -> dict[str, list[int]]:
    """The trials of each arm that are to be trained again, the most promising one first.

    Args:
        rows: Trials of all arms: they tell of one surface.
        arms: The arms.
        count: How many of each, >= 1; fewer if an arm has fewer trials with a score.
        fresh: Runs of finalists that were named before (:func:`study.results.fresh.repeats`), which the
            surface of a comparison knows as well.

    Returns:
        Numbers of trials by arm; by the surface, or, of too few trials for one, by their scores.
    """
    surface = surface_of(rows, arms, fresh)
    named = {}
    for arm in arms:
        scored = ranked(row for row in rows if row.arm == arm)
        shown = [row for row in scored if not _cut_short(row)]
        mine = shown if len(shown) >= count else scored
        if surface is not None and arm in surface.arms:
            named[arm] = _named(surface, arm, mine, count)
        else:
            named[arm] = [row.number for row in mine[:count]]
    return named


def _cut_short(row: TrialRecord) -> bool:
    return row.outcome is Outcome.STOPPED and row.best is row.measurements[-1]


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
