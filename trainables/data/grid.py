"""Images as one picture to look at: 8 x 8 of them as a PNG, with a gap between them."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

GRID = 8
"""Images in a row, and rows."""

_GAP = 4
_GAP_SHADE = 96
_SMALLEST_SHOWN = 32
"""Images of fewer pixels a side are enlarged."""


def png(images: np.ndarray) -> bytes:
    """A picture of images; small ones are enlarged.

    Args:
        images: uint8, shape (n, height, width, channels), n at most 64; where images lack it stays grey.
    """
    scale = math.ceil(_SMALLEST_SHOWN / images.shape[2])
    images = images.repeat(scale, 1).repeat(scale, 2)
    lacking = ((0, GRID * GRID - len(images)), (0, _GAP), (0, _GAP), (0, 0))
    images = np.pad(images, lacking, constant_values=_GAP_SHADE)
    tiles = images.reshape(GRID, GRID, *images.shape[1:])
    pixels = tiles.transpose(0, 2, 1, 3, 4).reshape(
        GRID * images.shape[1], GRID * images.shape[2], images.shape[3]
    )
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, format="PNG")
    return buffer.getvalue()
