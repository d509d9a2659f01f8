"""The networks of a language model, and lines drawn from its generator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trainables.devices import own_random_numbers
from trainables.gan.streams import evaluation_stream
from trainables.gan.watch import require_finite
from trainables.language.networks import Discriminator, Generator
from trainables.language.ngrams import Tokens
from trainables.language.text import TextData
from trainables.networks.pair import Latent, Networks
from trainables.settings.language import CharacterNetworkSettings


class LineSampler:
    """Draws lines from a generator without changing it."""

    def __init__(self, generator: nn.Module, latent: Latent, batch_size: int, device: str) -> None:
        self._generator = generator
        self._latent = latent
        self._batch_size = batch_size
        self._device = device

    def __call__(self, draw: int, count: int) -> Tokens:
        """Returns the most probable character at each place, uint16, shape (count, L).

        Args:
            draw: Which redraw of z; one number gives the same z in every trial (common random numbers).
            count: Lines in all.

        Raises:
            NonFiniteError: A line has a value that is not finite.
        """
        z = self._latent.draw(count, evaluation_stream(draw))
        parts = [self._lines(part) for part in torch.split(z, self._batch_size)]
        return torch.cat(parts).numpy().astype(np.uint16)

    @torch.no_grad()
    def _lines(self, z: Tensor) -> Tensor:
        lines: Tensor = self._generator(z.to(self._device))
        require_finite("generator", "line", [lines])
        return lines.argmax(dim=1).cpu()


def build(settings: CharacterNetworkSettings, text: TextData, seed: int) -> Networks:
    """Builds the networks for a text, weights drawn from ``seed``."""
    shape = (len(text.characters), text.tokens.shape[1])
    with own_random_numbers(seed):
        return Networks(
            Generator(settings, *shape),
            Discriminator(settings, *shape),
            Latent(settings.latent, "normal"),
        )
