"""Images that a user's own function gives: ``data: package.module:function``, and what it must keep to.

The function is called without arguments and returns the images: a NumPy array (N, H, W), (N, H, W, C) or
(N, C, H, W), or something with ``len`` whose items ``[0]``, ``[1]``, … are each an array (H, W) or (H, W, C),
an image of Pillow, a path, the bytes of a file, or a tuple that begins with one of these, as the data sets of
torchvision do. Pixels of arrays are uint8, or any numbers with ``data.range``. The same place holds the same
image whenever it is asked for; to vary images in training is for ``data.augment``.

What it gives is prepared once on each node, like files, and kept under the sum of the function's own file: a
change in that file prepares the images anew, one in what it reads does not.

    def tiles():
        return np.load("/data/tiles.npy")[:, :32, :32]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from trainables.data.collection import Collection, Content, Item
from trainables.data.errors import DataError
from trainables.data.local import from_array
from trainables.own_code import called, code_sha256, described, loaded
from trainables.settings.data import DataSettings


class OwnImages:
    """The images of a function.

    Raises:
        ValueError: It cannot be imported.
    """

    def __init__(self, settings: DataSettings) -> None:
        self._settings = settings
        self._what = f"data {settings.name}"
        self._function = loaded("data", settings.name, "images")

    @property
    def state(self) -> list[str]:
        """What the prepared images are kept under."""
        return [self._settings.name, code_sha256(self._function)]

    def open(self) -> Collection:
        """Calls the function.

        Raises:
            ValueError: It breaks the contract (see the module); the message says what it gave.
        """
        images = called(f"{self._what}, called without arguments,", self._function)
        if isinstance(images, np.ndarray):
            return from_array(self._what, images, self._settings)
        if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
            raise DataError(
                f"{self._what} returned {described(images)}; it must return an array of images, or "
                "something with len() and [place]"
            )
        held: Any = images
        count = called(f"{self._what}, asked for its length,", lambda: len(held))
        collection = Collection(int(str(count)), lambda positions: self._items(held, positions))
        self._require_the_same_twice(held, collection.count)
        return collection

    def _items(self, images: Any, positions: Sequence[int]) -> Iterator[Item]:
        for place in positions:
            yield Item(f"image {place} of {self._what}", self._content(images, place))

    def _content(self, images: Any, place: int) -> Content:
        asked = f"{self._what}, asked for image {place},"
        found = called(asked, images.__getitem__, place)
        if isinstance(found, tuple) and found:
            found = found[0]  # the label is not needed
        if isinstance(found, str):
            return Path(found)
        if isinstance(found, Path | bytes | Image):
            return found
        if isinstance(found, np.ndarray) and found.dtype == np.uint8:
            return _with_channels(asked, found)
        if isinstance(found, np.ndarray) and self._settings.range is not None:
            return _with_channels(asked, found)
        kind = f"an array of {found.dtype}" if isinstance(found, np.ndarray) else described(found)
        raise DataError(
            f"{asked} gave {kind}; it must give an array (H, W) or (H, W, C) of uint8 (or of other numbers, "
            "with data.range), an image of Pillow, a path or bytes"
        )

    def _require_the_same_twice(self, images: Any, count: int) -> None:
        if not count:
            raise DataError(f"{self._what} gave no images")
        first, again = (self._content(images, 0) for _ in range(2))
        pixels = isinstance(first, Image | np.ndarray)
        if pixels and not np.array_equal(np.asarray(first), np.asarray(again)):
            raise DataError(
                f"{self._what} gave two different images when it was asked twice for image 0; it must give "
                "the same, and what varies them in training is for data.augment"
            )


def _with_channels(asked: str, pixels: np.ndarray) -> np.ndarray:
    """An image as H x W x C."""
    if pixels.ndim == 2:
        return pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise DataError(
            f"{asked} gave an array of shape {pixels.shape}; it must be (H, W), (H, W, 1) or (H, W, 3)"
        )
    return pixels
