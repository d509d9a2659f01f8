"""What a difference over fresh seeds says of the finalists and of their arms, number by number."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from study.results.difference import Finding
from study.results.levels import NothingLearnt
from study.results.seed_difference import AT_STEP, LOWEST, RANKS, WELCH, SeedDifference

FOUND = SeedDifference(
    arms=("x", "y"),
    finding=Finding.LOWER,
    numbers=(3, 5),
    seeds=(4, 6),
    without=(0, 0),
    means=(4.0, 3.0),
    absolute=-1.0,
    interval=(-1.5, -0.5),
    p_value=0.01,
    lower=0.9,
    steps=(300, 500),
    read=AT_STEP,
    room=(0.01, 0.02),
)


def test_parts_are_of_the_first_s_mean_where_that_is_positive() -> None:
    assert FOUND.relative == -0.25
    assert FOUND.relative_interval == (-0.375, -0.125)
    for base in (0.0, -4.0, None):
        none = replace(FOUND, means=(base, 3.0))
        assert (none.relative, none.relative_interval, none.arms_interval) == (None, None, None)
        assert none.arms_finding is Finding.LOWER
    assert replace(FOUND, means=(0.5, 3.0)).relative == -2.0
    assert replace(FOUND, means=(0.5, 3.0)).relative_interval == (-3.0, -1.0)
    assert replace(FOUND, absolute=None).relative is None
    assert replace(FOUND, absolute=0.0).relative == 0.0
    assert replace(FOUND, interval=None).relative_interval is None


def test_the_arms_interval_reaches_to_what_the_search_leaves_below_either_finalist() -> None:
    """At the ends one finalist is its arm's best, and the other arm's best lies below its own."""
    best_of_y, best_of_x = 4 - 1.5, 4.0
    low = (best_of_y * 0.98) / best_of_x - 1
    best_of_y, best_of_x = 4 - 0.5, 4.0 * 0.99
    high = best_of_y / best_of_x - 1
    assert FOUND.arms_interval == pytest.approx((low, high))
    assert replace(FOUND, room=None).arms_interval is None
    assert replace(FOUND, interval=None).arms_interval is None
    assert FOUND.with_room((0.0, 0.0)).arms_interval == pytest.approx((-0.375, -0.125))


def test_an_arm_that_may_hide_any_lower_score_has_no_upper_end() -> None:
    any_lower = FOUND.with_room((1.0, 0.0))
    assert any_lower.arms_interval == (pytest.approx(-0.375), math.inf)
    assert any_lower.arms_finding is Finding.OPEN
    assert any_lower.to_json()["arms_interval"] is None
    other = FOUND.with_room((0.0, 1.0))
    assert other.arms_interval == (-1.0, pytest.approx(-0.125))


def test_what_is_found_of_the_arms() -> None:
    assert FOUND.arms_finding is Finding.LOWER
    wide = FOUND.with_room((0.2, 0.2))
    assert (wide.finding, wide.arms_finding) == (Finding.LOWER, Finding.OPEN)
    assert replace(FOUND, room=None, finding=Finding.HIGHER).arms_finding is Finding.HIGHER
    assert replace(FOUND, absolute=None).arms_finding is Finding.LOWER
    # Nothing learnt is nothing told of the arms either.
    assert replace(FOUND, finding=Finding.NONE).arms_finding is Finding.NONE
    higher = replace(FOUND, absolute=1.0, interval=(0.5, 1.5), finding=Finding.HIGHER)
    assert higher.arms_finding is Finding.HIGHER


def test_what_an_earlier_look_found_of_the_arms_stays_where_this_one_is_open() -> None:
    wide = replace(FOUND, interval=(-2.1, 0.1), finding=Finding.LOWER, look=2)
    assert wide.arms_finding is Finding.OPEN
    assert replace(wide, kept=FOUND).arms_finding is Finding.LOWER
    assert replace(wide, kept=FOUND.with_room((0.2, 0.2))).arms_finding is Finding.OPEN
    higher = replace(FOUND, absolute=1.0, interval=(0.5, 1.5), finding=Finding.HIGHER)
    assert replace(higher, kept=FOUND).arms_finding is Finding.HIGHER
    given = replace(wide, kept=FOUND).with_room((0.3, 0.4))
    assert given.kept is not None
    assert (given.room, given.kept.room) == ((0.3, 0.4), (0.3, 0.4))
    assert FOUND.with_room((0.3, 0.4)) == replace(FOUND, room=(0.3, 0.4))


def test_a_look_keeps_only_what_it_does_not_contradict() -> None:
    now = replace(FOUND, finding=Finding.OPEN, absolute=-0.1, look=2)
    assert now.keeping(FOUND) == replace(now, finding=Finding.LOWER, kept=FOUND)
    for zero in (0.0, None):
        level = replace(now, absolute=zero)
        assert level.keeping(FOUND) == replace(level, finding=Finding.LOWER, kept=FOUND)
    against = replace(now, absolute=0.1)
    assert against.keeping(FOUND) is against
    higher = replace(FOUND, finding=Finding.HIGHER)
    assert now.keeping(higher) is now
    assert against.keeping(higher) == replace(against, finding=Finding.HIGHER, kept=higher)
    nothing = replace(FOUND, finding=Finding.OPEN)
    assert now.keeping(nothing) is now
    told = replace(now, finding=Finding.LOWER)
    assert told.keeping(FOUND) is told
    other = replace(FOUND, numbers=(3, 6))
    assert now.keeping(other) is now


def test_two_settings_of_a_table_have_no_arms() -> None:
    assert replace(FOUND, arms=None).to_json()["arms"] is None


def test_every_part_is_in_the_json() -> None:
    lowest = replace(FOUND, read=LOWEST, steps=None, method=RANKS, room=None, p_value=0.02)
    nothing = NothingLearnt(arms=("y",), sentence="a sentence", next="next")
    whole = replace(FOUND, kept=FOUND, lowest=lowest, look=2, nothing=nothing).to_json()
    low, high = (2.5 * 0.98) / 4 - 1, 3.5 / (4.0 * 0.99) - 1
    plain = {
        "arms": ["x", "y"],
        "finding": "lower",
        "numbers": [3, 5],
        "seeds": [4, 6],
        "without": [0, 0],
        "means": [4.0, 3.0],
        "absolute": -1.0,
        "interval": [-1.5, -0.5],
        "p_value": 0.01,
        "lower": 0.9,
        "method": WELCH,
        "unlearnt": [],
        "read": AT_STEP,
        "steps": [300, 500],
        "room": [0.01, 0.02],
        "trained": None,
        "same": False,
        "look": 1,
        "level": pytest.approx(0.96),
        "relative": -0.25,
        "relative_interval": [-0.375, -0.125],
        "arms_interval": pytest.approx([low, high]),
        "arms_finding": "lower",
        "kept": None,
        "lowest": None,
    }
    assert FOUND.to_json() == plain
    assert whole["kept"] == plain
    bare = {"steps": None, "room": None, "arms_interval": None}
    other = {"read": LOWEST, "method": RANKS, "p_value": 0.02}
    assert whole["lowest"] == plain | bare | other
    more = {"look": 2, "level": pytest.approx(0.995), "unlearnt": ["y"]}
    assert whole == plain | more | {"kept": whole["kept"], "lowest": whole["lowest"]}
