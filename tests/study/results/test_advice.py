"""The trial that would tell most of a difference, against the posterior after each one worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from study.results.advice import advised, telling
from study.results.difference import difference

ARMS = ("x", "y", "z")
OF = np.array([0, 0, 0, 1, 1, 2, 2])
"""The arm of each of seven candidates."""


def surface(seed: int, noise: float, found: dict[str, int]) -> Any:
    """Draws whose candidates lie together in some part, those of z among those of x."""
    generator = np.random.default_rng(seed)
    mix = generator.normal(size=(7, 7)) * generator.uniform(0.2, 2.0, size=7)
    mix[6] = 0.9 * mix[found["x"]] + 0.1 * generator.normal(size=7)
    draws = generator.normal(size=(300, 7)) @ mix.T / 10 + np.arange(7) / 20
    return SimpleNamespace(
        arms=list(ARMS),
        of=OF,
        draws=draws,
        noise=noise,
        found=found.__getitem__,
        optima=lambda arm: draws[:, ARMS.index(arm) == OF].min(1),
        setting=lambda candidate: {"b": float(candidate)},
        plane=SimpleNamespace(axes=[]),
        repeats=(),
        forecast=(),
        known=np.ones(len(OF), dtype=bool),
        common=True,
    )


def after(seen: Any, arms: tuple[str, str], candidate: int) -> float:
    """The variance of the difference of two arms' settings once a candidate was tried."""
    known = np.cov(seen.draws.T)
    tried = np.zeros((7, 7))
    tried[candidate, candidate] = 1 / seen.noise**2
    left = np.linalg.inv(np.linalg.inv(known) + tried)
    weights = np.zeros(7)
    weights[seen.found(arms[0])], weights[seen.found(arms[1])] = -1, 1
    return float(weights @ left @ weights)


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("arms", [("x", "y"), ("y", "x"), ("x", "z"), ("z", "y")])
def test_the_trial_of_either_arm_after_which_the_difference_is_surest(
    arms: tuple[str, str], noise: float
) -> None:
    groups = [ARMS.index(arm) for arm in arms]
    places = set()
    for seed in range(30):
        seen = surface(seed, noise, {"x": seed % 3, "y": 3 + seed % 2, "z": 5})
        mine = [c for c in range(7) if OF[c] in groups]
        best = min(mine, key=lambda candidate: after(seen, arms, candidate))
        assert telling(seen, arms) == best
        places.add(best)
    assert len(places) >= 4


def test_it_is_told_beside_the_difference() -> None:
    seen = surface(1, 0.1, {"x": 1, "y": 3, "z": 5})
    best = telling(seen, ("x", "y"))
    made, plain = advised(seen, ("x", "y")), difference(seen, ("x", "y"))
    assert (made.next_arm, made.next_setting) == (ARMS[OF[best]], {"b": float(best)})
    assert (made.absolute, made.interval, made.arms) == (plain.absolute, plain.interval, ("x", "y"))
    assert (plain.next_arm, plain.next_setting) == (None, None)
