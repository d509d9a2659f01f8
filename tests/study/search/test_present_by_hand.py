"""What the samplers of the present space see and begin from, each case stated by hand, in memory."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import warnings
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import CmaEsSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.space import SearchSpace
from study.search.present import PresentCmaEs, PresentQMC, PresentTPE

Distributions = dict[str, BaseDistribution]

RATE = FloatDistribution(1e-4, 1e-2, log=True)
NARROW = FloatDistribution(1e-4, 1e-3, log=True)
STEPS = CategoricalDistribution([10, 1, 4])
LADDER = [1, 4, 10]
PLAIN: Distributions = {"b": RATE, "a": RATE, "d_steps": STEPS}
STARTUP = 5


def space_of(**distributions: BaseDistribution) -> SearchSpace:
    """A space in which each name is a parameter; with a rate and steps that cannot vary unless given."""
    known = {"b": RATE, "a": FloatDistribution(1e-3, 1e-3), "d_steps": IntDistribution(1, 1)}
    every = known | distributions
    return SearchSpace(distributions=every, derived={name: {name: 1} for name in every})


def trial_of(params: dict[str, Any], value: float | None = 1.0, **further: Any) -> FrozenTrial:
    state = TrialState.RUNNING if value is None else TrialState.COMPLETE
    kinds: Distributions = {
        name: CategoricalDistribution([given])
        if isinstance(given, int)
        else FloatDistribution(1e-9, 9.0, log=True)
        for name, given in params.items()
    }
    given = {"state": state, "params": params, "distributions": kinds, **further}
    return create_trial(**given) if value is None else create_trial(value=value, **given)


class Recorder:
    """A study of which is noted how its trials are read."""

    name = "little/two"

    def __init__(self, trials: list[FrozenTrial]) -> None:
        self.trials = trials
        self.asked: list[tuple[Any, ...]] = []

    def _get_trials(self, deepcopy: bool, states: Any, use_cache: bool) -> list[FrozenTrial]:
        self.asked.append((deepcopy, states, use_cache))
        return self.trials


def test_of_ended_trials_whole_ones_of_the_space_are_seen_and_of_others_those_not_outside() -> None:
    inside = {"b": 1e-3, "a": 1e-3, "d_steps": 1}
    trials = [
        trial_of(inside),
        trial_of({"b": 1e-3}),  # values of names that are new
        trial_of(inside | {"b": 0.5}),
        trial_of({"b": 1e-3}, None),  # is being asked for
        trial_of({"b": 0.5}, None),
        create_trial(state=TrialState.WAITING),
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    seen = PresentTPE(space_of())._seen(Recorder(trials))  # type: ignore[arg-type]
    for _ in range(2):
        assert [trial.number for trial in seen._get_trials()] == [0, 3, 5]


def test_trials_are_read_once_for_a_proposal_and_all_else_is_the_studys() -> None:
    study = Recorder([])
    seen: Any = PresentTPE(space_of())._seen(study)  # type: ignore[arg-type]
    ended = (TrialState.COMPLETE,)
    assert seen._get_trials(deepcopy=False, states=ended, use_cache=True) == []
    assert seen._get_trials() == []
    # What Optuna's own method takes where nothing is said: copies, of any state. It reads the record at the
    # first of these calls, as the asking began with nothing read.
    assert study.asked == [(False, ended, True), (True, None, True)]
    assert seen.name == "little/two"


def test_names_that_vary_are_proposed_together_and_a_single_one_as_optuna_does() -> None:
    sampler = PresentTPE(space_of(**PLAIN), seed=1, n_startup_trials=STARTUP)
    study = optuna.create_study()
    study.add_trials(earlier(12, PLAIN))
    alone = PresentTPE(space_of()).infer_relative_search_space(study, trial_of({}))
    assert alone == {"b": RATE}
    trial = trial_of({}, None)
    stock = TPESampler(seed=1, n_startup_trials=STARTUP)
    found, expected = (
        each.sample_independent(study, trial, "b", RATE) for each in (sampler, stock)
    )
    assert found == expected


def test_a_quasi_random_sequence_has_a_dimension_for_every_name() -> None:
    space = space_of()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = PresentQMC(space, seed=0)
    names = sampler.infer_relative_search_space(optuna.create_study(), trial_of({}))
    assert names == space.distributions
    assert set(names) == {"b", "a", "d_steps"}


def cmaes(space: SearchSpace) -> PresentCmaEs:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        unordered = PresentTPE(space, seed=1, n_startup_trials=STARTUP)
        return PresentCmaEs(space, seed=1, n_startup_trials=STARTUP, independent_sampler=unordered)


def earlier(count: int, distributions: Distributions, **further: Any) -> list[FrozenTrial]:
    """So many ended trials with values of these distributions."""
    draw = random.Random(count)
    found = []
    for _ in range(count):
        params = {
            name: draw.choice(each.choices)
            if isinstance(each, CategoricalDistribution)
            else 1e-4 * 10 ** draw.random()
            for name, each in distributions.items()
        }
        found.append(
            create_trial(
                params=params, distributions=distributions, value=1 + draw.random(), **further
            )
        )
    return found


def proposed(space: SearchSpace, trials: list[FrozenTrial]) -> dict[str, Any]:
    study = optuna.create_study(sampler=cmaes(space))
    study.add_trials(trials)
    return study.ask(dict(space.distributions)).params


def on_ladders(trial: FrozenTrial, ordered: Distributions) -> FrozenTrial:
    """A trial as Optuna's own class takes it: the number of D's steps as the place among 1, 4, 10."""
    params = {
        name: LADDER.index(trial.params[name]) if name == "d_steps" else trial.params[name]
        for name in ordered
    }
    return create_trial(params=params, distributions=ordered, value=trial.value)


def proposed_by_stock(
    ordered: Distributions, trials: list[FrozenTrial], sources: list[FrozenTrial] | None
) -> dict[str, Any]:
    """What Optuna's own class proposes that is told where to begin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = CmaEsSampler(
            seed=1,
            n_startup_trials=STARTUP,
            with_margin="d_steps" in ordered,
            source_trials=sources and [on_ladders(trial, ordered) for trial in sources],
        )
    study = optuna.create_study(sampler=sampler)
    study.add_trials([on_ladders(trial, ordered) for trial in trials])
    params = study.ask(ordered).params
    if "d_steps" in ordered:
        params["d_steps"] = LADDER[params["d_steps"]]
    return params


ORDERED: Distributions = {"a": RATE, "b": RATE, "d_steps": IntDistribution(0, 2)}
OLD: Distributions = PLAIN | {"b": NARROW}
STOCK = {"cmawm:generation": 0}
"""What Optuna's own class leaves with a trial."""


@pytest.mark.parametrize(
    ("distributions", "count", "left", "warm"),
    [
        (OLD, 10, {}, True),
        (OLD, 9, {}, False),
        (PLAIN, 10, {}, False),
        (PLAIN, 10, STOCK, True),
        (OLD, 10, STOCK, True),
    ],
)
def test_cmaes_begins_from_the_best_of_ten_trials_of_another_space_or_in_the_middle(
    distributions: Distributions, count: int, left: dict[str, Any], warm: bool
) -> None:
    trials = earlier(count, distributions, system_attrs=left)
    sources = trials if warm else None
    found = proposed(space_of(**PLAIN), trials)
    assert found == proposed_by_stock(ORDERED, trials, sources)


def test_cmaes_begins_from_no_trial_that_came_after_the_last_of_another_space() -> None:
    trials = [*earlier(20, OLD), *earlier(12, PLAIN)]
    expected = proposed_by_stock(ORDERED, trials, trials[:20])
    assert proposed(space_of(**PLAIN), trials) == expected
    # Those of the present space in between were drawn by a sampler that knew the others.
    mixed = [*earlier(6, OLD), *earlier(8, PLAIN), *earlier(6, OLD), *earlier(9, PLAIN)]
    expected = proposed_by_stock(ORDERED, mixed, mixed[:20])
    assert proposed(space_of(**PLAIN), mixed) == expected


def test_cmaes_begins_from_no_trial_without_a_score() -> None:
    """Ten with one and ten without: the best tenth is one trial, not two."""
    trials = earlier(20, OLD)
    for trial in trials[::2]:
        trial.value = math.inf
    expected = proposed_by_stock(ORDERED, trials, trials[1::2])
    assert proposed(space_of(**PLAIN), trials) == expected


def test_cmaes_leaves_out_choices_that_have_no_order_and_does_not_say_so_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rule = CategoricalDistribution(["alternating", "simultaneous"])
    mixed = CategoricalDistribution([1, "many"])
    flags = CategoricalDistribution([True, False])
    further: Distributions = {"rule": rule, "mixed": mixed, "flag": flags}
    trials = earlier(12, OLD | further)
    said = logging.getLogger("optuna.samplers._cmaes")
    said.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, said.name):
            found = proposed(space_of(**PLAIN, **further), trials)
    finally:
        said.removeHandler(caplog.handler)
    assert not caplog.records
    for name in further:
        found.pop(name)
    assert found == proposed_by_stock(ORDERED, trials, trials)


@pytest.mark.parametrize(
    ("distribution", "margin"),
    [
        (CategoricalDistribution([1, 2]), True),
        (CategoricalDistribution(["x", "y"]), False),
        (IntDistribution(1, 9), True),
        (IntDistribution(1, 9, log=True), False),
        (FloatDistribution(0.0, 1.0, step=0.25), True),
        (FloatDistribution(0.0, 1.0), False),
        (RATE, False),
    ],
)
def test_cmaes_keeps_a_margin_where_values_have_steps(
    distribution: BaseDistribution, margin: bool
) -> None:
    """Hamano et al. 2022; Optuna writes what it is told of a trial beside its values only then."""
    space = space_of(further=distribution)
    study = optuna.create_study(sampler=cmaes(space))
    for _ in range(STARTUP):
        study.tell(study.ask(dict(space.distributions)), 1.0)
    study.ask(dict(space.distributions))
    assert ("x_for_tell" in study.trials[-1].system_attrs) is margin


def test_cmaes_keeps_its_state_under_a_name_that_says_of_which_space_it_is() -> None:
    """The name is in studies that go on: it must stay what it was."""
    space = space_of(**PLAIN)
    study = optuna.create_study(sampler=cmaes(space))
    study.add_trials(earlier(STARTUP, PLAIN))
    study.ask(dict(space.distributions))
    rate, steps = (
        f'{{"name": "{kind}Distribution", "attributes": {{{attributes}}}}}'
        for kind, attributes in (
            ("Float", '"step": null, "low": 0.0001, "high": 0.01, "log": true'),
            ("Int", '"log": false, "step": 1, "low": 0, "high": 2'),
        )
    )
    text = f'{{"a": {json.dumps(rate)}, "b": {json.dumps(rate)}, "d_steps": {json.dumps(steps)}}}'
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert set(study.trials[-1].system_attrs) == {f"ttur:{short}:cmawm:generation", "x_for_tell"}
