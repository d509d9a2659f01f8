"""Updates in bfloat16 are those of a plain autocast loop (support/plain_loop.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.plain_loop import PlainLoop, Plan

from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.kinds import parse_settings
from trainables.networks.build import build
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
NATIVE = torch.ops.mkldnn._is_mkldnn_bf16_supported()
"""Whether this CPU computes in bfloat16; where it does not, torch's stand-in sums each layout in an order of
its own, and one loss of the batch of 8 comes out a unit of its 8 bits higher or lower."""

NEAR, FAR = (1e-5, 50) if NATIVE else (2**-10, 10)
"""How far the product may be from the loop, and how many times as far at least float32 is from it."""

NETWORKS: dict[str, dict[str, Any]] = {
    "dcgan": {"name": "dcgan", "width": 4, "latent": 3, "d_norm": "layer"},
    "wgan_gp": {"name": "wgan_gp", "width": 4, "latent": 3},
}


def both(
    networks: str, penalty: dict[str, float], same: bool, precision: str, plain_bf16: bool
) -> tuple[GanGame, PlainLoop]:
    """The product and the loop by hand after the first update of each player, in float32."""
    settings = parse_settings(
        {
            "kind": "gan",
            "data": "digits",
            "steps": 1,
            "evaluate_every": 1,
            "batch_size": 8,
            "networks": NETWORKS[networks],
            "regulariser": penalty,
            "optimiser": {"name": "sgd"},
            "generator_latents": "same" if same else "fresh",
            "precision": precision,
        }
    )
    assert isinstance(settings, GanSettings)
    streams, again = Streams(5), Streams(5)
    pair = build(settings.networks, 1, 8, 1)
    plan = Plan(
        b=0.1, a=0.1, optimiser="sgd", betas=(0, 0), same_z=same, bf16=plain_bf16, **penalty
    )
    plain = PlainLoop(
        plan,
        pair.generator,
        pair.discriminator,
        ImageBatches(IMAGES, 8, False, again, "cpu").next,
        lambda: pair.latent.draw(8, again.latent),
        lambda: torch.rand((8, 1, 1, 1), generator=again.regulariser),
    )
    batches = ImageBatches(IMAGES, 8, False, streams, "cpu")
    game = GanGame(settings, Parameters(b=0.1, a=0.1, d_steps=1), pair, batches, streams, "cpu")
    game.step(1)
    plain.step(1)
    return game, plain


def apart(game: GanGame, plain: PlainLoop) -> float:
    """The largest difference of D's loss and of D's weights (G moves by what D then says)."""
    weights = zip(game.discriminator.parameters(), plain.d.parameters(), strict=True)
    losses = abs(game.mean_losses()[0] - plain.losses[0][0])
    return max(losses, *(float((mine - its).detach().abs().max()) for mine, its in weights))


@pytest.mark.parametrize(
    ("networks", "penalty", "same"),
    [
        ("dcgan", {}, False),
        ("dcgan", {"r1": 3.0}, True),
        ("wgan_gp", {"gradient_penalty": 10.0}, False),
        pytest.param("wgan_gp", {}, True, marks=pytest.mark.slow),
        pytest.param("wgan_gp", {"r1": 3.0}, False, marks=pytest.mark.slow),
        pytest.param("dcgan", {"gradient_penalty": 10.0}, True, marks=pytest.mark.slow),
    ],
)
def test_bf16_is_that_of_a_plain_autocast_loop_with_penalties_in_full(
    networks: str, penalty: dict[str, float], same: bool
) -> None:
    near = apart(*both(networks, penalty, same, "bf16", plain_bf16=True))
    far = apart(*both(networks, penalty, same, "fp32", plain_bf16=True))
    assert near < NEAR
    assert far > FAR * near
