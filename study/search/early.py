"""Trials that were stopped at an early evaluation, for a sampler that learns from all."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.record.attributes import OUTCOME, early_of
from study.surface.gains import gains
from study.surface.stopped import some
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
    curves = zip(trials, early, strict=True)
    pairs = some([(t.intermediate_values, e) for t, e in curves if e and _is_whole(t)])
    whole, firsts = [curve for curve, _ in pairs], [first for _, first in pairs]
    found = functools.cache(lambda step: gains(step, whole, early=firsts))
    made = []
    for trial, first in zip(trials, early, strict=True):
        alone = trial.user_attrs.get(OUTCOME) == Outcome.STOPPED and not trial.intermediate_values
        if alone and first and (ahead := found(max(first))).whole:
            told = copy.copy(trial)
            told.value = first[max(first)] * math.exp(ahead.mean)
            made.append(told)
        else:
            made.append(trial)
    return made


def _is_whole(trial: FrozenTrial) -> bool:
    """Whether it made all its steps, with scores that have a logarithm."""
    values = (*trial.intermediate_values.values(), *early_of(trial).values())
    return trial.user_attrs.get(OUTCOME) == Outcome.COMPLETE and min(values) > 0
