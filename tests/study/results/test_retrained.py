"""Where the runs of a finalist are read, who is chosen, and what the arms may hide."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.results.confirmation import confirmation
from study.results.difference import Finding
from study.results.retrained import finalist_of, mean_interval, read_at, score_at
from study.results.seed_difference import AT_STEP, LOWEST, SeedDifference
from study.results.verdict import concluded, of_seeds
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

ONE, TWO = "one_timescale", "two_timescale"


def run(
    arm: str, number: int, scores: dict[int, float], outcome: Outcome = Outcome.COMPLETE
) -> TrialRecord:
    return TrialRecord(
        study="s.confirm",
        arm=arm,
        number=number,
        parameters=Parameters(b=1e-3, a=1e-4, d_steps=2),
        score_name="x",
        outcome=outcome,
        measurements=tuple(Measurement(step=n, score=s, time=0.0) for n, s in scores.items()),
    )


def test_a_run_is_read_at_the_step_and_not_at_its_lowest() -> None:
    assert score_at(run(ONE, 0, {100: 3.0, 200: 5.0, 300: 2.0}), 200) == 5.0
    early = {100: 3.0, 200: 5.0}
    assert score_at(run(ONE, 0, early, Outcome.STOPPED), 300) == 5.0  # a rule ended it there
    assert score_at(run(ONE, 0, early, Outcome.DIVERGED), 300) is None
    assert score_at(run(ONE, 0, early, Outcome.DIVERGED), 200) == 5.0
    assert score_at(run(ONE, 0, early, Outcome.FAILED), 200) is None
    assert score_at(run(ONE, 0, early), 50) is None


def levelled(row: TrialRecord, noise: float, floor: float, ceiling: float) -> TrialRecord:
    levels = {"score_floor": floor, "score_ceiling": ceiling}
    return replace(
        row, measurements=tuple(replace(m, noise=noise, metrics=levels) for m in row.measurements)
    )


def test_a_finalist_is_its_runs_in_the_order_of_their_seeds() -> None:
    rows = [
        levelled(run(f"{ONE}-7", 1, {100: 6.0, 200: 7.0}), 0.5, 1.0, 12.0),
        run(f"{ONE}-7", 3, {100: 2.0}, Outcome.FAILED),
        levelled(run(f"{ONE}-7", 0, {100: 8.0, 200: 4.0}), 0.25, 2.0, 11.0),
        run(f"{ONE}-7", 2, {100: 9.0}, Outcome.DIVERGED),
    ]
    rows[2] = replace(rows[2], parameters=Parameters(b=5e-3, a=2e-3, d_steps=4))
    found = finalist_of(f"{ONE}-7", rows, {(ONE, 7): 200, (TWO, 7): 100})
    assert (found.arm, found.number, found.step) == (ONE, 7, 200)
    assert found.runs == (4.0, 6.0, 9.0, None)  # what a run had before it diverged counts
    assert found.at_step == (4.0, 7.0, None, None)
    assert found.read(lowest=True) == [4.0, 6.0, 9.0, math.inf]
    assert found.read(lowest=False) == [4.0, 7.0, math.inf, math.inf]
    mean = 19 / 3
    width = stats.t.ppf(0.975, 2) * math.sqrt(19 / 9) / mean  # of 4, 6 and 9: a variance of 19/3
    at_step = stats.t.ppf(0.975, 1) * 1.5 / 5.5
    assert found.to_json() == {
        "arm": ONE,
        "number": 7,
        "b": 5e-3,
        "a": 2e-3,
        "d_steps": 4,
        "step": 200,
        "noise": 0.5,
        "runs": [4.0, 6.0, 9.0, None],
        "scores": [4.0, 6.0, 9.0],
        "without": 1,
        "mean": pytest.approx(mean),
        "interval": pytest.approx([mean / math.exp(width), mean * math.exp(width)]),
        "at_step": [4.0, 7.0, None, None],
        "mean_at_step": 5.5,
        "interval_at_step": pytest.approx([5.5 / math.exp(at_step), 5.5 * math.exp(at_step)]),
        "levels": {"floor": 1.0, "ceiling": 11.0},
        "share": pytest.approx((11 - 5.5) / 10),  # where it is read
    }
    unread = finalist_of(f"{ONE}-7", rows, {})
    assert unread.share == pytest.approx((11 - mean) / 10)


def test_of_a_finalist_without_a_score_nothing_is_said() -> None:
    lost = run(f"{ONE}-7", 0, {100: 2.0}, Outcome.FAILED)
    rows = [levelled(lost, 0.0, 1.0, 9.0), replace(lost, number=1)]
    told = finalist_of(f"{ONE}-7", rows, {(ONE, 7): 200}).to_json()
    for name in ("mean", "interval", "mean_at_step", "interval_at_step", "share"):
        assert told[name] is None
    assert (told["scores"], told["without"], told["noise"]) == ([], 2, 0.0)
    assert told["levels"] == {"floor": 1.0, "ceiling": 9.0}


def test_runs_are_read_where_the_search_s_trial_was_lowest() -> None:
    rows = [run(ONE, 3, {100: 3.0, 200: 1.0}), run(TWO, 4, {100: 3.0, 200: 5.0}), run(TWO, 5, {})]
    assert read_at(rows) == {(ONE, 3): 200, (TWO, 4): 100}


def test_the_difference_is_that_at_the_steps_and_the_lowest_is_told_beside_it() -> None:
    """At the steps the second is higher, at the lowest evaluations lower."""
    one = [4.0, 4.2, 4.4, 4.1]
    two = [5.0, 5.3, 5.1, 4.9]
    rows = [run(f"{ONE}-3", i, {100: s, 200: s - 0.1}) for i, s in enumerate(one)]
    rows += [run(f"{TWO}-5", i, {100: 1.0 + i / 10, 200: s}) for i, s in enumerate(two)]
    found = confirmation("s", rows, [ONE, TWO], {(ONE, 3): 100, (TWO, 5): 200})
    assert found is not None
    difference = found.difference
    assert (difference.read, difference.steps) == (AT_STEP, (100, 200))
    assert difference.absolute == pytest.approx(np.mean(two) - np.mean(one))
    expected = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.96)
    assert difference.interval == pytest.approx((expected.low, expected.high))
    assert difference.finding is Finding.HIGHER
    lowest = difference.lowest
    assert lowest is not None
    assert (lowest.read, lowest.finding) == (LOWEST, Finding.LOWER)
    assert lowest.absolute == pytest.approx(1.15 - (np.mean(one) - 0.1))
    assert "at steps 200 and 100" in of_seeds(difference).sentence
    assert "at their lowest evaluations 72 % lower" in of_seeds(difference).sentence
    assert found.to_json()["finalists"][1]["at_step"] == two
    assert found.to_json()["difference"]["lowest"]["finding"] == "lower"


def test_without_the_step_of_both_the_lowest_is_read() -> None:
    rows = [run(f"{ONE}-3", i, {100: 4.0 + i, 200: 3.0 + i}) for i in range(3)]
    rows += [run(f"{TWO}-5", i, {100: 5.0 + i}) for i in range(3)]
    found = confirmation("s", rows, [ONE, TWO], {(ONE, 3): 100})
    assert found is not None
    assert (found.difference.read, found.difference.lowest) == (LOWEST, None)
    assert found.difference.means == (4.0, 6.0)
    other = confirmation("s", rows, [ONE, TWO], {(TWO, 5): 100})
    assert other is not None
    assert (other.difference.read, other.difference.means) == (LOWEST, (4.0, 6.0))


def staged(generator: np.random.Generator, means: list[float], arm: str) -> list[TrialRecord]:
    """Runs as a launch makes them: two seeds of each finalist choose, four more of the best compare."""
    scores = [list(generator.normal(mean, 1.0, 2)) for mean in means]
    best = int(np.argmin([np.mean(each) for each in scores]))
    scores[best] += list(generator.normal(means[best], 1.0, 4))
    return [
        run(f"{arm}-{place}", number, {1: float(score)})
        for place, each in enumerate(scores)
        for number, score in enumerate(each)
    ]


@pytest.mark.slow
def test_fresh_seeds_of_the_chosen_cover_the_truth_and_equal_settings_seldom_differ() -> None:
    """Of 600 at 95 % between 556 and 585 cover in all but one case of a hundred."""
    generator = np.random.default_rng(1)
    covered = called = 0
    for _ in range(600):
        means = {ONE: [10.0, 10.5, 11.0], TWO: [10.0, 10.0]}
        rows = [row for arm in (ONE, TWO) for row in staged(generator, means[arm], arm)]
        difference = (confirmation("s", rows, [ONE, TWO]) or pytest.fail("nothing")).difference
        assert difference.seeds == (4, 4)
        assert difference.numbers is not None
        one, two = difference.numbers
        low, high = difference.interval or (math.nan, math.nan)
        covered += low <= means[TWO][two] - means[ONE][one] <= high
        equal = [row for arm in (ONE, TWO) for row in staged(generator, [10.0, 10.0, 10.0], arm)]
        finding = (
            confirmation("s", equal, [ONE, TWO]) or pytest.fail("nothing")
        ).difference.finding
        called += finding in (Finding.LOWER, Finding.HIGHER)
    assert 556 <= covered <= 594
    assert called <= 45


def lower(room: tuple[float, float] | None) -> SeedDifference:
    return SeedDifference(
        arms=(ONE, TWO),
        finding=Finding.LOWER,
        numbers=(3, 5),
        seeds=(4, 4),
        means=(10.0, 8.0),
        absolute=-2.0,
        interval=(-3.0, -1.0),
        room=room,
    )


def test_what_an_arm_may_hide_widens_the_interval_to_the_arms() -> None:
    found = lower((0.05, 0.2))
    assert found.arms_interval == pytest.approx((0.7 * 0.8 - 1, 0.9 / 0.95 - 1))
    assert found.arms_finding is Finding.LOWER
    assert of_seeds(found).finding is Finding.LOWER
    assert "So do the arms, whatever the search has left untried (96 % interval 5.3" in str(
        of_seeds(found)
    )
    assert lower(None).arms_finding is Finding.LOWER


def test_two_settings_may_differ_where_their_arms_cannot_be_told() -> None:
    verdict = of_seeds(lower((0.3, 0.2)))
    assert (verdict.finding, verdict.settings) == (Finding.OPEN, Finding.LOWER)
    assert "these two settings differ" in verdict.sentence
    assert "by up to 30 % in one_timescale and 20 % in two_timescale" in verdict.sentence
    assert verdict.next.startswith("Next: take two_timescale's #5, or give the arms more trials")
    assert verdict.to_json()["settings"] == "lower"
    equal = replace(
        lower((0.3, 0.2)),
        absolute=0.0,
        interval=(-0.1, 0.1),
        means=(10.0, 10.0),
        finding=Finding.EQUAL,
    )
    assert equal.arms_finding is Finding.OPEN
    assert concluded([], [equal]) == ()


def test_the_interval_of_a_mean_of_positive_scores_is_positive() -> None:
    # Student's reaches from -7.7 to 17.7 here.
    law = stats.t.interval(0.95, 1, loc=math.log(5.0), scale=1.0 / 5.0)
    assert mean_interval([4.0, 6.0]) == pytest.approx((math.exp(law[0]), math.exp(law[1])))
    assert mean_interval([4.0]) is None
    assert mean_interval([3.0, 3.0, 3.0]) == (3.0, 3.0)
    # In another unit it is the same.
    assert mean_interval([4e9, 6e9]) == pytest.approx(tuple(1e9 * math.exp(end) for end in law))
    # Where scores spread little it is Student's.
    few = [100.0, 100.1, 99.8]
    student = stats.t.interval(0.95, 2, loc=np.mean(few), scale=stats.sem(few))
    assert mean_interval(few) == pytest.approx(student, rel=1e-5)


@pytest.mark.parametrize("scores", [[-1.0, 3.0], [0.0, 2.0, 4.0], [-5.0, -4.0]])
def test_the_interval_of_a_mean_with_a_score_that_is_not_positive_is_students(
    scores: list[float],
) -> None:
    law = stats.t.interval(0.95, len(scores) - 1, loc=np.mean(scores), scale=stats.sem(scores))
    assert mean_interval(scores) == pytest.approx(law)


@pytest.mark.parametrize(("seeds", "spread"), [(2, 0.2), (2, 0.8), (4, 0.4)])
def test_the_interval_of_a_mean_covers_it(seeds: int, spread: float) -> None:
    runs = np.exp(spread * np.random.default_rng(seeds).normal(size=(2000, seeds)))
    mean = math.exp(spread**2 / 2)
    found = [mean_interval(each) or (math.nan, math.nan) for each in runs.tolist()]
    assert all(low > 0 for low, _ in found)
    assert np.mean([low <= mean <= high for low, high in found]) == pytest.approx(0.945, abs=0.015)
