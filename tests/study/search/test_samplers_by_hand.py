"""What a spec's sampler and pruner are: Optuna's own, with seeds and bounds that are worked out by hand."""

from __future__ import annotations

import hashlib
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, create_trial
from support.study import saddle_spec

from study.search.joint import JointSampler
from study.search.samplers import make_pruner, make_sampler
from study.spec.model import Spec

GP = pytest.param("gp", marks=pytest.mark.slow)
ARM = "two_timescale"
STARTUP = 3
RULES = ["alternating", "simultaneous"]
GRID: dict[str, Sequence[float]] = {"b": [1e-4, 1e-3], "a": [1e-4, 1e-3], "d_steps": [1]}
EARLIER = {"b": 1e-3, "a": 2e-3, "d_steps": 1, "update_rule": "simultaneous"}


def seed_of(text: str) -> int:
    """The first 31 bits of what SHA-256 makes of it."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) // 2


STEADY, SEED = seed_of(f"7/{ARM}"), seed_of(f"7/{ARM}/5/2/1")


def spec_of(sampler: str, **parts: Any) -> Spec:
    data = saddle_spec(search={"sampler": sampler, "seed": 7, "startup": STARTUP}, **parts)
    arm = {**data["arms"][ARM], "d_steps": [1]}
    further = {"update_rule": {"choices": RULES}}
    data["arms"] = {ARM: arm | ({"grid": GRID} if sampler == "grid" else {"further": further})}
    return Spec.model_validate(data)


def quietly(kind: type[BaseSampler], *arguments: Any, **options: Any) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return kind(*arguments, **options)


def stock(sampler: str, spec: Spec) -> BaseSampler:
    """Optuna's own class, of the same name."""
    match sampler:
        case "tpe":
            return TPESampler(seed=SEED, n_startup_trials=STARTUP)
        case "gp":
            return quietly(GPSampler, seed=SEED, n_startup_trials=STARTUP)
        case "cmaes":
            tpe = TPESampler(seed=SEED, n_startup_trials=STARTUP)
            return CmaEsSampler(
                seed=SEED,
                n_startup_trials=STARTUP,
                independent_sampler=tpe,
                warn_independent_sampling=False,
            )
        case "random":
            return RandomSampler(seed=SEED)
        case "qmc":
            return quietly(QMCSampler, seed=STEADY, scramble=True)
        case "grid":
            return GridSampler(GRID, seed=STEADY)
    space = spec.arms[ARM].build()
    return JointSampler(space, beside, seed=SEED, startup=STARTUP)


def distributions(spec: Spec) -> dict[str, BaseDistribution]:
    return dict(spec.arms[ARM].build().distributions)


def beside() -> list[FrozenTrial]:
    """Two trials of another arm."""
    spaces = distributions(spec_of("random"))
    return [
        create_trial(params=EARLIER | {"b": b}, distributions=spaces, value=1e3 * b)
        for b in (2e-3, 5e-3)
    ]


def proposed(sampler: BaseSampler, spec: Spec, count: int) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=sampler)
    spaces = distributions(spec)
    known = {name: EARLIER[name] for name in spaces}
    study.add_trial(create_trial(params=known, distributions=spaces, value=1.0))
    found = []
    for _ in range(count):
        trial = study.ask(spaces)
        found.append(dict(trial.params))
        study.tell(trial, 1e3 * trial.params["b"] + (trial.params.get("update_rule") == RULES[0]))
    return found


@pytest.mark.parametrize("sampler", ["tpe", GP, "cmaes", "random", "qmc", "grid", "joint"])
def test_an_arm_is_searched_as_optuna_does_with_a_seed_of_the_study_the_arm_and_how_far_it_is(
    sampler: str,
) -> None:
    spec = spec_of(sampler)
    count = 3 if sampler in ("gp", "joint", "grid") else 10
    made = make_sampler(spec.search, ARM, spec.arms[ARM], (5, 2, 1), beside)
    assert proposed(made, spec, count) == proposed(stock(sampler, spec), spec, count)


def test_a_gaussian_process_is_asked_after_as_many_trials_as_the_spec_says() -> None:
    """Until then it draws at random, without the seconds of imports that the rest of it takes."""
    spec = spec_of("gp")
    made: Any = make_sampler(spec.search, ARM, spec.arms[ARM], (5, 2, 1))
    assert made._n_startup_trials == STARTUP
    assert proposed(made, spec, 2) == proposed(stock("gp", spec), spec, 2)


def test_the_joint_sampler_learns_alone_where_there_are_no_other_arms() -> None:
    spec = spec_of("joint")
    made = make_sampler(spec.search, ARM, spec.arms[ARM], (5, 2, 1))
    nothing = optuna.create_study()
    names = made.infer_relative_search_space(nothing, beside()[0])
    assert set(names) == {"a", "b", "update_rule"}, "what varies, whether or not a trial is there"
    alone = JointSampler(spec.arms[ARM].build(), seed=SEED, startup=STARTUP)
    assert proposed(made, spec, 3) == proposed(alone, spec, 3)


def pruned_at(
    pruner: BasePruner, every: int, scores: list[float], others: int = 8, name: str = "pruned"
) -> list[int]:
    """After how many evaluations a trial would be stopped, after others that scored 1, 2, ... throughout."""
    study = optuna.create_study(pruner=pruner, study_name=name)
    for other in range(others):
        trial = study.ask()
        for k in range(1, len(scores) + 1):
            trial.report(1.0 + other, k * every)
            trial.should_prune()
        study.tell(trial, 1.0 + other)
    trial, found = study.ask(), []
    for k, score in enumerate(scores, 1):
        trial.report(score, k * every)
        if trial.should_prune():
            found.append(k)
    return found


def pruner_of(every: int, **pruner: Any) -> BasePruner:
    trial = {"kind": "saddle", "steps": 27 * every, "evaluate_every": every}
    spec = spec_of("random", trial=trial, stopping={"pruner": pruner})
    return make_pruner(spec.stopping, spec.settings)


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("least", [1, 2, 3])
def test_the_median_decides_from_the_first_evaluation_that_the_spec_lets_it(
    every: int, least: int
) -> None:
    pruner = pruner_of(every, name="median", min_evaluations=least)
    # The median of 1 to 6 is 3.5, which the best so far of this trial is above until its fifth.
    scores = [9.0, 3.6, 9.0, 3.6, 3.4, 9.0]
    assert pruned_at(pruner, every, scores, 6) == [k for k in (1, 2, 3, 4) if k >= least]


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize(
    ("least", "factor", "rungs"), [(1, 3, [1, 3, 9, 27]), (2, 2, [2, 4, 8, 16]), (2, 3, [2, 6, 18])]
)
def test_successive_halving_decides_at_the_least_evaluations_times_powers_of_its_factor(
    every: int, least: int, factor: int, rungs: list[int]
) -> None:
    pruner = pruner_of(every, name="asha", min_evaluations=least, reduction_factor=factor)
    assert isinstance(pruner, SuccessiveHalvingPruner)
    # It is the best of all up to a rung, and the worst there.
    for rung in rungs:
        scores = [0.0] * (rung - 1) + [99.0]
        assert pruned_at(pruner, every, scores) == [rung]
    assert pruned_at(pruner, every, [0.0] * 27) == []


def bracket_of(text: str, budgets: list[int]) -> int:
    """Optuna divides trials among brackets by a checksum, in proportion to these budgets."""
    place = zlib.crc32(text.encode()) % sum(budgets)
    return next(i for i in range(len(budgets)) if place < sum(budgets[: i + 1]))


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize(
    ("least", "factor", "budgets"),
    [
        # Li et al. 2018, Algorithm 1, R = 27: B factor^s / (s + 1) rounded up, s = B - 1, ..., 0.
        (1, 3, [27, 12, 6, 4]),
        (1, 2, [16, 10, 7, 5, 5]),
        (3, 3, [9, 5, 3]),
    ],
)
def test_hyperband_begins_in_each_bracket_a_factor_later(
    every: int, least: int, factor: int, budgets: list[int]
) -> None:
    seen = set()
    for name in ("one", "two", "three", "four", "five"):
        brackets = [bracket_of(f"{name}_{number}", budgets) for number in range(41)]
        first = least * factor ** brackets[40]
        if first > 9 or brackets.count(brackets[40]) < 2:
            continue
        seen.add(brackets[40])
        pruner = pruner_of(every, name="hyperband", min_evaluations=least, reduction_factor=factor)
        assert pruned_at(pruner, every, [99.0] * 9, 40, name)[:1] == [first]
    assert len(seen) > 1
