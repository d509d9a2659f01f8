"""Optuna's samplers over the space that an arm has now, with every earlier trial that lies in it.

Optuna lets a sampler model the names whose distributions are the same in all earlier trials. Once a range
was widened no name is left: TPE, GP and CMA-ES draw at random from then on, and quasi-random sequences
stay in the first trial's ranges. Here the space is stated, and earlier trials are looked at as trials of it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from search_spaces.queries import is_number
from search_spaces.space import SearchSpace
from study.record.private import trials_of

if TYPE_CHECKING:
    _Base = BaseSampler
else:
    _Base = object

Distributions = dict[str, BaseDistribution]

LEAST_SOURCES = 10
"""Earlier trials that a warm start needs: it begins from the best tenth of them."""


class _Seen:
    """An arm's Optuna study as a sampler sees it: without the trials that lie outside of the space."""

    def __init__(self, study: optuna.Study, space: SearchSpace, known: dict[int, bool]) -> None:
        self._study = study
        self._space = space
        self._known = known
        """Of trials that have ended, by number, whether they lie in the space."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        # TPE asks twice for one proposal, once past what was read. Nobody but this driver, which waits for
        # the proposal, changes a trial meanwhile.
        trials = trials_of(self._study, deepcopy, states, use_cache=True)
        return [trial for trial in trials if self._lies_inside(trial)]

    def _lies_inside(self, trial: FrozenTrial) -> bool:
        if not trial.state.is_finished():
            return self._space.contains(trial.params, partial=True)
        if trial.number not in self._known:
            self._known[trial.number] = self._space.contains(trial.params)
        return self._known[trial.number]


class _OverPresentSpace(_Base):
    """What the samplers below share; goes before Optuna's class.

    Args:
        space: The arm's space.
        arguments: Of Optuna's class.
    """

    def __init__(self, space: SearchSpace, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._space = space
        self._known: dict[int, bool] = {}

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> Distributions:
        """Every name that can vary, whatever earlier trials were drawn from."""
        return _varying(self._space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Any]:
        """Proposes values for all names together."""
        return super().sample_relative(  # type: ignore[safe-super]
            self._seen(study), trial, search_space
        )

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Proposes a value for one name."""
        return super().sample_independent(  # type: ignore[safe-super]
            self._seen(study), trial, param_name, param_distribution
        )

    def _seen(self, study: optuna.Study) -> optuna.Study:
        return _Seen(study, self._space, self._known)  # type: ignore[return-value]


class PresentTPE(_OverPresentSpace, TPESampler):
    """TPE over the present space."""


class PresentGP(_OverPresentSpace, GPSampler):
    """GP over the present space."""


class PresentQMC(_OverPresentSpace, QMCSampler):
    """Quasi-random points of the present space; a widened space has a sequence of its own."""

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> Distributions:
        """All names, also those with a single value: the dimensions of the sequence stay what they were."""
        return dict(self._space.distributions)


class PresentCmaEs(_OverPresentSpace, CmaEsSampler):
    """CMA-ES over the present space, in which choices that are numbers are steps of a ladder.

    Choices of other kinds have no order, so CMA-ES cannot take them in; they are drawn by TPE.
    Its state is in coordinates of one space. In a widened one it starts anew, from what the best earlier
    trials say (Nomura et al. 2021, Warm Starting CMA-ES for Hyperparameter Optimization).
    """

    def __init__(self, space: SearchSpace, **arguments: Any) -> None:
        self._ladders = {
            name: sorted(distribution.choices)  # type: ignore[type-var]
            for name, distribution in _varying(space).items()
            if isinstance(distribution, CategoricalDistribution)
            and all(is_number(choice) for choice in distribution.choices)
        }
        ordered = _ordered(_varying(space), self._ladders)
        arguments["with_margin"] = any(_is_discrete(each) for each in ordered.values())
        super().__init__(space, warn_independent_sampling=False, **arguments)
        self._ordered = ordered
        self._stock_prefix = self._attr_prefix
        # What Optuna's own class left with earlier trials is of another space, without the ladders.
        self._attr_prefix = f"ttur:{_fingerprint(ordered)}:{self._stock_prefix}"
        self._translations: dict[int, FrozenTrial] = {}
        self._last_elsewhere = -1
        """The number of the newest trial that was drawn from another space."""

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> Distributions:
        """Every name that can vary and has an order."""
        return {n: d for n, d in _varying(self._space).items() if n in self._ordered}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Any]:
        """Proposes values for all names that have an order, together."""
        ordered = {name: self._ordered[name] for name in search_space}
        found = super().sample_relative(study, trial, ordered)
        return {
            name: self._ladders[name][value] if name in self._ladders else value
            for name, value in found.items()
        }

    def _get_trials(self, study: optuna.Study) -> list[FrozenTrial]:
        return [self._translated(trial) for trial in super()._get_trials(study)]

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        """Looks for the state of the present space; without one, it says what a new one begins from."""
        sources = [
            trial
            for trial in completed_trials
            if trial.number <= self._last_elsewhere and math.isfinite(trial.value or 0.0)
        ]
        self._source_trials = sources if len(sources) >= LEAST_SOURCES else None
        return super()._restore_optimizer(completed_trials)

    def _translated(self, trial: FrozenTrial) -> FrozenTrial:
        """A trial as one of the ordered space."""
        if trial.number not in self._translations:
            if any(trial.distributions[n] != d for n, d in _varying(self._space).items()) or any(
                key.startswith(self._stock_prefix) for key in trial.system_attrs
            ):
                self._last_elsewhere = max(self._last_elsewhere, trial.number)
            seen = copy.copy(trial)
            seen.params = {
                name: self._ladders[name].index(trial.params[name])
                if name in self._ladders
                else trial.params[name]
                for name in self._ordered
            }
            seen.distributions = dict(self._ordered)
            self._translations[trial.number] = seen
        return self._translations[trial.number]


def _varying(space: SearchSpace) -> Distributions:
    """The names that have more than one value, in Optuna's order: that of the alphabet."""
    found = sorted(space.distributions.items())
    return {name: distribution for name, distribution in found if not distribution.single()}


def _ordered(space: Distributions, ladders: Mapping[str, list[Any]]) -> Distributions:
    """The names that have an order; of choices, the place on their ladder."""
    steps: Distributions = {n: IntDistribution(0, len(rungs) - 1) for n, rungs in ladders.items()}
    return {
        name: steps.get(name, distribution)
        for name, distribution in space.items()
        if name in steps or not isinstance(distribution, CategoricalDistribution)
    }


def _is_discrete(distribution: BaseDistribution) -> bool:
    return (
        isinstance(distribution, FloatDistribution | IntDistribution)
        and distribution.step is not None
        and not distribution.log
    )


def _fingerprint(space: Distributions) -> str:
    text = json.dumps({name: distribution_to_json(each) for name, each in space.items()})
    return hashlib.sha256(text.encode()).hexdigest()[:8]
