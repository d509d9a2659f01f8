"""A pair of networks: a generator and a discriminator that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.settings.networks import Distribution


@dataclass(frozen=True)
class Latent:
    """Where z comes from."""

    length: int
    distribution: Distribution

    def draw(self, count: int, stream: torch.Generator) -> Tensor:
        """Returns z of shape (count, length), on the CPU: U(-1, 1) or N(0, 1)."""
        if self.distribution == "uniform":
            return torch.rand((count, self.length), generator=stream).mul_(2).sub_(1)
        return torch.randn((count, self.length), generator=stream)


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator that fit each other.

    Attributes:
        generator: (B, latent.length) to (B, C, S, S) in [-1, 1].
        discriminator: (B, C, S, S) to one score per image, (B,) or (B, 1), without a sigmoid.
        latent: Where z comes from.
        layout: Of the weights and of the real images that the discriminator gets. Convolutions are fastest
            with channels last, which our networks keep; a user's may ask for a ``view`` that only
            contiguous maps have.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: Latent
    layout: torch.memory_format = torch.contiguous_format
