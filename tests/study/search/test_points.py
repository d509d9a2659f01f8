"""What is tried on request: the points of the spec, and what other programs put into the record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from support.study import empty_record, saddle_spec

from study.places.locations import Places
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.trial import Outcome
from trainables.assignment import Turn
from trainables.protocol import Measurement

ARM = "two_timescale"
FIRST: dict[str, Any] = {"b": 1e-3, "a": 2e-3, "d_steps": 2}
SECOND: dict[str, Any] = {"b": 3e-3, "a": 4e-3, "d_steps": 1}
PARTIAL: dict[str, Any] = {"d_steps": 2}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(empty_record(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        record="", tracking="", artifacts=None, checkpoints=str(tmp_path / "c"), cache=str(tmp_path)
    )


def spec_of(trials: int, *points: dict[str, Any], **parts: Any) -> Spec:
    data = saddle_spec(**parts)
    data["arms"] = {ARM: {**data["arms"][ARM], "trials": trials, "points": list(points)}}
    return Spec.model_validate(data)


def run(record: Ledger, places: Places, spec: Spec, most: int = 99) -> list[dict[str, Any]]:
    """One launch; returns the samples of the trials that it ran, in order."""
    conductor = Conductor(spec, record, places)
    samples = []
    while len(samples) < most and (assignment := conductor.next()):
        turn = Turn(step=40, steps=40, measurements=(Measurement(step=40, score=1.0),))
        conductor.turn(assignment.identity, Turn(**{**vars(turn), "finished": True}))
        samples.append(assignment.parameters.to_json())
    return samples


def script(record: Ledger) -> optuna.Study:
    """The arm as a script of the user's opens it."""
    return optuna.load_study(study_name=f"little/{ARM}", storage=record.storage)


def distributions() -> dict[str, BaseDistribution]:
    return dict(spec_of(0).arms[ARM].build().distributions)


def test_points_that_are_added_to_a_study_with_trials_are_tried(
    record: Ledger, places: Places
) -> None:
    run(record, places, spec_of(3, FIRST))
    assert run(record, places, spec_of(5, FIRST, SECOND, PARTIAL))[0] == SECOND
    last = record.arm("little", ARM).trials()[-1]
    assert last.d_steps == 2
    assert script(record).trials[-1].system_attrs["fixed_params"] == PARTIAL


def test_points_are_each_tried_once_however_often_a_launch_is_cut_off(
    record: Ledger, places: Places
) -> None:
    spec = spec_of(5, FIRST, SECOND, FIRST)
    samples = [sample for _ in range(5) for sample in run(record, places, spec, most=1)]
    assert samples[:3] == [FIRST, SECOND, FIRST], "one that stands twice is tried twice"
    assert FIRST not in samples[3:]
    assert SECOND not in samples[3:]
    assert run(record, places, spec) == []


def test_points_beyond_the_budget_wait_for_it(
    record: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert run(record, places, spec_of(1, FIRST, SECOND)) == [FIRST]
    assert f"arms.{ARM}: 1 point not tried, as its budget is 1 trial;" in caplog.text
    assert run(record, places, spec_of(2, FIRST, SECOND)) == [SECOND]


def test_what_a_script_enqueues_is_run_before_the_points(record: Ledger, places: Places) -> None:
    run(record, places, spec_of(1))
    script(record).enqueue_trial(SECOND)
    assert run(record, places, spec_of(3, FIRST)) == [SECOND, FIRST]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"b": 5.0}, "b is 5.0; it must be"),
        ({"width": 64}, "width is not sampled by this space"),
        ({"d_steps": "2"}, "d_steps is '2'; it must be"),
    ],
)
def test_what_a_script_enqueues_outside_of_the_space_is_refused_in_a_sentence(
    record: Ledger,
    places: Places,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    reason: str,
) -> None:
    run(record, places, spec_of(1))
    script(record).enqueue_trial(given)
    script(record).enqueue_trial(SECOND)
    with caplog.at_level(logging.WARNING):
        assert run(record, places, spec_of(2)) == [SECOND]
    assert f"is not run: {reason}" in caplog.text
    counts = record.counts("little", ARM)
    assert (counts.asked, counts.ended) == (2, {Outcome.COMPLETE: 2})
    caplog.clear()
    assert len(run(record, places, spec_of(3))) == 1
    assert "is not run" not in caplog.text, "said once"


def test_a_grid_refuses_what_is_enqueued_in_part(
    record: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    data = saddle_spec(search={"sampler": "grid"})
    grid = {"b": [1e-3, 3e-3], "a": [2e-3, 4e-3], "d_steps": [1, 2]}
    data["arms"] = {ARM: {**data["arms"][ARM], "trials": 3, "grid": grid}}
    spec = Spec.model_validate(data)
    run(record, places, spec, most=1)
    script(record).enqueue_trial({"b": 1e-3})
    script(record).enqueue_trial(SECOND)
    assert SECOND in run(record, places, spec)
    assert "a is missing" in caplog.text
    assert record.counts("little", ARM).ended == {Outcome.COMPLETE: 3}


def test_trials_that_a_script_adds_inform_the_search_and_are_not_counted(
    record: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    run(record, places, spec_of(2))
    other = script(record)
    other.add_trial(create_trial(params=FIRST, distributions=distributions(), value=0.5))
    elsewhere = {"b": FloatDistribution(1.0, 9.0, log=True)}
    other.add_trial(create_trial(params={"b": 2.0}, distributions=elsewhere, value=0.1))
    other.add_trial(create_trial(state=TrialState.FAIL))
    with caplog.at_level(logging.WARNING):
        conductor = Conductor(spec_of(4), record, places)
    assert (conductor.ended, conductor.left) == (2, 2)
    assert f"arms.{ARM}: the search learns from 2 trials that another program" in caplog.text
    assert conductor.arms[ARM].unpublished == [0, 1]
    counts = record.counts("little", ARM)
    assert (counts.asked, counts.ended, counts.unpublished) == (2, {Outcome.COMPLETE: 2}, 2)
    assert len(run(record, places, spec_of(4))) == 2
    assert [entry.number for entry in record.arm("little", ARM).trials()] == [0, 1, 5, 6]


def test_a_trial_that_a_script_ends_has_the_outcome_that_the_script_gave(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(3), record, places)
    for state, value in (("COMPLETE", 1.0), ("PRUNED", None), ("FAIL", None)):
        assignment = conductor.next()
        assert assignment is not None
        number = int(assignment.identity.rsplit("/", 1)[1])
        script(record).tell(number, value, state=TrialState[state])
    expected = [Outcome.COMPLETE, Outcome.STOPPED, Outcome.FAILED]
    assert [entry.outcome for entry in record.arm("little", ARM).trials()] == expected
    assert record.counts("little", ARM).ended == dict.fromkeys(expected, 1)
