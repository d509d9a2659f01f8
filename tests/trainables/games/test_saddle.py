"""The saddle of Fig. 4: the published order of updates, its four pairs, and the Trial protocol."""

from __future__ import annotations

import statistics
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters, Trial

ARRIVED = "first_step_within_0.1"


def saddle(a: float, b: float, *, d_steps: int = 1, seed: int = 0, **settings: Any) -> Trial:
    return build_trial(
        {"kind": "saddle", **settings},
        Parameters(a=a, b=b, d_steps=d_steps),
        Context(seed=seed),
    )


def play(trial: Trial) -> list[Measurement | Diverged]:
    results = []
    while not trial.finished:
        result = trial.advance()
        assert result is not None
        results.append(result)
    return results


def facts(results: list[Measurement | Diverged]) -> list[Any]:
    return [
        (r.step, r.score, r.metrics) if isinstance(r, Measurement) else (r.step, r.reason)
        for r in results
    ]


def last(trial: Trial) -> Measurement:
    result = play(trial)[-1]
    assert isinstance(result, Measurement)
    return result


def test_one_step_moves_x_then_y_with_the_new_x() -> None:
    result = last(saddle(0.003, 0.02, d_steps=2, noise=0.0, steps=1, start=(0.5, -0.4)))
    x = 0.5 - 0.003 * 2 * 0.5 * (100 - 0.4**2)
    y = -0.4 - 0.02 * 2 * (-0.4) * (1 + x**2)
    y = y - 0.02 * 2 * y * (1 + x**2)
    assert result.metrics["x"] == pytest.approx(x, rel=1e-13)
    assert result.metrics["y"] == pytest.approx(y, rel=1e-13)
    assert result.metrics["f"] == pytest.approx((1 + x**2) * (100 - y**2), rel=1e-13)
    assert result.score == pytest.approx(np.hypot(x, y), rel=1e-13)


def test_two_time_scales_arrive_at_least_five_times_sooner_than_one() -> None:
    seeds = range(8)
    two = [last(saddle(1e-4, 0.01, seed=s)).metrics[ARRIVED] for s in seeds]
    one = [last(saddle(0.001, 0.001, seed=s)).metrics[ARRIVED] for s in seeds]
    assert all(slow >= 5 * fast for slow, fast in zip(one, two, strict=True))
    assert 75 < statistics.median(two) < 105
    assert 550 < statistics.median(one) < 900


def test_the_other_two_pairs_of_figure_4_do_not_settle() -> None:
    for seed in range(3):
        assert last(saddle(0.01, 0.01, seed=seed, evaluate_every=5000)).score > 0.2
        slow_y = last(saddle(0.01, 1e-4, seed=seed))
        assert slow_y.score > 0.1
        assert abs(slow_y.metrics["y"]) > 0.1  # exp(-2e-4 * 5000) * 0.4 = 0.147: still on its way


def test_the_score_is_the_mean_norm_since_the_last_evaluation() -> None:
    finest = play(saddle(0.001, 0.002, steps=20, evaluate_every=1))
    coarse = play(saddle(0.001, 0.002, steps=20, evaluate_every=8))
    norms = [r.score for r in finest if isinstance(r, Measurement)]
    scores = [r.score for r in coarse if isinstance(r, Measurement)]
    assert [r.step for r in coarse] == [8, 16, 20]
    expected = [statistics.fmean(norms[i:j]) for i, j in pairwise((0, 8, 16, 20))]
    assert scores == pytest.approx(expected, rel=1e-12)


def test_noise_has_the_stated_size() -> None:
    noisy = last(saddle(1e-3, 1e-3, noise=2.5, steps=1, evaluate_every=1, start=(0.0, 0.0), seed=3))
    draws = np.random.default_rng(3).normal(scale=2.5, size=2)
    assert noisy.metrics["x"] == pytest.approx(-1e-3 * draws[0], rel=1e-12)
    assert noisy.metrics["y"] == pytest.approx(1e-3 * draws[1], rel=1e-12)


def test_one_seed_gives_one_result_and_another_seed_another() -> None:
    first, again, other = (facts(play(saddle(1e-3, 1e-3, seed=s))) for s in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_continuing_from_a_checkpoint_is_the_same_computation(cut: int) -> None:
    whole = saddle(0.002, 0.003, d_steps=2, steps=3000, evaluate_every=700)
    expected = facts(play(whole))
    asked = 0

    def pause() -> bool:
        nonlocal asked
        asked += 1
        return asked > cut

    first = saddle(0.002, 0.003, d_steps=2, steps=3000, evaluate_every=700)
    results: list[Measurement | Diverged] = []
    while (result := first.advance(pause)) is not None:
        results.append(result)
    assert 0 < first.step < 3000
    second = saddle(0.002, 0.003, d_steps=2, steps=3000, evaluate_every=700)
    second.load(first.save())
    assert facts(results + play(second)) == expected
    assert second.save()["random"] == whole.save()["random"]


def test_a_checkpoint_of_another_trial_is_refused() -> None:
    state = saddle(1e-3, 1e-3).save()
    with pytest.raises(ValueError, match=r"another trial: its parameters\.a is 0\.001"):
        saddle(2e-3, 1e-3).load(state)
    with pytest.raises(ValueError, match="another trial: its seed"):
        saddle(1e-3, 1e-3, seed=1).load(state)
    with pytest.raises(ValueError, match=r"another trial: its settings\.noise"):
        saddle(1e-3, 1e-3, noise=0.5).load(state)


def test_divergence_is_reported_before_the_update_is_used() -> None:
    trial = saddle(0.5, 0.5)
    (result,) = play(trial)
    assert isinstance(result, Diverged)
    assert result.step == trial.step < 250
    assert "not finite" in result.reason
    assert np.isfinite(trial.save()["point"]).all()
    restored = saddle(0.5, 0.5)
    restored.load(trial.save())
    assert restored.finished
    with pytest.raises(RuntimeError, match="finished"):
        restored.advance()


def test_simulated_time_can_be_interrupted_and_changes_no_result() -> None:
    slow = saddle(1e-3, 1e-3, steps=4, evaluate_every=2, seconds_per_step=0.005)
    result = slow.advance()
    assert isinstance(result, Measurement)
    assert result.seconds >= 0.01
    plain = saddle(1e-3, 1e-3, steps=4, evaluate_every=2)
    assert facts([result]) == facts([plain.advance()])  # type: ignore[list-item]
    asleep = saddle(1e-3, 1e-3, steps=1, evaluate_every=1, seconds_per_step=3600.0)
    answers = iter([False, True])
    assert asleep.advance(lambda: next(answers)) is None
    assert asleep.step == 0


def test_the_platform_can_use_it_without_loading_torch() -> None:
    code = "import sys, trainables.games.saddle; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("bad", [{"noise": -1}, {"steps": 0}, {"start": (1,)}, {"nois": 1}])
def test_bad_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        saddle(1e-3, 1e-3, **bad)
