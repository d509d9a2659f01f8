"""The four-node network flow: its optimum by scipy, its flow by an ODE, one against two scales."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import LinearConstraint, minimize
from support.trials import game_trial, measurements

from trainables.games.network_flow import OPTIMUM, ROUTES
from trainables.protocol import Measurement

ONE_SCALE: dict[str, Any] = {"a": 0.02, "b": 0.02}
TWO_SCALES: dict[str, Any] = {
    "a": 0.2,
    "b": 0.1,
    "schedule": {"name": "power", "tau_b": 0.6, "tau_a": 0.8},
}


flow = partial(game_trial, "network_flow")


def test_the_stated_optimum_solves_the_problem() -> None:
    solved = minimize(
        lambda rates: -np.log(rates).sum(),
        x0=np.full(4, 0.3),
        bounds=[(1e-3, 1.0)] * 4,
        constraints=LinearConstraint(ROUTES, ub=1.0),
        tol=1e-12,
    )
    assert OPTIMUM[:4] == pytest.approx(solved.x, abs=1e-5)
    assert OPTIMUM[4:] @ ROUTES == pytest.approx(1.0 / OPTIMUM[:4], rel=1e-12)


@pytest.mark.parametrize(("a", "b", "d_steps"), [(1e-4, 1e-4, 1), (2e-4, 1e-4, 3)])
def test_small_steps_without_noise_follow_the_ode(a: float, b: float, d_steps: int) -> None:
    def field(_: float, point: Any) -> Any:
        rates, prices = point[:4], point[4:]
        ascent = d_steps * b * (1.0 / rates - ROUTES.T @ prices)
        return np.concatenate([ascent, a * (ROUTES @ rates - 1.0)])

    start = np.concatenate([np.full(4, 0.3), np.full(3, 1.0)])
    steps = 4000
    solved = solve_ivp(field, (0, steps), start, rtol=1e-9, atol=1e-11).y[:, -1]
    trial = flow(a, b, d_steps=d_steps, noise=0.0, steps=steps, start_rate=0.3, start_price=1.0)
    measurements(trial)
    assert trial.save()["point"] == pytest.approx(list(solved), abs=2e-3)
    assert np.linalg.norm(solved - start) > 0.05


@pytest.mark.parametrize("rates", [ONE_SCALE, TWO_SCALES])
def test_without_noise_it_arrives(rates: dict[str, Any]) -> None:
    assert measurements(flow(**rates, noise=0.0, steps=8000))[-1].metrics["distance"] < 0.02


@pytest.mark.slow
def test_one_time_scale_revisits_a_neighbourhood_that_grows_with_the_noise() -> None:
    radii = [
        measurements(flow(**ONE_SCALE, noise=s, seed=1))[-1].score for s in (0.1, 0.3, 1.0, 3.0)
    ]
    assert radii[1:] == pytest.approx([3 * radii[0], 10 * radii[0], 30 * radii[0]], rel=0.4)
    distances = [
        r.metrics["distance"]
        for r in measurements(flow(**ONE_SCALE, evaluate_every=1, seed=2))[1000:]
    ]
    inside = np.asarray(distances) < np.median(distances)
    returns = int((np.diff(inside.astype(int)) == 1).sum())
    assert returns > 20


@pytest.mark.slow
def test_two_time_scales_settle_under_the_same_noise() -> None:
    one = [measurements(flow(**ONE_SCALE, seed=seed))[-1].score for seed in range(4)]
    two = [
        [
            r.score
            for r in measurements(flow(**TWO_SCALES, seed=seed, steps=12000, evaluate_every=4000))
        ]
        for seed in range(4)
    ]
    early, _, late = np.median(two, axis=0)
    assert late < 0.5 * early
    assert late < 0.25 * np.median(one)


def test_rates_and_prices_stay_in_their_ranges_under_large_errors() -> None:
    trial = flow(0.5, 0.5, noise=30.0, steps=300, evaluate_every=1)
    for _ in range(300):
        trial.advance()
        point = np.asarray(trial.save()["point"])
        assert ((point[:4] >= 0.05) & (point[:4] <= 1.0)).all()
        assert (point[4:] >= 0.0).all()


def test_continuing_from_a_checkpoint_is_the_same_computation() -> None:
    settings: dict[str, Any] = {**TWO_SCALES, "d_steps": 2, "steps": 600, "evaluate_every": 150}
    whole = [(r.step, r.score, r.metrics) for r in measurements(flow(**settings))]
    first = flow(**settings)
    answers = iter([False, False, True])
    begun = [first.advance(), first.advance(), first.advance(lambda: next(answers))]
    second = flow(**settings)
    second.load(first.save())
    results = [r for r in begun if isinstance(r, Measurement)] + measurements(second)
    assert [(r.step, r.score, r.metrics) for r in results] == whole
