"""The paper's WGAN-GP residual networks (Gulrajani et al. 2017, and their published code).

Pre-activation residual blocks of 3x3 convolutions; G upsamples by repetition, D by mean pooling. With
three channels: 64x64 at width 64 G 8.54M and D 7.49M parameters, 32x32 at width 32 G 2.005M and D
1.877M. The critic's last map is 4x4 at every size, so at 32x32 its last block keeps the size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.networks.layers import Score, Seed, activation, multiplier, norm, stages
from trainables.settings.networks import Activation, NetworkSettings, Norm

_HE = math.sqrt(2)
"""Gain over Glorot's uniform initialisation of the convolutions that follow an activation."""


def upsample(maps: Tensor) -> Tensor:
    """Repeats every pixel 2x2; written as a broadcast, whose gradient is a plain sum.

    The result lies channels last in memory, as all of the networks does.
    """
    batch, channels, height, width = maps.shape
    pixels = maps.permute(0, 2, 3, 1)[:, :, None, :, None]
    grown = pixels.expand(batch, height, 2, width, 2, channels)
    return grown.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


class UpBlock(nn.Module):
    """(B, C, H, W) to (B, C', 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, norm_name: Norm, act: Activation) -> None:
        super().__init__()
        self.shortcut = _conv(inputs, outputs, kernel=1, gain=1)
        self.norm1 = norm(norm_name, inputs)
        self.conv1 = _conv(inputs, outputs, kernel=3, gain=_HE, bias=False)
        self.norm2 = norm(norm_name, outputs)
        self.conv2 = _conv(outputs, outputs, kernel=3, gain=_HE)
        self.act = activation(act)

    def forward(self, maps: Tensor) -> Tensor:
        """Returns the grown map."""
        # A 1x1 convolution and a repetition commute; this order costs a quarter.
        short = upsample(self.shortcut(maps))
        hidden = self.conv1(upsample(self.act(self.norm1(maps))))
        return torch.add(short, self.conv2(self.act(self.norm2(hidden))))


class DownBlock(nn.Module):
    """(B, C, H, W) to (B, C', H/2, W/2), or to (B, C', H, W) if it does not pool."""

    def __init__(
        self, inputs: int, outputs: int, norm_name: Norm, act: Activation, pool: bool
    ) -> None:
        super().__init__()
        self.shortcut = _conv(inputs, outputs, kernel=1, gain=1)
        self.norm1 = norm(norm_name, inputs)
        self.conv1 = _conv(inputs, inputs, kernel=3, gain=_HE, bias=False)
        self.norm2 = norm(norm_name, inputs)
        self.conv2 = _conv(inputs, outputs, kernel=3, gain=_HE)
        self.act = activation(act)
        self._pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """Returns the shrunk map."""
        hidden = self.conv1(self.act(self.norm1(maps)))
        hidden = self.conv2(self.act(self.norm2(hidden)))
        short = self.shortcut(F.avg_pool2d(maps, 2) if self._pool else maps)
        return torch.add(short, F.avg_pool2d(hidden, 2) if self._pool else hidden)


def generator(settings: NetworkSettings, channels: int, side: int) -> nn.Module:
    """Returns G: latents (B, latent) to images (B, channels, side, side) in (-1, 1)."""
    width, count = settings.width_used(side), stages(side)
    norm_name, act = settings.g_norm or "batch", settings.g_activation or "relu"
    first = width * multiplier(count - 1)
    seed = Seed(settings.latent_used(), first, side >> count)
    _initialise(seed.linear, gain=1)
    blocks: list[nn.Module] = []
    inputs = first
    for stage in reversed(range(count)):
        outputs = width * multiplier(stage)
        blocks.append(UpBlock(inputs, outputs, norm_name, act))
        inputs = outputs
    last = _conv(width, channels, kernel=3, gain=1)
    return nn.Sequential(seed, *blocks, norm(norm_name, width), activation(act), last, nn.Tanh())


def discriminator(settings: NetworkSettings, channels: int, side: int) -> nn.Module:
    """Returns D: images (B, channels, side, side) to scores (B,)."""
    width, count = settings.width_used(side), stages(side)
    norm_name, act = settings.d_norm_used() or "layer", settings.d_activation or "relu"
    blocks: list[nn.Module] = []
    inputs, current = width, side
    for stage in range(1, count + 1):
        outputs = width * multiplier(min(stage, count - 1))
        blocks.append(DownBlock(inputs, outputs, norm_name, act, pool=current > 4))
        inputs, current = outputs, max(4, current // 2)
    score = Score(inputs * current**2)
    _initialise(score.linear, gain=1)
    return nn.Sequential(_conv(channels, width, kernel=3, gain=1), *blocks, score)


def _conv(inputs: int, outputs: int, *, kernel: int, gain: float, bias: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    _initialise(conv, gain)
    return conv


def _initialise(layer: nn.Conv2d | nn.Linear, gain: float) -> None:
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
