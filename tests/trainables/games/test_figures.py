"""The games' figures: each is a PNG of what was played, and says what is missing if it cannot be."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainables.games.figures import (
    FIGURES,
    bilinear_figure,
    heavy_ball_figure,
    network_flow_figure,
    path,
    players_figure,
    saddle_figure,
)
from trainables.kinds import KINDS, build_trial
from trainables.protocol import Context, Parameters


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        image.verify()
        assert image.format == "PNG"
        return image.size


def test_every_game_has_a_figure() -> None:
    assert set(FIGURES) == {name for name, kind in KINDS.items() if ".games." in kind.trial}


@pytest.mark.slow
def test_figures_are_drawn_in_the_size_they_were_laid_out_in() -> None:
    pytest.importorskip("matplotlib")
    assert size_of(saddle_figure(((0.001, 0.001), (1e-4, 0.01)), steps=50)) == (1300, 460)
    assert size_of(network_flow_figure((0.3,), steps=50)) == (1100, 400)
    assert size_of(heavy_ball_figure(steps=50)) == (1100, 400)
    assert size_of(bilinear_figure(steps=50)) == (1100, 380)
    assert size_of(players_figure((0.0,), budget=500)) == (420, 400)


def test_the_path_is_every_step_until_the_end_or_divergence() -> None:
    whole = path("bilinear", a=0.1, b=0.2, update_rule="simultaneous", steps=3)
    step = np.array([[1, -0.1], [0.2, 1]])
    expected = [np.linalg.matrix_power(step, n) @ (0.5, -0.4) for n in (1, 2, 3)]
    assert whole == pytest.approx(np.array(expected), rel=1e-12)
    broken = path("bilinear", a=1e100, b=1e100, update_rule="simultaneous", steps=30)
    assert 0 < len(broken) < 30
    assert np.isfinite(broken).all()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("saddle", {"noise": 0.3}),
        ("network_flow", {"noise": 0.5}),
        ("bilinear", {"noise": 0.1}),
        ("heavy_ball", {}),
        ("players", {"noise": 0.1}),
    ],
)
def test_a_path_goes_through_the_points_of_a_trial_that_is_evaluated_at_each_step(
    kind: str, settings: dict[str, object]
) -> None:
    rates = {"a": 0.01, "b": 0.02}
    whole = path(kind, steps=260, seed=3, **rates, **settings)
    data = {"kind": kind, "steps": 260, "evaluate_every": 1, **settings}
    trial: Any = build_trial(data, Parameters(d_steps=1, **rates), Context(seed=3))
    for point in whole:
        trial.advance()
        assert np.array_equal(trial.point, point)
    assert trial.finished
