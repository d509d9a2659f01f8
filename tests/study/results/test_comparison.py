from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mlflow import changed, row

from study.results.comparison import Comparison, compare
from study.results.resampling import best_of, difference
from study.results.tables import answer, best_table, comparison_table
from study.trial import Outcome, TrialRecord

ONE, TWO = "one_timescale", "two_timescale"
SCORES = st.lists(st.one_of(st.floats(0.01, 100), st.just(math.inf)), min_size=1, max_size=6)


def rows_of(arm: str, scores: list[float]) -> list[TrialRecord]:
    return [
        row(arm, number, None, Outcome.DIVERGED) if math.isinf(score) else row(arm, number, score)
        for number, score in enumerate(scores)
    ]


def enumerated(scores: list[float], k: int) -> dict[float, float]:
    """The distribution of the best of k draws, from the definition: every possible draw counted."""
    counts: dict[float, float] = {}
    for draw in product(scores, repeat=k):
        counts[min(draw)] = counts.get(min(draw), 0.0) + 1 / len(scores) ** k
    return counts


@given(SCORES, st.integers(1, 5))
def test_best_of_k_is_the_bootstrap_enumerated(scores: list[float], k: int) -> None:
    found = best_of(scores, k)
    expected = enumerated(scores, k)
    seen: dict[float, float] = {}
    for score, probability in zip(found.scores, found.probabilities, strict=True):
        seen[float(score)] = seen.get(float(score), 0.0) + float(probability)
    assert seen.keys() == expected.keys()
    for score, probability in expected.items():
        assert seen[score] == pytest.approx(probability, abs=1e-9)


@given(SCORES, SCORES)
def test_the_difference_is_that_of_all_pairs(first: list[float], second: list[float]) -> None:
    one, two = enumerated(first, 3), enumerated(second, 3)
    pairs = [
        (b - a, p * q)
        for (a, p), (b, q) in product(one.items(), two.items())
        if math.isfinite(a) and math.isfinite(b)
    ]
    if not pairs:
        with pytest.raises(ValueError, match="no trial has a finite score"):
            difference(best_of(first, 3), best_of(second, 3))
        return
    total = sum(p for _, p in pairs)
    found = difference(best_of(first, 3), best_of(second, 3))
    assert found.probabilities.sum() == pytest.approx(1.0)
    mean = sum(value * p for value, p in pairs) / total
    assert (found.values * found.probabilities).sum() == pytest.approx(mean, abs=1e-6)
    lower = sum(p for v, p in pairs if v < 0) + sum(p for v, p in pairs if v == 0) / 2
    assert found.below_zero == pytest.approx(lower / total, abs=1e-6)


def test_quantiles_agree_with_drawing_at_random() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.gamma(5, 1, 40), generator.gamma(4, 1, 30)
    exact = difference(best_of(list(first), 40), best_of(list(second), 30))
    drawn = generator.choice(second, (20000, 30)).min(1) - generator.choice(first, (20000, 40)).min(
        1
    )
    for q in (0.025, 0.25, 0.75, 0.975):
        share = np.mean(drawn <= exact.quantile(q))
        strictly = np.mean(drawn < exact.quantile(q) - 1e-12)
        assert strictly - 0.01 <= q <= share + 0.01


@pytest.mark.parametrize(("scores", "k"), [([], 1), ([1.0], 0)])
def test_nothing_to_draw_from_is_refused(scores: list[float], k: int) -> None:
    with pytest.raises(ValueError, match="is not defined"):
        best_of(scores, k)


def test_ten_thousand_trials_are_cheap() -> None:
    found = best_of([float(score) for score in range(10_000)], 10_000)
    assert len(found.scores) < 100
    assert found.quantile(0.5) == 0.0


def test_the_comparison_of_two_arms() -> None:
    rows = rows_of(ONE, [math.inf, 8.0, 9.0, 6.0]) + rows_of(TWO, [7.0, 3.0, 4.0])
    rows += [row(TWO, 3, 1.0, Outcome.FAILED), row(TWO, 4, 0.1, outcome=None)]
    found = compare("study", rows[::-1])
    assert list(found.arms) == [ONE, TWO]
    one, two = found.arms[ONE], found.arms[TWO]
    assert one.curve == (None, 8.0, 8.0, 6.0)
    assert two.curve == (7.0, 3.0, 3.0, 3.0)
    assert (one.trials, two.trials) == (4, 4)
    assert two.best is not None
    assert two.best.number == 1
    assert two.outcomes == {
        "complete": 3,
        "stopped": 0,
        "diverged": 0,
        "failed": 1,
        "unfinished": 1,
    }
    assert found.difference is not None
    assert found.difference.arms == (ONE, TWO)
    assert found.difference.absolute == -3.0
    assert found.difference.relative == -0.5
    # Lowest: one draws no better than 9 (or inf, left out), two finds 3; and the other way round.
    assert found.difference.interval is not None
    low, high = found.difference.interval
    assert -6.0 <= low <= -3.0 <= high <= 1.0


@given(SCORES, SCORES)
def test_laws_of_comparison(first: list[float], second: list[float]) -> None:
    rows = rows_of(ONE, first) + rows_of(TWO, second)
    found = compare("study", rows)
    assert compare("study", list(reversed(rows))) == found
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    for arm, scores in ((ONE, first), (TWO, second)):
        curve = data["arms"][arm]["curve"]
        assert len(curve) == data["arms"][arm]["trials"] == len(scores)
        lowest = [min(scores[: n + 1]) for n in range(len(scores))]
        assert [math.inf if value is None else value for value in curve] == lowest
        best = data["arms"][arm]["best"]
        assert (best is None) == math.isinf(min(scores))
        assert best is None or best["score"] == min(scores)
    difference_ = found.difference
    assert difference_ is not None
    defined = math.isfinite(min(first)) and math.isfinite(min(second))
    assert (difference_.absolute is None) == (not defined)
    enough = min(len(first), len(second)) >= 3
    assert (difference_.interval is None) == (not (defined and enough))
    if defined and enough:
        assert difference_.interval is not None
        assert difference_.probability is not None
        assert difference_.absolute == min(second) - min(first)
        low, high = difference_.interval
        assert low <= high
        # The observed difference is the most likely one of all, so it is never outside.
        assert low <= difference_.absolute <= high
        assert 0 <= difference_.probability <= 1
    assert answer(found).endswith(".")


@given(SCORES, SCORES)
def test_exchanging_the_arms_mirrors_the_difference(
    first: list[float], second: list[float]
) -> None:
    there = compare("study", rows_of(ONE, first) + rows_of(TWO, second)).difference
    back = compare("study", rows_of(ONE, second) + rows_of(TWO, first)).difference
    assert there is not None
    assert back is not None
    assert back.absolute == (None if there.absolute is None else -there.absolute)
    assert (back.probability is None) == (there.probability is None)
    if there.probability is not None:
        assert back.probability == pytest.approx(1 - there.probability, abs=1e-9)


def test_different_protocols_are_not_compared() -> None:
    rows = [
        row(ONE, 0, 1.0, score_name="fid_10k_train"),
        row(TWO, 0, 1.0, score_name="fid_50k_train"),
    ]
    with pytest.raises(ValueError, match=r"fid_10k_train, fid_50k_train.* must not be compared"):
        compare("study", rows)


def test_one_arm_three_arms_and_none() -> None:
    single = compare("study", rows_of(ONE, [1.0]))
    assert single.difference is None
    assert single.to_json()["difference"] is None
    assert answer(single) == "The study has one arm, so there is nothing to compare it with."
    three = compare("study", rows_of("ratio", [1.0]) + rows_of(TWO, [2.0]) + rows_of(ONE, [3.0]))
    assert list(three.arms) == [ONE, TWO, "ratio"]
    assert three.difference is not None
    assert three.difference.arms == (ONE, TWO)
    empty = compare("study", [])
    assert empty.to_json() == {
        "study": "study",
        "score_name": None,
        "arms": {},
        "difference": None,
        "differences": [],
    }
    assert comparison_table(empty) == "no trial has been published yet"


def test_each_later_arm_is_compared_with_the_first_of_the_spec() -> None:
    rows = rows_of("zz_base", [1.0]) + rows_of("new", [2.0]) + rows_of("alt", [3.0])
    found = compare("study", rows, ["zz_base", "new", "alt", "to_come"])
    assert list(found.arms) == ["zz_base", "new", "alt", "to_come"]
    assert [d.arms for d in found.differences] == [
        ("zz_base", "new"),
        ("zz_base", "alt"),
        ("zz_base", "to_come"),
    ]
    assert [d.absolute for d in found.differences] == [1.0, 2.0, None]
    assert found.arms["to_come"].trials == 0
    said = answer(found)
    assert "new's best" in said
    assert "alt's best" in said
    assert "no trial of to_come has ended with a score" in said
    paper_first = compare("study", rows, ["zz_base", TWO, ONE])
    assert list(paper_first.arms)[:2] == [ONE, TWO]


def test_the_noise_of_the_two_bests_adds_up() -> None:
    rows = [changed(row(ONE, 0, 5.0), noise=0.3), changed(row(TWO, 0, 4.0), noise=0.4)]
    found = compare("study", rows).difference
    assert found is not None
    assert found.noise == pytest.approx(0.5)


def compared(first: list[float], second: list[float]) -> Comparison:
    return compare("study", rows_of(ONE, first) + rows_of(TWO, second))


@pytest.mark.parametrize(
    ("first", "second", "start"),
    [
        (
            [8.0],
            [6.0],
            "two_timescale's best fd_digits_1k is 25.0 % lower than one_timescale's (6 against 8)",
        ),
        ([8.0], [10.0], "two_timescale's best fd_digits_1k is 25.0 % higher than one_timescale's"),
        ([8.0], [8.0], "two_timescale's best fd_digits_1k equals one_timescale's (8 against 8)"),
        ([0.0], [-1.5], "two_timescale's best fd_digits_1k is 1.5 lower than one_timescale's"),
        ([math.inf], [1.0], "No answer yet: no trial of one_timescale has ended with a score."),
        ([1.0], [math.inf], "No answer yet: no trial of two_timescale has ended with a score."),
    ],
)
def test_the_answer_is_a_sentence(first: list[float], second: list[float], start: str) -> None:
    assert answer(compared(first, second)).startswith(start)


def test_too_few_trials_have_no_interval() -> None:
    text = comparison_table(compared([8.0, 7.0], [6.0, 6.5, 7.0]))
    assert "(6 against 7); difference -1." in text
    assert "Interval: none: an arm has fewer than 3 trials." in text


def test_an_uncertain_answer_says_so() -> None:
    uncertain = "cannot tell the difference from luck in sampling"
    assert uncertain in answer(compared([5.0, 9.0, 20.0], [4.9, 11.0, 30.0]))
    assert uncertain not in answer(compared([9.0, 9.5, 9.2], [1.0, 1.1, 1.2]))


def test_tables_are_aligned() -> None:
    rows = [
        changed(row(ONE, 10, 12.3456), further={"loss": "hinge", "weight": 0.12345}),
        row(TWO, 3, None, None),
    ]
    lines = best_table(rows).splitlines()
    assert lines[0].split("  ")[0] == "arm"
    assert len(lines) == 3
    assert "12.35" in lines[1]
    assert "hinge" in lines[1]
    assert "0.1235" in lines[1]
    assert "unfinished" in lines[2]
    assert {line.rstrip()[-1] for line in lines} == {"e", "d"}
    assert lines[0].index("trial") + len("trial") == lines[1].index(" 10 ") + len(" 10")
    assert best_table([]) == "no trial has ended with a score yet"


def test_the_comparison_table_shows_both_arms_and_the_method() -> None:
    rows = [*rows_of(ONE, [8.0, math.inf, 9.0]), *rows_of(TWO, [7.0, 6.5])]
    rows.append(changed(row(TWO, 2, 6.0), noise=0.123))
    text = comparison_table(compare("study", rows))
    assert "best fd_digits_1k" in text
    assert "6 ± 0.12" in text
    assert "bootstrap over trials" in text
    without = comparison_table(compare("study", rows_of(ONE, [math.inf])))
    assert without.splitlines()[1].split() == [ONE, "1", "1", "0", *["-"] * 6]


def test_what_an_interval_means_is_said_once_or_of_which_pair() -> None:
    enough, few = [3.0, 4.0, 5.0], [2.0]
    rows = rows_of("base", enough) + rows_of("x", enough) + rows_of("y", enough)
    alike = comparison_table(compare("study", rows, ["base", "x", "y"]))
    assert alike.count("Interval: bootstrap over trials") == 1
    rows = rows_of("base", enough) + rows_of("x", enough) + rows_of("y", few)
    apart = comparison_table(compare("study", rows, ["base", "x", "y"]))
    assert "Interval of x against base: bootstrap over trials" in apart
    assert "Interval of y against base: none: an arm has fewer than 3 trials." in apart
