"""The value that a trial is outside its process: what it tells of itself, its JSON, order and table."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from study.results.frame import COLUMNS, to_frame
from study.trial import (
    ONE,
    TWO,
    Outcome,
    TrialRecord,
    by_convention,
    compared_order,
    rank,
    ranked,
)
from trainables.protocol import Measurement, Parameters, one_a_step

EVALUATIONS = (
    Measurement(step=10, score=4.0, noise=0.4, seconds=1.0, time=101.0, metrics={"fid": 9.0}),
    Measurement(step=20, score=3.0, noise=0.3, seconds=2.0, time=102.0, metrics={"fid": 8.0}),
    Measurement(step=30, score=3.0, noise=0.2, seconds=3.0, time=103.0, metrics={"fid": 7.0}),
)
FURTHER = {"loss": "hinge", "noise": 0.5}
JSON = {
    "arm": TWO,
    "number": 7,
    "b": 2e-3,
    "a": 1e-3,
    "d_steps": 2,
    "score": 3.0,
    "score_name": "fid_10k",
    "step": 20,
    "seed": 11,
    "outcome": "stopped",
    "mlflow_run_id": "abc",
    "study": "faces",
    "noise": 0.3,
    "reason": "the score rose",
    "started": 100.0,
    "seconds": 3.0,
    "end_step": 30,
    "floor": None,
    "ceiling": None,
    "share": None,
    "further": FURTHER,
}


def record(number: int = 7, arm: str = TWO, **known: Any) -> TrialRecord:
    parameters = Parameters(b=2e-3, a=1e-3, d_steps=2, further=known.pop("further", {}))
    return TrialRecord(study="faces", arm=arm, number=number, parameters=parameters, **known)


def full() -> TrialRecord:
    return record(
        score_name="fid_10k",
        seed=11,
        outcome=Outcome.STOPPED,
        reason="the score rose",
        end_step=30,
        measurements=EVALUATIONS,
        started=100.0,
        ended=200.0,
        mlflow_run_id="abc",
        further=FURTHER,
    )


def scored(number: int, arm: str, score: float | None, outcome: Outcome | None) -> TrialRecord:
    evaluations = () if score is None else (Measurement(step=10, score=score),)
    return record(number, arm, outcome=outcome, measurements=evaluations)


def test_the_best_evaluation_is_the_first_of_the_lowest() -> None:
    trial = full()
    assert trial.identity == "faces/two_timescale/7"
    assert (trial.b, trial.a, trial.d_steps, trial.further) == (2e-3, 1e-3, 2, FURTHER)
    assert trial.best is EVALUATIONS[1]
    assert (trial.score, trial.step, trial.noise, trial.seconds) == (3.0, 20, 0.3, 3.0)
    assert trial.objective == 3.0
    assert trial.to_json() == JSON


def test_a_trial_without_evaluations_has_no_score_and_comes_last() -> None:
    trial = record()
    assert (trial.best, trial.score, trial.step) == (None, None, None)
    assert (trial.noise, trial.seconds, trial.objective) == (0.0, 0.0, math.inf)
    unknown = {"score": None, "step": None, "outcome": None, "reason": None, "mlflow_run_id": None}
    assert trial.to_json().items() >= unknown.items()


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (Outcome.COMPLETE, True),
        (Outcome.STOPPED, True),
        (Outcome.DIVERGED, True),
        (Outcome.FAILED, False),
        (None, False),
    ],
)
def test_what_ended_without_an_error_counts(outcome: Outcome | None, counts: bool) -> None:
    assert record(outcome=outcome).counts is counts


def test_of_two_evaluations_at_a_step_the_later_counts_and_they_are_in_order() -> None:
    again = Measurement(step=10, score=5.0)
    assert one_a_step([*EVALUATIONS, again]) == [again, *EVALUATIONS[1:]]
    assert one_a_step(reversed(EVALUATIONS)) == list(EVALUATIONS)


@pytest.mark.parametrize(("end", "kept"), [(None, 3), (30, 3), (29, 2), (20, 2), (9, 0), (0, 0)])
def test_an_evaluation_after_the_end_is_no_part_of_a_trial(end: int | None, kept: int) -> None:
    trial = replace(full(), end_step=end, measurements=())
    given = trial.with_evaluations(reversed(EVALUATIONS))
    assert given == replace(trial, measurements=EVALUATIONS[:kept])
    assert isinstance(given.measurements, tuple)


def test_scores_alone_leave_out_what_else_was_measured() -> None:
    bare = full().scores_alone()
    expected = tuple(Measurement(step=m.step, score=m.score, time=m.time) for m in EVALUATIONS)
    assert bare == replace(full(), measurements=expected)
    assert bare.measurements[0].metrics == {}


def test_json_gives_the_trial_back_as_far_as_it_tells() -> None:
    best = Measurement(step=20, score=3.0, noise=0.3, seconds=3.0, time=0.0)
    expected = replace(full(), measurements=(best,), ended=None)
    assert TrialRecord.from_json(JSON) == expected
    assert TrialRecord.from_json(JSON).to_json() == JSON


def test_json_with_the_least_is_a_trial_of_which_no_more_is_known() -> None:
    least = {name: JSON[name] for name in ("study", "arm", "number", "score_name", "b", "a")}
    trial = TrialRecord.from_json(least | {"d_steps": 2})
    assert trial == record(score_name="fid_10k")
    trial = TrialRecord.from_json(least | {"d_steps": 2, "score": 3})
    assert trial.measurements == (Measurement(step=0, score=3.0, time=0.0),)
    assert isinstance(trial.score, float)
    empty = dict.fromkeys(("seed", "started", "further", "step", "noise", "end_step"))
    assert TrialRecord.from_json(least | {"d_steps": 2, "score": 3} | empty) == trial


def test_the_levels_of_a_score_go_with_it() -> None:
    """A score of 3 between pictures of nothing at 9 and real data at 1 has come three quarters of the way."""
    seen = Measurement(
        step=1, score=3.0, metrics={"score_floor": 1.0, "score_ceiling": 9.0, "x": 2.0}
    )
    made = record(measurements=(seen,)).to_json()
    assert (made["floor"], made["ceiling"], made["share"]) == (1.0, 9.0, 0.75)
    again = TrialRecord.from_json(made)
    assert again.measurements[0].metrics == {"score_floor": 1.0, "score_ceiling": 9.0}
    as_read = TrialRecord.from_json(made | {"floor": "1", "ceiling": None})
    assert as_read.measurements[0].metrics == {"score_floor": 1.0}


def test_numbers_of_a_table_become_those_of_a_trial() -> None:
    """A column with gaps holds 7 as 7.0, and a file holds every value as text."""
    as_read = JSON | {"number": "7", "seed": 11.0, "step": 20.0, "score": "3.0", "noise": "0.3"}
    trial = TrialRecord.from_json(as_read | {"started": "100", "seconds": "3", "end_step": "30"})
    assert trial.to_json() == JSON
    whole = (trial.number, trial.seed, trial.step, trial.end_step)
    assert [type(value) for value in whole] == [int] * 4
    assert isinstance(trial.outcome, Outcome)


@pytest.mark.parametrize("wrong", [{"outcome": "lost"}, {"b": -1.0}, {"d_steps": 0}])
def test_json_that_is_not_a_trial_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lost|b is -1|d_steps is 0"):
        TrialRecord.from_json(JSON | wrong)


def test_the_order_is_by_score_then_number_then_arm() -> None:
    done, failed = Outcome.COMPLETE, Outcome.FAILED
    trials = [
        scored(1, TWO, 2.0, done),
        scored(1, ONE, 2.0, Outcome.DIVERGED),
        scored(0, TWO, 2.0, Outcome.STOPPED),
        scored(9, TWO, 1.0, done),
        scored(2, ONE, None, done),
        scored(3, ONE, 0.5, failed),
        scored(4, ONE, 0.5, None),
    ]
    found = [(t.number, t.arm) for t in ranked(trials)]
    assert found == [(9, TWO), (0, TWO), (1, ONE), (1, TWO)]
    assert rank(trials[4]) == (math.inf, 2, ONE)


def test_arms_are_ordered_with_the_papers_first() -> None:
    names = ["zoo", TWO, "adam", ONE]
    assert by_convention(names) == [ONE, TWO, "adam", "zoo"]
    assert by_convention(["zoo", TWO]) == [TWO, "zoo"]
    assert compared_order([*names, "zoo"]) == [ONE, TWO, "zoo", "adam"]
    assert compared_order(["zoo", TWO, "adam"]) == ["zoo", TWO, "adam"]
    assert compared_order(["zoo", ONE, "adam"]) == ["zoo", ONE, "adam"]


def test_a_table_has_its_columns_and_one_for_each_further_parameter() -> None:
    frame = to_frame([full(), record(8, further={"networks.width": 4})])
    assert frame.columns.tolist() == [*COLUMNS, "loss", "further.noise", "networks.width"]
    first = {n: value for n, value in JSON.items() if n != "further" and value is not None}
    assert frame.iloc[0].dropna().to_dict() == first | {"loss": "hinge", "further.noise": 0.5}
    assert frame["number"].tolist() == [7, 8]
    assert frame["networks.width"].dropna().to_dict() == {1: 4.0}
    assert to_frame([]).columns.tolist() == list(COLUMNS)
