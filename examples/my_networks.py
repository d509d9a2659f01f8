"""A pair of networks of one's own: `networks: my_networks:pair`."""

from __future__ import annotations

from torch import nn


def pair(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator for images of channels x side x side."""
    pixels = channels * side * side
    generator = nn.Sequential(  # latents (B, latent) to images (B, channels, side, side) in [-1, 1]
        nn.Linear(latent, width),
        nn.ReLU(),
        nn.Linear(width, pixels),
        nn.Tanh(),
        nn.Unflatten(1, (channels, side, side)),
    )
    discriminator = nn.Sequential(  # images to one score each, before any sigmoid
        nn.Flatten(),
        nn.Linear(pixels, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, 1),
    )
    return generator, discriminator
