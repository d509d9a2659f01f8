"""The sampler that learns from all arms: Optuna's own suite, and what only it can do."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import FrozenTrial, create_trial

from search_spaces.build import one_timescale, two_timescale
from study.record.attributes import OUTCOME, PARAMETERS
from study.search.joint import MOST, JointSampler, _values

LOW, HIGH = 1e-4, 1e-2


@pytest.mark.slow
class TestJointSampler(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's suite for samplers; before the surface is asked, and with it from the first trial on."""

    @pytest.fixture(params=[1, 100])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: JointSampler(seed=0, startup=request.param)


@pytest.mark.slow
class TestTogether(RelativeSamplerTestCase):
    """Optuna's suite for samplers that propose all values together."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: JointSampler(seed=0, startup=1)


def bowl(b: float, a: float) -> float:
    """Lowest, 1, at b = 1e-3, a = 4e-3."""
    return math.exp((math.log10(b) + 3) ** 2 + (math.log10(a) - math.log10(4e-3)) ** 2)


def elsewhere(count: int, seed: int = 0) -> list[FrozenTrial]:
    """Trials of another arm, all over the plane."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        b, a = (float(LOW * (HIGH / LOW) ** share) for share in draw.uniform(size=2))
        distributions = {name: FloatDistribution(LOW, HIGH, log=True) for name in ("b", "a")}
        found.append(
            create_trial(
                params={"b": b, "a": a},
                distributions=dict(distributions),
                value=bowl(b, a),
                user_attrs={PARAMETERS: {"b": b, "a": a, "d_steps": 1}, OUTCOME: "complete"},
            )
        )
    return found


def ask(sampler: JointSampler, space: dict[str, object]) -> dict[str, float]:
    study = optuna.create_study(sampler=sampler)
    return dict(study.ask(space).params)  # type: ignore[arg-type]


def test_what_another_arm_learnt_is_known_in_the_first_trial_of_this_one() -> None:
    space = one_timescale(b=(LOW, HIGH))
    taught = [
        ask(JointSampler(space, lambda: elsewhere(30), seed=seed), dict(space.distributions))["b"]
        for seed in range(6)
    ]
    # On the diagonal the bowl is lowest at b = a = 2e-3, halfway between 1e-3 and 4e-3.
    assert all(abs(math.log10(b / 2e-3)) < 0.35 for b in taught)
    alone = [ask(JointSampler(space, seed=s), dict(space.distributions))["b"] for s in range(6)]
    assert max(abs(math.log10(b / 2e-3)) for b in alone) > 0.5


@pytest.mark.slow
def test_a_study_of_its_own_comes_near_the_optimum_of_two_rates() -> None:
    space = two_timescale(b=(LOW, HIGH), a=(LOW, HIGH))
    study = optuna.create_study(sampler=JointSampler(space, seed=1, startup=6))
    for _ in range(22):
        trial = study.ask(dict(space.distributions))
        trial.set_user_attr(PARAMETERS, space.derive(trial.params))
        trial.set_user_attr(OUTCOME, "complete")
        study.tell(trial, bowl(trial.params["b"], trial.params["a"]))
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    random.optimize(
        lambda t: bowl(*(t.suggest_float(n, LOW, HIGH, log=True) for n in ("b", "a"))), 22
    )
    assert study.best_value < 1.01
    assert study.best_value < random.best_value


def test_a_trial_that_runs_is_not_tried_again() -> None:
    space = two_timescale(b=(LOW, HIGH), a=(LOW, HIGH))
    sampler = JointSampler(space, lambda: elsewhere(30), seed=0)
    study = optuna.create_study(sampler=sampler)
    points = []
    for _ in range(4):
        trial = study.ask(dict(space.distributions))
        trial.set_user_attr(PARAMETERS, space.derive(trial.params))
        points.append([math.log10(trial.params[name]) for name in ("b", "a")])
    apart = [np.hypot(*np.subtract(p, q)) for i, p in enumerate(points) for q in points[:i]]
    assert min(apart) > 1e-3


def curve(scores: list[float], outcome: str) -> FrozenTrial:
    steps = {100 * (i + 1): score for i, score in enumerate(scores)}
    return create_trial(value=min(scores), intermediate_values=steps, user_attrs={OUTCOME: outcome})


def test_what_was_stopped_early_stands_with_the_score_that_it_had() -> None:
    whole = [curve([100, 50, 25], "complete"), curve([80, 40, 40], "complete")]
    early, late = curve([90], "stopped"), curve([200, 90, 80], "stopped")
    np.testing.assert_allclose(_values([*whole, early, late], 1.0), np.log([25, 40, 90, 80]))


def test_trials_that_diverged_without_a_score_and_many_trials_are_taken() -> None:
    space = two_timescale(b=(LOW, HIGH), a=(LOW, HIGH))
    many = elsewhere(3 * MOST)
    for trial in many[::7]:
        trial.values = [math.inf]
    found = ask(JointSampler(space, lambda: many, seed=0), dict(space.distributions))
    assert set(found) == set(space.distributions)


def test_it_draws_at_random_while_every_trial_is_infinite() -> None:
    space = two_timescale(b=(LOW, HIGH), a=(LOW, HIGH))
    lost = elsewhere(12)
    for trial in lost:
        trial.values = [math.inf]
    found = ask(JointSampler(space, lambda: lost, seed=0), dict(space.distributions))
    assert set(found) == set(space.distributions)
