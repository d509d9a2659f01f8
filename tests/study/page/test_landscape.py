from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.mlflow import changed, row

from study.page.landscape import SIDE, Landscape, landscape
from study.surface.surface import surface_of
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement

ONE, TWO = "one_timescale", "two_timescale"
B, A = 2e-3, 5e-4
"""Where the truth is lowest."""


def truth(b: float, a: float, d_steps: int) -> float:
    bowl = math.log(b / B) ** 2 + 0.5 * math.log(a / A) ** 2
    return 10 * math.exp(0.05 * bowl + (0.0 if d_steps == 2 else 0.3))


def trial(arm: str, number: int, b: float, a: float, d_steps: int) -> TrialRecord:
    score = truth(b, a, d_steps)
    return changed(row(arm, number, score), b=b, a=a, d_steps=d_steps)


def drawn(rows: list[TrialRecord], arms: list[str]) -> Landscape | None:
    return landscape(rows, surface_of(rows, arms))


@pytest.fixture(scope="module")
def rows() -> list[TrialRecord]:
    generator = np.random.default_rng(0)
    rates = 10 ** generator.uniform(-4, -2, (60, 2))
    made = [trial(TWO, n, float(b), float(a), 1 + n % 2) for n, (b, a) in enumerate(rates[:40])]
    made += [trial(ONE, n, float(b), float(b), 1 + n % 2) for n, (b, _) in enumerate(rates[40:])]
    return made


def test_the_surface_is_the_truth_of_scores_without_noise(rows: list[TrialRecord]) -> None:
    found = drawn(rows, [ONE, TWO])
    assert found is not None
    assert (found.arm, found.best, [each.d_steps for each in found.slices]) == (TWO, 2, [1, 2])
    for each in found.slices:
        assert each.scores.shape == each.errors.shape == (SIDE, SIDE)
        expected = np.array([[truth(b, a, each.d_steps) for b in found.b] for a in found.a])
        near = expected < 14  # above, scores are pressed together
        assert near.sum() > 100
        assert np.abs(each.scores / expected - 1)[near].max() < 0.06
    assert found.near == pytest.approx(11, rel=0.03)
    row_, column = np.unravel_index(found.slices[1].scores.argmin(), (SIDE, SIDE))
    assert found.b[column] == pytest.approx(B, rel=0.3)
    assert found.a[row_] == pytest.approx(A, rel=0.3)


def test_the_surface_is_surer_where_there_are_trials(rows: list[TrialRecord]) -> None:
    near = [each for each in rows if each.a > each.b / 2]
    found = drawn(near, [ONE, TWO])
    assert found is not None
    errors = found.slices[0].errors
    assert errors[0, -1] > 2 * np.median(errors)  # high b, low a


def test_where_trials_diverge_no_score_is_low() -> None:
    """Scores fall towards b = 1e-3, above which every trial diverges."""
    generator = np.random.default_rng(2)
    rows = []
    for number, (x, y) in enumerate(generator.uniform(-4, -2, (40, 2)).tolist()):
        made = trial("two_timescale", number, 10**x, 10**y, 1)
        if x > -3:
            rows.append(replace(made, measurements=(), outcome=Outcome.DIVERGED))
        else:
            score = Measurement(step=1, score=math.exp(-2 * (x + 3)))
            rows.append(replace(made, measurements=(score,)))
    ground = drawn(rows, ["two_timescale"])
    assert ground is not None
    (found,) = ground.slices
    # Of the columns well beyond the edge and well below it.
    assert (found.scores[:, ground.b > 2e-3] == found.scores.max()).all()
    assert (found.scores[:, ground.b < 5e-4] < found.scores.max()).all()
    near = ground.b[(found.scores <= ground.near).any(0)]
    assert 5e-4 < near.min() <= near.max() < 1.5e-3


def test_without_a_plane_there_is_none(rows: list[TrialRecord]) -> None:
    assert drawn([each for each in rows if each.arm == ONE], [ONE]) is None
    assert drawn(rows[:5], [TWO]) is None
    lost = [row(TWO, n, None, Outcome.DIVERGED) for n in range(10)]
    assert drawn(lost, [TWO]) is None


def test_further_parameters_are_held_where_the_surface_is_lowest(rows: list[TrialRecord]) -> None:
    mine = [
        changed(
            each,
            further={"beta1": (each.number % 4) / 4},
            score=each.objective * (1 + each.number % 4),
        )
        for each in rows
        if each.arm == TWO
    ]
    found = drawn(mine, [TWO])
    assert found is not None
    assert found.given["beta1"] == pytest.approx(0.0, abs=0.1)
