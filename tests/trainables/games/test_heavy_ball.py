"""The heavy ball of Fig. 2: its landscape and its differential equation by scipy, and where it stays."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar
from support.trials import game_trial, measurements

from trainables.games.heavy_ball import FLAT, SHARP, height, slope
from trainables.protocol import Measurement

ball = partial(game_trial, "heavy_ball")


def test_the_landscape_has_a_sharp_and_a_deeper_flat_minimum() -> None:
    sharp = minimize_scalar(height, bounds=(-0.3, 0.3), method="bounded", options={"xatol": 1e-10})
    flat = minimize_scalar(height, bounds=(2, 4), method="bounded", options={"xatol": 1e-10})
    assert pytest.approx(sharp.x, abs=1e-6) == SHARP
    assert pytest.approx(flat.x, abs=1e-6) == FLAT
    assert flat.fun < sharp.fun

    def curvature(at: float) -> float:
        return float((height(at + 1e-4) - 2 * height(at) + height(at - 1e-4)) / 1e-8)

    assert curvature(SHARP) > 5 * curvature(FLAT) > 0


@pytest.mark.parametrize("theta", [-2.0, -0.1, 0.07, 0.5, 2.2, 4.0])
def test_the_slope_is_the_derivative_of_the_height(theta: float) -> None:
    numeric = (height(theta + 1e-6) - height(theta - 1e-6)) / 2e-6
    assert slope(theta) == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("memory", "r", "tau"),
    [("exponential", 0.2, 0.0), ("exponential", 1.0, 0.3), ("polynomial", 2.0, 0.0)],
)
def test_the_iterates_follow_the_differential_equation(memory: str, r: float, tau: float) -> None:
    """theta'' + r(t) (theta' + f') = 0 in the time t = a(1) + ... + a(n), to 0.01 at a = 0.001."""
    a, steps = 1e-3, 20000
    schedule = {"name": "power", "tau_a": tau} if tau else "constant"
    trial = ball(
        a, r * a, memory=memory, schedule=schedule, steps=steps, evaluate_every=steps // 20
    )
    times = np.cumsum(a * np.arange(1, steps + 1) ** -tau)[steps // 20 - 1 :: steps // 20]

    def field(t: float, state: Any) -> list[float]:
        theta, speed = state
        memory_now = r if memory == "exponential" else r / t
        return [speed, -memory_now * (speed + slope(theta))]

    # With polynomial memory the velocity forgets its start at once: theta'(0) = -f' r / (r + 1).
    speed = 0.0 if memory == "exponential" else -slope(-1.5) * r / (r + 1)
    begin = 0.0 if memory == "exponential" else a
    solved = solve_ivp(
        field, (begin, times[-1]), [-1.5, speed], t_eval=times, rtol=1e-9, atol=1e-11
    )
    path = [result.metrics["theta"] for result in measurements(trial)]
    assert path == pytest.approx(list(solved.y[0]), abs=0.01)
    assert max(path) - min(path) > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_ball_settles_in_the_flat_minimum_and_gradient_descent_in_the_sharp(seed: int) -> None:
    common: dict[str, Any] = {"noise": 0.1, "seed": seed}
    rolled = measurements(ball(0.05, 0.05 * 0.2, **common))[-1]
    slid = measurements(ball(0.05, 0.05 * 0.2, method="gradient_descent", **common))[-1]
    assert rolled.metrics["theta"] == pytest.approx(FLAT, abs=0.15)
    assert slid.metrics["theta"] == pytest.approx(SHARP, abs=0.15)
    assert rolled.score < 0.1 < slid.score


def test_polynomial_memory_settles_in_the_flat_minimum_too() -> None:
    rolled = measurements(ball(0.05, 0.05 * 3.0, memory="polynomial"))[-1]
    assert rolled.metrics["theta"] == pytest.approx(FLAT, abs=0.05)


def test_a_ball_without_weight_stays_in_the_sharp_minimum() -> None:
    light = measurements(ball(0.01, 0.01 * 5.0))[-1]
    assert light.metrics["theta"] == pytest.approx(SHARP, abs=1e-3)


def test_d_steps_are_velocity_updates_at_one_place() -> None:
    twice = measurements(ball(0.01, 0.002, d_steps=2, steps=1, evaluate_every=1))[-1]
    expected = 0.002 * slope(-1.5) * (1 + (1 - 0.002))
    assert twice.metrics["velocity"] == pytest.approx(expected, rel=1e-12)
    assert twice.metrics["theta"] == -1.5


@pytest.mark.parametrize("ratio", [0.2, 0.5])
def test_a_ball_that_never_slows_down_is_scored_like_any_other(ratio: float) -> None:
    """With polynomial memory and b / a <= 0.5 it swings wider and wider about the flat minimum."""
    results = measurements(ball(0.01, 0.01 * ratio, memory="polynomial"))
    early, late = results[: len(results) // 2], results[len(results) // 2 :]
    assert max(result.score for result in late) > max(result.score for result in early)
    assert results[-1].score > 1


@pytest.mark.parametrize("memory", ["exponential", "polynomial"])
def test_continuing_from_a_checkpoint_is_the_same_computation(memory: str) -> None:
    settings: dict[str, Any] = {"memory": memory, "noise": 0.3, "d_steps": 2, "steps": 900}
    whole = [(r.step, r.score, r.metrics) for r in measurements(ball(0.02, 0.03, **settings))]
    first = ball(0.02, 0.03, **settings)
    begun = [first.advance(), first.advance()]
    second = ball(0.02, 0.03, **settings)
    second.load(first.save())
    results = [r for r in begun if isinstance(r, Measurement)] + measurements(second)
    assert [(r.step, r.score, r.metrics) for r in results] == whole
