"""A set of images as it is stored: how many there are, and their contents, which are not yet decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL.Image import Image

Content = Path | bytes | np.ndarray | Image | Exception
"""A file, what is in one, an image, pixels (H x W x C of any type of number), or why there is nothing."""


@dataclass(frozen=True)
class Item:
    """One image as it is stored.

    Attributes:
        label: What it is called in messages.
        content: What is to be decoded.
    """

    label: str
    content: Content


@dataclass(frozen=True)
class Collection:
    """Images that can be read.

    Attributes:
        count: How many there are.
        items: Gives those with the given positions, which rise.
        left_out: How many files beside them are not used, by reason.
    """

    count: int
    items: Callable[[Sequence[int]], Iterator[Item]]
    left_out: Counter[str] = field(default_factory=Counter)


class Files(Protocol):
    """The files of a data set that has a name: how they are read, and fetched where they are."""

    def open(self, split: str, root: Path) -> Collection:
        """Reads a part of it (empty if it has no parts) whose files are below a folder.

        Raises:
            DataError: They are not there; the message says how they come there.
            DamagedError: They are damaged, and can be fetched again.
        """
        ...

    def fetch(self, split: str, root: Path, *, damaged: bool) -> None:
        """Downloads a part of it to a folder and checks it; what is there and right is kept.

        Args:
            split: The part.
            root: The folder, which need not be there.
            damaged: Whether files that are there were found damaged.

        Raises:
            DataError: It cannot be downloaded; what was there is as it was.
        """
        ...


def of_arrays(images: np.ndarray, label: Callable[[int], str]) -> Collection:
    """A collection of the images in one array, N x H x W x C."""
    return Collection(
        len(images), lambda positions: (Item(label(place), images[place]) for place in positions)
    )


def of_files(files: Sequence[Path], left_out: Counter[str]) -> Collection:
    """A collection of files."""
    return Collection(
        len(files),
        lambda positions: (Item(str(files[place].absolute()), files[place]) for place in positions),
        left_out,
    )
