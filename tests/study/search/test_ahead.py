"""What a curve will come to, against the posterior integrated by hand, and when a trial is given up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from study.search.ahead import Stake, reason_to_give_up
from study.spec.parts import Stopping
from study.surface.gains import Curve, gains
from trainables.protocol import Measurement

SIX: list[dict[int, float]] = [
    {10: 90.0, 20: 40.0, 30: 12.0, 40: 15.0},
    {10: 55.0, 20: 60.0, 30: 20.0, 40: 9.0},
    {10: 30.0, 20: 21.0, 30: 8.0, 40: 7.5},
    {10: 200.0, 20: 90.0, 30: 70.0, 40: 31.0},
    {10: 16.0, 20: 5.0, 30: 6.0, 40: 7.0},
    {10: 44.0, 20: 41.0, 30: 39.0, 40: 11.0},
]
WHOLE = [*SIX, *({step: 1.3 * score for step, score in curve.items()} for curve in SIX[:4])]
RULE = Stopping(rule="ahead", chance=0.05)
NOT_ASKED = Stake(left=1e-9, place=1, trials=10**9)
"""What would change every answer below, were it looked at."""


def given_up(
    history: Sequence[Measurement], rule: Stopping, whole: Sequence[Curve], best: tuple[float, int]
) -> str | None:
    return reason_to_give_up(history, rule, whole, best, NOT_ASKED)


def by_integration(
    now: float, target: float, step: int, whole: Sequence[Mapping[int, float]], noise: float
) -> float:
    """The chance to end below a target: the normal one, averaged over the variance's posterior."""
    gained = []
    for curve in whole:
        values = [curve[at] for at in sorted(curve)]
        by_then = [curve[at] for at in sorted(curve) if at <= step]
        gained.append(math.log(sorted(values)[0]) - math.log(sorted(by_then)[0]))
    n, end = len(gained), max(max(curve) for curve in whole)
    left = (end - step) / end
    prior_variance = 0.25 * left * left + noise**2 + noise**2
    centre = float(np.mean(gained))
    # Inverse gamma: two trials' worth of prior, and n with one degree of freedom taken by the mean.
    shape = (2 + n - 1) / 2
    rate = (2 * prior_variance + n * float(np.var(gained))) / 2
    variance = stats.invgamma(shape, scale=rate)

    def given(v: float) -> float:
        spread = math.sqrt(v + v / n)
        return float(stats.norm.cdf(math.log(target), math.log(now) + centre, spread))

    grid = [variance.ppf(q) for q in (0.001, 0.1, 0.5, 0.9, 0.99, 0.999)]
    parts = [
        integrate.quad(lambda v: given(v) * variance.pdf(v), low, high, epsabs=1e-10)[0]
        for low, high in zip([0.0, *grid], [*grid, np.inf], strict=True)
    ]
    return sum(parts)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("step", [10, 20, 30])
@pytest.mark.parametrize("count", [2, 10])
@pytest.mark.parametrize("target", [4.0, 14.0, 40.0])
def test_the_chance_is_the_normal_one_averaged_over_what_the_variance_may_be(
    target: float, count: int, step: int, noise: float
) -> None:
    found = gains(step, WHOLE[:count], noise)
    assert found.chance(45.0, target) == pytest.approx(
        by_integration(45.0, target, step, WHOLE[:count], noise), abs=1e-5
    )
    assert found.whole == count


def test_what_has_no_evaluation_by_a_step_tells_nothing_of_it() -> None:
    late = {20: 8.0, 40: 1.0}
    assert gains(10, [*WHOLE, late]) == gains(10, WHOLE)
    assert gains(20, [*WHOLE, late]).whole == len(WHOLE) + 1


def test_without_whole_trials_nothing_is_gained_for_sure_and_the_prior_is_left() -> None:
    none = gains(10, [])
    assert (none.mean, none.scale, none.whole) == (0.0, 0.5, 0)
    one = gains(10, WHOLE[:1])
    assert one.mean == pytest.approx(math.log(12 / 90))
    # The prior for 3/4 of the steps, and as much again, as the mean is of one.
    assert one.scale == pytest.approx(0.5 * 0.75 * math.sqrt(2))


def test_at_the_end_nothing_is_gained() -> None:
    end = gains(40, WHOLE)
    assert (end.mean, end.scale) == (0.0, 0.0)
    assert (end.chance(5.0, 5.1), end.chance(5.0, 5.0), end.chance(5.0, 4.9)) == (1.0, 0.0, 0.0)


def history(*scores: float, noise: float = 0.0, **metrics: float) -> list[Measurement]:
    return [
        Measurement(step=10 * (i + 1), score=score, noise=noise, metrics=metrics)
        for i, score in enumerate(scores)
    ]


def chance(*scores: float, target: float = 5.0, noise: float = 0.0) -> float:
    return by_integration(min(scores), target, 10 * len(scores), WHOLE, noise)


def test_a_trial_is_given_up_below_the_chance_that_the_rule_says() -> None:
    limit = chance(300.0, 250.0)
    just_below, just_above = (replace_chance(limit * factor) for factor in (1.001, 0.999))
    assert given_up(history(300.0, 250.0), just_below, WHOLE, (5.0, 4))
    assert given_up(history(300.0, 250.0), just_above, WHOLE, (5.0, 4)) is None


def replace_chance(value: float) -> Stopping:
    return Stopping(rule="ahead", chance=value)


@pytest.mark.parametrize("lowest", [200.0, 70.0])
def test_it_says_what_would_not_be_beaten_and_how_unlikely_that_is(lowest: float) -> None:
    expected = lowest * math.exp(gains(30, WHOLE).mean)
    said = given_up(history(600.0, lowest, 300.0), RULE, WHOLE, (5.0, 4))
    assert said == (
        f"it would not beat 5 of trial 4: its lowest by step 30, {lowest:g}, would come to about "
        f"{expected:.4g} as in 10 whole trials, and below the best with a chance of "
        f"{100 * chance(600.0, lowest, 300.0):.2g} % (stopping.chance is 5 %)"
    )


def test_its_lowest_score_counts_not_its_newest() -> None:
    """A curve that has risen since will be taken home from its lowest point."""
    assert given_up(history(9.0, 900.0), RULE, WHOLE, (5.0, 4)) is None
    assert given_up(history(900.0, 900.0), RULE, WHOLE, (5.0, 4))


def test_the_best_itself_and_its_equals_go_on() -> None:
    tight = [{10: 5.0 + i / 100, 20: 5.0, 30: 5.0} for i in range(10)]
    for score in (5.0, 4.0):
        assert given_up(history(9.0, score), RULE, tight, (5.0, 1)) is None
    assert given_up(history(90.0, 80.0), RULE, tight, (5.0, 1))
    doubtful = replace_chance(0.99)
    assert given_up(history(9.0, 5.0), doubtful, tight, (5.0, 1)) is None
    assert given_up(history(9.0, 5.1), doubtful, tight, (5.0, 1))


@pytest.mark.parametrize(("whole", "stops"), [(9, False), (10, True)])
def test_few_whole_trials_stop_none(whole: int, stops: bool) -> None:
    reason = given_up(history(9e4, 9e4, 9e4), RULE, WHOLE[:whole], (5.0, 4))
    assert (reason is not None) == stops


def test_the_noise_of_the_score_is_a_doubt() -> None:
    """Where curves tell little by themselves: what noise alone can do is not known to be hopeless."""
    level = [{10: 20.0, 20: 20.0, 30: 20.0} for _ in range(10)]
    sure = given_up(history(30.0, 30.0), RULE, level, (20.0, 0))
    assert sure
    assert given_up(history(30.0, 30.0, noise=15.0), RULE, level, (20.0, 0)) is None
    # It counts as a share of the score.
    assert given_up(history(30.0, 30.0, noise=0.9), RULE, level, (20.0, 0))


@pytest.mark.parametrize("rule", ["rising", "none"])
def test_other_rules_do_not_ask(rule: str) -> None:
    asked = Stopping.model_validate({"rule": rule})
    assert given_up(history(9e4, 9e4, 9e4), asked, WHOLE, (5.0, 4)) is None


def test_nothing_is_given_up_for_a_best_score_that_noise_has_as_well() -> None:
    """Below a ceiling of 3000 by a twentieth of the way to the floor: only then something was learnt."""
    high = [{step: 100 * score for step, score in curve.items()} for curve in WHOLE]
    bad = history(9e6, 9e6, 9e6, score_floor=100.0, score_ceiling=3000.0)
    assert given_up(bad, RULE, high, (2900.0, 4)) is None
    assert given_up(bad, RULE, high, (2800.0, 4))
    noisy = [replace(m, noise=90.0) for m in bad]
    assert given_up(noisy, RULE, high, (2800.0, 4)) is None


def test_scores_that_are_no_distances_are_not_judged() -> None:
    bad = history(9e4, 9e4, 9e4)
    assert given_up(bad, RULE, WHOLE, (0.0, 4)) is None
    assert given_up(bad, RULE, [*WHOLE, {10: 3.0, 20: -1.0}], (5.0, 4)) is None

    assert given_up(bad, RULE, [*WHOLE, {10: 3.0, 20: 0.0}], (5.0, 4)) is None


def test_a_score_s_unit_does_not_matter() -> None:
    small = [{step: score / 1e4 for step, score in curve.items()} for curve in WHOLE]
    assert given_up(history(9.0, 9.0), RULE, small, (5e-4, 4))


def test_a_chance_as_large_as_the_rule_s_is_enough() -> None:
    rule = replace_chance(gains(20, WHOLE).chance(250.0, 5.0))
    assert given_up(history(300.0, 250.0), rule, WHOLE, (5.0, 4)) is None


def test_before_the_first_evaluation_nothing_is_said() -> None:
    assert given_up([], RULE, WHOLE, (5.0, 4)) is None


WORTH = Stopping(rule="worth", chance=0.05)
BEST = (5.0, 4)


@pytest.mark.parametrize(("left", "place", "trials"), [(1.0, 3, 40), (0.25, 3, 40), (0.5, 40, 40)])
def test_a_trial_is_not_worth_it_where_it_is_likelier_stopped_wrongly_than_the_steps_left_are_worth(
    left: float, place: int, trials: int
) -> None:
    """The chance to be the best of all: to beat the best of now, and that it is not beaten in turn."""
    stake = Stake(left, place, trials)
    best_of_all = chance(300.0, 250.0) * (place / trials)
    at = best_of_all / left  # the limit for all steps at which it is as broad as long
    past = history(300.0, 250.0)
    below, above = (Stopping(rule="worth", chance=at * factor) for factor in (0.999, 1.001))
    assert reason_to_give_up(past, below, WHOLE, BEST, stake) is None
    assert reason_to_give_up(past, above, WHOLE, BEST, stake)


def test_a_twin_that_is_earlier_in_its_arm_or_has_more_steps_left_is_stopped_first() -> None:
    at = chance(300.0, 250.0) * 20 / 40 / 0.5
    rule, past = Stopping(rule="worth", chance=at), history(300.0, 250.0)
    for stake, stops in (
        (Stake(0.5, 19, 40), True),
        (Stake(0.5, 21, 40), False),
        (Stake(0.5, 20, 41), True),
        (Stake(0.5, 20, 39), False),
        (Stake(0.51, 20, 40), True),
        (Stake(0.49, 20, 40), False),
    ):
        assert (reason_to_give_up(past, rule, WHOLE, BEST, stake) is not None) == stops


def test_it_says_that_it_would_not_be_the_lowest_and_what_its_steps_are_worth() -> None:
    expected = 70.0 * math.exp(gains(30, WHOLE).mean)
    said = reason_to_give_up(history(600.0, 70.0, 300.0), WORTH, WHOLE, BEST, Stake(0.25, 7, 20))
    assert said == (
        "it would not beat 5 of trial 4: its lowest by step 30, 70, would come to about "
        f"{expected:.4g} as in 10 whole trials, and lowest of 20 trials with a chance of "
        f"{100 * chance(600.0, 70.0, 300.0) * 7 / 20:.2g} % (stopping.chance is 5 %, times 0.25 for "
        "the steps left)"
    )


@pytest.mark.parametrize(("whole", "stops"), [(4, False), (5, True)])
def test_five_whole_trials_are_enough_for_what_is_not_worth_it(whole: int, stops: bool) -> None:
    past = history(9e4, 9e4, 9e4)
    reason = reason_to_give_up(past, WORTH, WHOLE[:whole], BEST, Stake(1.0, 1, 40))
    assert (reason is not None) == stops


@pytest.mark.parametrize(("rule", "limit"), [("worth", 0.02), ("ahead", 0.005)])
def test_a_rule_has_a_chance_of_its_own_where_none_is_said(rule: str, limit: float) -> None:
    assert Stopping.model_validate({"rule": rule}).limit == limit
    assert Stopping.model_validate({"rule": rule}).over(5).limit == limit
    assert Stopping.model_validate({"rule": rule, "chance": 0.2}).limit == 0.2
