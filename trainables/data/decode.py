"""Decodes image files; whatever is wrong with one is said in one sentence that names it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainables.data.arrays import reason
from trainables.data.errors import DataError
from trainables.data.store import NamedImage

Item = TypeVar("Item")
AHEAD = 256
"""Images decoded at once: PIL lets go of the interpreter lock, so threads help."""


def decode(label: str, content: Path | bytes) -> NamedImage:
    """Decodes a file to grey or RGB, 8 bits a channel.

    Raises:
        DataError: It is not an image, is broken, or has more than 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            if image.mode[0] in "IF":
                raise DataError(f"{label} has more than 8 bits a channel; convert it to 8 bits")
            grey = image.mode in ("1", "L", "LA")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except DataError:
        raise
    except Exception as error:  # PIL raises all sorts on damaged bytes
        # PIL names the object that it was given, which for bytes says nothing.
        unknown = isinstance(error, UnidentifiedImageError)
        why = "its format is not known" if unknown else reason(error)
        raise DataError(f"{label} is not an image that can be read ({why})") from error
    return NamedImage(label, pixels[:, :, None] if grey else pixels)


def in_parallel(read: Callable[[Item], NamedImage], items: Sequence[Item]) -> Iterator[NamedImage]:
    """Reads items by a few threads, in order, never more than 256 ahead."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), AHEAD):
            yield from list(pool.map(read, items[start : start + AHEAD]))
