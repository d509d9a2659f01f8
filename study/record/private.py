"""Private parts of Optuna that cannot be avoided, each with its reason; pyproject.toml bounds its version."""

from __future__ import annotations

import os
from collections.abc import Container
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa
from optuna import Study, Trial
from optuna.storages import BaseStorage
from optuna.storages._rdb.models import (
    StudyModel,
    StudyUserAttributeModel,
    TrialModel,
    TrialUserAttributeModel,
)
from optuna.study._tell import _tell_with_warning
from optuna.trial import FrozenTrial, TrialState

STUDIES: sa.Table = StudyModel.__table__
STUDY_ATTRIBUTES: sa.Table = StudyUserAttributeModel.__table__
TRIALS: sa.Table = TrialModel.__table__
TRIAL_ATTRIBUTES: sa.Table = TrialUserAttributeModel.__table__
"""The tables: to count thousands of trials by reading each takes seconds, and a look must make nothing."""


def storage_of(study: Study) -> BaseStorage:
    """The storage of a study: what is kept of a trial that no ``Trial`` is open for is written there."""
    return study._storage


def trials_of(
    study: Study, deepcopy: bool, states: Container[TrialState] | None, use_cache: bool
) -> list[FrozenTrial]:
    """Reads a study's trials as samplers do, who see all of them once a trial (``use_cache``)."""
    return study._get_trials(deepcopy, states, use_cache)


def id_of(study: Study, number: int) -> int:
    """The storage's own id of a trial, by which the storage's calls know it."""
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def id_of_trial(trial: FrozenTrial | Trial) -> int:
    """The storage's own id of a trial that was read or is open."""
    return trial._trial_id


def opened(study: Study, trial: FrozenTrial) -> Trial:
    """Opens a trial that another process began: Optuna has no call that takes one up again."""
    study._thread_local.cached_all_trials = None  # see :func:`begun`
    return Trial(study, trial._trial_id)


def begun(study: Study) -> Trial:
    """Begins a new trial as ``Study.ask`` does where none waits.

    To see that none does, it reads every open trial from six tables, which was a tenth of what a driver
    does for a trial; :func:`open_ids` has told it by then.
    """
    study._thread_local.cached_all_trials = None  # what samplers see is read once a trial
    return Trial(study, study._storage.create_new_trial(study._study_id))


def tell(study: Study, trial: Trial, value: float | None) -> datetime:
    """Ends a trial as ``Study.tell`` does, which then reads all of it from six tables for its caller.

    Args:
        study: Its study.
        trial: An open trial; one that has ended already stays as it is.
        value: Its objective; None: it failed.

    Returns:
        When it ended.
    """
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    _tell_with_warning(study, trial, value, state, skip_if_finished=True)
    engine = engine_of(study)
    if engine is None:
        ended = study._storage.get_trial(trial._trial_id).datetime_complete
    else:
        this = TRIALS.c.trial_id == trial._trial_id
        with engine.connect() as connection:
            ended = connection.scalar(sa.select(TRIALS.c.datetime_complete).where(this))
    assert ended is not None  # Optuna sets it with the state
    return ended


def frozen(trial: Trial) -> FrozenTrial:
    """What an open trial is by now, without asking the database again."""
    return trial._cached_frozen_trial


def engine_of(study: Study) -> sa.Engine | None:
    """The engine of a study's database; None of a study in memory."""
    backend = getattr(study._storage, "_backend", None)
    engine: sa.Engine | None = getattr(backend, "engine", None)
    return engine


def open_ids(study: Study) -> frozenset[int] | None:
    """The storage's own ids of the trials that have not ended; None if only reading all of each tells.

    Optuna reads six tables to tell the same, which was a tenth of what a driver does for a trial.
    """
    engine = engine_of(study)
    if engine is None:
        return None
    states = (TrialState.WAITING, TrialState.RUNNING)
    mine = (TRIALS.c.study_id == study._study_id) & TRIALS.c.state.in_(states)
    with engine.connect() as connection:
        return frozenset(connection.scalars(sa.select(TRIALS.c.trial_id).where(mine)))


def bring_to_disk(study: Study) -> None:
    """Waits until what was written to a study's SQLite file is on the disk; a server sees to it itself."""
    engine = engine_of(study)
    if engine is None or engine.dialect.name != "sqlite":
        return
    # SQLite itself waits for this file, after each transaction, where it is told to wait.
    with suppress(FileNotFoundError):
        log = os.open(f"{engine.url.database}-wal", os.O_RDONLY)
        try:
            os.fsync(log)
        finally:
            os.close(log)
