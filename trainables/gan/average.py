"""A moving average of a generator, drawn from in its place."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm

from trainables.gan.foreach import Number, move_towards
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
        self._held: Tensor | None = None
        self._weight: Number = 0.0

    def hold(self, device: str) -> None:
        """Keeps the weight of G on the device, if it changes from step to step."""
        if self._settings.ema_start or self._settings.ema_ramp is not None:
            self._held = torch.zeros((), dtype=torch.float64, device=device)

    def schedule(self, n: int) -> None:
        """Sets the weight that G has in the average after its update ``n`` (>= 1)."""
        settings = self._settings
        weight = 1 - average_decay(n, settings.ema, settings.ema_start, settings.ema_ramp)
        self._weight = weight if self._held is None else self._held.fill_(weight)

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the average towards G after its update: weights, and batch norm's running statistics.

        Statistics of the present G under weights that lag behind it would not be those of any network.
        Spectral norm's singular vectors are the averaged weights' own (:func:`follow_weights`).
        """
        averages = list[Tensor](self.network.parameters())
        generators = list[Tensor](self._generator.parameters())
        for mine, its in zip(self.network.modules(), self._generator.modules(), strict=True):
            for name, average in mine.named_buffers(recurse=False):
                buffer = its.get_buffer(name)
                if isinstance(mine, _BatchNorm) and average.is_floating_point():
                    averages.append(average)
                    generators.append(buffer)
                elif not isinstance(mine, _SpectralNorm):
                    average.copy_(buffer)
        move_towards(averages, generators, self._weight)
        follow_weights(self.network)
