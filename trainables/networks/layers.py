"""Layers that the built-in networks share: activations, normalisation, resampling."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrizations import _SpectralNorm, spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from trainables.settings.networks import Activation, Norm

LEAKY_SLOPE = 0.2
"""Slope of leaky ReLU below 0 (Radford et al. 2016, and the paper's code)."""

_FOLLOWING = 3
"""Power iterations for weights that have moved by one step."""


def activation(name: Activation) -> nn.Module:
    """Returns relu, elu (alpha = 1, as assumption A1 asks) or leaky_relu (slope 0.2)."""
    if name == "relu":
        return nn.ReLU()
    if name == "elu":
        return nn.ELU()
    return nn.LeakyReLU(LEAKY_SLOPE)


def norm(name: Norm, channels: int) -> nn.Module:
    """Returns batch norm, layer norm over (C, H, W) with a scale and shift per channel, or nothing."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "layer":
        return nn.GroupNorm(1, channels)
    return nn.Identity()


def apply_spectral_norm(network: nn.Module) -> None:
    """Divides the weight of every convolution and linear layer by its largest singular value.

    Miyato et al. 2018: one power iteration per forward pass in training mode.
    """
    for module in list(network.modules()):
        if isinstance(module, _ConvNd | nn.Linear):
            spectral_norm(module)


@torch.no_grad()
def follow_weights(network: nn.Module) -> None:
    """Brings spectral norm's singular vectors nearer to the present weights, by a few power iterations.

    A forward pass in training mode makes one; a network that is only averaged makes no such pass, where the
    one that it follows makes two or more in each step.
    """
    for module in list(network.modules()):
        if not is_parametrized(module):
            continue
        for name, steps in cast(nn.ModuleDict, module.parametrizations).items():
            if any(isinstance(step, _SpectralNorm) for step in steps.children()):
                was = steps.training
                steps.train()
                for _ in range(_FOLLOWING):
                    getattr(module, name)
                steps.train(was)


def stages(side: int) -> int:
    """Number of halvings between an image and the smallest map of a network.

    The paper's four at 32x32 (to 2x2) and at 64x64 (to 4x4); below, down to 2x2; above, to 4x4.

    Args:
        side: Pixels, a power of two >= 8.
    """
    halvings = int(math.log2(side))
    return halvings - 1 if side <= 32 else halvings - 2


def multiplier(stage: int) -> int:
    """Channels ``stage`` halvings away from the image, as a multiple of the width; 8 at most."""
    return int(min(8, 2**stage))


class Seed(nn.Module):
    """Latents (B, latent) through a linear layer to a map (B, channels, side, side)."""

    def __init__(self, latent: int, channels: int, side: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, channels * side * side)
        self._shape = (channels, side, side)

    def forward(self, z: Tensor) -> Tensor:
        """Returns the map, channels last in memory."""
        maps: Tensor = self.linear(z).unflatten(1, self._shape)
        return maps.contiguous(memory_format=torch.channels_last)


class Score(nn.Module):
    """A map (B, C, H, W) through a linear layer to one score per image, (B,)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Returns the scores."""
        scores: Tensor = self.linear(maps.flatten(1)).squeeze(1)
        return scores
