"""Fresh seeds: every run counts, and who chose does not test."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from study.results.confirmation import confirmation
from study.results.difference import Finding
from study.results.seed_difference import SeedDifference
from study.results.seeds import chosen, compared, rank_test, variance
from study.results.tables import confirmation_table
from study.trial import TrialRecord

ONE, TWO = "one_timescale", "two_timescale"
INF = math.inf


def runs(arm: str, scores: list[float]) -> list[TrialRecord]:
    return [
        TrialRecord.from_json(
            {
                "study": "s.confirm",
                "arm": arm,
                "number": number,
                "b": 1e-3,
                "a": 1e-4,
                "d_steps": 1,
                "score": None if math.isinf(score) else score,
                "score_name": "x",
                "outcome": "diverged" if math.isinf(score) else "complete",
            }
        )
        for number, score in enumerate(scores)
    ]


def difference(one: list[float], two: list[float]) -> tuple[SeedDifference, str]:
    found = confirmation("s", [*runs(f"{ONE}-0", one), *runs(f"{TWO}-0", two)])
    assert found is not None
    return found.difference, confirmation_table(found)


def test_three_good_seeds_of_eight_are_not_better_than_eight() -> None:
    """What once was said to differ: 3 seeds near 5 and 5 that diverged, against 8 near 10."""
    near_ten = [10.0, 10.1, 9.9, 10.2, 9.8, 10.05, 9.95, 10.15]
    found, text = difference(near_ten, [5.0, INF, 5.1, INF, INF, 4.9, INF, INF])
    assert found.finding is Finding.OPEN
    assert found.interval is None
    assert found.without == (0, 5)
    assert found.lower == pytest.approx(3 / 8)
    assert "two_timescale's #0 had no score in 5 of 8 runs" in text
    assert "one_timescale's #0 had no score in 0 of 8 runs" in text
    assert "No difference can be told over fresh seeds" in text
    assert text.endswith("more seeds for each (confirm with --seeds +44) may tell.")
    assert "halve" not in text, "ranks have no interval"


def test_where_no_run_has_a_score_more_seeds_are_not_what_is_missing() -> None:
    found, text = difference([INF] * 4, [INF] * 4)
    assert found.finding is Finding.OPEN
    assert text.endswith(
        "Next: give the arms more trials (ttur extend): no run of either setting had a score."
    )


def test_a_setting_that_mostly_diverges_is_worse() -> None:
    found, text = difference([10.0, 10.1, 9.9, 10.2, 9.8, 10.3, 10.4], [INF] * 6 + [5.0])
    assert found.finding is Finding.HIGHER
    assert found.absolute is None
    assert "the two differ" in text
    lower, _ = difference([INF] * 4 + [9.0, 9.1], [5.0, 5.1, 5.2, 5.3, 5.4, 5.5])
    assert lower.finding is Finding.LOWER


def test_where_nothing_has_a_score_nothing_is_told() -> None:
    found, text = difference([INF] * 4, [INF] * 4)
    assert (found.finding, found.p_value, found.lower) == (Finding.OPEN, 1.0, 0.5)
    assert "No difference can be told over fresh seeds" in text


def test_the_rank_test_is_all_permutations() -> None:
    first, second = [1.0, 4.0, INF], [2.0, INF, INF, 3.0]
    ranks = stats.rankdata([*first, *second])
    expected = 4 * 8 / 2
    far = [abs(sum(p[3:]) - expected) for p in permutations(ranks.tolist())]
    seen = abs(sum(ranks[3:]) - expected)
    assert rank_test(first, second) == pytest.approx(np.mean(np.asarray(far) >= seen - 1e-9))


def test_without_ties_the_rank_test_is_scipys_exact_one() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=6), generator.normal(1, 1, 7)
    expected = stats.mannwhitneyu(first, second, method="exact").pvalue
    assert rank_test(list(first), list(second)) == pytest.approx(expected)
    many = generator.normal(size=30), generator.normal(0.5, 1, 30)
    expected = stats.mannwhitneyu(*many, method="asymptotic").pvalue
    assert rank_test(list(many[0]), list(many[1])) == pytest.approx(expected)


def test_the_first_half_of_the_seeds_chooses_and_the_other_half_is_compared() -> None:
    # By all seeds the second finalist would win; the half that chooses has the first one lower.
    assert chosen([[1.0, 1.0, 9.0, 9.0], [2.0, 2.0, 2.0, 2.0]]) == (0, 2)
    assert chosen([[3.0, 4.0]]) == (0, 0)
    # One without a score is chosen last, however low the others are.
    assert chosen([[INF, 1.0, 1.0, 1.0], [8.0, 9.0, 9.0, 9.0]])[0] == 1


@pytest.mark.slow
def test_several_finalists_of_equal_arms_are_seldom_called_different() -> None:
    """Choosing the luckiest of three and testing it on its own luck would call many more."""
    generator = np.random.default_rng(0)
    called = 0
    for _ in range(400):
        scores = generator.normal(10, 1, (4, 8))
        rows = [row for i in range(3) for row in runs(f"{TWO}-{i}", list(scores[i]))]
        found = confirmation("s", [*runs(f"{ONE}-0", list(scores[3])), *rows])
        assert found is not None
        assert found.difference.seeds == (8, 4)
        called += found.difference.finding in (Finding.LOWER, Finding.HIGHER)
    assert called / 400 < 0.075


def test_one_finalist_an_arm_is_welchs_interval() -> None:
    one, two = [3.0, 4.0, 5.5, 4.5, 4.1], [2.0, 2.5, 3.5, 1.0]
    found, _ = difference(one, two)
    expected = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.96)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.finding is Finding.LOWER
    assert found.seeds == (5, 4)
    assert found.relative == pytest.approx((np.mean(two) - np.mean(one)) / np.mean(one))


def test_variances_are_pooled_over_the_finalists_of_an_arm() -> None:
    """As parts of the means, 2 and 12, so that a finalist far above the others does not drown them."""
    value, freedom = variance([[1.0, 3.0], [10.0, 14.0, 12.0], [5.0], [INF, INF]])
    assert freedom == 1 + 2
    assert value == pytest.approx((2.0 / 2**2 + 8.0 / 12**2) / 3 * 2**2)
    assert variance([[1.0, 3.0], [10.0, 14.0, 12.0]], 1)[0] == pytest.approx(value * 36)
    assert variance([[1.0, 3.0]]) == (pytest.approx(2.0), 1)
    assert math.isnan(variance([[1.0]])[0])
    assert compared([1.0], [2.0], (variance([[1.0]]), variance([[2.0]])), 0.96).interval is None


def test_an_added_seed_is_added_at_the_end() -> None:
    found = confirmation("s", list(reversed(runs(f"{ONE}-0", [4.0, INF, 3.0]))))
    assert found is not None
    assert found.finalists[0].runs == (4.0, None, 3.0)
    assert found.to_json()["finalists"][0]["runs"] == [4.0, None, 3.0]


def test_who_has_more_runs_than_the_others_was_chosen_by_as_many_as_these_have() -> None:
    # The first has the lower runs, but the second was trained on.
    assert chosen([[1.0, 1.0], [2.0, 2.0, 9.0, 9.0]]) == (1, 2)
    # Of two that were trained on the first seeds choose, whatever the others score.
    assert chosen([[3.0, 3.0, 0.0, 0.0], [2.0, 2.0, 9.0, 9.0], [9.0, 9.0]]) == (1, 2)
