"""The arithmetic of two settings over fresh seeds, each formula written out or asked of scipy."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from study.results.looks import level_of_look, seeds_to_halve
from study.results.seeds import SeedTest, chosen, compared, rank_test, variance, worth

INF = math.inf
UNKNOWN = (math.nan, 0)


def test_without_runs_on_a_side_nothing_is_said() -> None:
    nothing = SeedTest(absolute=None, interval=None, p_value=None, lower=None)
    known = (1.0, 3)
    assert compared([], [1.0, 2.0], (known, known), 0.95) == nothing
    assert compared([1.0, 2.0], [], (known, known), 0.95) == nothing


def test_means_where_all_have_a_score_and_medians_where_not() -> None:
    known = ((1.0, 3), (1.0, 3))
    assert compared([1.0, 2.0, 6.0], [2.0, 3.0, 10.0], known, 0.95).absolute == 2.0
    for first, second, absolute in (
        ([1.0, 2.0, INF], [2.0, 3.0, 10.0], 1.0),
        ([1.0, 2.0, 6.0], [2.0, 7.0, INF], 5.0),
        ([1.0, INF, INF], [2.0, 3.0, 10.0], None),
        ([1.0, 2.0, 6.0], [2.0, INF, INF], None),
    ):
        found = compared(first, second, known, 0.95)
        assert (found.absolute, found.interval) == (absolute, None)


@pytest.mark.parametrize("level", [0.9, 0.96])
def test_the_interval_has_each_variance_with_its_own_freedom(level: float) -> None:
    first, second = [1.0, 2.0, 6.0], [2.0, 3.0, 10.0, 1.0]
    variances = ((2.0, 5), (3.0, 7))
    one, two = 2.0 / 3, 3.0 / 4
    freedom = (one + two) ** 2 / (one * one / 5 + two * two / 7)
    law = stats.t(freedom, loc=4.0 - 3.0, scale=math.sqrt(one + two))
    found = compared(first, second, variances, level)
    assert found.interval == pytest.approx(law.interval(level))


def test_an_interval_without_a_variance_is_none_and_without_spread_a_point() -> None:
    first, second = [1.0, 2.0], [5.0, 5.5]
    assert compared(first, second, (UNKNOWN, (1.0, 2)), 0.95).interval is None
    assert compared(first, second, ((1.0, 2), UNKNOWN), 0.95).interval is None
    assert compared(first, second, ((0.0, 1), (0.0, 1)), 0.95).interval == (3.75, 3.75)
    (low, high) = compared(first, second, ((0.5, 1), (0.5, 1)), 0.95).interval or (0.0, 0.0)
    assert low < 3.75 < high


def test_the_share_of_pairs_in_which_the_second_is_lower() -> None:
    found = compared([2.0, 3.0, INF], [2.0, 1.0, INF, INF], (UNKNOWN, UNKNOWN), 0.95)
    # Of 12: 2 < 3, 1 < 2, 1 < 3, and either below infinity; equal: 2 and 2, twice infinity.
    assert found.lower == pytest.approx((5 + 3 / 2) / 12)
    assert found.p_value == rank_test([2.0, 3.0, INF], [2.0, 1.0, INF, INF])


def test_up_to_twenty_thousand_ways_all_are_looked_at() -> None:
    many = [float(i) for i in range(19_999)]
    assert rank_test(many, [1e9]) == pytest.approx(2 / 20_000)
    limit = stats.mannwhitneyu([*many, 2e9], [1e9], method="asymptotic").pvalue
    assert rank_test([*many, 2e9], [1e9]) == pytest.approx(limit)
    assert limit > 0.05


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ([1.0], [2.0], 1.0),
        ([1.0, 2.0], [3.0, 4.0], 2 / 6),
        ([1.0, 3.0], [2.0, 4.0], 4 / 6),
        ([1.0, 2.0, 3.0], [4.0], 2 / 4),
        ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0], 2 / 15),
        ([2.0, 2.0], [2.0, 2.0, 2.0], 1.0),
    ],
)
def test_a_p_value_counted_by_hand(first: list[float], second: list[float], p: float) -> None:
    assert rank_test(first, second) == pytest.approx(p)


def test_finalists_are_ranked_by_runs_without_a_score_and_then_by_their_mean() -> None:
    assert worth([1.0, 2.0, 6.0]) == (0, 3.0)
    assert worth([1.0, INF, 6.0, INF]) == (2, 3.5)
    assert worth([INF]) == (1, INF)
    assert worth([]) == (0, INF)


def test_who_is_chosen_and_by_how_many() -> None:
    assert chosen([[3.0, 9.0, 9.0], [2.0, 0.0, 0.0]]) == (1, 1)
    # By the first of three alone: the second one has the lower two of three.
    assert chosen([[2.0, 9.0, 9.0], [3.0, 0.0, 0.0]]) == (0, 1)
    assert chosen([[2.0], [1.0]]) == (0, 0)  # of one seed each nobody chooses
    assert chosen([[], [1.0, 2.0]]) == (1, 0)
    assert chosen([[5.0, 5.0, 0.0], [4.0, 5.0, 0.0], [1.0, 1.0]]) == (1, 2)


def test_a_pooled_spread_is_a_part_of_each_mean() -> None:
    value, freedom = variance([[-1.0, -3.0], [1.0, INF, -1.0], [INF]], 0)
    # Means -2 and 0: of the second, which has no size, the squares are taken as they are.
    assert (value, freedom) == (pytest.approx((2.0 / 4 + 2.0) / 2 * 4), 2)
    value, freedom = variance([[-1.0, -3.0], [1.0, INF, -1.0], [INF]], 1)
    assert (value, freedom) == (pytest.approx((2.0 / 4 + 2.0) / 2), 2)
    of_none, freedom = variance([[-1.0, -3.0], [INF]], 1)
    assert math.isnan(of_none)
    assert freedom == 0
    single, freedom = variance([[5.0], [INF]], 0)
    assert math.isnan(single)
    assert freedom == 0
    # One with a single score is given the spread of the others, as a part of its own.
    assert variance([[8.0], [1.0, 3.0]], 0) == (pytest.approx(2.0 / 4 * 64), 1)
    assert variance([[1.0, 3.0], [8.0]]) == (pytest.approx(2.0), 1)


def test_of_one_seed_each_two_more_halve_the_interval_and_one_where_it_was_hopeless() -> None:
    def half(runs: int, look: int) -> float:
        law = stats.t(1 if runs == 1 else 2 * runs - 2)
        return float(law.interval(level_of_look(look))[1]) / math.sqrt(runs)

    for look, more in ((1, 2), (100, 1)):
        assert seeds_to_halve(1, look) == more
        assert half(1 + more, look + 1) <= half(1, look) / 2
        assert more == 1 or half(more, look + 1) > half(1, look) / 2
