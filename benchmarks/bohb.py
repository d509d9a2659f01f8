"""Syne Tune's BOHB asked through Optuna's interface, for replays; needs `pip install syne-tune`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from study.spec.model import Spec

SCORE, STEP = "score", "evaluation"


class Bohb(BaseSampler, BasePruner):
    """Syne Tune's own code: it proposes settings by kernel densities and stops trials by successive halving.

    The settings are its defaults. Each arm is a run of its own. Its densities are over what they are given
    as it is, so they are given the logarithms of rates, as a user who knows that would do it.

    Args:
        spec: The study.
        steps: The steps of the evaluations.
    """

    def __init__(self, spec: Spec, steps: Sequence[int]) -> None:
        self._steps = list(steps)
        self._spaces: dict[str, Mapping[str, BaseDistribution]] = {
            f"{spec.name}/{name}": arm.build().distributions for name, arm in spec.arms.items()
        }
        seeded = enumerate(self._spaces.items(), start=100 * spec.search.seed)
        self._schedulers = {
            name: _scheduler(space, len(steps), seed) for seed, (name, space) in seeded
        }
        self._trials: dict[tuple[str, int], Any] = {}
        self._told: set[tuple[str, int, int]] = set()

    def infer_relative_search_space(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """All names of the arm."""
        return dict(self._spaces[study.study_name])

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the scheduler suggests."""
        from syne_tune.backend.trial_status import Trial

        scheduler = self._schedulers[study.study_name]
        config = scheduler.suggest().config
        known = Trial(trial.number, config, datetime.now(UTC))
        scheduler.on_trial_add(known)
        self._trials[study.study_name, trial.number] = known
        return {name: _value(each, config[name]) for name, each in search_space.items()}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Nothing is left to be drawn so."""
        raise NotImplementedError(param_name)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the scheduler would stop the trial at its newest evaluation."""
        step = trial.last_step
        assert step is not None
        return bool(self._tell(study, trial, step) == "STOP")

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,  # noqa: ARG002
        values: Sequence[float] | None,  # noqa: ARG002
    ) -> None:
        """Tells it the last evaluation of a whole trial, at which nobody asks whether to stop."""
        if trial.last_step is not None:
            self._tell(study, trial, trial.last_step)

    def _tell(self, study: optuna.Study, trial: FrozenTrial, step: int) -> str:
        key = (study.study_name, trial.number, step)
        if key in self._told:
            return ""
        self._told.add(key)
        result = {SCORE: trial.intermediate_values[step], STEP: self._steps.index(step) + 1}
        known = self._trials[study.study_name, trial.number]
        return str(self._schedulers[study.study_name].on_trial_result(known, result))


def _scheduler(space: Mapping[str, BaseDistribution], evaluations: int, seed: int) -> Any:
    from syne_tune.optimizer.baselines import BOHB

    return BOHB(
        {name: _domain(each) for name, each in space.items()},
        metric=SCORE,
        time_attr=STEP,
        max_t=evaluations,
        random_seed=seed,
    )


def _domain(distribution: BaseDistribution) -> Any:
    from syne_tune.config_space import choice, uniform

    if isinstance(distribution, FloatDistribution):
        return uniform(math.log(distribution.low), math.log(distribution.high))
    if isinstance(distribution, CategoricalDistribution):
        return choice(list(distribution.choices))
    raise TypeError(f"{distribution} is not one of a recorded surface's")


def _value(distribution: BaseDistribution, given: Any) -> Any:
    if isinstance(distribution, FloatDistribution):
        return min(max(math.exp(given), distribution.low), distribution.high)
    return given
