"""What a replayed trial scores, of surfaces recorded for the tests and of those that are shipped."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import recorded
from benchmarks.answers import simulated

STEPS = (10, 20)
RATES = np.geomspace(1e-4, 1e-2, 9).tolist()


def made(folder: Path) -> recorded.Recorded:
    """A surface that falls towards b = a = 1e-2; above b = 1e-3 two seeds lie a factor of e^0.4 apart."""
    rows = []
    for b, a, seed in itertools.product(RATES, RATES, (0, 1)):
        height = -0.2 * (math.log10(b) + math.log10(a))
        apart = (0.2 if seed else -0.2) * (b > 1e-3)
        for step, more in zip(STEPS, (0.5 - apart, apart), strict=True):
            score = math.exp(height + more)
            rows.append({"b": b, "a": a, "d_steps": 1, "seed": seed, "step": step, "score": score})
    pd.DataFrame(rows).to_parquet(folder / "made.parquet")
    return recorded.load("made", folder)


def test_a_trial_has_the_noise_of_settings_nearby(tmp_path: Path) -> None:
    curves = made(tmp_path)
    quiet = {round(float(curves.curve(1e-4, 1e-4, 1, seed)[-1]), 4) for seed in range(40)}
    assert len(quiet) == 1
    loud = np.log([curves.curve(1e-2, 1e-3, 1, seed) for seed in range(400)])
    # Two seeds at 0.2 from their mean: 0.2 times the root of 2 is the deviation that they come from.
    assert np.unique(loud[:, 1].round(2)).tolist() == pytest.approx(
        [1 - 0.283, 1 + 0.283], abs=0.02
    )
    # The noise of a curve hangs together: who is high at its end was low before.
    assert np.corrcoef(loud.T)[0, 1] == pytest.approx(-1, abs=0.01)


def test_what_a_trial_usually_scores_is_lower_than_the_lowest_point_without_noise(
    tmp_path: Path,
) -> None:
    curves = made(tmp_path)
    assert curves.best(1e-2, 1e-3, 1) == pytest.approx(math.exp(1.0), rel=0.01)
    # Either 0.283 lower at the end, or as much higher there and at 0.5 - 0.283 before: 0.217 then.
    assert curves.usual(1e-2, 1e-3, 1) == pytest.approx(
        math.exp(1 + (-0.283 + 0.217) / 2), rel=0.01
    )
    assert curves.usual(1e-4, 1e-4, 1) == pytest.approx(curves.best(1e-4, 1e-4, 1))
    assert curves.usual_optima["two_timescale"] < curves.optima["two_timescale"]


@pytest.mark.parametrize("name", recorded.names())
def test_what_trials_usually_score_is_their_mean(name: str) -> None:
    """By drawing trials, and by random settings, which share nothing with the grid."""
    curves = recorded.load(name)
    d_steps = curves.d_steps[-1]
    lowest = [math.log(curves.curve(2e-3, 3e-3, d_steps, seed).min()) for seed in range(600)]
    close = 4 * float(np.std(lowest)) / math.sqrt(600) + 1e-9
    assert np.mean(lowest) == pytest.approx(math.log(curves.usual(2e-3, 3e-3, d_steps)), abs=close)
    drawn = np.random.default_rng(0)
    low, high = math.log(curves.low), math.log(curves.high)
    for arm, free in (("one_timescale", False), ("two_timescale", True)):
        rates = np.exp(drawn.uniform(low, high, (600, 2)))
        found = min(
            curves.usual(b, a if free else b, d) for b, a in rates.tolist() for d in curves.d_steps
        )
        assert curves.usual_optima[arm] == pytest.approx(found, rel=0.06)


def test_intervals_are_held_against_what_trials_usually_score() -> None:
    curves = recorded.load("language")
    rows, one, two = simulated("recorded language", 0, 6)
    assert len(rows) == 12
    assert {"one_timescale": one, "two_timescale": two} == curves.usual_optima
