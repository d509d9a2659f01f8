"""Separate streams of randomness, all from one seed.

What the product draws it draws on the CPU: that costs next to nothing (latents are small) and makes a stream,
and so a checkpoint, the same on every device. What a user's networks draw (dropout, noise) comes from the
streams that torch has for the CPU and for the device; inside a trial they are the trial's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.devices import kind_of, random_state, seeded_state, set_random_state

EVALUATION_SEED = 20170626
"""Seed of the latents used for scores: the same in every trial (common random numbers)."""

_NAMES = ("weights", "data", "flip", "latent", "regulariser", "networks", "device")


def seed_of(seed: int, *key: int) -> int:
    """Returns a 64-bit seed; different keys give statistically independent streams."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0])


def evaluation_stream(draw: int) -> torch.Generator:
    """Returns the stream of the latents of redraw ``draw`` (0 = those of every evaluation)."""
    return torch.Generator().manual_seed(seed_of(EVALUATION_SEED, draw))


class Streams:
    """The streams of one trial.

    Args:
        seed: Of the trial, >= 0.
        device: Where its networks are.

    Attributes:
        weights_seed: Seed under which the networks are built.
        data: Order of the real images.
        flip: Which of them are mirrored.
        latent: z of the updates.
        regulariser: alpha of the gradient penalty.
    """

    def __init__(self, seed: int, device: str = "cpu") -> None:
        seeds = {name: seed_of(seed, index) for index, name in enumerate(_NAMES)}
        self.weights_seed = seeds["weights"]
        self.data = torch.Generator().manual_seed(seeds["data"])
        self.flip = torch.Generator().manual_seed(seeds["flip"])
        self.latent = torch.Generator().manual_seed(seeds["latent"])
        self.regulariser = torch.Generator().manual_seed(seeds["regulariser"])
        self._networks = torch.Generator().manual_seed(seeds["networks"]).get_state()
        self._device = device
        self._devices: dict[str, Tensor] = {}
        if self._kind != "cpu":
            self._devices[self._kind] = seeded_state(device, seeds["device"])

    @contextmanager
    def inside_networks(self) -> Iterator[None]:
        """Inside, torch's global streams on the CPU and on the device are this trial's own."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._networks)
        try:
            with self._on_device():
                yield
        finally:
            self._networks = torch.get_rng_state()
            torch.set_rng_state(outside)

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        if self._kind == "cpu":
            yield
            return
        outside = random_state(self._device)
        set_random_state(self._device, self._devices[self._kind])
        try:
            yield
        finally:
            self._devices[self._kind] = random_state(self._device)
            set_random_state(self._device, outside)

    @property
    def _kind(self) -> str:
        return kind_of(self._device)

    def state_dict(self) -> dict[str, Any]:
        """Positions of the streams that the trial draws from (the data order keeps its own)."""
        return {
            "flip": self.flip.get_state(),
            "latent": self.latent.get_state(),
            "regulariser": self.regulariser.get_state(),
            "networks": self._networks,
            "devices": dict(self._devices),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`.

        The stream of a device that the trial has not been on, or of which an older version kept nothing, is
        as at the trial's start.
        """
        self.flip.set_state(state["flip"])
        self.latent.set_state(state["latent"])
        self.regulariser.set_state(state["regulariser"])
        self._networks = state["networks"]
        self._devices.update(state.get("devices", {}))
