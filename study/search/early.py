"""Trials that were stopped at an early evaluation, for a sampler that learns from all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.record.attributes import OUTCOME, early_of
from study.surface.stopped import from_early
from study.trial import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def foreseen(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The same trials, those that were stopped at an early evaluation with an objective.

    They have no score, but did not diverge: each stands where whole trials came to from such an evaluation.

    Args:
        trials: Of all arms, those that ended.
    """
    early = [early_of(trial) for trial in trials]
    if not any(early):
        return list(trials)
    told = from_early(
        (trial.intermediate_values, first)
        for trial, first in zip(trials, early, strict=True)
        if trial.user_attrs.get(OUTCOME) == Outcome.COMPLETE
    )
    made = []
    for trial, first in zip(trials, early, strict=True):
        alone = trial.user_attrs.get(OUTCOME) == Outcome.STOPPED and not trial.intermediate_values
        said = told(max(first), first[max(first)]) if alone and first else None
        made.append(trial if said is None else _with_objective(trial, said.value))
    return made


def _with_objective(trial: FrozenTrial, value: float) -> FrozenTrial:
    changed = copy.copy(trial)
    changed.value = value
    return changed
