"""The n-player quadratic game: closed forms without sampling, unbiased estimates with it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pytest
from support.trials import game_trial, measurements

from trainables.games.players import PlayersTrial, random_game
from trainables.settings.games import PlayersSettings

players = partial(game_trial, "players")


def test_the_game_is_strongly_monotone_with_the_stated_skewness() -> None:
    settings = PlayersSettings(players=12, dimension=2, skewness=0.8)
    matrix, equilibrium = random_game(settings)
    symmetric, skew = (matrix + matrix.T) / 2, (matrix - matrix.T) / 2
    assert np.linalg.eigvalsh(symmetric)[[0, -1]] == pytest.approx([0.2 * 0.1, 0.2], rel=1e-9)
    assert np.linalg.norm(skew, ord=2) == pytest.approx(0.8, rel=1e-9)
    assert np.linalg.norm(equilibrium) == pytest.approx(1.0)
    own = matrix.reshape(12, 2, 12, 2)[np.arange(12), :, np.arange(12), :]
    assert own == pytest.approx(own.transpose(0, 2, 1), abs=1e-12)  # each loss is a quadratic form


@pytest.mark.parametrize("d_steps", [1, 2])
def test_full_extragradient_is_a_power_of_its_matrix(d_steps: int) -> None:
    a, b, steps = 0.2, 0.5, 30
    trial = players(a, b, d_steps=d_steps, noise=0.0, players=10, steps=steps, evaluate_every=30)
    matrix, equilibrium = random_game(trial.settings)
    identity = np.eye(len(matrix))
    look = np.linalg.matrix_power(identity - b * matrix, d_steps)
    step = identity - a * matrix @ look
    measurements(trial)
    expected = equilibrium - np.linalg.matrix_power(step, steps) @ equilibrium
    assert trial.point == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("variance_reduction", [False, True])
def test_the_sampled_estimate_is_unbiased(variance_reduction: bool) -> None:
    trial: PlayersTrial = players(
        0.1,
        0.1,
        players=6,
        sampling="random",
        players_per_step=2,
        variance_reduction=variance_reduction,
    )
    matrix, equilibrium = random_game(trial.settings)
    random = np.random.default_rng(0)
    table, point = random.normal(size=(6, 1)), random.normal(size=6)
    pairs = [np.array([i, j]) for i in range(6) for j in range(i)]
    estimates = []
    for pair in pairs:
        trial._table = table.copy() if variance_reduction else np.zeros((6, 1))
        estimates.append(trial._estimate(point, pair, np.zeros((6, 1))))
    assert np.mean(estimates, axis=0) == pytest.approx(matrix @ (point - equilibrium), rel=1e-12)


def test_random_sampling_takes_each_player_equally_often() -> None:
    trial: PlayersTrial = players(0.1, 0.1, players=5, sampling="random", players_per_step=2)
    draws = np.concatenate([trial._sample(2) for _ in range(3000)])
    assert all(len(set(pair)) == 2 for pair in draws.tolist())
    share = np.bincount(draws.ravel()) / len(draws)
    assert share == pytest.approx(np.full(5, 0.4), abs=0.03)


def test_cyclic_sampling_takes_every_ordered_pair_once_a_cycle() -> None:
    trial: PlayersTrial = players(0.1, 0.1, players=5, sampling="cyclic")
    everyone = {(i, j) for i in range(5) for j in range(5) if i != j}
    cycles = [[tuple(int(c[0]) for c in trial._sample(2)) for _ in range(20)] for _ in range(2)]
    assert set(cycles[0]) == set(cycles[1]) == everyone
    assert cycles[0] != cycles[1]


@pytest.mark.slow
def test_variance_reduction_converges_faster_for_the_same_gradients() -> None:
    sampled: dict[str, Any] = {"sampling": "random", "players_per_step": 5, "noise": 0.0}
    for seed in range(2):
        plain, reduced = (
            measurements(
                players(0.05, 0.05, seed=seed, variance_reduction=vr, steps=4000, **sampled)
            )[-1]
            for vr in (False, True)
        )
        assert plain.metrics["gradients_taken"] == reduced.metrics["gradients_taken"] == 40000
        assert reduced.metrics["distance"] < 0.1 * plain.metrics["distance"]


@pytest.mark.slow
def test_cyclic_sampling_converges_without_noise() -> None:
    result = measurements(players(0.003, 0.003, sampling="cyclic", noise=0.0, steps=12000))
    assert result[-1].metrics["distance"] < 0.5 * result[0].metrics["distance"]


def test_two_time_scales_end_nearer_than_any_one_under_noise() -> None:
    one = min(
        measurements(players(rate, rate, steps=2000))[-1].score
        for rate in (0.02, 0.05, 0.1, 0.2, 0.5)
    )
    two = measurements(players(0.05, 0.9, steps=2000))[-1].score
    assert two < 0.8 * one


@pytest.mark.parametrize("sampling", ["full", "random", "cyclic"])
def test_continuing_from_a_checkpoint_is_the_same_computation(sampling: str) -> None:
    settings: dict[str, Any] = {
        "sampling": sampling,
        "players": 8,
        "dimension": 2,
        "variance_reduction": sampling != "full",
        "steps": 300,
    }
    whole = [(r.step, r.score, r.metrics) for r in measurements(players(0.01, 0.02, **settings))]
    first = players(0.01, 0.02, **settings)
    begun = [first.advance()]
    state = json.loads(json.dumps(first.save()))
    first.advance()
    second = players(0.01, 0.02, **settings)
    second.load(state)
    results = begun + measurements(second)
    assert [(r.step, r.score, r.metrics) for r in results] == whole


def test_simulated_cost_changes_no_result() -> None:
    settings: dict[str, Any] = {"sampling": "random", "players": 5, "steps": 4}
    fast = measurements(players(0.1, 0.1, **settings))[-1]
    slow = measurements(players(0.1, 0.1, seconds_per_step=0.03, **settings))[-1]
    assert (fast.score, fast.metrics) == (slow.score, slow.metrics)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling": "cyclic", "players_per_step": 2}, "players_per_step is 2"),
        ({"sampling": "random", "players_per_step": 51}, "only 50 players"),
        ({"variance_reduction": True}, "variance_reduction is true"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        players(0.1, 0.1, **settings)
