"""The lines of plain PyTorch that a configuration is given away as train the same networks."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.kinds import parse_settings
from trainables.networks.build import build
from trainables.plain_training import plain_training
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
BASE: dict[str, Any] = {
    "kind": "gan",
    "data": "digits",
    "steps": 4,
    "evaluate_every": 2,
    "batch_size": 4,
    "networks": {"name": "dcgan", "width": 2, "latent": 3, "d_norm": "none", "g_norm": "none"},
    "optimiser": {"name": "adam", "eps": 1e-3},
}


def settings_of(further: dict[str, Any]) -> GanSettings:
    settings = parse_settings({**BASE, **further})
    assert isinstance(settings, GanSettings)
    return settings


@pytest.mark.parametrize(
    "further",
    [
        {},
        {"loss": "minimax", "generator_latents": "same"},
        {"loss": "least_squares", "optimiser": {"name": "sgd", "beta1": 0.5}},
        {"loss": "hinge", "schedule": {"name": "cosine", "final": 0.1}},
        {"loss": "wasserstein", "regulariser": {"gradient_penalty": 3.0, "weight_decay": 0.1}},
        {"regulariser": {"r1": 2.0}, "schedule": {"name": "power", "stretch": 2}},
        {"regulariser": {"r1": 2.0, "every": 3}},
        {"regulariser": {"gradient_penalty": 2.0, "every": 2}},
    ],
    ids=str,
)
@pytest.mark.parametrize("d_steps", [1, 2])
def test_it_is_the_trials_training(
    further: dict[str, Any], d_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, parameters = settings_of(further), Parameters(b=2e-2, a=1e-2, d_steps=d_steps)
    streams = Streams(5)
    networks = build(settings.networks, 1, 8, streams.weights_seed)
    g, d = copy.deepcopy(networks.generator), copy.deepcopy(networks.discriminator)
    before = [p.clone() for p in (*g.parameters(), *d.parameters())]
    game = GanGame(
        settings,
        parameters,
        networks,
        ImageBatches(IMAGES, 4, False, streams, "cpu"),
        streams,
        "cpu",
    )
    for step in range(settings.steps):
        game.step(step + 1)

    again = Streams(5)
    batches, uniform = ImageBatches(IMAGES, 4, False, again, "cpu"), torch.rand

    def rand(*shape: Any, generator: torch.Generator = again.regulariser) -> Tensor:
        return uniform(*shape, generator=generator)

    monkeypatch.setattr(torch, "rand", rand)
    text, left_out = plain_training(settings, parameters)
    assert left_out == []
    namespace: dict[str, Any] = {}
    exec(compile(text, "training.py", "exec"), namespace)
    namespace["train"](g, d, batches.next, lambda count: networks.latent.draw(count, again.latent))
    theirs = [*game.generator.parameters(), *game.discriminator.parameters()]
    for was, mine, its in zip(before, (*g.parameters(), *d.parameters()), theirs, strict=True):
        assert torch.allclose(mine, its, rtol=1e-4, atol=1e-6)
        assert not torch.equal(mine, was) or not was.any()


def test_what_it_leaves_out_is_said() -> None:
    settings = settings_of(
        {
            "update_rule": "extragradient",
            "ema": 0.9,
            "minutes": 3,
            "precision": "tf32",
            "optimiser": {"name": "heavy_ball", "r": 250},
            "schedule": {"name": "power"},
        }
    )
    _, left_out = plain_training(settings, Parameters(b=1e-3, a=1e-3, d_steps=1))
    assert [each.split()[0] for each in left_out] == [
        "update_rule",
        "ema",
        "precision",
        "optimiser",
        "minutes",
    ]
