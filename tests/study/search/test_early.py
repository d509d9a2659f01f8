"""Early evaluations: what stops a trial at one, what is remembered of it, and what it stands for then."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from scipy import stats
from support.study import empty_record, saddle_spec

from study.places.locations import Places
from study.record.database import Ledger
from study.search.ahead import Early, Stake, reason_to_give_up
from study.search.conductor import Conductor
from study.search.early import foreseen
from study.search.handing import Live
from study.spec.model import Spec
from study.spec.parts import Stopping
from study.surface.gains import gains
from study.surface.stopped import forecast
from study.surface.surface import Surface
from study.trial import Outcome, TrialRecord
from trainables.assignment import Turn
from trainables.levels import UNKNOWN, Levels, Score
from trainables.protocol import Measurement, Parameters

STEPS = (10, 20, 30, 40)
WHOLE = [{30: 4.0 + 0.1 * n, 40: 3.0 + 0.2 * n} for n in range(10)]
"""Scores of ten whole trials: their last two evaluations."""
FIRST = [{10: 40.0 + n, 20: 12.0 + (n % 3)} for n in range(10)]
"""Their early evaluations."""
RULE = Stopping(rule="ahead")


def measured(step: int, score: float, early: bool) -> Measurement:
    return Measurement(step=step, score=score, noise=0.05 * score, time=1e9 + step, early=early)


def gained(step: int) -> list[float]:
    """By hand: what the lowest score was of the lowest early evaluation by a step, in logarithms."""
    pairs = zip(WHOLE, FIRST, strict=True)
    return [
        math.log(min(scores.values())) - math.log(min(v for at, v in first.items() if at <= step))
        for scores, first in pairs
    ]


def predicted(seen: list[float], left: float, noise: float) -> Any:
    """Student's t of one more gain, of the normal ones with the prior of two trials."""
    n, freedom = len(seen), 2 + len(seen) - 1
    squares = 2 * ((0.5 * left) ** 2 + 2 * noise**2) + n * float(np.var(seen))
    return stats.t(freedom, float(np.mean(seen)), math.sqrt(squares / freedom * (1 + 1 / n)))


@pytest.mark.parametrize("step", [10, 20])
@pytest.mark.parametrize("target", [2.5, 3.4, 6.0])
def test_the_gain_of_an_early_evaluation_is_to_the_lowest_score(step: int, target: float) -> None:
    law = predicted(gained(step), 1 - step / 40, 0.05)
    found = gains(step, WHOLE, 0.05, FIRST)
    assert found.whole == 10
    assert found.chance(15.0, target) == pytest.approx(law.cdf(math.log(target / 15.0)), rel=1e-9)
    some = [FIRST[0], {20: 9.0}, {}, *FIRST[3:]]
    assert gains(10, WHOLE, 0.0, some).whole == 8
    assert gains(20, WHOLE, 0.0, some).whole == 9


def judged(score: float, best: float, levels: Levels = UNKNOWN, **changes: Any) -> str | None:
    """The reason to stop at a second early evaluation."""
    history = [measured(10, 90.0, True), measured(20, score, True)]
    early = Early(changes.get("first", FIRST), levels)
    rule = changes.get("rule", RULE)
    return reason_to_give_up(history, rule, WHOLE, (best, 3), Stake(1, 1, 10), early)


def test_a_trial_is_given_up_by_what_early_evaluations_came_to() -> None:
    law = predicted(gained(20), 0.5, 0.05)
    # The score at which the chance to end below 3 is just 0.5 %.
    limit = 3.0 / math.exp(law.ppf(0.005))
    assert judged(limit * 0.999, 3.0) is None
    reason = judged(limit * 1.001, 3.0)
    assert reason is not None
    assert "its lowest early evaluation by step 20" in reason
    assert "10 whole trials" in reason
    # It is no score: one that lies below the lowest score may still not beat it.
    assert judged(2.9, 0.3) is not None
    assert judged(limit * 1.001, 3.0, rule=Stopping(rule="rising")) is None
    assert judged(limit * 1.001, 3.0, first=[*FIRST[:9], {}]) is None  # nine are too few
    assert judged(limit * 1.001, 3.0, first=[*FIRST[:9], {10: -1.0}]) is None
    # Nothing is to be beaten that is no better than noise.
    assert judged(limit * 1.001, 3.0, Levels(floor=0.5, ceiling=3.1)) is None
    assert judged(limit * 1.001, 3.0, Levels(floor=0.5, ceiling=90.0)) is not None


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(empty_record(tmp_path))
    yield opened
    opened.close()


def conductor(record: Ledger, folder: Path) -> Conductor:
    places = Places(record="", tracking="", artifacts=None, checkpoints=str(folder), cache="")
    fields = saddle_spec(trials=12)
    fields["trial"] = {"kind": "saddle", "steps": 40, "evaluate_every": 10}
    return Conductor(Spec.model_validate({**fields, "stopping": {"rule": "ahead"}}), record, places)


def whole(launch: Conductor, number: int) -> None:
    """One whole trial with two early evaluations."""
    assignment = launch.next()
    assert assignment is not None
    early = [measured(step, score, True) for step, score in FIRST[number].items()]
    scored = [measured(step, score, False) for step, score in WHOLE[number].items()]
    for each in (*early, *scored):
        turn = Turn(step=each.step, steps=40, measurements=(each,), finished=each.step == 40)
        assert launch.turn(assignment.identity, turn) is (each.step == 40)


def test_a_trial_that_is_stopped_early_has_no_score_and_is_remembered(
    record: Ledger, tmp_path: Path
) -> None:
    launch = conductor(record, tmp_path)
    for number in range(10):
        whole(launch, number)
    assignment = launch.next()
    assert assignment is not None
    bad = Turn(step=10, steps=40, measurements=(measured(10, 900.0, True),))
    assert launch.turn(assignment.identity, bad)
    arm, number = assignment.identity.split("/")[1:]
    trial = launch.stored(arm, int(number))
    assert (trial.outcome, trial.score, trial.end_step) == (Outcome.STOPPED, None, 10)
    assert [(m.step, m.score, m.early) for m in trial.early] == [(10, 900.0, True)]
    assert trial.measurements == ()
    every = [t for name in launch.arms for t in record.arm(launch.spec.name, name).trials()]
    scored = [t for t in every if t.score is not None]
    assert len(scored) == 10
    assert all([m.step for m in t.measurements] == [30, 40] for t in scored)
    assert all([m.step for m in t.early] == [10, 20] for t in scored)
    # Optuna's own values, which its pruners compare, are scores alone.
    frozen = [t for name in launch.arms for t in record.arm(launch.spec.name, name).frozen()]
    assert {step for t in frozen for step in t.intermediate_values} == {30, 40}


def test_a_trial_that_was_cut_off_is_judged_by_its_newest_evaluation(
    record: Ledger, tmp_path: Path
) -> None:
    launch = conductor(record, tmp_path)
    assignment = launch.next()
    assert assignment is not None
    early, later = measured(10, 900.0, True), measured(20, 12.0, True)
    assert not launch.turn(
        assignment.identity, Turn(step=20, steps=40, measurements=(early, later))
    )
    for number in range(10):
        whole(launch, number)
    launch.interrupt("a test")
    again = conductor(record, tmp_path)
    assert again._any_ran
    taken = again.next()
    assert taken is not None
    assert taken.identity == assignment.identity
    # Its first one alone would stop it; it is not the newest that the record has.
    assert not again.turn(taken.identity, Turn(step=10, steps=40, measurements=(early,)))
    assert not again.turn(taken.identity, Turn(step=20, steps=40, measurements=(early, later)))
    # A worker on another machine computed the second one anew, and another value of it.
    other = measured(20, 800.0, True)
    assert again.turn(taken.identity, Turn(step=20, steps=40, measurements=(other,)))
    arm, number = taken.identity.split("/")[1:]
    assert [m.score for m in again.stored(arm, int(number)).early] == [900.0, 800.0]


def test_a_sampler_sees_it_where_whole_trials_came_to() -> None:
    def ended(outcome: Outcome, value: float, scores: Any, early: Any) -> optuna.trial.FrozenTrial:
        known = {"outcome": str(outcome), "early": {str(k): v for k, v in early.items()}}
        return create_trial(
            state=TrialState.COMPLETE, value=value, intermediate_values=scores, user_attrs=known
        )

    pairs = zip(WHOLE, FIRST, strict=True)
    trials = [ended(Outcome.COMPLETE, min(s.values()), s, f) for s, f in pairs]
    stopped = ended(Outcome.STOPPED, math.inf, {}, {10: 60.0, 20: 30.0})
    lost = ended(Outcome.DIVERGED, math.inf, {}, {10: 60.0})
    late = ended(Outcome.STOPPED, 5.0, {30: 5.0}, {10: 60.0, 20: 30.0})
    found = foreseen([*trials, stopped, lost, late])
    assert [t.value for t in found[:10]] == [t.value for t in trials]
    expected = 30.0 * math.exp(float(np.mean(gained(20))))
    assert found[10].value == pytest.approx(expected)
    assert (stopped.value, found[11].value, found[12].value) == (math.inf, math.inf, 5.0)
    assert foreseen([stopped, lost]) == [stopped, lost]  # no whole trial tells of any
    without = ended(Outcome.COMPLETE, 3.0, {40: 3.0}, {})
    assert foreseen([without]) == [without]
    # One whose scores have no logarithm tells nothing, one of scores below 1 does.
    zero = ended(Outcome.COMPLETE, 0.0, {40: 0.0}, {20: 9.0})
    assert foreseen([zero, stopped])[1].value == math.inf
    below = ended(Outcome.STOPPED, math.inf, {}, {20: -1.0})
    assert foreseen([*trials, below])[10].value == math.inf
    small = ended(Outcome.COMPLETE, 0.25, {40: 0.25}, {20: 0.5})
    assert foreseen([zero, small, stopped])[2].value == pytest.approx(15.0)


def rows() -> list[TrialRecord]:
    made = []
    for number, (scores, first) in enumerate(zip(WHOLE, FIRST, strict=True)):
        rate = 10 ** (-4 + 0.2 * number)
        early = tuple(measured(step, value, True) for step, value in first.items())
        every = tuple(measured(step, value, False) for step, value in scores.items())
        made.append(
            TrialRecord(
                study="s",
                arm="x",
                number=number,
                parameters=Parameters(b=rate, a=rate, d_steps=1),
                outcome=Outcome.COMPLETE,
                measurements=every,
                early=early,
            )
        )
    return made


def test_the_surface_takes_it_for_what_it_would_have_come_to_and_not_for_diverged() -> None:
    every = rows()
    early = (measured(10, 60.0, True), measured(20, 30.0, True))
    stopped = replace(every[0], number=10, outcome=Outcome.STOPPED, measurements=(), early=early)
    (*_, told) = forecast([*every, stopped])
    law = predicted(gained(20), 0.5, 0.0)
    assert told.forecast is not None
    assert told.forecast.value == pytest.approx(30.0 * math.exp(law.mean()))
    assert told.forecast.noise / told.forecast.value == pytest.approx(
        math.hypot(law.std(), law.mean())
    )
    surface = Surface([*every, stopped], ["x"])
    assert [row.number for row in surface.forecast] == [10]
    assert not surface.beyond(surface.points).any()
    assert surface.known.all()
    # Where nothing is known of it but that it was stopped it is left out.
    bare = replace(stopped, early=())
    assert len(Surface([*every, bare], ["x"]).rows) == 10
    assert len(Surface([*every, replace(bare, forecast=Score(7.0, 1.0))], ["x"]).rows) == 11


def test_a_trial_parts_early_evaluations_from_scores() -> None:
    given = [measured(20, 5.0, False), measured(10, 9.0, True), measured(30, 4.0, False)]
    trial = replace(rows()[0], end_step=20).with_evaluations(given)
    assert ([m.step for m in trial.early], [m.step for m in trial.measurements]) == ([10], [20])
    assert trial.scores_alone().early == (
        Measurement(step=10, score=9.0, time=1e9 + 10, early=True),
    )
    alone = replace(trial, measurements=(), early=(replace(given[1], seconds=7.0),))
    assert (alone.score, alone.seconds) == (None, 7.0)
    again = Measurement.from_json(given[1].to_json())
    assert again == given[1]
    assert "early" not in given[0].to_json()


def test_what_was_handed_out_before_is_known_and_what_comes_again_takes_its_place() -> None:
    state: Any = None
    live = Live(state, rows()[0])
    early, score = measured(10, 9.0, True), measured(20, 5.0, False)
    assert not live.has(early)
    live.take(early)
    live.take(score)
    assert live.has(early)
    assert live.has(score)
    assert live.step == 20
    other = measured(20, 6.0, False)
    assert not live.has(other)
    live.take(other)
    assert (live.early, live.measurements) == ([early], [other])
    first = measured(10, 8.0, True)
    live.take(first)  # from an older checkpoint: what came after it comes again
    assert (live.early, live.measurements, live.step) == ([first], [], 10)
