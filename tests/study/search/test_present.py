"""After a range was widened, each sampler goes on as if every earlier trial had been drawn from the wide one.

Held against Optuna's own classes on a study that has the same trials with the wide distributions from
the beginning.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, TPESampler
from optuna.trial import create_trial
from support.study import empty_record, saddle_spec, sample_of

from study.record.attributes import PARAMETERS
from study.record.database import Ledger
from study.record.trials import ArmLedger
from study.search.samplers import derived_seed, make_pruner, make_sampler
from study.spec.model import Spec
from study.trial import Outcome

ARM = "two_timescale"
NARROW: dict[str, Any] = {"b": [1e-4, 1e-3], "a": [1e-4, 1e-3], "d_steps": [1, 2, 4, 8]}
WIDE: dict[str, Any] = {"b": [1e-4, 1e-1], "a": [1e-5, 1e-3], "d_steps": [1, 2, 4, 8]}
GP, CMAES, QMC = (pytest.param(name, marks=pytest.mark.slow) for name in ("gp", "cmaes", "qmc"))
STARTUP = 4


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(empty_record(tmp_path))
    yield opened
    opened.close()


def spec_of(sampler: str, ranges: dict[str, Any], **further: Any) -> Spec:
    data = saddle_spec(search={"sampler": sampler, "seed": 7, "startup": STARTUP})
    data["arms"] = {ARM: {"space": ARM, "trials": 99, **ranges, **further}}
    return Spec.model_validate(data)


def score(sample: dict[str, Any]) -> float:
    """Lowest at b = 0.01 (outside of the narrow range), a = 3e-4, 4 steps of D."""
    far_b, far_a = math.log10(sample["b"]) + 2, math.log10(sample["a"]) + 3.5
    return far_b**2 + far_a**2 + 0.5 * abs(math.log2(sample["d_steps"]) - 2)


def launched(record: Ledger, spec: Spec) -> ArmLedger:
    """An arm as a new launch opens it."""
    arm = record.arm("study", ARM)
    sampler = make_sampler(spec.search, ARM, spec.arms[ARM], arm.asked())
    arm.use(sampler, make_pruner(spec.stopping, spec.settings))
    return arm


def run(record: Ledger, spec: Spec, trials: int) -> list[dict[str, Any]]:
    """One launch: asks for trials and ends each with its score."""
    arm, space = launched(record, spec), spec.arms[ARM].build()
    samples = []
    for _ in range(trials):
        number = arm.ask(space).number
        sample = sample_of(arm, number)
        arm.end(number, Outcome.COMPLETE, score(sample), None, 40)
        samples.append(sample)
    return samples


def stock(sampler: str, asked: int) -> BaseSampler:
    """Optuna's own class, with the seed that a launch after so many trials has."""
    seed = derived_seed(7, ARM, asked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if sampler == "tpe":
            return TPESampler(seed=seed, n_startup_trials=STARTUP)
        if sampler == "gp":
            return GPSampler(seed=seed, n_startup_trials=STARTUP)
        return QMCSampler(seed=derived_seed(7, ARM), scramble=True)


def next_of_stock(
    sampler: str, earlier: list[dict[str, Any]], space: dict[str, BaseDistribution]
) -> dict[str, Any]:
    """What Optuna proposes next in a study that has had the wide space from the beginning."""
    study = optuna.create_study(sampler=stock(sampler, len(earlier)))
    for sample in earlier:
        study.add_trial(create_trial(params=sample, distributions=space, value=score(sample)))
    return dict(study.ask(space).params)


@pytest.mark.parametrize("sampler", ["tpe", GP, QMC])
def test_it_proposes_what_optuna_proposes_where_the_range_was_always_wide(
    record: Ledger, sampler: str
) -> None:
    earlier = run(record, spec_of(sampler, NARROW), 8)
    wide = spec_of(sampler, WIDE)
    space = dict(wide.arms[ARM].build().distributions)
    expected = next_of_stock(sampler, earlier, space)
    assert run(record, wide, 1) == [expected]


@pytest.mark.parametrize("sampler", ["tpe", GP, CMAES, QMC])
def test_it_proposes_all_names_together_after_a_widening(record: Ledger, sampler: str) -> None:
    run(record, spec_of(sampler, NARROW), 12)
    wide = spec_of(sampler, WIDE)
    made = make_sampler(wide.search, ARM, wide.arms[ARM], [12])
    study = optuna.load_study(study_name=f"study/{ARM}", storage=record.storage, sampler=made)
    trial = study.ask()
    names = made.infer_relative_search_space(study, study.get_trials()[-1])
    space = wide.arms[ARM].build().distributions
    assert names == dict(space)
    assert set(trial.relative_params) == set(space)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_cmaes_learns_the_number_of_steps_of_d(record: Ledger) -> None:
    samples = run(record, spec_of("cmaes", WIDE), 80)
    late = Counter(sample["d_steps"] for sample in samples[-20:])
    assert late[4] >= 14, f"drawn at random about 5 of 20 are 4: {late}"


@pytest.mark.slow
def test_cmaes_begins_a_widened_range_from_the_best_trials_of_the_narrow_one(
    record: Ledger,
) -> None:
    earlier = run(record, spec_of("cmaes", NARROW), 40)
    later = run(record, spec_of("cmaes", WIDE), 6)
    best = sorted(earlier, key=score)[:4]

    def middle(samples: list[dict[str, Any]], name: str) -> float:
        return sum(math.log10(sample[name]) for sample in samples) / len(samples)

    # The middle of the wide ranges is -2.5 and -4; a state in the narrow one's coordinates would put
    # its b of nearly 1e-3 at nearly 1e-1.
    assert middle(later, "b") == pytest.approx(middle(best, "b"), abs=0.5)
    assert middle(later, "a") == pytest.approx(middle(best, "a"), abs=0.4)
    assert {sample["d_steps"] for sample in later} <= {2, 4, 8}


@pytest.mark.slow
@pytest.mark.exhaustive
def test_cmaes_reaches_the_new_part_of_a_widened_range(record: Ledger) -> None:
    run(record, spec_of("cmaes", NARROW), 30)
    later = run(record, spec_of("cmaes", WIDE), 40)[-10:]
    assert sum(sample["b"] > 3e-3 for sample in later) >= 7
    assert max(map(score, later)) < 1.5, "drawn at random the median is over 2"


@pytest.mark.slow
def test_cmaes_goes_on_where_a_stock_one_left_a_study(record: Ledger) -> None:
    """As studies that were made before steps of D were a ladder did."""
    spec = spec_of("cmaes", NARROW)
    space = dict(spec.arms[ARM].build().distributions)
    old = optuna.create_study(
        study_name=f"study/{ARM}",
        storage=record.storage,
        sampler=optuna.samplers.CmaEsSampler(seed=0, warn_independent_sampling=False),
    )
    for _ in range(30):
        trial = old.ask(space)
        trial.set_user_attr(PARAMETERS, spec.arms[ARM].build().derive(trial.params))
        old.tell(trial, score(trial.params))
    later = run(record, spec, 32)[-16:]
    assert Counter(sample["d_steps"] for sample in later)[4] >= 10, "at random about 4 of 16"


def test_choices_that_have_no_order_are_still_chosen_by_what_was_learnt(record: Ledger) -> None:
    further = {"further": {"update_rule": {"choices": ["alternating", "simultaneous"]}}}
    spec = spec_of("cmaes", NARROW, **further)
    sampler = make_sampler(spec.search, ARM, spec.arms[ARM], [0])
    study = optuna.create_study(sampler=sampler)
    space = dict(spec.arms[ARM].build().distributions)
    found = []
    for _ in range(40):
        trial = study.ask(space)
        found.append(trial.params["update_rule"])
        study.tell(trial, 1.0 if found[-1] == "alternating" else 0.0)
    assert found[-20:].count("simultaneous") >= 15, "drawn at random about 10 of 20"


@pytest.mark.parametrize("sampler", ["tpe", GP, QMC, CMAES])
def test_trials_that_lie_outside_of_the_space_are_not_looked_at(
    record: Ledger, sampler: str
) -> None:
    spec = spec_of(sampler, NARROW)
    run(record, spec, 6)
    study = optuna.load_study(study_name=f"study/{ARM}", storage=record.storage)
    strange = {"b": optuna.distributions.FloatDistribution(1.0, 9.0, log=True)}
    study.add_trial(create_trial(params={"b": 5.0}, distributions=strange, value=-9.0))
    space = spec.arms[ARM].build()
    assert all(space.contains(sample) for sample in run(record, spec, 2))
