"""The paper's DCGAN: 5x5 convolutions with stride 2 (Radford et al. 2016; TTUR's published code).

At width 64, three channels: 64x64 G 5,135,363 and D 4,316,545 parameters, 32x32 G 4,514,819 and D
4,310,401.
"""

from __future__ import annotations

from torch import nn

from trainables.networks.layers import Score, Seed, activation, multiplier, norm, stages
from trainables.networks.strided import Doubling, Halving
from trainables.settings.networks import NetworkSettings

_DEVIATION = 0.02


def generator(settings: NetworkSettings, channels: int, side: int) -> nn.Module:
    """Returns G: latents (B, latent) to images (B, channels, side, side) in (-1, 1)."""
    width, count = settings.width_used(side), stages(side)
    norm_name, act = settings.g_norm or "batch", settings.g_activation or "relu"
    first = width * multiplier(count - 1)
    layers: list[nn.Module] = [
        Seed(settings.latent_used(), first, side >> count),
        norm(norm_name, first),
        activation(act),
    ]
    for stage in reversed(range(count)):
        wide = width * multiplier(stage)
        narrow = width * multiplier(stage - 1) if stage else channels
        layers.append(Doubling(wide, narrow))
        if stage:
            layers += [norm(norm_name, narrow), activation(act)]
    return _initialised(nn.Sequential(*layers, nn.Tanh()))


def discriminator(settings: NetworkSettings, channels: int, side: int) -> nn.Module:
    """Returns D: images (B, channels, side, side) to scores (B,)."""
    width, count = settings.width_used(side), stages(side)
    norm_name = settings.d_norm_used() or "batch"
    layers: list[nn.Module] = []
    for stage in range(count):
        narrow = width * multiplier(stage - 1) if stage else channels
        wide = width * multiplier(stage)
        layers.append(Halving(narrow, wide))
        if stage:
            layers.append(norm(norm_name, wide))
        layers.append(activation(settings.d_activation or "leaky_relu"))
    smallest = (side >> count) ** 2
    return _initialised(nn.Sequential(*layers, Score(width * multiplier(count - 1) * smallest)))


def _initialised(network: nn.Sequential) -> nn.Sequential:
    """Weights N(0, 0.02^2), those of convolutions cut off at two deviations; biases 0.

    As in the published code: transposed convolutions are not cut off.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(
                module.weight, std=_DEVIATION, a=-2 * _DEVIATION, b=2 * _DEVIATION
            )
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=_DEVIATION)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return network
