"""What the search leaves open of the arms goes to the difference of the finalists it belongs to."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from support.mlflow import row

from study.results.confirmation import Confirmation
from study.results.seed_difference import SeedDifference
from study.results.unexplored import with_unexplored
from study.surface.surface import Surface
from study.trial import TrialRecord

ONE, TWO, WIDE = "one_timescale", "two_timescale", "wide"
ROWS = [row(arm, number, 3.0) for arm in (ONE, TWO, WIDE) for number in range(3)]
ROOM = {(ONE, 1): 0.1, (TWO, 2): 0.25, (WIDE, 0): None, (TWO, 0): 0.5}
FOUND = SeedDifference(arms=(ONE, TWO), numbers=(1, 2), seeds=(4, 4))


def widened(*differences: SeedDifference, arms: tuple[str, ...] = (ONE, TWO, WIDE)) -> list[object]:
    def room_below(trial: TrialRecord) -> float | None:
        return ROOM[trial.arm, trial.number]

    surface = cast("Surface", SimpleNamespace(arms=arms, room_below=room_below))
    given = Confirmation(study="s", score_name="fd", finalists=(), differences=differences, steps=9)
    found = with_unexplored(given, surface, ROWS)
    assert replace(found, differences=differences) == given
    return [each.room for each in found.differences]


def test_each_difference_has_the_room_below_its_two_finalists() -> None:
    other = replace(FOUND, numbers=(1, 0))
    assert widened(FOUND, other) == [(0.1, 0.25), (0.1, 0.5)]


def test_what_the_surface_does_not_know_stays_open() -> None:
    unknown = replace(FOUND, arms=(ONE, WIDE), numbers=(1, 0))
    gone = replace(FOUND, numbers=(1, 7))
    assert widened(unknown, gone, replace(FOUND, numbers=None)) == [None, None, None]
    assert widened(replace(FOUND, arms=None)) == [None]
    assert widened(FOUND, arms=(ONE, WIDE)) == [None]
    assert widened(FOUND, arms=(TWO, ONE)) == [(0.1, 0.25)]
