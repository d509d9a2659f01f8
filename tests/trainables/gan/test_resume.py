"""Save, load, continue is bit for bit the computation that was not stopped, for every combination."""

from __future__ import annotations

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.state import snapshot
from trainables.gan.streams import Streams
from trainables.gan.updates import UPDATE_RULES
from trainables.kinds import parse_settings
from trainables.networks.build import build
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings
from trainables.settings.losses import LOSSES

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
TINY = {"width": 2, "latent": 3, "d_norm": "layer"}
NETWORKS: dict[str, dict[str, Any]] = {
    "dcgan": {"name": "dcgan", **TINY, "d_spectral_norm": True},
    "wgan_gp": {"name": "wgan_gp", **TINY, "d_spectral_norm": True, "g_spectral_norm": True},
}
REGULARISERS: dict[str, dict[str, float]] = {
    "none": {},
    "gradient_penalty": {"gradient_penalty": 10},
    "r1": {"r1": 1},
    "weight_decay": {"weight_decay": 1e-3},
    "penalty_and_decay": {"gradient_penalty": 10, "weight_decay": 1e-3},
}
EVERY = list(product(NETWORKS, LOSSES, REGULARISERS, UPDATE_RULES))
# Every value of every option; the other combinations are marked slow.
SOME = [
    (
        list(NETWORKS)[i % 2],
        list(LOSSES)[i % len(LOSSES)],
        regulariser,
        list(UPDATE_RULES)[i % len(UPDATE_RULES)],
    )
    for i, regulariser in enumerate(REGULARISERS)
]
OPTIONS: list[dict[str, Any]] = [
    {"optimiser": "sgd"},
    {"optimiser": {"name": "sgd", "beta1": 0.9}, "schedule": "cosine"},
    {"optimiser": {"name": "heavy_ball", "r": 50}, "schedule": {"name": "power"}},
    {
        "optimiser": {"name": "heavy_ball", "memory": "polynomial"},
        "schedule": {"name": "power", "stretch": 2},
    },
    {"ema": 0.9, "generator_latents": "same"},
    {"ema": 0.9, "ema_start": 1, "ema_ramp": 0.5, "networks": {"name": "dcgan", "width": 2}},
    {"regulariser": {"r1": 1, "every": 3}, "networks": {"name": "dcgan", **TINY}},
    {"regulariser": {"gradient_penalty": 1, "every": 3}, "update_rule": "extragradient"},
    {"regulariser": "r1", "precision": "bf16", "ema": 0.9, "generator_latents": "same"},
    {"ema": 0.9, "networks": {"name": "dcgan", **TINY, "g_spectral_norm": True}},
    {"networks": {"name": "dcgan", "width": 2}, "data": {"name": "digits", "flip": True}},
    {"generator_latents": "same", "update_rule": "simultaneous"},
    {"generator_latents": "same", "update_rule": "extragradient"},
]


def game(**further: Any) -> GanGame:
    data = {"kind": "gan", "data": "digits", "steps": 9, "evaluate_every": 3, "batch_size": 4}
    settings = parse_settings({**data, "networks": NETWORKS["dcgan"], **further})
    assert isinstance(settings, GanSettings)
    streams = Streams(5)
    networks = build(settings.networks, 1, 8, streams.weights_seed)
    batches = ImageBatches(IMAGES, 4, settings.data.flip, streams, "cpu")
    return GanGame(
        settings, Parameters(b=2e-3, a=1e-3, d_steps=2), networks, batches, streams, "cpu"
    )


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def assert_continues_exactly(**further: Any) -> None:
    whole = game(**further)
    for n in range(1, 5):
        whole.step(n)
    stopped = game(**further)
    for n in range(1, 3):
        stopped.step(n)
    buffer = io.BytesIO()
    torch.save(snapshot(stopped.state_dict()), buffer)
    continued = game(**further)
    continued.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    for n in range(3, 5):
        continued.step(n)
    assert_same(snapshot(continued.state_dict()), snapshot(whole.state_dict()))


def combination(names: tuple[str, str, str, str]) -> dict[str, Any]:
    network, loss, regulariser, rule = names
    return {
        "networks": NETWORKS[network],
        "loss": loss,
        "regulariser": REGULARISERS[regulariser],
        "update_rule": rule,
    }


@pytest.mark.parametrize("names", SOME, ids="-".join)
def test_continuing_is_exact(names: tuple[str, str, str, str]) -> None:
    assert_continues_exactly(**combination(names))


@pytest.mark.slow
@pytest.mark.parametrize("names", sorted(set(EVERY) - set(SOME)), ids="-".join)
def test_continuing_is_exact_for_every_other_combination(
    names: tuple[str, str, str, str],
) -> None:
    assert_continues_exactly(**combination(names))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_continuing_is_exact_with_further_options(options: dict[str, Any]) -> None:
    assert_continues_exactly(**options)


def test_some_covers_every_value() -> None:
    columns = list(zip(*SOME, strict=True))
    for column, options in zip(
        columns, (NETWORKS, LOSSES, REGULARISERS, UPDATE_RULES), strict=True
    ):
        assert set(column) == set(options)


def test_the_comparison_would_notice_a_lost_stream() -> None:
    left, right = game(), game()
    left.step(1)
    right.step(1)
    right._streams.latent.manual_seed(0)
    left.step(2)
    right.step(2)
    with pytest.raises(AssertionError):
        assert_same(snapshot(left.state_dict()), snapshot(right.state_dict()))
