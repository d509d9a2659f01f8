"""A trial in Optuna's storage: its values, its attributes beside them, and its reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from study.record.private import TRIAL_ATTRIBUTES, engine_of, storage_of
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

PARAMETERS = "parameters"
OUTCOME = "outcome"
REASON = "reason"
END_STEP = "end_step"
NOISE = "noise"
"""Of the lowest score; records of earlier versions have none."""
RUN_ID = "mlflow_run_id"
PUBLISHED = "published"
EARLY = "early"
"""The early evaluations of a trial, by step: Optuna's own values are scores, which prune and rank."""
REFUSED = "refused"
"""Why a trial that another program enqueued was not run."""


_BY_STATE = {
    TrialState.COMPLETE: Outcome.COMPLETE,
    TrialState.PRUNED: Outcome.STOPPED,
    TrialState.FAIL: Outcome.FAILED,
}


def is_strange(trial: FrozenTrial) -> bool:
    """Whether a trial is not the study's: it waits, or another program put it there."""
    ended_elsewhere = trial.state.is_finished() and PARAMETERS not in trial.user_attrs
    return trial.state == TrialState.WAITING or ended_elsewhere


def outcome_of(state: TrialState, outcome: str | None) -> Outcome:
    """How a trial ended; one that another program ended has only Optuna's state."""
    return Outcome(outcome) if outcome else _BY_STATE[state]


def set_attributes(study: optuna.Study, trial_id: int, attributes: Mapping[str, object]) -> None:
    """Sets attributes of a trial, all of them or none, also of one that has ended.

    Optuna's own call takes one at a time and refuses a trial that has ended; but the run of a trial may be
    made after its end (MLflow was away), and its id belongs to the record. A storage in memory has that
    call alone.
    """
    engine, table = engine_of(study), TRIAL_ATTRIBUTES
    if engine is None:
        for key, value in attributes.items():
            storage_of(study).set_trial_user_attr(trial_id, key, value)
        return
    with engine.begin() as connection:
        for key, value in attributes.items():
            where = (table.c.trial_id == trial_id) & (table.c.key == key)
            text = json.dumps(value)
            changed = connection.execute(table.update().where(where).values(value_json=text))
            if not changed.rowcount:
                connection.execute(
                    table.insert().values(trial_id=trial_id, key=key, value_json=text)
                )


def trial_of(name: str, trial: FrozenTrial) -> TrialRecord:
    """A trial of the Optuna study ``study/arm`` as far as the record knows it."""
    study, _, arm = name.partition("/")
    attributes, finished = trial.user_attrs, trial.state.is_finished()
    started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    ended = trial.datetime_complete.timestamp() if trial.datetime_complete else None
    found = TrialRecord(
        study=study,
        arm=arm,
        number=trial.number,
        parameters=Parameters.of(attributes[PARAMETERS]),
        outcome=outcome_of(trial.state, attributes.get(OUTCOME)) if finished else None,
        reason=attributes.get(REASON) if finished else None,
        end_step=attributes.get(END_STEP) if finished else None,
        started=started,
        ended=ended,
        mlflow_run_id=attributes.get(RUN_ID),
        published=bool(attributes.get(PUBLISHED)),
    )
    when = ended or started
    scores = ((n, s, False) for n, s in trial.intermediate_values.items())
    early = ((n, s, True) for n, s in early_of(trial).items())
    whole = found.with_evaluations(
        Measurement(step=n, score=s, time=when, early=e) for n, s, e in (*early, *scores)
    )
    noise, best = attributes.get(NOISE), whole.best
    if not noise or best is None:
        return whole
    told = (replace(m, noise=noise) if m is best else m for m in whole.measurements)
    return replace(whole, measurements=tuple(told))


def early_of(trial: FrozenTrial) -> dict[int, float]:
    """The early evaluations of a trial, by step."""
    return {int(step): float(score) for step, score in trial.user_attrs.get(EARLY, {}).items()}


def suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Asks the sampler for a value, unless the trial has one of this name."""
    match distribution:
        case FloatDistribution():
            return trial.suggest_float(
                name,
                distribution.low,
                distribution.high,
                step=distribution.step,
                log=distribution.log,
            )
        case IntDistribution():
            return trial.suggest_int(
                name,
                distribution.low,
                distribution.high,
                step=distribution.step,
                log=distribution.log,
            )
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
    raise TypeError(f"{name} has a {type(distribution).__name__}")
