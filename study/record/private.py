"""Private parts of Optuna that cannot be avoided, each with its reason; pyproject.toml bounds its version."""

from __future__ import annotations

from collections.abc import Container

import sqlalchemy as sa
from optuna import Study, Trial
from optuna.storages import BaseStorage
from optuna.storages._rdb.models import (
    StudyModel,
    StudyUserAttributeModel,
    TrialModel,
    TrialUserAttributeModel,
)
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
    return Trial(study, trial._trial_id)


def frozen(trial: Trial) -> FrozenTrial:
    """What an open trial is by now, without asking the database again."""
    return trial._cached_frozen_trial


def engine_of(study: Study) -> sa.Engine:
    """The engine of a study's database: Optuna's own calls refuse to change a trial that has ended."""
    engine: sa.Engine = study._storage._backend.engine  # type: ignore[attr-defined]
    return engine
