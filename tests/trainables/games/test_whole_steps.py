"""Some noisy steps of every game against plain loops: where each goes, its score and what it tells."""

from __future__ import annotations

import math
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
from support.trials import game_trial, measurements

from trainables.games.players import random_game
from trainables.protocol import Diverged, Measurement

A, B, SEED = 0.02, 0.05, 7


def played(trial: Any) -> Measurement:
    """All steps of a game up to its only evaluation."""
    (result,) = measurements(trial)
    return result


def noise_of(count: int, scale: float) -> list[float]:
    return (scale * np.random.default_rng(SEED).standard_normal(count)).tolist()


def slopes(kind: str, x: float, y: float) -> tuple[float, float]:
    """Of f = 2 x y, and of the saddle's f = (1 + x^2)(100 - y^2)."""
    if kind == "bilinear":
        return 2 * y, 2 * x
    return 2 * x * (100 - y**2), -2 * y * (1 + x**2)


@pytest.mark.parametrize("kind", ["bilinear", "saddle"])
@pytest.mark.parametrize("rule", ["alternating", "simultaneous", "extragradient"])
@pytest.mark.parametrize("d_steps", [1, 3])
def test_two_players(kind: str, rule: str, d_steps: int) -> None:
    """Each gradient that is taken gets the next noise."""
    a, b = (0.02, 0.05) if kind == "bilinear" else (0.002, 0.05)
    noise = iter(noise_of(5 * 2 * (1 + d_steps), 0.3))
    x, y, norms, path = 0.7, -0.4, [], []
    for _ in range(5):
        old_x = x
        if rule == "alternating":
            x -= a * (slopes(kind, x, y)[0] + next(noise))
            for _ in range(d_steps):
                y += b * (slopes(kind, x, y)[1] + next(noise))
        elif rule == "simultaneous":
            x -= a * (slopes(kind, x, y)[0] + next(noise))
            for _ in range(d_steps):
                y += b * (slopes(kind, old_x, y)[1] + next(noise))
        else:
            for _ in range(d_steps - 1):
                far_y = y + b * (slopes(kind, x, y)[1] + next(noise))
                y += b * (slopes(kind, x, far_y)[1] + next(noise))
            far_x = x - a * (slopes(kind, x, y)[0] + next(noise))
            far_y = y + b * (slopes(kind, x, y)[1] + next(noise))
            to_x, to_y = slopes(kind, far_x, far_y)
            x -= a * (to_x + next(noise))
            y += b * (to_y + next(noise))
        norms.append(math.hypot(x, y))
        path.append((x, y))
    strength: dict[str, Any] = {"strength": 2.0} if kind == "bilinear" else {}
    trial = game_trial(
        kind,
        a,
        b,
        d_steps=d_steps,
        seed=SEED,
        **strength,
        noise=0.3,
        start=(0.7, -0.4),
        update_rule=rule,
        steps=5,
        evaluate_every=5,
        near=sorted(norms)[2],
    )
    result = played(trial)
    assert trial.point == pytest.approx([x, y], rel=1e-12)
    height = 2 * x * y if kind == "bilinear" else (1 + x**2) * (100 - y**2)
    assert result.metrics["f"] == pytest.approx(height, rel=1e-12)
    assert (result.metrics["x"], result.metrics["y"]) == (pytest.approx(x), pytest.approx(y))
    assert result.score == pytest.approx(sum(norms) / 5, rel=1e-12)
    assert result.metrics["distance"] == pytest.approx(norms[-1], rel=1e-12)
    first = next(n for n, norm in enumerate(norms, 1) if norm < sorted(norms)[2])
    assert result.metrics[f"first_step_within_{sorted(norms)[2]:g}"] == first


@pytest.mark.parametrize("schedule", ["constant", "power", "cosine"])
@pytest.mark.parametrize("method", ["heavy_ball", "gradient_descent"])
def test_the_heavy_ball(method: str, schedule: str) -> None:
    """Eq. 4 with r(n) = b / a: the place moves by the old velocity, then the velocity follows the slope."""
    falls = {
        "constant": [1.0, 1.0, 1.0, 1.0],
        "power": [n**-0.8 for n in (1, 2, 3, 4)],
        "cosine": [(1 + math.cos(math.pi * n / 4)) / 2 for n in (0, 1, 2, 3)],
    }
    noise, theta, velocity, gaps = iter(noise_of(4 * 2, 0.2)), -1.5, 0.0, []

    def slope(at: float) -> float:
        from trainables.games.heavy_ball import height

        return float((height(at + 1e-6) - height(at - 1e-6)) / 2e-6)

    for fall in falls[schedule]:
        gradient = slope(theta)
        errors = next(noise), next(noise)
        if method == "heavy_ball":
            theta -= A * fall * velocity
            for error in errors:
                velocity += B * fall * (gradient + error - velocity)
        else:
            theta -= A * fall * (gradient + errors[0])
        gaps.append(abs(theta - 3.0))
    powers = {"tau_b": 0.6, "tau_a": 0.8} if schedule == "power" else {}
    settings: dict[str, Any] = {"noise": 0.2, "d_steps": 2, "steps": 4, "evaluate_every": 4}
    settings["schedule"] = {"name": schedule, **powers}
    result = played(game_trial("heavy_ball", A, B, method=method, seed=SEED, **settings))
    assert result.metrics["theta"] == pytest.approx(theta, rel=1e-8)
    assert result.metrics["velocity"] == pytest.approx(velocity, rel=1e-7)
    bowl = 0.1 * (theta - 3) ** 2 - 0.6 * math.exp(-((theta / 0.2) ** 2) / 2)
    bowl -= 2 * math.exp(-((theta - 3) ** 2) / 2)
    assert result.metrics["height"] == pytest.approx(bowl, rel=1e-7)
    assert result.score == pytest.approx(sum(gaps) / 4, rel=1e-8)


@pytest.mark.parametrize("name", ["power", "cosine"])
def test_the_network_flow(name: str) -> None:
    """Three links, the first source on all, the others on one each; rates fall as powers or a cosine."""
    uses = [(0, 1), (0, 2), (0, 3)]
    steps, d_steps = 6, 2
    noise = iter(noise_of(steps * (3 + d_steps * 4), 2.0))
    rates, prices, gaps = [0.3] * 4, [1.0] * 3, []
    seen: set[float] = set()
    for n in range(1, steps + 1):
        fall = (1 + math.cos(math.pi * (n - 1) / steps)) / 2
        b, a = (0.2 * n**-0.6, 0.3 * n**-0.8) if name == "power" else (0.2 * fall, 0.3 * fall)
        overload = [sum(rates[s] for s in link) - 1 + next(noise) for link in uses]
        paid = [sum(p for p, link in zip(prices, uses, strict=True) if s in link) for s in range(4)]
        for _ in range(d_steps):
            rates = [
                min(max(r + b * (1 / r - p + next(noise)), 0.05), 1.0)
                for r, p in zip(rates, paid, strict=True)
            ]
            seen.update(rates)
        prices = [max(p + a * over, 0.0) for p, over in zip(prices, overload, strict=True)]
        best = [1 / 4, 3 / 4, 3 / 4, 3 / 4, 4 / 3, 4 / 3, 4 / 3]
        gaps.append(math.dist([*rates, *prices], best))
    trial = game_trial(
        "network_flow",
        0.3,
        0.2,
        d_steps=d_steps,
        seed=SEED,
        noise=2.0,
        start_rate=0.3,
        start_price=1.0,
        schedule={"name": name, **({"tau_b": 0.6, "tau_a": 0.8} if name == "power" else {})},
        steps=steps,
        evaluate_every=steps,
    )
    result = played(trial)
    assert trial.point == pytest.approx([*rates, *prices], rel=1e-12)
    assert {0.05, 1.0} < seen or name == "cosine"  # both bounds were met
    assert result.score == pytest.approx(sum(gaps) / steps, rel=1e-12)
    assert result.metrics["utility"] == pytest.approx(sum(map(math.log, rates)))
    loads = [sum(rates[s] for s in link) for link in uses]
    assert result.metrics["largest_load"] == pytest.approx(max(loads))
    assert result.metrics["mean_price"] == pytest.approx(sum(prices) / 3)
    least = game_trial("network_flow", 0.3, 0.2, start_rate=0.001, start_price=2.0)
    assert least.point.tolist() == [0.05] * 4 + [2.0] * 3


@pytest.mark.parametrize("reduced", [False, True])
def test_sampled_players(reduced: bool) -> None:
    """2 of 4 players of 2 numbers each look ahead, 2 move; what they take is n / k of their gradients."""
    steps = 5
    trial = game_trial(
        "players",
        A,
        B,
        seed=SEED,
        players=4,
        dimension=2,
        sampling="random",
        players_per_step=2,
        variance_reduction=reduced,
        noise=0.1,
        steps=steps,
        evaluate_every=steps,
    )
    matrix, equilibrium = random_game(trial.settings)
    noise = np.reshape(noise_of(steps * 2 * 8, 0.1), (steps, 2, 8))
    order = np.random.default_rng([SEED, 1]).random((steps, 2, 4)).argsort(axis=2)[:, :, :2]
    point, table, gaps = np.zeros(8), np.zeros(8), []

    def estimate(at: Any, players: Any, error: Any) -> Any:
        slope, made = matrix @ (at - equilibrium) + error, table.copy()
        for player in players:
            for i in (2 * player, 2 * player + 1):
                made[i] = table[i] + 4 / 2 * (slope[i] - table[i])
                if reduced:
                    table[i] = slope[i]
        return made

    for n in range(steps):
        ahead = point - B * estimate(point, order[n, 0], noise[n, 0])
        point = point - A * estimate(ahead, order[n, 1], noise[n, 1])
        gaps.append(math.dist(point, equilibrium))
    result = played(trial)
    assert trial.point == pytest.approx(point, rel=1e-12)
    assert result.score == pytest.approx(sum(gaps) / steps, rel=1e-12)
    slope = np.linalg.norm(matrix @ (point - equilibrium))
    assert result.metrics["gradient_norm"] == pytest.approx(slope, rel=1e-12)
    assert result.metrics["gradients_taken"] == 2 * 2 * steps


def test_the_saddle_tells_its_height() -> None:
    """f = (1 + x^2)(100 - y^2), by differences in both directions."""
    still = partial(game_trial, "saddle", start=(0.5, -0.4), noise=0.0, steps=1, evaluate_every=1)
    moved = played(still(1e-6, 1e-6))
    x, y = moved.metrics["x"], moved.metrics["y"]

    def f(x: float, y: float) -> float:
        return (1 + x**2) * (100 - y**2)

    assert moved.metrics["f"] == pytest.approx(f(x, y), rel=1e-12)
    down = (f(0.5 + 1e-5, -0.4) - f(0.5 - 1e-5, -0.4)) / 2e-5
    up = (f(x, -0.4 + 1e-5) - f(x, -0.4 - 1e-5)) / 2e-5
    assert x == pytest.approx(0.5 - 1e-6 * down, rel=1e-9)
    assert y == pytest.approx(-0.4 + 1e-6 * up, rel=1e-9)


@pytest.mark.parametrize("rule", ["alternating", "simultaneous", "extragradient"])
@pytest.mark.parametrize("d_steps", [1, 3])
def test_where_a_game_goes_does_not_depend_on_when_it_is_evaluated(rule: str, d_steps: int) -> None:
    ends = []
    for every in (1, 2, 6):
        settings: dict[str, Any] = {"d_steps": d_steps, "update_rule": rule, "steps": 6}
        trial = game_trial("saddle", 0.002, 0.002, seed=SEED, **settings, evaluate_every=every)
        assert len(measurements(trial)) == 6 // every
        ends.append(trial.point.tolist())
    assert ends[0] == ends[1] == ends[2]


def test_the_seconds_of_a_trial_lie_between_its_beginning_and_its_end() -> None:
    trial = game_trial("saddle", A, B, noise=0.0, steps=6, evaluate_every=2, start=(0.1, 0.1))
    began = time.perf_counter()
    told = [result.seconds for result in measurements(trial)]
    assert 0 < told[0] < told[1] < told[2] <= time.perf_counter() - began


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.mark.parametrize(
    ("cost", "slept"),
    [
        (0.0, []),
        (0.25, 4 * [0.1, 0.1, 0.05]),  # a step at a time, in tenths of seconds
        (0.0625, 4 * [0.0625]),
        (0.03125, [0.09375, 0.03125]),  # as many steps as a tenth of a second has
    ],
)
def test_a_step_takes_its_time_in_short_sleeps(
    cost: float, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("trainables.games.trial.time", clock)
    trial = game_trial("saddle", A, B, steps=4, evaluate_every=4, seconds_per_step=cost)
    assert played(trial).seconds == pytest.approx(4 * cost)
    assert clock.slept == pytest.approx(slept)


def test_what_was_waited_before_a_pause_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pauses, one before the step and two within its second, and the next step takes it all."""
    clock = Clock()
    clock.now = 64.0
    monkeypatch.setattr("trainables.games.trial.time", clock)
    trial = game_trial("saddle", A, B, steps=2, evaluate_every=2, seconds_per_step=0.5)
    for answers, slept in (([True], 0), ([False, True], 1), ([False, False, True], 3)):
        asked = iter(answers)
        assert trial.advance(lambda asked=asked: next(asked)) is None
        assert (clock.slept, trial.step) == ([0.1] * slept, 0)
    assert isinstance(trial.advance(), Measurement)
    assert sum(clock.slept) == pytest.approx(1.0)


def test_a_step_as_short_as_the_pauses_apart_is_not_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.games.trial.time", Clock())
    trial = game_trial("saddle", A, B, steps=1, evaluate_every=1, seconds_per_step=0.1)
    asked = iter((False,))
    assert isinstance(trial.advance(lambda: next(asked)), Measurement)


@pytest.mark.parametrize("kind", ["players", "network_flow"])
def test_a_divergence_is_no_warning(kind: str) -> None:
    """Also where the steps after it are made, as many are at once."""
    trial = game_trial(kind, 1e200, 1e200, steps=30, evaluate_every=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(trial.advance(), Diverged)


@pytest.mark.parametrize("every", [1, 30])
def test_an_update_that_is_not_finite_is_the_end_in_one_sentence(every: int) -> None:
    settings: dict[str, Any] = {"update_rule": "simultaneous", "evaluate_every": every, "steps": 30}
    trial = game_trial("bilinear", 1e100, 1e100, **settings)
    assert trial.save()["diverged"] is False
    results = [trial.advance() for _ in range(4 if every == 1 else 1)]
    assert all(isinstance(result, Measurement) for result in results[:-1])
    end = results[-1]
    assert isinstance(end, Diverged)
    assert (end.step, end.reason) == (3, "the next update is not finite after step 3")
    assert trial.save()["diverged"] is True
