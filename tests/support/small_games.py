"""Games of networks so small that a step takes milliseconds, and whether two states are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.kinds import parse_settings
from trainables.networks.pair import Latent, Networks
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1), dtype=np.uint8)
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def settings_of(**further: Any) -> GanSettings:
    data = {"kind": "gan", "data": "digits", "steps": 9, "evaluate_every": 3, "batch_size": 4}
    networks = {"name": "dcgan", "d_norm": "none"}  # only so that penalties are allowed
    settings = parse_settings({**data, "networks": networks, **further})
    assert isinstance(settings, GanSettings)
    return settings


def pair(layout: torch.memory_format = torch.contiguous_format) -> Networks:
    """Networks for images of 4x4 whose convolutions do not lie in the layout that is asked for."""
    torch.manual_seed(0)
    g = nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 2, 2, 2))
    g.append(nn.Conv2d(2, 1, 1))
    d = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Conv2d(2, 2, 2), nn.Softplus(), nn.Flatten())
    d.append(nn.Linear(8, 1))
    other = LAYOUTS[layout is LAYOUTS[0]]
    return Networks(
        g.to(memory_format=other), d.to(memory_format=other), Latent(3, "normal"), layout
    )


def game(
    device: str = "cpu",
    d_steps: int = 1,
    batches: Any = None,
    networks: Networks | None = None,
    **further: Any,
) -> GanGame:
    settings, streams = settings_of(**further), Streams(5, device)
    made = batches or ImageBatches(IMAGES, 4, settings.data.flip, streams, device)
    rates = Parameters(b=2e-3, a=1e-3, d_steps=d_steps)
    return GanGame(settings, rates, networks or pair(), made, streams, device)


class Given:
    """The same real batch again and again."""

    def __init__(self, batch: Tensor) -> None:
        self.batch = batch

    def next(self) -> Tensor:
        return self.batch

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


PENALISED: dict[str, Any] = {
    "regulariser": {"gradient_penalty": 1.0, "every": 2},
    "ema": 0.9,
    "data": {"name": "digits", "flip": True},
}
PLAIN: dict[str, Any] = {"optimiser": {"name": "sgd", "beta1": 0.9}}


def assert_same(left: Any, right: Any, at: str = "") -> None:
    assert type(left) is type(right), at
    if isinstance(left, Tensor):
        assert left.dtype == right.dtype, at
        assert torch.equal(left, right), at
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), at
        for key in left:
            assert_same(left[key], right[key], f"{at}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), at
        for one, other in zip(left, right, strict=True):
            assert_same(one, other, at)
    else:
        assert left == right, at
