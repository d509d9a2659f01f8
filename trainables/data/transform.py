"""Brings decoded images to the channels and the size that the settings ask for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trainables.data.errors import DataError
from trainables.data.store import NamedImage
from trainables.settings.data import DataSettings


def fit_pixels(image: NamedImage, settings: DataSettings) -> np.ndarray:
    """Brings one image (uint8, H x W x C) to a square, and to the channels that the settings state.

    Raises:
        DataError: It is smaller than the crop, or not square where the settings say no size.
    """
    pixels = image.pixels
    if settings.image_channels is not None:
        pixels = with_channels(pixels, settings.image_channels)
    size = settings.image_size
    if settings.image_crop is not None:
        pixels = centre_crop(image.label, pixels, settings.image_crop)
    elif size is not None and settings.image_fit == "crop":
        pixels = centre_crop(image.label, pixels, min(pixels.shape[:2]))
    if size is not None:
        fit = padded if settings.image_fit == "pad" else resized
        pixels = fit(pixels, size)
    if pixels.shape[0] != pixels.shape[1]:
        raise DataError(
            f"{image.label} is {pixels.shape[1]} x {pixels.shape[0]} pixels, not square; set data.size to "
            "bring all images to one, and data.fit (crop, squash, pad) to say how"
        )
    return pixels


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Grey to RGB by repetition; RGB to grey by luma (ITU-R 601, as PIL does it)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]


def centre_crop(label: str, pixels: np.ndarray, side: int) -> np.ndarray:
    """Cuts out the centred square of this side."""
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise DataError(
            f"{label} is {width} x {height} pixels, too small for a crop of {side}; set data.crop"
        )
    top, left = round((height - side) / 2), round((width - side) / 2)
    return pixels[top : top + side, left : left + side]


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scales an image to a square, bilinear with antialiasing."""
    return _scaled(pixels, size, size)


def padded(pixels: np.ndarray, size: int) -> np.ndarray:
    """Centres an image on a black square; a larger one is first scaled down until it fits."""
    height, width, channels = pixels.shape
    longer = max(height, width)
    if longer > size:
        height, width = (max(1, round(side * size / longer)) for side in (height, width))
        pixels = _scaled(pixels, height, width)
    out = np.zeros((size, size, channels), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    out[top : top + height, left : left + width] = pixels
    return out


def _scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    scaled = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return scaled.reshape(height, width, pixels.shape[2])
