"""The better settings that an arm may hide: fresh seeds compare its finalist, which need not be its best one.

Where little was tried the surface leaves room below a finalist, in the larger arm above all, whose plane
contains the other's diagonal. How much lower the best of an arm may be than its finalist widens the interval
of the two finalists to one of their arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from study.results.confirmation import Confirmation
from study.results.seed_difference import SeedDifference
from study.surface.surface import Surface
from study.trial import TrialRecord


def with_unexplored(
    found: Confirmation, surface: Surface, rows: Sequence[TrialRecord]
) -> Confirmation:
    """A confirmation with what the search leaves open of the arms.

    Args:
        found: The finalists over fresh seeds.
        surface: Of the search's trials.
        rows: The search's trials.
    """
    trials = {(row.arm, row.number): row for row in rows}
    return replace(
        found, differences=tuple(_widened(each, surface, trials) for each in found.differences)
    )


def _widened(
    found: SeedDifference, surface: Surface, trials: dict[tuple[str, int], TrialRecord]
) -> SeedDifference:
    if found.arms is None or found.numbers is None or not set(found.arms) <= set(surface.arms):
        return found
    named = [trials.get(key) for key in zip(found.arms, found.numbers, strict=True)]
    one, two = (None if trial is None else surface.room_below(trial) for trial in named)
    return found if one is None or two is None else found.with_room((one, two))
