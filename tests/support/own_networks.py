"""Networks of a user's own: as plain as they may be, and discriminators that do something besides."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def maker(channels: int, side: int, latent: int) -> nn.Sequential:
    """A generator of one layer."""
    g = nn.Sequential(nn.Linear(latent, channels * side**2), nn.Tanh())
    return g.append(nn.Unflatten(1, (channels, side, side)))


class Comparing(nn.Linear):
    """A layer each of whose scores has part of the batch's mean."""

    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images.flatten(1))
        return scores - scores.mean()


def pair(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """The plainest networks."""
    g = maker(channels, side, latent)
    return g, nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, 1))


def comparing(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Networks whose discriminator compares the images of a batch."""
    g = maker(channels, side, latent)
    return g, Comparing(channels * side**2, 1)


class Own(nn.Module):
    """A discriminator; what it does besides computing scores is given."""

    def __init__(self, features: int, further: Further) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.calls = 0
        self.seen: list[float] = []
        self.register_buffer("shift", torch.zeros(()))
        self.further = further

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.linear(self.further(self, images.flatten(1)))
        return scores


Further = Callable[[Own, Tensor], Tensor]


def drops(_: Own, pixels: Tensor) -> Tensor:
    return nn.functional.dropout(pixels, 0.3) + 0.1 * torch.randn_like(pixels)


def reads(_: Own, pixels: Tensor) -> Tensor:
    return pixels / max(1.0, pixels.abs().max().item())


def counts(own: Own, pixels: Tensor) -> Tensor:
    own.calls += 1
    return pixels * (1 + 0.1 * own.calls)


def collects(own: Own, pixels: Tensor) -> Tensor:
    own.seen.append(float(len(own.seen)))
    return pixels + 0.1 * len(own.seen)


def replaces(own: Own, pixels: Tensor) -> Tensor:
    own.shift = own.shift.detach() + 0.1
    return pixels + own.shift


def selects(_: Own, pixels: Tensor) -> Tensor:
    return torch.zeros_like(pixels) + pixels[pixels > 0].mean()


def uploads(_: Own, pixels: Tensor) -> Tensor:
    return pixels * torch.tensor([0.5]).to(pixels.device)


def draws_with_torch(_: Own, pixels: Tensor) -> Tensor:
    return pixels * float(torch.rand(()))


def draws_with_python(_: Own, pixels: Tensor) -> Tensor:
    return pixels * random.random()


def draws_with_numpy(_: Own, pixels: Tensor) -> Tensor:
    return pixels * float(np.random.random())


def rolled(images: Tensor) -> Tensor:
    """An augmentation: its draws are made before each step and recorded by none."""
    return images.roll(int(torch.randint(3, ())), 3)
