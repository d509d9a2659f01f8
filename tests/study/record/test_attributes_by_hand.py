"""How a trial of Optuna's storage is read as a trial of a study, each state stated by hand."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from support.study import empty_record

from study.record.attributes import (
    is_strange,
    outcome_of,
    set_attributes,
    suggested,
    trial_of,
)
from study.record.database import Ledger
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

GIVEN = {"b": 0.5, "a": 0.25, "d_steps": 2, "width": 32}
START = datetime.datetime(2026, 1, 1, 12)
END = datetime.datetime(2026, 1, 1, 13)


def kept(state: TrialState, **attributes: Any) -> FrozenTrial:
    """A trial number 7 with what the record keeps of one."""
    trial = create_trial(
        state=state,
        value=3.0 if state == TrialState.COMPLETE else None,
        intermediate_values={20: 3.0, 10: 4.0},
        user_attrs={"parameters": GIVEN, **attributes},
    )
    trial.number, trial.datetime_start, trial.datetime_complete = 7, START, None
    if state.is_finished():
        trial.datetime_complete = END
    return trial


def test_a_trial_that_ended_is_read_with_its_end() -> None:
    attributes = {
        "outcome": "stopped",
        "reason": "it rose",
        "end_step": 20,
        "mlflow_run_id": "r",
        "published": True,
    }
    found = trial_of("little/two/x", kept(TrialState.COMPLETE, **attributes))
    assert found == TrialRecord(
        study="little",
        arm="two/x",
        number=7,
        parameters=Parameters(b=0.5, a=0.25, d_steps=2, further={"width": 32}),
        outcome=Outcome.STOPPED,
        reason="it rose",
        end_step=20,
        measurements=(
            Measurement(step=10, score=4.0, time=END.timestamp()),
            Measurement(step=20, score=3.0, time=END.timestamp()),
        ),
        started=START.timestamp(),
        ended=END.timestamp(),
        mlflow_run_id="r",
        published=True,
    )


def test_of_a_trial_that_runs_an_end_that_was_not_told_is_not_read() -> None:
    attributes = {"outcome": "failed", "reason": "it fell", "end_step": 20}
    found = trial_of("little/two", kept(TrialState.RUNNING, **attributes))
    assert (found.outcome, found.reason, found.end_step, found.ended) == (None,) * 4
    assert (found.mlflow_run_id, found.published) == (None, False)
    assert found.started == START.timestamp()
    assert [m.time for m in found.measurements] == [START.timestamp()] * 2


def test_a_trial_that_waits_has_not_started() -> None:
    trial = create_trial(state=TrialState.WAITING, user_attrs={"parameters": GIVEN})
    trial.datetime_start = None
    found = trial_of("little/two", trial)
    assert (found.started, found.ended, found.measurements) == (0.0, None, ())


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (TrialState.COMPLETE, Outcome.COMPLETE),
        (TrialState.PRUNED, Outcome.STOPPED),
        (TrialState.FAIL, Outcome.FAILED),
    ],
)
def test_of_a_trial_that_another_program_ended_the_state_says_how(
    state: TrialState, outcome: Outcome
) -> None:
    assert outcome_of(state, None) is outcome
    assert outcome_of(state, "diverged") is Outcome.DIVERGED
    found = trial_of("little/two", kept(state))
    assert (found.outcome, found.reason, found.end_step) == (outcome, None, None)


@pytest.mark.parametrize(
    ("state", "ours", "strange"),
    [
        (TrialState.WAITING, True, True),
        (TrialState.WAITING, False, True),
        (TrialState.RUNNING, True, False),
        (TrialState.RUNNING, False, False),
        (TrialState.COMPLETE, True, False),
        (TrialState.COMPLETE, False, True),
        (TrialState.FAIL, True, False),
        (TrialState.FAIL, False, True),
    ],
)
def test_a_trial_is_not_the_studys_if_it_waits_or_ended_without_parameters(
    state: TrialState, ours: bool, strange: bool
) -> None:
    attributes = {"parameters": GIVEN} if ours else {"other": 1}
    value = 1.0 if state == TrialState.COMPLETE else None
    trial = create_trial(state=state, value=value, user_attrs=attributes)
    assert is_strange(trial) is strange


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(1e-4, 1e-2, log=True),
        FloatDistribution(0.5, 2.0, step=0.5),
        IntDistribution(1, 64, log=True),
        IntDistribution(2, 10, step=4),
        CategoricalDistribution(["x", 3, None]),
    ],
)
def test_a_value_is_asked_for_from_the_very_distribution(distribution: BaseDistribution) -> None:
    trial = optuna.create_study().ask()
    value = suggested(trial, "given", distribution)
    assert trial.distributions == {"given": distribution}
    assert trial.params == {"given": value}
    assert suggested(trial, "given", distribution) == value


def test_a_distribution_of_another_kind_is_an_error() -> None:
    trial = optuna.create_study().ask()
    with pytest.raises(TypeError, match="given has a _Strange"):
        suggested(trial, "given", _Strange())


class _Strange(BaseDistribution):
    """Of no kind that is known."""

    def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
        raise NotImplementedError

    def single(self) -> bool:
        raise NotImplementedError

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        raise NotImplementedError


def test_of_a_study_in_memory_attributes_are_set_while_a_trial_is_open() -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    set_attributes(study, second._trial_id, {"run": {"new": [1]}, "more": 1})
    set_attributes(study, second._trial_id, {"more": "x"})
    assert [t.user_attrs for t in study.trials] == [{}, {"run": {"new": [1]}, "more": "x"}]
    study.tell(first, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        set_attributes(study, first._trial_id, {"more": 1})


def test_an_attribute_of_a_trial_that_has_ended_is_set_and_set_again(tmp_path: Path) -> None:
    ledger = Ledger(empty_record(tmp_path))
    study = optuna.create_study(storage=ledger.storage)
    for _ in range(2):
        study.add_trial(create_trial(value=1.0, user_attrs={"run": "old", "other": 1}))
    identity = study.trials[1]._trial_id
    set_attributes(study, identity, {"run": {"new": [1]}, "more": 1, "kept": 2})
    set_attributes(study, identity, {"more": "x"})
    with pytest.raises(TypeError, match="JSON"):  # all or none
        set_attributes(study, identity, {"other": 3, "never": object()})
    fresh = optuna.load_study(study_name=study.study_name, storage=Ledger(ledger._url).storage)
    now = {"run": {"new": [1]}, "other": 1, "more": "x", "kept": 2}
    expected = [{"run": "old", "other": 1}, now]
    assert [trial.user_attrs for trial in fresh.trials] == expected
    ledger.close()
