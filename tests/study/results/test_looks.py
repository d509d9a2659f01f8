"""Looking again at fresh seeds: each look is told at a level of its own, and all together err seldom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from study.results.confirmation import Confirmation, confirmation
from study.results.difference import Finding
from study.results.looks import level_of_look, place_of_look, seeds_to_halve
from study.results.tables import confirmation_table
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters


def confirmed(
    one: Sequence[float], two: Sequence[float], looked: Sequence[int] = ()
) -> Confirmation:
    rows = [
        TrialRecord(
            study="s.confirm",
            arm=arm,
            number=number,
            parameters=Parameters(b=2e-3, a=1e-3, d_steps=3),
            outcome=Outcome.COMPLETE,
            measurements=(Measurement(step=1, score=score),) if math.isfinite(score) else (),
        )
        for arm, scores in (("one-0", one), ("two-0", two))
        for number, score in enumerate(scores)
    ]
    found = confirmation("s", rows, looked=looked)
    assert found is not None
    return found


def test_the_errors_of_all_looks_are_five_percent_and_the_first_has_most() -> None:
    errors = [1 - level_of_look(look) for look in range(1, 10_001)]
    assert sum(errors) == pytest.approx(0.05, abs=1e-5)
    assert sum(errors) < 0.05
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[0] == pytest.approx(0.04)
    # Four seeds against four without a score must be able to tell at once.
    assert errors[0] > 2 / math.comb(8, 4)


@pytest.mark.parametrize(
    ("looked", "runs", "look"),
    [
        ([], 8, 1),
        ([8], 8, 1),  # the same one again
        ([8], 9, 2),
        ([8, 16], 16, 2),
        ([8, 16], 24, 3),
        ([16, 8, 8], 17, 3),
        ([8, 16], 7, 1),  # of a store that has lost runs
    ],
)
def test_a_look_is_one_for_each_end_before_these_runs(
    looked: list[int], runs: int, look: int
) -> None:
    assert place_of_look(looked, runs) == look


def test_a_second_look_is_welchs_interval_at_its_level_and_says_so() -> None:
    one, two = [5.0, 4.0, 5.5, 4.5, 4.1], [4.2, 3.5, 3.9, 4.0]
    law = stats.ttest_ind(two, one, equal_var=False)
    for looked, level, said in (
        ([], 0.96, "96 % interval"),
        ([8], 0.995, "99.5 % interval"),
        ([4, 8], 1 - 0.01 / 6, "99.83 % interval"),
    ):
        found = confirmed(one, two, looked)
        expected = law.confidence_interval(level)
        assert found.difference.interval == pytest.approx((expected.low, expected.high))
        assert found.look == len(looked) + 1
        told = found.to_json()
        assert (told["look"], told["difference"]["look"]) == (found.look, found.look)
        assert told["difference"]["level"] == pytest.approx(level)
        text = confirmation_table(found)
        assert said in text
        assert ("this being the" in text) is (found.look > 1)
    assert "this being the 3rd look" in text


def test_what_is_sure_enough_at_first_may_not_be_later() -> None:
    one, two = [5.0, 5.2, 4.8, 5.0], [4.6, 4.8, 4.4, 4.6]  # p = 0.013
    assert 0.005 < stats.ttest_ind(one, two, equal_var=False).pvalue < 0.04
    assert confirmed(one, two).difference.finding is Finding.LOWER
    assert confirmed(one, two, [6]).difference.finding is Finding.OPEN
    lost = [math.inf] * 4
    assert confirmed(lost, two).difference.finding is Finding.LOWER  # by ranks, p = 0.029
    assert confirmed(lost, two, [6]).difference.finding is Finding.OPEN


@pytest.mark.parametrize(("seeds", "look"), [(2, 1), (4, 1), (8, 1), (8, 2), (12, 5)])
def test_the_seeds_that_would_halve_the_interval_do_and_one_fewer_would_not(
    seeds: int, look: int
) -> None:
    def half(runs: int, at: int) -> float:
        return float(stats.t.interval(level_of_look(at), 2 * runs - 2)[1]) / math.sqrt(runs)

    more = seeds_to_halve(seeds, look)
    assert half(seeds + more, look + 1) <= half(seeds, look) / 2 < half(seeds + more - 1, look + 1)


@pytest.mark.slow
def test_equal_settings_are_seldom_called_different_in_five_looks() -> None:
    """Without the levels of their own about 14 of a hundred are."""
    draw, called, studies = np.random.default_rng(5), 0, 1000
    for _ in range(studies):
        one, two = draw.normal(10, 1, (2, 20))
        ends = [8, 16, 24, 32]
        called += any(
            confirmed(one[:n], two[:n], ends[: n // 4 - 1]).difference.finding
            in (Finding.LOWER, Finding.HIGHER)
            for n in (4, 8, 12, 16, 20)
        )
    assert called / studies <= 0.055
