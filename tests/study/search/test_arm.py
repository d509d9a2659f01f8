"""An arm during a launch, from a record that is written out: what it counts, and what it says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from search_spaces.space import SearchSpace
from study.record.trials import ArmLedger
from study.search.arm import ArmState, arm_state
from study.spec.parts import Arm
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters


def trial(
    number: int,
    outcome: Outcome | None = None,
    score: float | None = None,
    ended: float | None = None,
    published: bool = False,
) -> TrialRecord:
    return TrialRecord(
        study="s",
        arm="x",
        number=number,
        parameters=Parameters(b=1e-3, a=1e-3, d_steps=1),
        outcome=outcome,
        measurements=() if score is None else (Measurement(step=10, score=score),),
        ended=ended,
        published=published,
    )


class Record:
    """The part of a ledger that an arm reads."""

    def __init__(
        self, trials: list[TrialRecord], half: Sequence[int] = (), strangers: int = 0
    ) -> None:
        self.known, self.half, self.foreign = trials, list(half), strangers
        self.queued: list[SearchSpace] = []

    def queue(self, space: SearchSpace) -> int:
        self.queued.append(space)
        return 0

    def trials(self) -> list[TrialRecord]:
        return self.known

    def half_asked(self) -> list[int]:
        return self.half

    def strangers(self) -> int:
        return self.foreign

    def untried(self, points: Sequence[Mapping[str, Any]]) -> deque[Mapping[str, Any]]:
        return deque(points)


POINTS = [{"b": 1e-3, "d_steps": 1}, {"b": 2e-3, "d_steps": 1}]
ARM = Arm.model_validate(
    {
        "space": "one_timescale",
        "trials": 10,
        "b": [1e-4, 1e-2],
        "d_steps": [1, 2],
        "points": POINTS,
    }
)
TRIALS = [
    trial(0, Outcome.COMPLETE, 3.0, 50.0, published=True),
    trial(1, Outcome.DIVERGED, None, 70.0),
    trial(2, Outcome.FAILED, 0.5, 60.0),
    trial(3),
    trial(5, Outcome.COMPLETE, 2.0, 65.0),
    trial(6, None, 1.0),
]


def opened(record: Record, arm: Arm = ARM) -> ArmState:
    return arm_state("x", arm, cast(ArmLedger, record))


def test_an_arm_is_what_its_record_holds() -> None:
    record = Record(TRIALS, half=[4])
    state = opened(record)
    assert (state.name, state.arm, state.ledger) == ("x", ARM, record)
    assert record.queued == [state.space] == [ARM.build()]
    assert state.asked == 7
    assert list(state.interrupted) == [3, 4, 6]
    assert state.half_asked == {4}
    assert state.cut_off == [3, 6]
    assert list(state.points) == POINTS
    assert state.ended == [0, 1, 2, 5]
    assert state.unpublished == [1, 2, 5]
    assert state.counts == {Outcome.COMPLETE: 2, Outcome.DIVERGED: 1, Outcome.FAILED: 1}
    assert state.any_ran
    assert state.last_end == 70.0
    assert state.results == {0: 3.0, 1: math.inf, 5: 2.0}
    assert state.whole == {0: {10: 3.0}, 5: {10: 2.0}}
    # A failed trial's score counts nowhere, one of a trial that runs does.
    assert state.best in ((0.5, 2), (1.0, 6))
    assert (state.left, state.done, state.finished) == (3 + 3, 4, False)
    assert state.share == pytest.approx((7 - 3) / 10)


def test_an_arm_of_which_nothing_is_known() -> None:
    state = opened(Record([]))
    assert (state.asked, state.ended, state.unpublished, state.counts) == (0, [], [], {})
    assert (state.any_ran, state.last_end, state.best, state.results) == (False, None, None, {})
    assert (state.left, state.done, state.finished, state.share) == (10, 0, False, 0.0)
    assert not opened(Record([trial(0)])).any_ran


def test_the_best_is_the_first_of_the_lowest_that_are_finite() -> None:
    state = opened(Record([]))
    state.note(math.inf, 0)
    assert state.best is None
    state.note(math.nan, 0)
    assert state.best is None
    for score, number in ((3.0, 1), (2.0, 2), (2.0, 3), (2.5, 4), (-1.0, 5), (math.nan, 6)):
        state.note(score, number)
    assert state.best == (-1.0, 5)
    state.note(-1.0, 7)
    assert state.best == (-1.0, 5)


def test_a_best_that_was_replaced_is_looked_for_anew() -> None:
    record = Record([trial(0, None, 1.0), trial(1, None, 2.0)])
    state = opened(record)
    assert state.best == (1.0, 0)
    record.known = [trial(0, None, 4.0), trial(1, None, 2.0)]
    state.look_for_best()
    assert state.best == (2.0, 1)


def test_the_lowest_are_those_with_a_score_and_of_equals_the_earlier() -> None:
    state = opened(Record([]))
    state.results = {9: 1.0, 2: 1.0, 4: 0.5, 5: math.inf, 7: 3.0}
    assert state.lowest(0) == set()
    assert state.lowest(2) == {4, 2}
    assert state.lowest(3) == {4, 2, 9}
    assert state.lowest(9) == {4, 2, 9, 7}


@pytest.mark.parametrize(
    ("asked", "budget", "said"),
    [
        (0, 2, None),
        (1, 3, None),
        (0, 1, "1 point not tried, as its budget is 1 trial"),
        (5, 5, "2 points not tried, as its budget is 5 trials"),
        (9, 5, "2 points not tried, as its budget is 5 trials"),
    ],
)
def test_points_beyond_the_budget_are_named(
    asked: int, budget: int, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    trials = [trial(number, Outcome.COMPLETE, 1.0) for number in range(asked)]
    opened(Record(trials), ARM.model_copy(update={"trials": budget}))
    assert [r.getMessage().partition(": ")[2].partition(";")[0] for r in caplog.records] == (
        [] if said is None else [said]
    )


def test_trials_of_other_programs_are_named(caplog: pytest.LogCaptureFixture) -> None:
    opened(Record([], strangers=3))
    (said,) = caplog.records
    assert "arms.x: the search learns from 3 trials that another program added" in said.getMessage()


def test_a_budget_that_is_used_up_leaves_those_that_were_cut_off() -> None:
    trials = [trial(n, Outcome.COMPLETE, 1.0) for n in range(10)] + [trial(10), trial(11)]
    state = opened(Record(trials))
    assert (state.asked, state.left, state.done, state.finished) == (12, 2, 10, True)
    assert state.share == 1.0
    empty = opened(Record([]), ARM.model_copy(update={"trials": 0, "points": []}))
    assert (empty.left, empty.finished, empty.share) == (0, True, 0.0)
