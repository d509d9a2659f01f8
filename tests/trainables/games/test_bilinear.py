"""The bilinear game: every update rule against its closed form, a power of a 2 x 2 matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters, Trial

A, B, START = 0.1, 0.3, (0.6, -0.2)


def bilinear(rule: str, *, d_steps: int = 1, a: float = A, b: float = B, **more: Any) -> Trial:
    data = {"kind": "bilinear", "update_rule": rule, "start": START, **more}
    return build_trial(data, Parameters(a=a, b=b, d_steps=d_steps), Context(seed=0))


def end(trial: Trial) -> Measurement:
    while not trial.finished:
        result = trial.advance()
    assert isinstance(result, Measurement)
    return result


def one_step(rule: str, d_steps: int, strength: float) -> Any:
    """The step as a matrix on (x, y), composed from elementary moves."""
    a, b = A * strength, B * strength
    move_x = np.array([[1, -a], [0, 1]])
    move_y = np.array([[1, 0], [b, 1]])
    field = np.array([[0, -a], [b, 0]])
    if rule == "alternating":
        return np.linalg.matrix_power(move_y, d_steps) @ move_x
    if rule == "simultaneous":
        return np.array([[1, -a], [d_steps * b, 1]])
    both = np.eye(2) + field @ (np.eye(2) + field)
    return both @ np.linalg.matrix_power(move_y, d_steps - 1)


@pytest.mark.parametrize("rule", ["alternating", "simultaneous", "extragradient"])
@pytest.mark.parametrize("d_steps", [1, 3])
def test_the_iterates_are_powers_of_the_step_matrix(rule: str, d_steps: int) -> None:
    result = end(bilinear(rule, d_steps=d_steps, strength=0.8, steps=40, evaluate_every=40))
    expected = np.linalg.matrix_power(one_step(rule, d_steps, 0.8), 40) @ START
    assert [result.metrics["x"], result.metrics["y"]] == pytest.approx(list(expected), rel=1e-10)


def test_extragradient_converges_where_simultaneous_updates_diverge() -> None:
    inside, outside, around = (
        end(bilinear(rule)).metrics["distance"]
        for rule in ("extragradient", "simultaneous", "alternating")
    )
    begin = float(np.hypot(*START))
    assert inside < 1e-6 * begin
    assert outside > 1e6 * begin
    assert 0.2 * begin < around < 5 * begin


def test_the_rates_of_the_docstring_are_right() -> None:
    c = A * B
    factors = {
        rule: max(abs(np.linalg.eigvals(one_step(rule, 1, 1.0))))
        for rule in ("simultaneous", "alternating", "extragradient")
    }
    assert factors["simultaneous"] == pytest.approx(np.sqrt(1 + c))
    assert factors["alternating"] == pytest.approx(1.0)
    assert factors["extragradient"] == pytest.approx(np.sqrt(1 - c + c * c))


def test_simultaneous_updates_end_as_diverged() -> None:
    trial = bilinear("simultaneous", a=2.0, b=2.0, steps=5000, evaluate_every=5000)
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert trial.finished
    assert np.isfinite(trial.save()["point"]).all()


def test_an_infinite_score_of_finite_points_is_divergence() -> None:
    far = (1.7e308, 1.7e308)
    result = bilinear("simultaneous", steps=1, start=far, strength=1e-300).advance()
    assert isinstance(result, Diverged)
    assert "score" in result.reason


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="update_rule"):
        bilinear("sequential")
