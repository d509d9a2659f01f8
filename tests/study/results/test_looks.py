"""Looking again at fresh seeds: each look is told at a level of its own, and all together err seldom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from study.results.confirmation import Confirmation, confirmation
from study.results.difference import Finding
from study.results.looks import level_of_look, place_of_look, runs_of_look, seeds_to_halve
from study.results.tables import confirmation_table
from study.results.verdict import of_seeds
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters


def confirmed(
    one: Sequence[float],
    two: Sequence[float],
    looked: Sequence[int] = (),
    started: Callable[[int], float] = lambda number: 0.0,
    steps: Mapping[tuple[str, int], int] | None = None,
) -> Confirmation:
    rows = [
        TrialRecord(
            study="s.confirm",
            arm=arm,
            number=number,
            parameters=Parameters(b=2e-3, a=1e-3, d_steps=3),
            outcome=Outcome.COMPLETE,
            started=started(number),
            measurements=(Measurement(step=1, score=score),) if math.isfinite(score) else (),
        )
        for arm, scores in (("one-0", one), ("two-0", two))
        for number, score in enumerate(scores)
    ]
    found = confirmation("s", rows, steps=steps, looked=looked)
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


FIRST_ONE, FIRST_TWO = [5.0, 5.2, 4.8, 5.0], [4.6, 4.8, 4.4, 4.6]  # two is lower, p = 0.013
LATER_ONE, LATER_TWO = [4.9, 5.3, 4.4, 4.5], [4.9, 5.0, 4.7, 4.4]  # and then it can't be told


def test_the_runs_of_a_look_are_those_that_were_asked_for_first() -> None:
    assert runs_of_look([5.0, 1.0, 4.0, 2.0, 1.0], 3) == [1, 3, 4]
    assert runs_of_look([5.0, 1.0, 4.0, 2.0, 1.0], 1) is None
    assert runs_of_look([0.0, 0.0, 0.0], 2) is None


def in_turn(number: int) -> float:
    """Four seeds of both settings a look, those of a look at different times."""
    return number // 4 + number / 100


def test_what_a_look_has_found_stays_found() -> None:
    first = confirmed(FIRST_ONE, FIRST_TWO, started=in_turn)
    assert first.difference.finding is Finding.LOWER
    assert first.difference.kept is None
    assert (
        confirmed(FIRST_ONE, FIRST_TWO, [8], in_turn).difference == first.difference
    )  # no new run
    both = FIRST_ONE + LATER_ONE, FIRST_TWO + LATER_TWO
    assert confirmed(*both, [8]).difference.finding is Finding.OPEN  # no telling which were there
    second = confirmed(*both, [8], in_turn)
    found = second.difference
    assert found.finding is Finding.LOWER
    assert found.kept == first.difference
    assert (found.look, found.seeds) == (2, (8, 8))
    assert found.relative_interval is not None
    assert found.relative_interval[1] > 0  # its own interval, at its own level
    text = str(of_seeds(found))
    assert "the two differ, as the 1st look found (96 % interval" in text
    assert "this being the 2nd look" in text
    assert "Next: take two's #0." in text
    assert found.to_json()["kept"]["look"] == 1
    of_none = confirmed(*both, [0, 8], in_turn)  # nothing had run when it ended
    assert of_none.difference.kept == first.difference
    third = confirmed([*both[0], 4.7], [*both[1], 4.6], [8, 16], in_turn).difference
    assert (third.finding, third.look) == (Finding.LOWER, 3)
    assert third.kept == first.difference


def test_what_was_found_at_a_step_stays_found_at_it() -> None:
    both = FIRST_ONE + LATER_ONE, FIRST_TWO + LATER_TWO
    found = confirmed(*both, [8], in_turn, {("one", 0): 1, ("two", 0): 1}).difference
    assert (found.steps, found.finding) == ((1, 1), Finding.LOWER)


def test_a_look_keeps_nothing_that_it_contradicts_or_that_is_of_others() -> None:
    found = confirmed(FIRST_ONE, FIRST_TWO).difference
    now = confirmed(FIRST_ONE + LATER_ONE, FIRST_TWO + LATER_TWO, [8]).difference
    assert now.keeping(found).finding is Finding.LOWER
    for other in (
        replace(found, numbers=(0, 1)),
        replace(found, arms=("one", "three")),
        replace(found, steps=(4, 4)),
        replace(found, finding=Finding.HIGHER),  # the seeds now point the other way
        replace(found, finding=Finding.EQUAL),
        replace(found, finding=Finding.OPEN),
        replace(found, finding=Finding.NONE),
    ):
        assert now.keeping(other) == now
    for told in (Finding.HIGHER, Finding.EQUAL, Finding.NONE):
        assert replace(now, finding=told).keeping(found) == replace(now, finding=told)
    assert replace(now, absolute=None).keeping(found).finding is Finding.LOWER


def test_of_the_arms_too_what_a_look_has_found_stays_found() -> None:
    found = confirmed(FIRST_ONE + LATER_ONE, FIRST_TWO + LATER_TWO, [8], in_turn).difference
    near, far = found.with_room((0.0, 0.0)), found.with_room((0.05, 0.2))
    assert (near.arms_finding, far.arms_finding) == (Finding.LOWER, Finding.OPEN)
    assert far.kept is not None
    assert far.kept.room == far.room == (0.05, 0.2)
    assert "So do the arms" in str(of_seeds(near))
    assert "96 % interval" in str(of_seeds(near)).split("So do the arms")[1]
    assert "Whether the arms differ cannot be told yet" in str(of_seeds(far))


def test_of_many_looks_those_that_found_it_are_found_again() -> None:
    """Against each look made by itself."""
    draw, ends, kept = np.random.default_rng(8), [8, 16], 0
    for _ in range(16):
        one, two = draw.normal(10, 1, 12), draw.normal(8.5, 1, 12)
        alone = [confirmed(one[:n], two[:n], ends[: n // 4 - 1]).difference for n in (4, 8, 12)]
        told = confirmed(one, two, ends, in_turn).difference
        last = alone[-1]
        assert told.absolute == last.absolute
        assert told.interval == last.interval
        lower = [each.look for each in alone if each.finding is Finding.LOWER]
        if last.finding is Finding.OPEN and lower:
            kept += 1
            assert told.finding is Finding.LOWER
            assert told.kept is not None
            assert told.kept.look == lower[0]
        else:
            assert told == last
    assert kept > 1


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
    draw, called, studies = np.random.default_rng(5), 0, 600
    for _ in range(studies):
        one, two = draw.normal(10, 1, (2, 20))
        ends = [8, 16, 24, 32]
        told = confirmed(one, two, ends, in_turn).difference
        called += told.finding in (Finding.LOWER, Finding.HIGHER)
    assert called / studies <= 0.055
