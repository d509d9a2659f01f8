from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mlflow import changed, row

from study.results.comparison import Comparison, compare
from study.results.tables import answer, best_table, comparison_table
from study.trial import Outcome, TrialRecord

ONE, TWO = "one_timescale", "two_timescale"
SCORES = st.lists(st.one_of(st.floats(0.01, 100), st.just(math.inf)), min_size=1, max_size=4)


def rows_of(arm: str, scores: list[float]) -> list[TrialRecord]:
    return [
        row(arm, number, None, Outcome.DIVERGED) if math.isinf(score) else row(arm, number, score)
        for number, score in enumerate(scores)
    ]


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
    assert found.difference.seen == -3.0
    assert found.difference.interval is None
    assert found.difference.trials == 7


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
    # Four trials an arm are too few for an answer, whatever they scored.
    assert difference_.interval is None
    assert difference_.finding == "none"
    if defined:
        assert difference_.absolute == min(second) - min(first)
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
        "levels": {"floor": None, "ceiling": None},
        "arms": {},
        "difference": None,
        "differences": [],
        "efforts": [],
        "confirmation": None,
        "longer": [],
        "verdicts": [],
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
    assert "new minus that of zz_base: +1" in said
    assert "alt minus that of zz_base: +2" in said
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
    ("first", "second", "said"),
    [
        ([8.0, 7.0, 9.0], [6.0, 6.5, 7.0], "one_timescale has 3 ended trials, which is too few"),
        ([8.0], [6.0], "(lowest score of two_timescale minus that of one_timescale: -2)"),
        ([math.inf], [1.0], "No answer yet: no trial of one_timescale has ended with a score"),
        ([1.0] * 6, [math.inf] * 6, "no trial of two_timescale has ended with a score"),
        ([1.0] * 6, [0.0] * 6, "confirm the finalists from fresh seeds to know"),
    ],
)
def test_a_study_too_small_for_an_answer_says_so(
    first: list[float], second: list[float], said: str
) -> None:
    text = comparison_table(compared(first, second))
    assert said in text
    assert "Interval:" not in text
    assert "Next: " in text


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
    assert "6.000 ± 0.12" in text
    without = comparison_table(compare("study", rows_of(ONE, [math.inf])))
    assert without.splitlines()[1].split() == [ONE, "1", "1", "0", *["-"] * 6]


def test_scores_as_small_as_those_of_games_are_compared() -> None:
    """By their logarithms: 1e-300 beside 1 leaves room for any lower one, and may itself be rounded to 0."""
    generator, rows = np.random.default_rng(0), []
    for arm in ("one_timescale", "two_timescale"):
        for number in range(9):
            b, a = 10 ** generator.uniform(-3, 0, 2)
            score = 10.0 ** generator.uniform(-307, 3)
            known = {"study": "s", "arm": arm, "number": number, "d_steps": 1, "score_name": "x"}
            known |= {"b": b, "a": b if arm == "one_timescale" else a, "score": score}
            rows.append(TrialRecord.from_json(known | {"outcome": "complete"}))
    with np.errstate(all="raise", under="ignore"):
        found = compare("s", rows)
    assert found.difference is not None
    assert found.difference.relative is not None
    assert found.difference.relative >= -1
    json.dumps(found.to_json(), allow_nan=False)
