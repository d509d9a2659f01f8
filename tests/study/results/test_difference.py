"""The difference of two arms by the draws of a surface, worked out draw by draw, and what it is as JSON."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from study.results.comparison import ArmSummary, compare
from study.results.difference import ArmDifference, Finding, difference, finding
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

DRAWS = np.random.default_rng(0).normal(1.0, 0.2, size=(201, 4))
DRAWS[:20, 3] = DRAWS[:20, 1]  # 20 draws in which the settings found are the same


class Surface:
    """Draws at four candidates: the first two of arm x, the others of y; the odd ones are the lowest."""

    draws = DRAWS
    common = True
    plane = SimpleNamespace(axes=[SimpleNamespace(name="b"), SimpleNamespace(name="a")])
    repeats = tuple(SimpleNamespace(arm=arm) for arm in "xyyz")
    forecast: tuple[SimpleNamespace, ...] = ()
    known = np.ones(4, dtype=bool)

    def found(self, arm: str) -> int:
        return {"x": 1, "y": 3}[arm]

    def optima(self, arm: str) -> Any:
        first = {"x": 0, "y": 2}[arm]
        return np.array([min(draw[first], draw[first + 1]) for draw in DRAWS])


def same(whole: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether these entries are there, in JSON that may get more."""
    return {name: whole.get(name, "missing") for name in expected} == expected


def quantile(values: list[float], share: float) -> float:
    """By linear interpolation between the two values in order that are nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def span(found: list[float], optima: list[float]) -> tuple[float, float]:
    low = min(quantile(found, 0.05), quantile(optima, 0.025))
    return low, max(quantile(found, 0.95), quantile(optima, 0.975))


def test_a_difference_is_that_of_the_draws() -> None:
    one, two = ([math.exp(draw[i]) for draw in DRAWS] for i in (1, 3))
    best_one, best_two = ([math.exp(min(draw[i], draw[i + 1])) for draw in DRAWS] for i in (0, 2))
    apart = [b - a for a, b in zip(one, two, strict=True)]
    parts = [(b - a) / a for a, b in zip(one, two, strict=True)]
    best = [b - a for a, b in zip(best_one, best_two, strict=True)]
    best_parts = [(b - a) / a for a, b in zip(best_one, best_two, strict=True)]
    surface: Any = Surface()
    made = difference(surface, ("x", "y"))
    assert made.arms == ("x", "y")
    assert made.absolute == pytest.approx(statistics.median(apart))
    assert made.relative == pytest.approx(statistics.median(parts))
    assert made.interval == pytest.approx(span(apart, best))
    assert made.relative_interval == pytest.approx(span(parts, best_parts))
    assert made.scores == pytest.approx((statistics.median(one), statistics.median(two)))
    below, equal = sum(part < 0 for part in parts), sum(part == 0 for part in parts)
    assert equal == 20
    assert made.probability == pytest.approx((below + 10) / 201)
    assert made.gains == {
        "0": pytest.approx(below / 201),
        "5": pytest.approx(sum(part < -0.05 for part in parts) / 201),
        "10": pytest.approx(sum(part < -0.1 for part in parts) / 201),
    }
    assert made.finding is Finding.OPEN
    assert made.repeats == 3
    assert "the score over b, a, its hyper" in made.method
    assert "A difference below 2% counts as none" in made.method
    assert "at which the surface is lowest; the interval" in made.method
    assert made.method.endswith("counts as none")


def test_where_trials_diverged_the_settings_are_said_to_be_tried_ones() -> None:
    surface: Any = Surface()
    surface.known = np.array([True, True, False, True])
    method = difference(surface, ("x", "y")).method
    assert "the surface is lowest, of those that were tried, since trials diverged; the" in method


def test_the_method_says_what_is_special() -> None:
    surface: Any = Surface()
    surface.common = False
    surface.plane = SimpleNamespace(axes=[])
    fresh = difference(surface, ("x", "y")).method
    assert "one surface for all trials and their finalists' fresh seeds: a Gaussian" in fresh
    surface.repeats = surface.repeats[-1:]  # of an arm that is not compared
    method = difference(surface, ("x", "y")).method
    assert "one surface for all trials: a Gaussian" in method
    assert "the score over no parameter, its" in method
    assert method.endswith("none; trials with other further parameters are told apart")
    surface.forecast = tuple(SimpleNamespace(arm=arm) for arm in "xzz")
    assert (
        "none; 1 stopped trial taken at what whole trials" in difference(surface, ("x", "y")).method
    )
    surface.forecast += (SimpleNamespace(arm="y"),)
    method = difference(surface, ("x", "y")).method
    assert "; 2 stopped trials taken at what whole trials would have come to; trials with" in method


@pytest.mark.parametrize(
    ("relative", "interval", "expected"),
    [
        (-0.5, (-0.6, -0.001), Finding.LOWER),
        (0.5, (0.001, 0.6), Finding.HIGHER),
        (0.5, (0.0, 0.6), Finding.OPEN),
        (-0.5, (-0.6, 0.0), Finding.OPEN),
        (0.02, (0.001, 0.6), Finding.OPEN),
        (0.0201, (0.001, 0.6), Finding.HIGHER),
        (-0.02, (-0.6, -0.001), Finding.OPEN),
        (0.01, (-0.02, 0.02), Finding.EQUAL),
        (0.01, (-0.021, 0.02), Finding.OPEN),
        (0.0, (-0.02, 0.021), Finding.OPEN),
    ],
)
def test_bounds_of_a_finding(
    relative: float, interval: tuple[float, float], expected: Finding
) -> None:
    assert finding(relative, interval) is expected


def test_a_difference_as_json() -> None:
    made = ArmDifference(
        arms=("x", "y"),
        method="a method",
        finding=Finding.LOWER,
        absolute=-1.0,
        relative=-0.5,
        interval=(-2.0, -0.5),
        relative_interval=(-0.9, math.inf),
        probability=0.9,
        gains={"0": 0.9},
        noise=0.1,
        seen=-0.8,
        trials=12,
        scores=(2.0, 1.0),
        repeats=7,
        next_arm="y",
        next_setting={"b": 1e-3},
        few="x has too few",
    )
    expected = {
        "arms": ["x", "y"],
        "absolute": -1.0,
        "relative": -0.5,
        "interval": [-2.0, -0.5],
        "level": 0.95,
        "probability": 0.9,
        "noise": 0.1,
        "method": "a method",
        "finding": "lower",
        "relative_interval": None,
        "gains": {"0": 0.9},
        "seen": -0.8,
        "trials": 12,
        "scores": [2.0, 1.0],
        "repeats": 7,
        "margin": 0.02,
        "next": {"arm": "y", "setting": {"b": 1e-3}},
        "more": None,
        "unlearnt": [],
        "few": "x has too few",
    }
    assert same(made.to_json(), expected)
    empty = ArmDifference(arms=("x", "y"), method="").to_json()
    assert (empty["next"], empty["interval"], empty["finding"]) == (None, None, "none")


def trial(arm: str, number: int, score: float | None, rate: float = 1e-3) -> TrialRecord:
    seen = () if score is None else (Measurement(step=1, score=score, noise=0.3, time=0.0),)
    return TrialRecord(
        study="s",
        arm=arm,
        number=number,
        parameters=Parameters(b=rate, a=rate, d_steps=1),
        score_name="fid_10k",
        outcome=Outcome.DIVERGED if score is None else Outcome.COMPLETE,
        measurements=seen,
    )


def test_a_comparison_as_json_without_a_surface() -> None:
    rows = [trial("x", 0, None), trial("x", 1, 4.0), trial("y", 0, 3.0)]
    found = compare("s", rows)
    made = found.to_json()
    assert (made["study"], made["score_name"]) == ("s", "fid_10k")
    counts = {"complete": 1, "stopped": 0, "diverged": 1, "failed": 0, "unfinished": 0}
    expected = {
        "trials": 2,
        "best": rows[1].to_json(),
        "curve": [None, 4.0],
        "outcomes": counts,
        "optimum": None,
    }
    assert same(made["arms"]["x"], expected)
    assert made["difference"] == made["differences"][0] == found.differences[0].to_json()
    assert made["difference"]["method"] == (
        "x has 2 ended trials, which is too few: an answer needs 6 an arm; "
        "y has 1 ended trial, which is too few: an answer needs 6 an arm"
    )
    assert made["difference"]["relative"] == -0.25
    assert made["efforts"] == [each.to_json() for each in found.efforts]
    assert made["verdicts"] == [each.to_json() for each in found.verdicts]
    assert len(made["efforts"]) == len(made["verdicts"]) == 1
    assert (found.efforts[0].arms, found.efforts[0].trials) == (("x", "y"), (2, 1))
    empty = ArmSummary(trials=0, outcomes={}, best=None, curve=()).to_json()
    assert same(empty, {"trials": 0, "best": None, "curve": [], "outcomes": {}, "optimum": None})


def test_arms_of_which_one_learnt_nothing_are_not_compared_and_what_was_seen_is_told() -> None:
    """x scores as pictures of nothing do (9); it has too few trials besides, y has not."""
    nothing = Measurement(step=1, score=9.5, noise=0.4, metrics={"score_ceiling": 9.0})
    rows = [replace(trial("x", n, 9.5), measurements=(nothing,)) for n in range(2)]
    rows += [trial("y", n, 3.0 + n) for n in range(6)] + [trial("y", 6, None)]
    found = compare("s", rows).difference
    assert found is not None
    assert found.arms == ("x", "y")
    assert found.nothing is not None
    assert found.method == found.nothing.sentence
    assert "x's #0 scores 9.5" in found.method
    assert (found.absolute, found.relative, found.interval) == (None, None, None)
    assert (found.seen, found.noise, found.trials) == (-6.5, pytest.approx(0.5), 9)
    assert found.few == "x has 2 ended trials, which is too few: an answer needs 6 an arm"
    assert found.to_json()["unlearnt"] == ["x"]


def test_what_is_too_small_is_said_of_each_arm_and_there_is_no_noise_without_scores() -> None:
    found = compare("s", [trial("x", 0, None), trial("y", 0, 3.0)]).difference
    assert found is not None
    few = "has 1 ended trial, which is too few: an answer needs 6 an arm"
    assert found.few == f"x {few}; y {few}"
    assert (found.seen, found.noise) == (None, 0.0)


@pytest.mark.parametrize(("first", "relative"), [(0.5, 1.0), (0.0, None), (-2.0, None)])
def test_a_part_of_what_is_not_positive_is_not_told(first: float, relative: float | None) -> None:
    found = compare("s", [trial("x", 0, first), trial("y", 0, first * 2)]).difference
    assert found is not None
    assert (found.absolute, found.relative) == (first, relative)


def test_arms_with_enough_trials_have_an_optimum_and_their_difference_keeps_what_was_seen() -> None:
    """y has too few trials for the surface, so that x and z alone are on it."""
    generator = np.random.default_rng(1)
    rows = [trial("y", n, 9.0) for n in range(2)]
    for arm in ("x", "z"):
        rates = generator.uniform(-4, -2, 8)
        rows += [trial(arm, n, math.exp((r + 3) ** 2), 10**r) for n, r in enumerate(rates)]
    rows.append(trial("z", 8, None))
    found = compare("s", rows, ["x", "y", "z"])
    assert [found.arms[arm].optimum is None for arm in ("x", "y", "z")] == [False, True, False]
    to_y, to_z = found.differences
    assert to_y.interval is None
    assert to_y.method == "y has 2 ended trials, which is too few: an answer needs 6 an arm"
    assert to_z.interval is not None
    low = [min(row.objective for row in rows if row.arm == arm) for arm in ("x", "z")]
    assert to_z.seen == pytest.approx(low[1] - low[0])
    assert (to_y.trials, to_z.trials) == (10, 17)
    assert to_z.noise == pytest.approx(math.hypot(0.3, 0.3))
    optimum = found.to_json()["arms"]["x"]["optimum"]
    assert found.arms["x"].optimum is not None
    assert optimum == found.arms["x"].optimum.to_json()


@pytest.mark.parametrize(("shift", "expected"), [(-2.0, Finding.LOWER), (2.0, Finding.HIGHER)])
def test_a_difference_that_is_plain_is_found(shift: float, expected: Finding) -> None:
    surface: Any = Surface()
    surface.draws = DRAWS + np.array([0, 0, shift, shift])
    surface.optima = lambda arm: surface.draws[:, {"x": [0, 1], "y": [2, 3]}[arm]].min(1)
    made = difference(surface, ("x", "y"))
    assert made.finding is expected
    assert made.relative_interval is not None
    assert made.to_json()["relative_interval"] == list(made.relative_interval)
