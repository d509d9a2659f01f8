"""Images from a generator: for scores (uint8 batches of fixed z) and to look at (a PNG grid)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.data.grid import GRID, png
from trainables.gan.batches import to_uint8
from trainables.gan.streams import evaluation_stream
from trainables.gan.watch import require_finite
from trainables.networks.pair import Latent
from trainables.settings.gan import SamplingSettings


class ImageSampler:
    """Draws images from a generator without changing it; callable as a scorer's ``Sampler``."""

    def __init__(
        self, generator: nn.Module, latent: Latent, settings: SamplingSettings, device: str
    ) -> None:
        self._generator = generator
        self._latent = latent
        self._settings = settings
        self._device = device

    def __call__(self, draw: int, count: int) -> Iterator[Tensor]:
        """Yields uint8 batches (B, C, H, W) that add up to ``count`` images.

        Args:
            draw: Which redraw of z; one number gives the same z in every trial (common random numbers).
            count: Images in all.

        Raises:
            NonFiniteError: An image has a value that is not finite.
        """
        stream = evaluation_stream(draw)
        size = self._settings.batch_size
        for start in range(0, count, size):
            # Whole batches are drawn and cut afterwards, so that batch norm in training mode sees
            # as many images in the last batch as in the others.
            z = self._latent.draw(size, stream)
            yield self._images(z)[: min(size, count - start)]

    def _images(self, z: Tensor) -> Tensor:
        with torch.no_grad(), sampling_mode(self._generator, self._settings.batch_norm):
            images = self._generator(z.to(self._device))
        require_finite("generator", "image", [images])
        return to_uint8(images)


@contextmanager
def sampling_mode(generator: nn.Module, batch_norm: str) -> Iterator[None]:
    """Puts a generator into evaluation mode and back; no buffer of it changes.

    Args:
        generator: In any mode.
        batch_norm: ``inference`` normalises with the running statistics, ``training`` with those of
            the batch (the paper's WGAN-GP image models).
    """
    was = {module: module.training for module in generator.modules()}
    tracking = {m: m.track_running_stats for m in generator.modules() if isinstance(m, _BatchNorm)}
    generator.eval()
    if batch_norm == "training":
        for layer in tracking:
            # In training mode and not tracking, it uses the batch's statistics and keeps its own.
            layer.training = True
            layer.track_running_stats = False
    try:
        yield
    finally:
        for module, training in was.items():
            module.training = training
        for layer, tracked in tracking.items():
            layer.track_running_stats = tracked


def png_grid(sampler: ImageSampler, draw: int = 0) -> bytes:
    """Returns 8 x 8 images of a draw of z (0: the fixed one) as a PNG; small images are enlarged."""
    images = torch.cat(list(sampler(draw, GRID * GRID))).cpu()
    return png(images.permute(0, 2, 3, 1).numpy())
