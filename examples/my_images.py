"""Images and an augmentation of one's own: `data: {name: my_images:crosses, augment: my_images:shifted}`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def crosses() -> np.ndarray:
    """400 grey images of 8 x 8 pixels, (N, H, W), each with a bright cross somewhere."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 60, (400, 8, 8), dtype=np.uint8)
    for image, (row, column) in zip(images, generator.integers(1, 7, (400, 2)), strict=True):
        image[row, column - 1 : column + 2] = 230
        image[row - 1 : row + 2, column] = 230
    return images


def shifted(images: Tensor) -> Tensor:
    """Moves a batch (B, C, H, W) by up to a pixel, around the edge."""
    shift = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(images, shifts=shift, dims=(2, 3))


def contrast(batches: object) -> float:
    """A score: how far the brightest fifth of each generated image is from that of the crosses, in levels."""
    images = torch.cat(list(batches)).float().flatten(1)  # type: ignore[call-overload]
    real = torch.from_numpy(crosses()).float().flatten(1)
    share = images.shape[1] // 5
    drawn, wanted = (each.topk(share, dim=1).values.mean() for each in (images, real))
    return float((drawn - wanted).abs())
