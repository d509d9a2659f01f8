"""The shared surface's sampler: what it learns from, among which samples it chooses, which one it takes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.space import SearchSpace
from study.record.attributes import PARAMETERS
from study.search import joint
from study.search.joint import JointSampler
from study.surface.observations import Observations

Distributions = dict[str, BaseDistribution]

LOW, HIGH = 1e-4, 1e-2
RATE = FloatDistribution(LOW, HIGH, log=True)
RULE = CategoricalDistribution(["x", "y", "z"])
BOTH: Distributions = {"b": RATE, "rule": RULE}
WIDE = IntDistribution(1, 1000)


def space_of(**distributions: BaseDistribution) -> SearchSpace:
    known = {"b": RATE, "a": FloatDistribution(1e-3, 1e-3), "d_steps": IntDistribution(3, 3)}
    every: Distributions = known | distributions
    return SearchSpace(distributions=every, derived={name: {name: 1} for name in every})


def ended(value: float, b: float = 1e-3, **further: Any) -> FrozenTrial:
    given = {"params": {"b": b}, "distributions": {"b": RATE}, **further}
    return create_trial(value=value, **given)


def running(number: int, params: dict[str, Any]) -> FrozenTrial:
    kinds: Distributions = dict.fromkeys(params, RATE)
    trial = create_trial(state=TrialState.RUNNING, params=params, distributions=kinds)
    trial.number = number
    return trial


class Chosen(JointSampler):
    """Notes among what is chosen, and takes the eighth."""

    told: tuple[list[FrozenTrial], list[FrozenTrial], list[dict[str, Any]], list[float]]
    lowest: float

    def _chosen(self, ended: Any, running: Any, samples: Any, values: Any, lowest: float) -> int:
        self.told = list(ended), list(running), list(samples), list(values)
        self.lowest = lowest
        return 7


def test_names_that_vary_are_proposed_together() -> None:
    study = optuna.create_study()
    trial = running(0, {})
    found = JointSampler(space_of(zeta=WIDE, c=RATE)).infer_relative_search_space(study, trial)
    assert list(found.items()) == [("b", RATE), ("c", RATE), ("zeta", WIDE)]
    assert JointSampler().infer_relative_search_space(study, trial) == {}
    single = FloatDistribution(1.0, 1.0)
    kinds: Distributions = {"q": RATE, "p": RATE, "one": single}
    params = {"q": 1e-3, "p": 1e-3, "one": 1.0}
    study.add_trial(create_trial(params=params, distributions=kinds, value=1.0))
    study.add_trial(
        create_trial(params=params | {"r": 1e-3}, distributions=kinds | {"r": RATE}, value=1.0)
    )
    found = JointSampler().infer_relative_search_space(study, trial)
    assert list(found.items()) == [("p", RATE), ("q", RATE)]


def test_a_value_alone_is_drawn_at_random_as_optuna_does() -> None:
    study = optuna.create_study()
    for name, distribution in BOTH.items():
        mine, stock = JointSampler(seed=3), RandomSampler(seed=3)
        args = study, running(0, {}), name, distribution
        for _ in range(5):
            assert mine.sample_independent(*args) == stock.sample_independent(*args)


def test_of_several_objectives_it_says_that_it_knows_one() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(ValueError, match="multi-objective"):
        JointSampler().sample_independent(study, running(0, {}), "b", RATE)
    with pytest.raises(ValueError, match="multi-objective"):
        JointSampler().sample_relative(study, running(0, {}), {"b": RATE})


def test_a_sampler_in_a_process_of_its_own_draws_other_values() -> None:
    mine, other = (JointSampler(seed=3) for _ in range(2))
    other.reseed_rng()
    study = optuna.create_study()
    drawn = [s.sample_independent(study, running(0, {}), "b", RATE) for s in (mine, other)]
    assert drawn[0] != drawn[1]
    candidates = [s._candidates({"b": RATE}, [], 1.0)[0]["b"] for s in (mine, other)]
    assert candidates[0] != candidates[1]


def test_it_learns_from_all_that_ended_with_a_score_and_minds_what_runs() -> None:
    pruned = create_trial(state=TrialState.PRUNED, value=9.0)
    failed = create_trial(state=TrialState.FAIL)
    others = [ended(3.0), pruned, failed, running(0, {"b": 5e-3}), running(1, {})]
    sampler = Chosen(space_of(), lambda: others, seed=1, startup=3)
    study = optuna.create_study()
    study.add_trials([ended(1.0), ended(2.0), failed])
    asked = study.ask()
    study.add_trial(running(0, {"b": 7e-3}))
    assert asked.number == 3
    trial = study.trials[3]
    trial.params = {"b": 2e-3}  # of what is asked for nothing is known
    found = sampler.sample_relative(study, trial, {"b": RATE})
    learnt, tried, samples, values = sampler.told
    assert [t.value for t in learnt] == [1.0, 2.0, 3.0]
    assert values == pytest.approx([0.0, math.log(2), math.log(3)])
    assert [t.params["b"] for t in tried] == [7e-3, 5e-3]
    assert sampler.lowest == 0.0
    assert found == samples[7]
    assert len(samples) == 800
    # Half of them lie beside the trials of this arm, all with b = 1e-3.
    assert {round(math.log10(s["b"])) for s in samples[400:]} == {-3}


@pytest.mark.parametrize(
    ("direction", "own", "others", "lowest"),
    [
        ("minimize", [4.0, 2.0, math.inf], [1.0, 0.5], math.log(2)),
        ("minimize", [], [4.0, 0.5, 1.0], math.log(0.5)),
        ("maximize", [4.0, 2.0], [9.0], -4.0),
    ],
)
def test_what_is_to_be_improved_on_is_the_best_of_the_arm(
    direction: str, own: list[float], others: list[float], lowest: float
) -> None:
    """On that of another arm, which lies lower, no setting of this one improves."""
    sampler = Chosen(space_of(), lambda: [ended(v) for v in others], seed=1, startup=3)
    study = optuna.create_study(direction=direction)
    study.add_trials([create_trial(state=TrialState.FAIL), *(ended(value) for value in own)])
    sampler.sample_relative(study, running(99, {}), {"b": RATE})
    assert sampler.lowest == pytest.approx(lowest)


def test_a_trial_of_its_own_that_was_asked_for_is_not_what_it_minds() -> None:
    sampler = Chosen(space_of(), lambda: [ended(1.0)] * 3, seed=1, startup=3)
    study = optuna.create_study()
    study.add_trial(running(0, {"b": 7e-3}))
    sampler.sample_relative(study, study.trials[0], {"b": RATE})
    assert sampler.told[1] == []
    assert len(sampler.told[2]) == 400, "this arm has no trial beside which to try"


@pytest.mark.parametrize(
    ("values", "startup", "asked"),
    [
        ([1.0] * 9, None, False),
        ([1.0] * 10, None, True),
        ([1.0, 2.0], 3, False),
        ([math.inf] * 5, 3, False),
        ([0.0, math.inf, math.inf], 3, True),
    ],
)
def test_the_surface_is_asked_after_enough_trials_one_of_them_with_a_score(
    values: list[float], startup: int | None, asked: bool
) -> None:
    options = {} if startup is None else {"startup": startup}
    sampler = Chosen(space_of(), lambda: [ended(value) for value in values], seed=1, **options)
    study = optuna.create_study()
    assert bool(sampler.sample_relative(study, running(5, {}), {"b": RATE})) is asked
    assert sampler.sample_relative(study, running(5, {}), {}) == {}
    assert hasattr(sampler, "told") is asked


def test_where_more_is_better_the_highest_are_the_best() -> None:
    sampler = Chosen(space_of(), seed=1, startup=3)
    study = optuna.create_study(direction="maximize")
    study.add_trials([ended(float(v), b=LOW if v < 10 else HIGH) for v in range(1, 15)])
    sampler.sample_relative(study, running(99, {}), {"b": RATE})
    assert sampler.told[3] == [-float(v) for v in range(1, 15)]
    assert min(s["b"] for s in sampler.told[2][400:]) > 1e-3


@pytest.mark.parametrize(("count", "best"), [(40, 5), (41, 5), (48, 6), (3, 3)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_candidates_are_drawn_from_the_whole_space_and_beside_the_best(
    count: int, best: int, sign: float
) -> None:
    """Against a loop that takes the same random numbers: shares, then steps of 0.05 of the range."""
    draw, rules = np.random.default_rng(4), RULE.choices
    known = [0.0, *(0.5 + n / 9 for n in range(count - 1))]
    trials = [
        create_trial(
            params={"b": LOW * 100 ** (0.9 * n / count), "rule": rules[n % 3]},
            distributions=BOTH,
            value=sign * value,
        )
        for n, value in enumerate(known)
    ]
    without = ended(sign * -7.0, b=HIGH)  # has not all names
    found = JointSampler(seed=4)._candidates(BOTH, [*reversed(trials), without], sign)

    def at(share: float) -> float:
        return float(LOW * 100 ** min(max(share, 0.0), 1.0))

    expected: list[tuple[float, str]] = []
    for _ in range(400):
        b = at(draw.uniform())
        expected.append((b, rules[int(3 * draw.uniform())]))  # type: ignore[arg-type]
    for i in range(400):
        near = i % best
        b = at(0.9 * near / count + 0.05 * draw.normal())
        same = draw.uniform() < 0.8
        expected.append((b, rules[near % 3] if same else rules[int(3 * draw.uniform())]))  # type: ignore[arg-type]
    assert [s["rule"] for s in found] == [rule for _, rule in expected]
    np.testing.assert_allclose([s["b"] for s in found], [b for b, _ in expected], rtol=1e-9)
    assert [list(s) for s in found] == [["b", "rule"]] * 800


@pytest.mark.parametrize("end", [1, 1000])
def test_a_candidate_beside_an_end_of_a_range_stays_inside(end: int) -> None:
    draw = np.random.default_rng(0)
    near = joint._beside(WIDE, draw)
    found = [near(end) for _ in range(400)]
    assert end in found
    assert 1 <= min(found) < max(found) <= 1000


def test_where_no_trial_has_all_names_all_candidates_are_of_the_whole_space() -> None:
    found = JointSampler(seed=4)._candidates(BOTH, [ended(1.0)] * 9, 1.0)
    assert len(found) == 400


def test_what_a_trial_is_given_tells_of_it_and_of_a_sample_what_it_would_be_given() -> None:
    twice = SearchSpace(
        distributions={
            "b": RATE,
            "r": FloatDistribution(2.0, 2.0),
            "d_steps": IntDistribution(3, 3),
        },
        derived={"b": {"b": 1}, "a": {"b": 1, "r": 1}, "d_steps": {"d_steps": 1}},
    )
    sampler = JointSampler(twice)
    assert sampler._given([{"b": 1e-3}]) == [{"b": 1e-3, "a": 2e-3, "d_steps": 3}]
    trial = ended(1.0, user_attrs={PARAMETERS: {"b": 1e-3, "a": 5e-3, "d_steps": 1}})
    assert sampler._setting(trial) == {"b": 1e-3, "a": 5e-3, "d_steps": 1}
    assert sampler._setting(ended(1.0)) == {"b": 1e-3}
    alone = JointSampler()
    assert alone._given([{"b": 1e-3}]) == [{"b": 1e-3}]
    assert alone._setting(trial) == {"b": 1e-3}


def test_objectives_are_taken_by_their_logarithm_if_they_have_one() -> None:
    # Logarithms 0 to 10: a tenth lies below 1, the median is 5, so above 13 they near 21, where inf is.
    powers = [ended(math.exp(n)) for n in range(11)]
    lost = create_trial(state=TrialState.COMPLETE, value=math.inf)
    found = joint._values([*powers], 1.0)
    np.testing.assert_allclose(found, range(11))
    np.testing.assert_allclose(joint._values([*powers, lost], 1.0), [*range(11), 21.0])
    empty = create_trial(state=TrialState.PRUNED)
    np.testing.assert_allclose(joint._values([*powers, empty], 1.0)[-1], 21.0)


@pytest.mark.parametrize(
    ("values", "sign", "expected"),
    [
        ([0.0, 1.0], 1.0, [0.0, 1.0]),
        ([-1.0, 2.0, math.inf], 1.0, [-1.0, 2.0, 2.0]),
        ([1.0, 3.0, -math.inf], -1.0, [-1.0, -3.0, -1.0]),
    ],
)
def test_what_has_no_logarithm_is_taken_as_it_is(
    values: list[float], sign: float, expected: list[float]
) -> None:
    assert list(joint._values([ended(value) for value in values], sign)) == expected


def aged(value: float, second: int | None, b: float = 1e-3) -> FrozenTrial:
    trial = ended(value, b=b)
    start = datetime.datetime(2026, 1, 1)
    trial.datetime_complete = None if second is None else start + datetime.timedelta(0, second)
    return trial


def test_the_newest_trials_are_those_that_ended_last() -> None:
    trials = [aged(1.0, (37 * n) % 60) for n in range(60)]
    expected = sorted(range(60), key=lambda n: (37 * n) % 60)[10:]
    assert list(joint._newest(trials)) == expected
    assert list(joint._newest([aged(1.0, 5), aged(1.0, None), aged(1.0, 3)])) == [1, 2, 0]
    at_once = [aged(1.0, n % 2) for n in range(400)]
    assert list(joint._newest(at_once)) == list(range(301, 400, 2)), "of equals the later ones"


def test_settings_are_points_with_what_is_missing_in_the_middle() -> None:
    settings: list[dict[str, Any]] = [
        {"one": 7, "b": 1e-4, "rule": "y"},
        {"one": 7, "b": 1e-2, "width": 10, "d_steps": 1},
        {"one": 7, "b": 1e-3, "width": 30, "rule": "x", "d_steps": 4},
        {"one": 7, "b": 1e-3, "width": 15, "rule": "x", "d_steps": 2},
    ]
    points, lengths = joint._points(settings)
    side = 1 / math.sqrt(2)  # two choices are 1 apart
    expected = [
        [0.0, 0.0, side, 0.5, 0.5],
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.5, side, 0.0, 1.0, 1.0],
        [0.5, side, 0.0, 0.25, 0.5],  # widths by their value, steps of D by their logarithm
    ]
    np.testing.assert_allclose(points, expected, atol=1e-12)
    assert list(lengths) == [0, 1, 1, 2, 3]
    assert lengths.dtype == np.int64
    points, lengths = joint._points([{"one": 7}, {"one": 7}])
    assert points.shape == (2, 0)
    assert lengths.shape == (0,)
    assert lengths.dtype == np.int64


class Fake:
    """A process whose mean and variance are known at every point."""

    def __init__(self, shift: float, seen: Observations | None = None, fits: bool = True) -> None:
        self.shift, self.seen, self.fits = shift, seen, fits
        self.again: list[Fake] = []

    def suits(self, seen: Observations) -> bool:
        return self.fits and len(seen.lengths) == 1

    def refitted(self, seen: Observations) -> Fake:
        made = Fake(self.shift + 0.25 * (self.seen is None), seen, self.fits)
        self.again.append(made)
        return made

    def at(self, points: NDArray[Any], groups: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        assert list(groups) == [0] * len(points)
        b = points[:, 0]
        return (b - 0.3 - self.shift) ** 2, 0.01 + 0.5 * b * (1 - self.shift)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Observations, list[Fake]]]:
    """What is fitted, and the processes that come of it; every third is taken."""
    fits: list[tuple[Observations, list[Fake]]] = []

    def posterior(seen: Observations, *, shifted: bool, every: int) -> list[Fake]:
        assert shifted is False
        fits.append((seen, [Fake(n / 10) for n in range(6)]))
        return fits[-1][1][::every]

    monkeypatch.setattr(joint, "posterior", posterior)
    return fits


def best_by_hand(points: Sequence[float], shifts: Sequence[float], lowest: float) -> int:
    """The largest expected improvement, by its integral over what the value may be."""
    means, deviations = [], []
    for b in points:
        each = [(b - 0.3 - shift) ** 2 for shift in shifts]
        mean = sum(each) / len(each)
        inner = [0.01 + 0.5 * b * (1 - shift) for shift in shifts]
        square = sum(v + m * m for v, m in zip(inner, each, strict=True)) / len(each)
        means.append(mean)
        deviations.append(math.sqrt(square - mean * mean))
    steps = np.linspace(-8, 8, 4001)
    density = np.exp(-(steps**2) / 2)
    gains = [
        float((np.maximum(lowest - (m + s * steps), 0) * density).sum())
        for m, s in zip(means, deviations, strict=True)
    ]
    return int(np.argmax(gains))


def share(b: float) -> float:
    return math.log(b / LOW) / math.log(HIGH / LOW)


def candidates(count: int, seed: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    return [{"b": LOW}, *({"b": LOW * 100 ** draw.uniform()} for _ in range(count)), {"b": HIGH}]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lowest", [0.05, -0.3])
def test_the_candidate_with_the_largest_expected_improvement_is_taken(
    fitted: list[tuple[Observations, list[Fake]]], seed: int, lowest: float
) -> None:
    trials = [aged(1.0 + n, n, b=LOW * 100 ** (n / 9)) for n in range(10)]
    samples = candidates(9, seed)
    values = np.arange(10.0)
    chosen = JointSampler()._chosen(trials, [], samples, values, lowest)
    assert chosen == best_by_hand([share(s["b"]) for s in samples], [0.0, 0.3], lowest)
    ((seen, processes),) = fitted
    assert [len(process.again) for process in processes] == [0] * 6
    np.testing.assert_allclose(seen.points, np.arange(10)[:, None] / 9, atol=1e-12)
    assert list(seen.values) == list(values)
    assert list(seen.lengths) == [0]
    assert list(seen.groups) == [0] * 10
    assert seen.groups.dtype == np.int64
    assert list(seen.counts) == [1.0] * 10
    assert list(seen.within) == list(seen.noise) == [0.0] * 10


@pytest.mark.parametrize("seed", range(3))
def test_what_is_being_tried_is_taken_to_come_out_as_expected(
    fitted: list[tuple[Observations, list[Fake]]], seed: int
) -> None:
    trials = [aged(1.0 + n, n, b=LOW * 100 ** (n / 9)) for n in range(10)]
    tried = [running(0, {"b": 1e-3}), running(1, {"b": LOW * 100**0.8})]
    samples = candidates(9, seed)
    chosen = JointSampler()._chosen(trials, tried, samples, np.arange(10.0), 0.1)
    ((_, processes),) = fitted
    assert [len(process.again) for process in processes] == [1, 0, 0, 1, 0, 0]
    for process in (processes[0], processes[3]):
        seen = process.again[0].seen
        assert seen is not None
        points = [*(n / 9 for n in range(10)), 0.5, 0.8]
        np.testing.assert_allclose(seen.points[:, 0], points, atol=1e-12)
        # Means of (0.5 - 0.3 - s)^2 and (0.8 - 0.3 - s)^2 for s = 0 and 0.3.
        np.testing.assert_allclose(seen.values, [*range(10), 0.025, 0.145], atol=1e-12)
        assert list(seen.lengths) == [0]
        assert seen.counts.shape == (12,)
    # The processes that are fitted again are others: their shifts are 0.25 more here.
    assert chosen == best_by_hand([share(s["b"]) for s in samples], [0.25, 0.55], 0.1)


@pytest.mark.parametrize("pending", [0, 1])
def test_of_what_diverged_only_that_it_is_high_is_known_and_nothing_beyond_it_is_tried(
    fitted: list[tuple[Observations, list[Fake]]], pending: int
) -> None:
    trials = [aged(1.0 + n if n < 7 else math.inf, n, b=LOW * 100 ** (n / 9)) for n in range(10)]
    tried = [running(0, {"b": 1e-3})][:pending]
    samples = [{"b": LOW * 100**place} for place in (0.95, 0.75, 0.3, 0.71, 0.05)]
    values = np.asarray([*range(7), 12.0, 12.0, 12.0])
    sampler = JointSampler()
    chosen = sampler._chosen(trials, tried, samples, values, -0.6)
    ((seen, processes),) = fitted
    assert list(seen.noise) == [0.0] * 7 + [12.0 - 4.5] * 3  # the median of all ten is 4.5
    if pending:
        again = processes[0].again[0].seen
        assert again is not None
        assert list(again.noise) == [*seen.noise, 0.0]
    shifts = [0.25, 0.55] if pending else [0.0, 0.3]
    free = best_by_hand([share(s["b"]) for s in samples], shifts, -0.6)
    assert share(samples[free]["b"]) > 0.74, "what is most promising lies where trials diverge"
    # Half way between the last that trained, at 6 / 9, and the first that diverged, at 7 / 9, is 0.722.
    inside = [share(s["b"]) for s in samples[2:]]
    assert chosen == 2 + best_by_hand(inside, shifts, -0.6)
    assert sampler._chosen(trials, tried, samples[:2], values, -0.6) == 0, "all lie beyond: any"


def test_of_many_trials_the_best_and_the_newest_are_learnt_from(
    fitted: list[tuple[Observations, list[Fake]]],
) -> None:
    values = np.asarray([float((31 * n) % 150) for n in range(150)])
    trials = [
        aged(math.inf if n % 10 == 3 else 1.0, (77 * n) % 150, b=LOW * 100 ** (n / 149))
        for n in range(150)
    ]
    JointSampler()._chosen(trials, [], candidates(1, 0), values, 0.0)
    kept = [n for n in range(150) if values[n] < 50 or (77 * n) % 150 >= 100]
    ((seen, _),) = fitted
    assert list(seen.values) == [values[n] for n in kept]
    assert list(seen.noise) == [149 - 74.5 if n % 10 == 3 else 0.0 for n in kept]
    np.testing.assert_allclose(seen.points[:, 0], [n / 149 for n in kept], atol=1e-12)


def test_a_surface_is_learnt_anew_when_a_tenth_more_trials_have_ended(
    fitted: list[tuple[Observations, list[Fake]]],
) -> None:
    sampler = JointSampler()
    seen = joint._observed(np.zeros((20, 1)), np.zeros(1, np.int64), *np.zeros((2, 20)))
    first = sampler._fitted(seen, 20)
    assert [process.shift for process in first] == [0.0, 0.3]  # type: ignore[attr-defined]
    more = joint._observed(np.zeros((21, 1)), np.zeros(1, np.int64), *np.zeros((2, 21)))
    again = sampler._fitted(more, 21)
    assert all(process.seen is more for process in again)  # type: ignore[attr-defined]
    assert [process.shift for process in again] == [0.25, 0.55]  # type: ignore[attr-defined]
    assert len(fitted) == 1
    sampler._fitted(seen, 22)
    assert len(fitted) == 2
    sampler._fitted(seen, 24)
    assert len(fitted) == 2
    fitted[-1][1][0].fits = False  # another parameter varies now
    sampler._fitted(seen, 24)
    assert len(fitted) == 3
