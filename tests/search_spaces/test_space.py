"""A search space samples, derives, compares and round-trips; checked on generated spaces too."""

from __future__ import annotations

import json
import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import SearchSpace, one_timescale, rate_and_ratio, two_timescale

IDENTITY = {"b": {"b": 1}, "a": {"a": 1}, "d_steps": {"d_steps": 1}}
RATE = FloatDistribution(1e-5, 1e-1, log=True)
STEPS = CategoricalDistribution([1, 2])


def rates() -> st.SearchStrategy[list[float]]:
    """Log ranges of rates, a single value included."""
    exponents = st.tuples(st.floats(-8, 0), st.floats(-8, 0))
    return exponents.map(lambda pair: [10.0 ** min(pair), 10.0 ** max(pair)])


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    d_steps = draw(st.lists(st.integers(1, 10), min_size=1, max_size=4, unique=True))
    further = {}
    if draw(st.booleans()):
        further["regulariser.weight"] = {"low": 0.5, "high": 8.0, "step": 0.5}
        further["loss"] = {"choices": ["hinge", "non_saturating", None, True, 3]}
        further["width"] = {"low": 8, "high": 64, "int": True, "log": True}
    kind = draw(st.sampled_from(["one", "two", "ratio"]))
    if kind == "one":
        return one_timescale(draw(rates()), d_steps, further)
    recipe = two_timescale if kind == "two" else rate_and_ratio
    return recipe(draw(rates()), draw(rates()), d_steps, further)


def sampled(space: SearchSpace, seed: int) -> dict[str, object]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return dict(study.ask(fixed_distributions=dict(space.distributions)).params)


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**31))
def test_what_optuna_samples_is_contained_and_derives_rates_within_bounds(
    space: SearchSpace, seed: int
) -> None:
    sample = sampled(space, seed)
    assert space.violations(sample) == []
    parameters = space.derive(sample)
    for rate in ("b", "a"):
        low, high = space.bounds(rate)
        assert low * (1 - 1e-12) <= parameters[rate] <= high * (1 + 1e-12)
        assert math.isfinite(parameters[rate])
        assert parameters[rate] > 0
    assert isinstance(parameters["d_steps"], int)
    assert parameters["d_steps"] >= 1
    assert set(parameters) >= {"b", "a", "d_steps"}


@settings(max_examples=60, deadline=None)
@given(space=spaces())
def test_a_space_survives_json_and_is_a_widening_of_itself(space: SearchSpace) -> None:
    again = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.widens(space) == []
    assert space.widens(again) == []


@settings(max_examples=60, deadline=None)
@given(b=rates(), a=rates(), factor=st.floats(1.5, 100), seed=st.integers(0, 2**31))
def test_a_wider_range_contains_every_sample_and_optuna_accepts_it(
    b: list[float], a: list[float], factor: float, seed: int
) -> None:
    narrow = two_timescale(b, a, [1, 2])
    wide = two_timescale([b[0] / factor, b[1] * factor], a, [2, 1])
    assert wide.widens(narrow) == []
    assert wide.contains(sampled(narrow, seed))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.ask(fixed_distributions=dict(narrow.distributions))
    study.ask(fixed_distributions=dict(wide.distributions))
    (reason,) = narrow.widens(wide)
    assert reason.startswith("b is narrowed")


def test_the_derived_values_are_the_samples_themselves_not_recomputed() -> None:
    rate = 0.1 + 0.2  # a float that any detour over text or a logarithm would change
    sample = {"b": rate, "d_steps": 5, "loss": "hinge"}
    further = {"loss": {"choices": ["hinge"]}}
    space = one_timescale([1e-4, 1.0], [1, 5], further)
    assert space.derive(sample) == {"b": rate, "a": rate, "d_steps": 5, "loss": "hinge"}


def test_ratio_multiplies_the_discriminators_rate() -> None:
    space = rate_and_ratio([1e-4, 1e-2], [0.1, 10.0], [1])
    parameters = space.derive({"b": 2e-3, "ratio": 0.25, "d_steps": 1})
    assert parameters == {"b": 2e-3, "a": 2e-3 * 0.25, "d_steps": 1}
    assert space.bounds("a") == pytest.approx((1e-5, 1e-1))


def test_negative_powers_divide_and_swap_the_bounds() -> None:
    space = SearchSpace(
        {"a": FloatDistribution(1e-4, 1e-2), "ratio": FloatDistribution(2, 4), "d_steps": STEPS},
        {**IDENTITY, "b": {"a": 1, "ratio": -1}},
    )
    assert space.derive({"a": 1e-3, "ratio": 4, "d_steps": 1})["b"] == pytest.approx(2.5e-4)
    assert space.bounds("b") == pytest.approx((1e-4 / 4, 1e-2 / 2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": 1e-9}, "b is 1e-09; it must be a number in [1e-05, 0.1]"),
        ({"b": math.nan}, "b is nan"),
        ({"b": "1e-4"}, "b is '1e-4'"),
        ({"b": True}, "b is True"),
        ({"d_steps": 3}, "d_steps is 3; it must be one of 1, 2"),
        ({"d_steps": True}, "d_steps is True"),
        ({"width": 10}, "width is 10"),
        ({"width": 12.5}, "width is 12.5"),
        ({"unknown": 1}, "unknown is not sampled by this space; it samples b, a, d_steps, width"),
    ],
)
def test_a_sample_that_is_not_of_the_space_is_refused_with_the_reason(
    change: dict[str, object], words: str
) -> None:
    space = SearchSpace(
        {"b": RATE, "a": RATE, "d_steps": STEPS, "width": IntDistribution(8, 32, step=4)},
        {**IDENTITY, "width": {"width": 1}},
    )
    good = {"b": 1e-3, "a": 1e-4, "d_steps": 2, "width": 12}
    assert space.contains(good)
    assert not space.contains({**good, **change})
    with pytest.raises(ValueError, match=r"must be|is not sampled") as error:
        space.derive({**good, **change})
    assert words in str(error.value)


def test_a_point_may_leave_values_to_the_sampler_only_where_asked() -> None:
    space = two_timescale([1e-5, 1e-2], [1e-5, 1e-2], [1, 2])
    point = {"b": 1e-4, "a": 1e-3}
    assert space.contains(point, partial=True)
    assert not space.contains({**point, "b": 1.0}, partial=True)
    assert not space.contains(point)
    with pytest.raises(ValueError, match="d_steps is missing; it must be one of 1, 2"):
        space.derive(point)


@pytest.mark.parametrize(
    ("distributions", "derived", "words"),
    [
        ({"b": RATE, "d_steps": STEPS}, {"b": {"b": 1}, "d_steps": {"d_steps": 1}}, "derives no a"),
        ({"b": RATE, "d_steps": STEPS}, IDENTITY, "a is derived from a, which is not sampled"),
        ({"b": RATE, "a": RATE, "d_steps": STEPS}, {**IDENTITY, "loss": {}}, "from nothing"),
        (
            {"b": RATE, "a": RATE, "d_steps": STEPS, "idle": RATE},
            IDENTITY,
            "idle is sampled but changes no parameter",
        ),
        (
            {"b": FloatDistribution(0, 1), "a": RATE, "d_steps": STEPS},
            IDENTITY,
            "b can lie in [0, 1]",
        ),
        (
            {"b": RATE, "a": CategoricalDistribution(["x"]), "d_steps": STEPS},
            IDENTITY,
            "a must be one of 'x'; only numbers have bounds",
        ),
        (
            {"b": RATE, "kind": CategoricalDistribution(["x"]), "d_steps": STEPS},
            {**IDENTITY, "a": {"b": 1, "kind": 1}},
            "kind must be one of 'x'; only numbers have bounds",
        ),
        (
            {"b": RATE, "a": FloatDistribution(0, 1), "d_steps": STEPS},
            {**IDENTITY, "a": {"b": 1, "a": 1}},
            "a can be 0; a factor of a must be > 0",
        ),
        *(
            (
                {"b": RATE, "a": RATE, "d_steps": STEPS},
                {**IDENTITY, "a": {"b": 1, "a": power}},
                f"to the power {power!r}",
            )
            for power in (True, 0.5)
        ),
        *(
            (
                {"b": RATE, "a": RATE, "d_steps": CategoricalDistribution(choices)},
                IDENTITY,
                "it may only take whole numbers >= 1",
            )
            for choices in ([1, 1.5], [1, 2.0], [True, 2], [0, 1])
        ),
        (
            {"b": RATE, "a": FloatDistribution(-1, 1), "d_steps": STEPS},
            {**IDENTITY, "a": {"b": 1, "a": 1}},
            "a can be -1; a factor of a must be > 0",
        ),
        (
            {"b": FloatDistribution(1e200, 1e300), "d_steps": STEPS},
            {**IDENTITY, "a": {"b": 2}, "b": {"b": 1}},
            "a can lie in [inf, inf]",
        ),
        (
            {"b": RATE, "a": RATE, "d_steps": STEPS},
            {**IDENTITY, "a": {"a": 0}},
            "to the power 0",
        ),
        ({"b": RATE, "a": RATE, "d_steps": FloatDistribution(1, 5)}, IDENTITY, "whole numbers"),
        ({"b": RATE, "a": RATE, "d_steps": IntDistribution(0, 5)}, IDENTITY, "whole numbers >= 1"),
        (
            {"b": RATE, "a": RATE, "d_steps": IntDistribution(1, 5)},
            {**IDENTITY, "d_steps": {"d_steps": 2}},
            "must be sampled itself",
        ),
    ],
)
def test_a_space_that_makes_no_sense_cannot_be_made(
    distributions: dict[str, optuna.distributions.BaseDistribution],
    derived: dict[str, dict[str, int]],
    words: str,
) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        SearchSpace(distributions, derived)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (FloatDistribution(1, 8), "w had log: True and has log: False now"),
        (IntDistribution(1, 8, log=True), "a whole number in [1, 8] now"),
        (CategoricalDistribution([1, 8]), "one of 1, 8 now"),
        (FloatDistribution(2, 8, log=True), "w is narrowed from [1, 8] to [2, 8]"),
        (FloatDistribution(1, 7, log=True), "w is narrowed from [1, 8] to [1, 7]"),
    ],
)
def test_a_changed_distribution_is_no_widening(
    now: optuna.distributions.BaseDistribution, words: str
) -> None:
    def space(w: optuna.distributions.BaseDistribution) -> SearchSpace:
        return SearchSpace(
            {"b": RATE, "a": RATE, "d_steps": STEPS, "w": w}, {**IDENTITY, "w": {"w": 1}}
        )

    reasons = space(now).widens(space(FloatDistribution(1, 8, log=True)))
    assert any(words in reason for reason in reasons), reasons


def test_steps_and_choices_must_stay_as_they_were() -> None:
    def space(further: dict[str, dict[str, object]], d_steps: list[int]) -> SearchSpace:
        return one_timescale([1e-4, 1e-2], d_steps, further)

    grid = {"w": {"low": 1, "high": 5, "step": 2}}
    assert space({"w": {"low": -1, "high": 7, "step": 2}}, [1]).widens(space(grid, [1])) == []
    shifted = space({"w": {"low": 0, "high": 6, "step": 2}}, [1])
    assert shifted.widens(space(grid, [1])) == ["w had other steps before"]
    more = space(grid, [1, 2]).widens(space(grid, [1]))
    assert more == ["d_steps had the choices [1] and has [1, 2] now"]
    flag, number = ({"w": {"choices": [value, 7]}} for value in (True, 1))
    assert space(flag, [1]).widens(space(number, [1])) != []


def test_another_recipe_is_no_widening() -> None:
    one = one_timescale([1e-4, 1e-2])
    two = two_timescale([1e-4, 1e-2], [1e-4, 1e-2])
    assert two.widens(one) == ["a was not sampled before", "a is derived differently than before"]
    assert "a was sampled before and no longer is" in one.widens(two)


def test_a_space_does_not_change_with_the_mapping_it_was_made_of() -> None:
    distributions = {"b": RATE, "a": RATE, "d_steps": STEPS}
    space = SearchSpace(distributions, IDENTITY)
    distributions["idle"] = RATE
    assert set(space.distributions) == {"b", "a", "d_steps"}


def test_a_space_does_not_change_with_the_powers_it_was_made_of() -> None:
    derived = {name: dict(powers) for name, powers in IDENTITY.items()}
    space = SearchSpace({"b": RATE, "a": RATE, "d_steps": STEPS}, derived)
    derived["a"]["b"] = 1
    derived["loss"] = {"b": 1}
    assert space.derived == IDENTITY


def test_only_parameters_have_bounds() -> None:
    with pytest.raises(
        ValueError, match="ratio is not a parameter of this space; b, a, d_steps are"
    ):
        rate_and_ratio([1e-4, 1e-2], [1, 2]).bounds("ratio")


def test_corners_are_every_combination_of_choices_with_ranges_at_either_end() -> None:
    further = {"loss": {"choices": ["x", None]}, "w": {"low": 1, "high": 9}}
    corners = list(one_timescale([1e-4, 1e-2], [1, 5], further).corners())
    rows = {tuple(sample[name] for name in ("b", "d_steps", "loss", "w")) for sample in corners}
    assert rows == {
        (b, steps, loss, w)
        for b, w in ((1e-4, 1), (1e-2, 9))
        for steps in (1, 5)
        for loss in ("x", None)
    }


@settings(max_examples=30, deadline=None)
@given(space=spaces())
def test_corners_are_of_the_space(space: SearchSpace) -> None:
    assert all(space.contains(sample) for sample in space.corners())


def test_corners_of_very_many_choices_show_each_choice() -> None:
    further = {f"w{i}": {"choices": list(range(i + 2))} for i in range(8)}
    corners = list(one_timescale([1e-4, 1e-2], [1], further).corners())
    assert len(corners) < 100
    for name, value in further.items():
        assert {sample[name] for sample in corners} == set(value["choices"])


def test_a_thousand_combinations_are_all_shown_and_one_more_is_too_many() -> None:
    def corners(*counts: int) -> int:
        further = {f"w{i}": {"choices": list(range(count))} for i, count in enumerate(counts)}
        return sum(1 for _ in one_timescale([1e-4, 1e-2], [1], further).corners())

    assert corners(10, 10, 10) == 2 * 1000
    assert corners(7, 11, 13) == 2 * 13
