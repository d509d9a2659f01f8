"""Finalists are settings, not luck."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from study.results import finalists as module
from study.results.finalists import promising
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement

ONE, TWO = "one_timescale", "two_timescale"


def trials(n: int, seed: int, sd: float) -> list[TrialRecord]:
    """Random trials of both arms on a bowl around b = a = 1e-3."""
    generator = np.random.default_rng(seed)
    rows = []
    for arm in (ONE, TWO):
        for number in range(n):
            x, y = generator.uniform(-4, -2, 2)
            y = x if arm == ONE else y
            score = 5 * math.exp((x + 3) ** 2 + (y + 3) ** 2 + sd * generator.normal())
            known = {
                "study": "s",
                "arm": arm,
                "number": number,
                "b": 10**x,
                "a": 10**y,
                "d_steps": 1,
            }
            known |= {"score": score, "score_name": "x", "outcome": "complete"}
            rows.append(TrialRecord.from_json(known))
    return rows


def height(row: TrialRecord) -> float:
    return (math.log10(row.b) + 3) ** 2 + (math.log10(row.a) + 3) ** 2


def test_one_lucky_score_far_from_all_other_good_ones_is_not_named_first() -> None:
    rows = trials(20, 1, 0.2)
    far = max((row for row in rows if row.arm == TWO), key=height)
    lowest = min(row.objective for row in rows)
    lucky = TrialRecord.from_json(far.to_json() | {"score": 0.95 * lowest})
    mine = {
        row.number: row for row in [*(r for r in rows if r is not far), lucky] if row.arm == TWO
    }
    others = [row for row in rows if row is not far]
    assert min(mine.values(), key=lambda row: row.objective).number == far.number
    first, second = promising([*others, lucky], [ONE, TWO], 2)[TWO]
    assert far.number != first
    assert height(mine[first]) < 0.2
    assert second != first


def test_as_many_different_trials_as_are_asked_for() -> None:
    rows = trials(8, 0, 0.1)
    found = promising(rows, [ONE, TWO], 3)[ONE]
    assert len(set(found)) == 3
    every = promising(rows, [ONE, TWO], 50)
    assert sorted(every[ONE]) == sorted(every[TWO]) == list(range(8))
    assert every[ONE][:3] == found


def test_of_too_few_trials_the_lowest_scores_are_taken() -> None:
    rows = trials(4, 0, 0.1)
    mine = sorted((row for row in rows if row.arm == ONE), key=lambda row: row.objective)
    assert promising(rows, [ONE, "nobody"], 2) == {
        ONE: [row.number for row in mine[:2]],
        "nobody": [],
    }


def test_an_arm_is_asked_for_as_itself_and_equal_ones_in_the_order_of_their_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, groups, places = trials(150, 2, 0.2), list[set[int]](), list[np.ndarray]()
    first = [*range(0, 150, 3), *range(1, 150, 3)]

    def equal(_law: object, points: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, None]:
        groups.append(set(of.tolist()))
        places.append(points)
        return np.arange(len(points)) % 3.0, None

    def draws(_law: object, points: np.ndarray, of: np.ndarray, each: int) -> np.ndarray:
        np.testing.assert_array_equal(points, places[-1][first])
        return np.ones((each, len(points)))

    monkeypatch.setattr(module, "mixed", equal)
    monkeypatch.setattr(module, "drawn", draws)
    found = promising(rows, [ONE, TWO], 2)
    assert groups == [{0}, {1}]
    for arm, numbers in found.items():
        mine = sorted((row.objective, row.number) for row in rows if row.arm == arm)
        assert numbers == [mine[place][1] for place in first[:2]]


def test_a_trial_that_was_stopped_while_its_score_fell_is_named_only_where_others_lack() -> None:
    rows = trials(8, 0, 0.1)
    mine = sorted((row for row in rows if row.arm == ONE), key=lambda row: row.objective)
    whole = promising(rows, [ONE, TWO], 1)[ONE]
    best = next(row for row in mine if row.number == whole[0])

    def stopped(*scores: float) -> list[TrialRecord]:
        curve = tuple(Measurement(step=n, score=score) for n, score in enumerate(scores))
        cut = replace(best, outcome=Outcome.STOPPED, measurements=curve)
        return [cut if row is best else row for row in rows]

    assert best.score is not None
    falling = stopped(2 * best.score, best.score)
    assert best.number not in promising(falling, [ONE, TWO], 2)[ONE]
    # One that had risen was at its best, and is read there.
    risen = stopped(best.score, 1.01 * best.score)
    assert best.number in promising(risen, [ONE, TWO], 2)[ONE]
    assert best.number in promising(falling, [ONE, TWO], 8)[ONE]
    assert best.number not in promising(falling, [ONE, TWO], 7)[ONE]
    fell = stopped(3 * best.score, 2 * best.score, best.score)
    assert best.number not in promising(fell, [ONE, TWO], 2)[ONE]
    fell = stopped(3 * best.score, best.score, 2 * best.score)
    assert best.number in promising(fell, [ONE, TWO], 7)[ONE]


def test_runs_of_earlier_finalists_have_a_say() -> None:
    rows = trials(10, 3, 0.05)
    (first,) = promising(rows, [ONE, TWO], 1)[TWO]
    named = {row.number: row for row in rows if row.arm == TWO}
    bad = [
        replace(named[first], seed=seed, measurements=(Measurement(step=1, score=90.0 + seed),))
        for seed in range(6)
    ]
    assert promising(rows, [ONE, TWO], 1, bad)[TWO] != [first]
