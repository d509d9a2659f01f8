"""GANs of reduced width learn the digits in a few hundred updates, if their rates are good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.data import real_data
from support.trials import measurements

from trainables.kinds import build_trial
from trainables.protocol import Context, Parameters

pytestmark = pytest.mark.slow
DCGAN: dict[str, Any] = {
    "networks": {"name": "dcgan", "width": 16},
    "batch_size": 64,
    "steps": 400,
    "evaluate_every": 100,
}
WGAN_GP: dict[str, Any] = {
    "networks": {"name": "wgan_gp", "width": 8},
    "loss": "wasserstein",
    "regulariser": "gradient_penalty",
    "optimiser": {"name": "adam", "beta1": 0.0, "beta2": 0.9},
    "batch_size": 32,
    "steps": 300,
    "evaluate_every": 50,
}


def scores(
    settings: dict[str, Any], cache: Path, *, b: float, a: float, d_steps: int
) -> list[float]:
    torch.set_num_threads(1)
    trial = build_trial(
        {"kind": "gan", "data": "digits", "score": {"samples": 500}, **settings},
        Parameters(b=b, a=a, d_steps=d_steps),
        Context(seed=0, cache=str(cache)),
    )
    return [result.score for result in measurements(trial)]


def test_the_rates_decide_what_dcgan_learns(tmp_path: Path) -> None:
    good = scores(DCGAN, tmp_path, b=3e-3, a=3e-3, d_steps=1)
    slow = scores(DCGAN, tmp_path, b=1e-4, a=1e-4, d_steps=1)
    assert min(good) < 40 < 80 < min(slow)


@pytest.mark.exhaustive
def test_the_heavy_ball_of_the_documentation_learns(tmp_path: Path) -> None:
    """With the optimiser and the schedule of the table in docs/trains.md."""
    ball = {"name": "heavy_ball", "r": 250, "alpha": 0.1}
    found = scores(
        {**DCGAN, "optimiser": ball, "schedule": {"name": "power", "stretch": 100}},
        tmp_path,
        b=5e-3,
        a=5e-3,
        d_steps=1,
    )
    assert min(found) < 25


@pytest.mark.exhaustive
def test_wgan_gp_learns(tmp_path: Path) -> None:
    found = scores(WGAN_GP, tmp_path, b=1e-3, a=1e-3, d_steps=2)
    assert min(found) < 0.5 * found[0]


def test_dcgan_learns_small_colour_images(tmp_path: Path) -> None:
    """CIFAR-10 at 16x16 with the settings of the recipe for CPUs."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra efficientnet")
    path = str(real_data("cifar10_train_jpeg.npz"))
    found = scores(
        {
            "data": {"path": path, "limit": 2000, "size": 16},
            "networks": {"name": "dcgan", "width": 16},
            "generator_latents": "same",
            "ema": 0.98,
            "batch_size": 32,
            "steps": 300,
            "evaluate_every": 100,
            "score": {"extractor": "efficientnet_lite0", "samples": 1000},
        },
        tmp_path,
        b=5e-4,
        a=5e-4,
        d_steps=2,
    )
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.85 * found[0]
