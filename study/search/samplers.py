"""Optuna's samplers and pruners, by the names that a spec uses."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence

import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, GridSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from study.search.joint import JointSampler, Trials
from study.search.present import PresentCmaEs, PresentGP, PresentQMC, PresentTPE
from study.spec.parts import Arm, Search, Stopping
from trainables.settings.base import TrialSettings


def derived_seed(*parts: object) -> int:
    """Returns a 31-bit seed that is a function of its parts alone, on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def make_sampler(
    search: Search, arm_name: str, arm: Arm, asked: Sequence[int], others: Trials = tuple
) -> BaseSampler:
    """Builds the sampler of an arm for one launch.

    The seed depends on how far the asking is: the same seed again would repeat random values. A trial
    that was cut off while it was asked for gets its values from a seed of its own, as the next launch may
    be cut off before it asks for another one. Grid and quasi-random sequences are positions in one fixed
    order, which Optuna keeps with the study, so their seed stays.

    Args:
        search: The spec's search part.
        arm_name: Name of the arm.
        arm: The arm.
        asked: How far earlier launches came with asking (``ArmLedger.asked``).
        others: The trials of the other arms, for the sampler that learns from all.
    """
    steady = derived_seed(search.seed, arm_name)
    space = arm.build()
    seed = derived_seed(search.seed, arm_name, *asked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match search.sampler:
            case "joint":
                return JointSampler(space, others, seed=seed, startup=search.startup)
            case "tpe":
                return PresentTPE(space, seed=seed, n_startup_trials=search.startup)
            case "gp":
                return PresentGP(space, seed=seed, n_startup_trials=search.startup)
            case "cmaes":
                unordered = PresentTPE(space, seed=seed, n_startup_trials=search.startup)
                return PresentCmaEs(
                    space, seed=seed, n_startup_trials=search.startup, independent_sampler=unordered
                )
            case "random":
                return RandomSampler(seed=seed)
            case "qmc":
                return PresentQMC(space, seed=steady, scramble=True)
            case "grid":
                return _Grid(arm.grid or {}, seed=steady)


class _Grid(GridSampler):
    """Optuna's grid, which ends Optuna's own loop after the last point; here the budget ends an arm."""

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: there is no loop of Optuna's to end, and asking for it would be an error."""


def make_pruner(stopping: Stopping, settings: TrialSettings) -> BasePruner:
    """Builds the pruner: it judges from the record, so that it forgets nothing in a restart."""
    pruner = stopping.pruner
    if pruner is None:
        return NopPruner()
    first = pruner.min_evaluations * settings.evaluate_every
    if pruner.name == "median":
        return MedianPruner(n_warmup_steps=first)
    if pruner.name == "asha":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=pruner.reduction_factor)
    return HyperbandPruner(
        min_resource=first, max_resource=settings.steps, reduction_factor=pruner.reduction_factor
    )
