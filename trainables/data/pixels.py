"""The pixels of an opened image as a person sees them: 8 bits, grey or RGB, upright, on a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageOps

from trainables.settings.data import DataSettings

BITS = {12: 4, 16: 8}
"""How far values of so many bits are shifted to have 8: the high byte, as Pillow takes it of colours."""

ORIENTATION = 0x0112
"""EXIF's tag for how the camera was held."""

WIDE = ("I;16", "I;16B", "I;16L", "I;16N")


class ReadOtherwise(ValueError):
    """An image whose pixels the earlier rules read otherwise."""


@dataclass(frozen=True)
class Look:
    """How pixels are to be read.

    Attributes:
        background: Red, green and blue behind transparent pixels, 0..255.
        range: The values that are black and white where they are not those of the format.
        max_pixels: Pixels of the largest image.
        old: Whether an image that the earlier rules read otherwise is refused.
    """

    background: tuple[int, int, int] = (255, 255, 255)
    range: tuple[float, float] | None = None
    max_pixels: int = 0
    old: bool = False


def look_of(settings: DataSettings) -> Look:
    """How the settings want pixels to be read."""
    red, green, blue = ImageColor.getrgb(settings.background)[:3]
    return Look((red, green, blue), settings.range, settings.max_pixels, settings.rules == 1)


def seen(image: Image.Image, look: Look) -> np.ndarray:
    """Returns an image's pixels as a person sees them, uint8, H x W x 1 or H x W x 3.

    Raises:
        ValueError: It has values of which nothing says what is black and what is white.
        ReadOtherwise: The earlier rules are asked for; says what they read otherwise.
    """
    image.load()
    otherwise = "lies on its side" if _is_turned(image) else ""
    image = _upright(image)
    deep = image.mode in WIDE or image.mode in ("I", "F")
    if deep:
        otherwise = otherwise or "has more than 8 bits"
        pixels = _deep(image, look)
    elif image.has_transparency_data:
        pixels, clear = _on_background(image, look.background)
        otherwise = otherwise or ("is transparent in places" if clear else "")
    else:
        pixels = _opaque(image)
        if image.mode == "P" and pixels.shape[2] == 1:
            otherwise = otherwise or "has a palette of greys"
    if look.old and otherwise:
        raise ReadOtherwise(otherwise)
    return pixels if look.range is None or deep else scaled(pixels, look.range)


def scaled(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Maps values linearly, ``limits[0]`` to 0 and ``limits[1]`` to 255, rounded to the nearest of 256.

    Raises:
        ValueError: A value lies outside of the limits.
    """
    low, high = limits
    least, most = float(values.min()), float(values.max())
    if not low <= least <= most <= high:  # also where one is not a number
        raise ValueError(
            f"its values go from {least:g} to {most:g}, outside of data.range {[low, high]}"
        )
    whole = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(whole).astype(np.uint8)


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ORIENTATION, 1) not in (0, 1)
    except Exception:  # damaged EXIF: viewers show the image as it is
        return False


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # as above; the pixels themselves are loaded
        return image


def _deep(image: Image.Image, look: Look) -> np.ndarray:
    """Pixels of more than 8 bits: grey, scaled by what the format or ``data.range`` says."""
    values = np.asarray(image)
    clear = image.info.get("transparency")
    if look.range is not None:
        grey = scaled(values, look.range)
    else:
        grey = (values.astype(np.int64) >> BITS[_bits(image, values)]).astype(np.uint8)
    if not isinstance(clear, int):
        return grey[:, :, None]
    return _composed(grey[:, :, None], np.where(values == clear, 0, 255), look.background)


def _bits(image: Image.Image, values: np.ndarray) -> int:
    """Bits of a grey image's values.

    Raises:
        ValueError: They are floats or have 32 bits, so that nothing says what is white.
    """
    if image.mode in WIDE:
        tags = getattr(image, "tag_v2", None)
        stated = tags.get(258) if tags is not None else None  # TIFF's BitsPerSample
        return 12 if stated in (12, (12,)) else 16
    # Pillow holds the 16 bits of PNG and PGM in 32.
    if image.mode == "I" and image.format in ("PNG", "PPM", None) and values.max() < 1 << 16:
        return 16
    kind = "floats" if image.mode == "F" else "values of 32 bits"
    raise ValueError(f"it holds {kind}; say in data.range which of them are black and white")


def _on_background(image: Image.Image, background: tuple[int, int, int]) -> tuple[np.ndarray, bool]:
    """Pixels of an image with transparent ones, and whether any is."""
    grey = image.mode in ("1", "L", "LA", "La")
    whole = np.asarray(image.convert("RGBA"))
    colour, alpha = whole[:, :, :3], whole[:, :, 3]
    if image.mode in ("P", "PA"):
        grey = _is_grey(colour[alpha > 0])
    shown = _composed(colour[:, :, :1] if grey else colour, alpha, background)
    return shown, bool((alpha < 255).any())


def _composed(
    colour: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int]
) -> np.ndarray:
    """``colour * alpha + background * (1 - alpha)``, rounded; grey on a coloured background is RGB."""
    behind = np.array(background, dtype=np.int64)
    if colour.shape[2] == 1 and len(set(background)) == 1:
        behind = behind[:1]
    part = alpha.astype(np.int64)[:, :, None]
    mixed = (colour.astype(np.int64) * part + behind * (255 - part) + 127) // 255
    return mixed.astype(np.uint8)


def _opaque(image: Image.Image) -> np.ndarray:
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[:, :, None]
    colour = np.asarray(image.convert("RGB"))
    if image.mode == "P" and _is_grey(colour):
        return colour[:, :, :1]
    return colour


def _is_grey(colour: np.ndarray) -> bool:
    """Whether red, green and blue are the same in every pixel."""
    first = colour[..., :1]
    return bool((colour == first).all())
