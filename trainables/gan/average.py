"""A moving average of a generator, drawn from in its place."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm

from trainables.gan.schedules import average_decay
from trainables.networks.layers import follow_weights
from trainables.settings.adversarial import AdversarialSettings


class MovingAverage:
    """The average of a generator's weights over its updates.

    Attributes:
        network: A generator with the averaged weights.
    """

    def __init__(self, generator: nn.Module, settings: AdversarialSettings) -> None:
        self.network = copy.deepcopy(generator).requires_grad_(False)
        self._generator = generator
        self._settings = settings

    @torch.no_grad()
    def follow(self, n: int) -> None:
        """Moves the average towards G after its update ``n``: weights, and batch norm's running statistics.

        Statistics of the present G under weights that lag behind it would not be those of any network.
        Spectral norm's singular vectors are the averaged weights' own (:func:`follow_weights`).
        """
        settings = self._settings
        weight = 1 - average_decay(n, settings.ema, settings.ema_start, settings.ema_ramp)
        averages = list[Tensor](self.network.parameters())
        torch._foreach_lerp_(averages, list[Tensor](self._generator.parameters()), weight)
        for mine, its in zip(self.network.modules(), self._generator.modules(), strict=True):
            for name, average in mine.named_buffers(recurse=False):
                buffer = its.get_buffer(name)
                if isinstance(mine, _BatchNorm) and average.is_floating_point():
                    average.lerp_(buffer, weight)
                elif not isinstance(mine, _SpectralNorm):
                    average.copy_(buffer)
        follow_weights(self.network)
