"""Decodes images; whatever is wrong with one is said in a clause that goes with its name."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainables.data.arrays import reason
from trainables.data.collection import Item
from trainables.data.errors import DataError
from trainables.data.pixels import Look, ReadOtherwise, scaled, seen
from trainables.data.store import NamedImage

Result = TypeVar("Result")
AHEAD = 64
"""Images decoded at once: Pillow lets go of the interpreter lock, so threads help."""

WITH_PAGES = frozenset({"AVIF", "DCX", "FLI", "GIF", "PNG", "TIFF", "WEBP"})
"""Formats whose further images are pages or frames, and not layers, previews or other sizes."""


@dataclass(frozen=True)
class Broken:
    """What could not be read: its name, and why."""

    label: str
    why: str


def decode(item: Item, look: Look) -> NamedImage | Broken:
    """Decodes one image to grey or RGB, 8 bits a channel.

    Raises:
        DataError: The earlier rules are asked for, and read it otherwise.
    """
    try:
        if isinstance(item.content, Exception):
            raise item.content
        if isinstance(item.content, np.ndarray):
            return NamedImage(item.label, _of_array(item.content, look))
        if isinstance(item.content, Image.Image):
            return NamedImage(item.label, seen(item.content, look))
        return _of_file(item.label, item.content, look)
    except ReadOtherwise as error:
        raise DataError(
            f"{item.label} {error}, and since this study began such images are read otherwise; its images "
            "as they were prepared then are not in this cache any more: bring the cache back, or begin a "
            "new study"
        ) from error
    except Exception as error:  # Pillow raises all sorts on damaged bytes
        return Broken(item.label, _why(error))


def _of_array(values: np.ndarray, look: Look) -> np.ndarray:
    return values if look.range is None else scaled(values, look.range)


def _of_file(label: str, content: Path | bytes, look: Look) -> NamedImage | Broken:
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
        width, height = image.size
        if width * height > look.max_pixels:
            why = f"{width} x {height} pixels are more than data.max_pixels, {look.max_pixels}"
            return Broken(label, why)
        further = _further(image)
        return NamedImage(label, seen(image, look), further)


def _further(image: Image.Image) -> int:
    """How many pages or frames there are beside the first."""
    if image.format not in WITH_PAGES:
        return 0
    try:
        return int(getattr(image, "n_frames", 1)) - 1
    except Exception:  # of a page that is damaged; the first need not be
        return 0
    finally:
        image.seek(0)


def _why(error: Exception) -> str:
    # Pillow names the object that it was given, which for bytes says nothing.
    if isinstance(error, UnidentifiedImageError):
        return "its format is not known"
    if isinstance(error, FileNotFoundError):
        return "it is a link to nothing"
    return reason(error)


def in_parallel(read: Callable[[Item], Result], items: Iterator[Item]) -> Iterator[Result]:
    """Reads items by a few threads, in order, never more than 64 ahead."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while ahead := list(islice(items, AHEAD)):
            yield from list(pool.map(read, ahead))


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Inside, Pillow warns of nothing, and how large an image may be is for the settings to say."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
