from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.search.stopping import reason_to_stop
from study.spec.parts import Stopping
from trainables.protocol import Measurement

scores = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30)


def history(*values: float, noise: float = 0.0) -> list[Measurement]:
    return [
        Measurement(step=10 * (i + 1), score=value, noise=noise) for i, value in enumerate(values)
    ]


def stops_at(values: list[float], rule: Stopping, noise: float = 0.0) -> int | None:
    """The evaluation (from 1) at which a trial with these scores stops."""
    past = history(*values, noise=noise)
    return next((n for n in range(1, len(past) + 1) if reason_to_stop(past[:n], rule)), None)


def reference(values: list[float], rule: Stopping, noise: float) -> int | None:
    """The rule written once more from its description, as a state that is carried along."""
    best, run = values[0], 0
    for n, value in enumerate(values[1:], start=2):
        run = run + 1 if value > best + rule.min_delta * noise else 0
        collapsed = rule.collapse is not None and value > rule.collapse * best
        if n > rule.warmup and (collapsed or run >= rule.patience):
            return n
        best = min(best, value)
    return None


def test_a_curve_that_dips_back_is_given_its_time() -> None:
    assert stops_at([60.0, 48.7, 84.0, 56.0, 47.0], Stopping(patience=3, warmup=0)) is None
    assert stops_at([60.0, 48.7, 84.0, 56.0], Stopping(patience=1, warmup=0)) == 3


def test_a_score_that_stays_up_stops_and_the_sentence_says_why() -> None:
    rule = Stopping(patience=3, warmup=2)
    assert stops_at([9.0, 5.0, 6.0, 7.0, 6.5, 6.0], rule) == 5
    reason = reason_to_stop(history(9.0, 5.0, 6.0, 7.0, 6.5), rule)
    assert reason == "the score rose: 3 evaluations in a row lie above 5 of step 20"


def test_a_collapse_stops_at_once_but_not_in_the_warm_up() -> None:
    assert stops_at([5.0, 51.0], Stopping(warmup=0)) == 2
    assert stops_at([5.0, 51.0, 52.0], Stopping(warmup=2)) == 3
    assert stops_at([5.0, 51.0, 4.0], Stopping(warmup=2)) is None
    assert stops_at([5.0, 51.0], Stopping(warmup=0, collapse=None)) is None


def test_a_collapse_is_more_than_so_many_times_a_best_score_above_zero() -> None:
    rule = Stopping(warmup=0, patience=9, collapse=10)
    assert stops_at([5.0, 50.0], rule) is None
    assert stops_at([5.0, 50.01], rule) == 2
    assert stops_at([0.0, 1.0], rule) is None
    assert stops_at([-1.0, 1.0], rule) is None


def test_a_rise_within_the_noise_is_none() -> None:
    rule = Stopping(patience=1, warmup=0, min_delta=2.0)
    assert stops_at([5.0, 5.9, 5.8, 5.95], rule, noise=0.5) is None
    assert stops_at([5.0, 6.1], rule, noise=0.5) == 2


def test_the_noisier_of_the_two_evaluations_counts() -> None:
    best = Measurement(step=10, score=5.0, noise=2.0)
    sure = Measurement(step=20, score=6.0, noise=0.1)
    assert reason_to_stop([best, sure], Stopping(patience=1, warmup=0)) is None


def test_without_a_rule_nothing_stops() -> None:
    assert stops_at([1.0, 1e6, 1e6, 1e6, 1e6], Stopping(rule="none", warmup=0)) is None


@given(scores, st.integers(0, 4), st.integers(1, 4), st.floats(0, 3), st.floats(0, 5))
def test_it_is_the_rule_that_its_description_says(
    values: list[float], warmup: int, patience: int, min_delta: float, noise: float
) -> None:
    rule = Stopping(warmup=warmup, patience=patience, min_delta=min_delta)
    assert stops_at(values, rule, noise) == reference(values, rule, noise)


@given(scores)
def test_it_depends_on_nothing_but_the_history(values: list[float]) -> None:
    rule = Stopping(warmup=1, patience=2)
    first = [reason_to_stop(history(*values[:n]), rule) for n in range(1, len(values) + 1)]
    order = list(range(1, len(values) + 1))
    random.Random(0).shuffle(order)
    again = {n: reason_to_stop(history(*values[:n]), rule) for n in order}
    assert [again[n] for n in range(1, len(values) + 1)] == first


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30, unique=True))
def test_a_score_that_only_falls_never_stops(values: list[float]) -> None:
    falling = sorted(values, reverse=True)
    assert stops_at(falling, Stopping(warmup=0, patience=1)) is None


@pytest.mark.parametrize("count", [0, 1])
def test_one_evaluation_is_no_rise(count: int) -> None:
    assert reason_to_stop(history(*[1.0] * count), Stopping(warmup=0, patience=1)) is None


def with_ceiling(ceiling: float | None, *values: float, noise: float = 0.0) -> list[Measurement]:
    levels = {} if ceiling is None else {"score_floor": 100.0, "score_ceiling": ceiling}
    return [replace(m, metrics=levels) for m in history(*values, noise=noise)]


@pytest.mark.parametrize(
    ("ceiling", "stops"),
    [(None, True), (3000.0, False), (3100.0, False), (3149.0, False), (3155.0, True)],
)
def test_a_rise_from_a_score_that_noise_has_as_well_ends_no_trial(
    ceiling: float | None, stops: bool
) -> None:
    """A ceiling of 3152.6 needs scores below 3000: a twentieth of the way to the floor of 100."""
    past = with_ceiling(ceiling, 3600.0, 3000.0, 3200.0, 3400.0, 3300.0)
    assert (reason_to_stop(past, Stopping()) is not None) == stops


def test_the_noise_of_the_best_score_is_asked_for_as_well() -> None:
    values = (3600.0, 3000.0, 3300.0, 3400.0, 3300.0)
    assert reason_to_stop(with_ceiling(3200.0, *values, noise=60.0), Stopping()) is not None
    assert reason_to_stop(with_ceiling(3200.0, *values, noise=70.0), Stopping()) is None


def test_a_trial_that_had_learnt_and_is_noise_again_is_stopped() -> None:
    past = with_ceiling(3000.0, 2900.0, 900.0, 3100.0, 3200.0, 3300.0)
    assert "lie above 900 of step 20" in str(reason_to_stop(past, Stopping()))


def test_a_collapse_above_the_ceiling_stops_at_once() -> None:
    past = with_ceiling(300.0, 400.0, 300.0, 3001.0)
    assert "collapsed" in str(reason_to_stop(past, Stopping()))


@pytest.mark.parametrize(
    ("evaluations", "warmup", "patience"),
    [(1, 1, 2), (5, 1, 2), (9, 1, 2), (10, 2, 2), (15, 3, 3), (25, 5, 5), (200, 5, 5)],
)
def test_patience_and_warm_up_grow_with_the_evaluations_unless_they_are_said(
    evaluations: int, warmup: int, patience: int
) -> None:
    unsaid = Stopping().over(evaluations)
    assert (unsaid.warmup, unsaid.patience) == (warmup, patience)
    said = Stopping(warmup=0, patience=9, rule="none").over(evaluations)
    assert said == Stopping(warmup=0, patience=9, rule="none")
