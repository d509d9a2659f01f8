"""What a confirmation makes of the runs of its finalists: who is first, what is compared, and its JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from study.results.confirmation import (
    CHOSEN,
    RANKS,
    WELCH,
    Finalist,
    confirmation,
    place_of_best,
)
from study.results.difference import Finding
from study.results.seed_difference import SAME as ONE_SETTING
from study.results.seed_difference import SeedDifference
from study.results.verdict import of_seeds
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

SAME = Parameters(b=1e-3, a=1e-3, d_steps=1)


def same(whole: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether these entries are there, in JSON that may get more."""
    return {name: whole.get(name, "missing") for name in expected} == expected


def run(
    arm: str, number: int, score: float | None, outcome: Outcome | None = Outcome.COMPLETE
) -> TrialRecord:
    return TrialRecord(
        study="s.confirm",
        arm=arm,
        number=number,
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=3),
        score_name="fid_10k",
        outcome=outcome,
        measurements=() if score is None else (Measurement(step=1, score=score),),
    )


def runs(arm: str, scores: Sequence[float | None]) -> list[TrialRecord]:
    return [run(arm, number, score) for number, score in enumerate(scores)]


def test_a_finalist_is_its_runs() -> None:
    rows = runs("my-arm-12", [5.0, None, 3.0, 4.0])
    seen = Measurement(
        step=1, score=3.0, noise=0.5, metrics={"score_floor": 1.0, "score_ceiling": 9.0}
    )
    rows[2] = replace(rows[2], measurements=(seen,))
    rows += [run("my-arm-12", 4, 1.0, Outcome.FAILED), run("my-arm-12", 5, 1.0, None)]
    found = confirmation("s", rows)
    assert found is not None
    assert (found.study, found.score_name, found.rows) == ("s", "fid_10k", tuple(rows))
    (one,) = found.finalists
    assert (one.arm, one.number, one.b, one.a, one.d_steps) == ("my-arm", 12, 2e-3, 1e-3, 3)
    assert one.runs == (5.0, None, 3.0, 4.0, None)
    assert (one.scores, one.without) == ((3.0, 4.0, 5.0), 2)
    law = stats.t.interval(0.95, 2, loc=math.log(4.0), scale=1 / math.sqrt(3) / 4.0)
    assert one.interval == pytest.approx(tuple(np.exp(law)))
    expected = {
        "arm": "my-arm",
        "number": 12,
        "b": 2e-3,
        "a": 1e-3,
        "d_steps": 3,
        "scores": [3.0, 4.0, 5.0],
        "without": 2,
        "runs": [5.0, None, 3.0, 4.0, None],
        "mean": 4.0,
        "interval": list(one.interval or ()),
        "noise": 0.5,
        "levels": {"floor": 1.0, "ceiling": 9.0},
        "share": 5 / 8,
    }
    assert same(one.to_json(), expected)
    bare = Finalist(arm="x", number=0, parameters=SAME, runs=(None,))
    none = replace(bare, levels=one.levels).to_json()
    assert (none["mean"], none["interval"], none["scores"], none["share"]) == (None, None, [], None)
    assert (none["runs"], none["without"]) == ([None], 1)


def test_finalists_are_by_arm_then_mean_and_those_without_a_score_last() -> None:
    rows = [
        *runs("y-4", [2.0, 2.0]),
        *runs("x-7", [None, None]),
        *runs("x-3", [5.0, 5.0]),
        *runs("x-9", [1.0, 3.0]),
        *runs("x-2", [5.0, 5.0]),
        *runs("z-0", [1.0]),
    ]
    found = confirmation("s", rows, ["x", "none", "z"])
    assert found is not None
    order = [(one.arm, one.number) for one in found.finalists]
    assert order == [("x", 9), ("x", 2), ("x", 3), ("x", 7), ("z", 0), ("y", 4)]
    assert [one.arms for one in found.differences] == [("x", "z"), ("x", "y")]
    assert found.difference == found.differences[0]
    expected = {
        "study": "s",
        "score_name": "fid_10k",
        "look": 1,
        "finalists": [one.to_json() for one in found.finalists],
        "difference": found.differences[0].to_json(),
        "differences": [one.to_json() for one in found.differences],
    }
    assert same(found.to_json(), expected | {"steps": found.steps})


def test_one_arm_has_no_difference() -> None:
    found = confirmation("s", runs("x-0", [1.0]))
    assert found is not None
    assert found.difference == SeedDifference(arms=None)
    expected = {
        "arms": None,
        "finding": "none",
        "numbers": None,
        "seeds": [0, 0],
        "without": [0, 0],
        "means": [None, None],
        "absolute": None,
        "interval": None,
        "p_value": None,
        "lower": None,
        "method": WELCH,
        "level": 0.96,
        "unlearnt": [],
    }
    assert same(found.difference.to_json(), expected)
    assert confirmation("s", []) is None
    assert confirmation("s", [run("x-0", 0, 1.0, None)]) is None


def test_a_difference_over_seeds_as_json() -> None:
    found = confirmation("s", [*runs("x-5", [3.0, 4.0, 5.0]), *runs("y-6", [1.0, 2.0, 1.5])])
    assert found is not None
    one = found.difference
    law = stats.ttest_ind([1.0, 2.0, 1.5], [3.0, 4.0, 5.0], equal_var=False)
    low, high = law.confidence_interval(0.96)
    assert one.interval == pytest.approx((low, high))
    assert one.relative == -0.625
    assert one.relative_interval == pytest.approx((low / 4, high / 4))
    expected = {
        "arms": ["x", "y"],
        "finding": "lower",
        "numbers": [5, 6],
        "seeds": [3, 3],
        "without": [0, 0],
        "means": [4.0, 1.5],
        "absolute": -2.5,
        "interval": list(one.interval or ()),
        "p_value": pytest.approx(2 / 20),  # of the 20 ways to divide 6 runs 2 are as far apart
        "lower": 1.0,
        "method": "Welch's t interval of the difference of means over seeds",
        "level": 0.96,
    }
    assert same(one.to_json(), expected)


def test_with_a_run_without_a_score_medians_and_ranks_are_told() -> None:
    found = confirmation("s", [*runs("x-5", [3.0, 4.0, None]), *runs("y-6", [1.0, None, None])])
    assert found is not None
    one = found.difference
    assert one.method == RANKS
    assert (one.seeds, one.without) == ((3, 3), (1, 2))
    assert one.means == (4.0, None)
    assert (one.absolute, one.interval, one.relative) == (None, None, None)
    # y's 1 is below all three; its two without are equal to x's one.
    assert one.lower == pytest.approx((3 + 0.5 * 2) / 9)
    assert one.finding is Finding.OPEN


def test_of_several_finalists_the_second_half_is_compared_and_said_to_be() -> None:
    rows = [
        *runs("x-1", [9.0, 9.0, 1.0, 1.0]),
        *runs("x-2", [4.0, 4.2, 5.0, 6.0]),
        *runs("y-3", [2.0, 2.5, 3.0, 2.2]),
    ]
    found = confirmation("s", rows)
    assert found is not None
    one = found.difference
    assert one.numbers == (2, 3)
    assert one.seeds == (2, 4)
    assert one.means == (5.5, pytest.approx(2.425))
    assert one.method == WELCH + CHOSEN
    # x's variance is pooled over both finalists, as parts of their means 5 and 4.8.
    squares = 64 / 5**2 + (0.8**2 + 0.6**2 + 0.2**2 + 1.2**2) / 4.8**2
    v1, v2 = squares / 6 * 4.8**2 / 2, statistics.variance([2.0, 2.5, 3.0, 2.2]) / 4
    freedom = (v1 + v2) ** 2 / (v1**2 / 6 + v2**2 / 3)
    half = stats.t.ppf(0.98, freedom) * math.sqrt(v1 + v2)
    assert one.interval == pytest.approx((2.425 - 5.5 - half, 2.425 - 5.5 + half))
    other_way = confirmation(
        "s", [replace(row, arm={"x": "y", "y": "x"}[row.arm[0]] + row.arm[1:]) for row in rows]
    )
    assert other_way is not None
    mirrored = other_way.difference.interval
    assert mirrored == pytest.approx((5.5 - 2.425 - half, 5.5 - 2.425 + half))
    turned = confirmation("s", [*runs("x-0", [1.0, None]), *rows[:8]][:2] + runs("y-1", [2.0, 3.0]))
    assert turned is not None
    assert turned.difference.method == RANKS


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([-3.0, -3.1, -2.9], [-5.0, -5.1, -4.9], Finding.LOWER),
        ([-5.0, -5.1, -4.9], [-3.0, -3.1, -2.9], Finding.HIGHER),
        ([-5.0, -4.0, -3.0], [-5.1, -3.0, -4.0], Finding.OPEN),
        ([5.0, 5.0], [5.0, 5.0], Finding.EQUAL),
        ([-3.0, -3.0], [-3.0, -3.0], Finding.EQUAL),  # the same runs of one setting
        ([-3.0, -3.0], [-2.0, -4.0], Finding.OPEN),
        ([5.0], [1.0], Finding.NONE),
        ([None] * 4, [1.0] * 4, Finding.LOWER),
        ([1.0] * 4, [None] * 4, Finding.HIGHER),
        ([1.0] * 3, [None] * 3, Finding.OPEN),  # 2 of 20 ways: p = 0.1
    ],
)
def test_what_runs_come_to(
    one: Sequence[float | None], two: Sequence[float | None], expected: Finding
) -> None:
    """Negative scores have no part of which a difference could be, so that the interval alone tells."""
    found = confirmation("s", [*runs("x-0", one), *runs("y-0", two)])
    assert found is not None
    assert found.difference.finding is expected


@pytest.mark.parametrize(("score", "expected"), [(5.0, Finding.EQUAL), (-3.0, Finding.OPEN)])
def test_equal_runs_of_two_settings_differ_by_nothing(score: float, expected: Finding) -> None:
    two = [replace(each, parameters=SAME) for each in runs("y-1", [score] * 3)]
    found = confirmation("s", [*runs("x-0", [score] * 3), *two])
    assert found is not None
    assert (found.difference.interval, found.difference.same) == ((0.0, 0.0), False)
    assert found.difference.finding is expected


def test_finalists_that_are_one_setting_with_the_same_runs_do_not_differ() -> None:
    """Both arms have the corner of their ranges in common, and run k of each has one seed."""

    def found(*other: TrialRecord, lost: bool = False) -> SeedDifference:
        rows = runs("x-5", [None if lost else 5.0, 6.0, 7.5])
        made = confirmation("s", [*rows, *other], steps={("x", 5): 1, ("y", 6): 2})
        assert made is not None
        return made.difference

    same = found(*runs("y-6", [5.0, 6.0, 7.5]))
    assert (same.same, same.finding, same.method) == (True, Finding.EQUAL, ONE_SETTING)
    assert (same.absolute, same.interval, same.p_value, same.lower) == (0.0, (0.0, 0.0), 1.0, 0.5)
    assert same.lowest is not None
    assert same.lowest.same
    verdict = of_seeds(same)
    assert str(verdict) == (
        "No difference above the margin of 2.0 % over fresh seeds: y's #6 and x's #5 are one setting (mean "
        "6.167 and 6.167 at steps 2 and 1, 3 runs each). Next: take either, the simpler one first."
    )
    roomy = of_seeds(same.with_room((0.1, 0.2)))
    assert (roomy.finding, roomy.settings) == (Finding.OPEN, Finding.EQUAL)
    assert "another setting may score lower still, by up to 10 % in x and 20 % in y" in str(roomy)

    def twice(rows: list[TrialRecord]) -> list[TrialRecord]:
        """The same with an evaluation before, which was higher by what the run's number is, and by 1."""
        early = [Measurement(step=1, score=(row.score or 0.0) + 1 + row.number) for row in rows]
        late = [replace(row.measurements[0], step=2) for row in rows]
        return [
            replace(row, measurements=both) for row, *both in zip(rows, early, late, strict=True)
        ]

    read_apart = confirmation(
        "s",
        [*twice(runs("x-5", [5.0, 6.0])), *twice(runs("y-6", [5.0, 6.0]))],
        steps={("x", 5): 1, ("y", 6): 2},
    )
    assert read_apart is not None
    apart = read_apart.difference
    assert apart.means == (7.0, 5.5)
    assert (apart.absolute, apart.p_value, apart.lower) == (0.0, 1.0, 0.5)
    others = runs("y-6", [5.0, 6.0, 7.5])
    parted = [replace(each, parameters=SAME) for each in others]
    assert not found(*parted).same
    assert found(*parted).method == WELCH
    assert not found(*runs("y-6", [5.0, 6.0, 7.6])).same
    lost = found(*runs("y-6", [None, 6.0, 7.5]), lost=True)
    assert lost.same
    assert lost.without == (1, 1)
    noise = {"score_floor": 1.0, "score_ceiling": 6.0}
    rows = [*runs("x-5", [5.9, 6.1]), *runs("y-6", [5.9, 6.1])]
    rows = [
        replace(row, measurements=tuple(replace(m, metrics=noise) for m in row.measurements))
        for row in rows
    ]
    unlearnt = confirmation("s", rows)
    assert unlearnt is not None
    assert (unlearnt.difference.same, unlearnt.difference.finding) == (False, Finding.NONE)


def test_a_relative_difference_needs_a_positive_mean() -> None:
    known = SeedDifference(arms=("x", "y"), absolute=1.0, interval=(0.5, 1.5), means=(2.0, 3.0))
    assert (known.relative, known.relative_interval) == (0.5, (0.25, 0.75))
    for base in (None, 0.0, -2.0):
        other = SeedDifference(arms=("x", "y"), absolute=1.0, interval=(0, 1), means=(base, 1.0))
        assert (other.relative, other.relative_interval) == (None, None)


def test_one_run_has_no_spread_that_could_doubt_it() -> None:
    """8.5 is below the 9 of pictures of nothing; with a spread over seeds of 1 it would not be clearly."""
    seen = Measurement(step=1, score=8.5, metrics={"score_ceiling": 9.0})
    rows = [
        replace(row, measurements=(seen,)) for row in (*runs("x-0", [8.5]), *runs("y-0", [8.5]))
    ]
    found = confirmation("s", rows)
    assert found is not None
    assert found.difference.nothing is None


def trained_again(
    lowest: list[float | None], at_step: list[float | None], step: int | None
) -> Finalist:
    return Finalist(
        arm="x",
        number=0,
        parameters=SAME,
        runs=tuple(lowest),
        at_step=tuple(at_step),
        step=step,
    )


def test_the_first_seeds_choose_by_what_is_compared_then() -> None:
    one = trained_again([1.0, 1.0, 9.0], [5.0, 5.0, 1.0], 100)
    two = trained_again([2.0, 2.0, 0.0], [3.0, 4.0, 9.0], 200)
    lost = trained_again([0.0, None, 0.0], [0.0, None, 0.0], 300)
    assert place_of_best([one, two], 2) == 1
    assert place_of_best([two, one], 3) == 1
    assert place_of_best([lost, one, two], 2) == 2
    assert place_of_best([lost, one, two], 1) == 0
    # Where the step of one is not known, all are read at their lowest.
    assert place_of_best([lost, one, replace(two, step=None)], 2) == 1


def test_below_zero_the_smallest_gap_that_is_sure_is_one() -> None:
    one, two = [-5.0, -5.01, -4.99, -5.0], [-4.5, -4.51, -4.49, -4.5]
    found = confirmation("s", [*runs("x-0", one), *runs("y-0", two)])
    assert found is not None
    assert found.difference.finding is Finding.HIGHER


def test_the_finalist_that_is_compared_is_given_its_own_variance() -> None:
    """By hand: of x the second is chosen by its first two seeds, and the spread of both is pooled."""
    rows = [*runs("x-0", [10.0, 10.0, 1.0, 1.0]), *runs("x-1", [6.0, 6.0, 6.5, 5.5])]
    rows += runs("y-0", [8.0, 8.5, 7.5, 8.0])
    found = confirmation("s", rows)
    assert found is not None
    made = found.difference
    assert (made.numbers, made.seeds) == ((1, 0), (2, 4))
    x = (4 * 4.5**2 / 5.5**2 + 2 * 0.5**2 / 6.0**2) / 6 * 6.0**2 / 2
    y = 2 * 0.5**2 / 3 / 4
    freedom = (x + y) ** 2 / (x**2 / 6 + y**2 / 3)
    law = stats.t.interval(0.96, freedom, loc=8.0 - 6.0, scale=math.sqrt(x + y))
    assert made.interval == pytest.approx(law)


@pytest.mark.parametrize(
    ("scores", "noise", "learnt"),
    [
        ([8.0, 8.0], 0.1, True),
        ([6.0, 10.0], 0.1, False),  # 1 below the ceiling, with a spread of 2.8
        ([8.0, 8.0], 0.5, False),  # with a noise of which 1 is only twice as much
    ],
)
def test_a_mean_is_below_the_ceiling_only_beyond_its_spread_and_noise(
    scores: list[float], noise: float, learnt: bool
) -> None:
    levels = {"score_floor": 1.0, "score_ceiling": 9.0}
    rows = [
        replace(
            row,
            measurements=(replace(row.measurements[0], noise=noise, metrics=levels),),
        )
        for arm in ("x-0", "y-0")
        for row in runs(arm, scores)
    ]
    found = confirmation("s", rows)
    assert found is not None
    assert (found.difference.nothing is None) is learnt


def test_what_is_read_at_the_lowest_evaluations_has_no_step() -> None:
    rows = [*runs("x-0", [5.0, 6.0]), *runs("y-0", [3.0, 4.0])]
    found = confirmation("s", rows, steps={("x", 0): 1, ("y", 0): 1})
    assert found is not None
    made = found.difference
    assert made.lowest is not None
    assert (made.steps, made.lowest.steps) == ((1, 1), None)


def test_every_look_at_more_runs_is_counted_and_passed_on() -> None:
    rows = [*runs("x-1", [5.0, 5.2, 4.9, 5.1]), *runs("y-2", [4.0, 6.0, 5.0, 4.5])]
    found = confirmation("s", rows, ["x", "y"], looked=[4, 8, 4])
    assert found is not None
    assert (found.look, found.to_json()["look"]) == (2, 2)
    assert [one.look for one in found.differences] == [2]
