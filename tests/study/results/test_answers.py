"""Calibration in a quick form: simulated studies with a known truth (in full: benchmarks/answers.py)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.mlflow import new_store, tracking

import study
from benchmarks import recorded
from benchmarks.answers import Answer, Kept, answers, narrowed
from benchmarks.families import FAMILIES, UNIT, Formula, member
from benchmarks.replay import replay, spec_for
from study.results.comparison import compare
from study.trial import ONE, TWO, Outcome


def given(cases: list[str], studies: int, trials: int) -> list[Answer]:
    """The answers to some simulated studies of each case."""
    return [answers(case, seed, [trials])[trials] for case in cases for seed in range(studies)]


@pytest.mark.slow
def test_equal_arms_are_not_called_different_and_intervals_cover() -> None:
    equal = given(["flat", "diagonal"], 2, 20)
    assert not any(answer.differs for answer in equal)
    other = given(["bowl", "ridge", "cliff"], 1, 20)
    assert sum(answer.covered for answer in [*equal, *other]) == 7
    assert not any(answer.wrong for answer in other)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_answers_are_calibrated() -> None:
    """Of 60 equal studies at most 6 may differ: 5 % of them would exceed that in 1 case of 20."""
    equal = given(["flat", "diagonal", "equal arms"], 20, 20)
    assert sum(answer.differs for answer in equal) <= 6
    every = given(["bowl", "ridge", "cliff", "two basins", "rising noise"], 12, 20)
    assert np.mean([answer.covered for answer in every]) >= 0.88
    lower = given(["one sd lower, plane"], 12, 40)
    assert sum(answer.found for answer in lower) >= 8
    assert sum(answer.wrong for answer in [*every, *lower]) <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_truth_of_a_family_is_its_lowest_point(family: str) -> None:
    """By random search, which shares nothing with the grid."""
    curves = member(family, 3)
    generator = np.random.default_rng(0)
    x, y = generator.uniform(-4, -2, (2, 20_000))
    for arm, other in (("one_timescale", x), ("two_timescale", y)):
        lowest = min(
            float(curves.height(x, other, np.full_like(x, math.log2(d))).min()) for d in (1, 2, 5)
        )
        assert curves.optima[arm] <= UNIT * math.exp(lowest) * 1.001
        assert curves.optima[arm] == pytest.approx(UNIT * math.exp(lowest), rel=0.02)


def test_a_trial_scores_the_height_with_its_noise() -> None:
    curves = Formula(lambda x, y, z: x + 2 * y + 3 * z + 10, noise=0.2)
    drawn = np.log([curves.curve(1e-3, 1e-3, 2, seed)[0] / UNIT for seed in range(2000)])
    assert drawn.mean() == pytest.approx(-3 - 6 + 3 + 10, abs=0.02)
    assert drawn.std() == pytest.approx(0.2, abs=0.01)


def test_how_much_narrower_intervals_became_is_told_of_the_same_studies() -> None:
    kept, of = Kept(None), {"covered": True, "differs": False, "found": False, "wrong": False}
    for seed in range(11):
        widths = {8: 2.0, 20: 1.0 + seed} if seed else {20: 99.0}
        known = {n: Answer(**of, error=0.0, seconds=0.0, width=w) for n, w in widths.items()}
        kept.add("bowl", seed, known)
    # From 2 to 11 over 2 in ten studies; the eleventh has no answer at 8 trials.
    assert narrowed(kept, 8, 20) == (
        "intervals at 20 trials are 3.25 times as wide as at 8 in the median of 10 studies, "
        "1.45 to 5.05 times in eight of ten"
    )
    assert "of 0 studies" in narrowed(kept, 20, 40)


@pytest.mark.slow
def test_a_replayed_study_of_a_recorded_surface_is_answered_alike(tmp_path: Path) -> None:
    """With the product's own sampler and stopping, of which half of the trials come to be stopped."""
    curves = recorded.load("language")
    played = replay(curves, spec_for(curves, 30, [], 1)).trials
    rows = [replace(each.record, study="study", folder="") for each in played]
    assert sum(row.outcome is Outcome.STOPPED for row in rows) >= 10
    uri = new_store(tmp_path)
    writer = tracking(uri, tmp_path)
    for row in rows:
        writer.publish(row, fresh=True)
    told = study.compare("study", tracking=uri).difference
    known = compare("study", rows, [ONE, TWO]).difference
    assert told is not None
    assert known is not None
    assert told.interval == pytest.approx(known.interval, rel=1e-6)
