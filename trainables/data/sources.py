"""Where images come from: finds the source that the settings name, and opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.local import Images, file_state, folder_state, open_array, open_folder
from trainables.data.published import (
    Published,
    fetch_published,
    find_published,
    open_published,
    refetch_published,
)
from trainables.data.store import NamedImage
from trainables.data.transform import fit_images
from trainables.settings.data import DataSettings


@dataclass(frozen=True)
class Source:
    """A set of images that can be read.

    Attributes:
        state: JSON value that changes when the user's files do; None where they never change.
        open: Gives how many images there are and the images themselves, as they are stored.
        published: What can be fetched; None if there is nothing to fetch.
        root: Folder of the files.
    """

    state: Any
    open: Callable[[], Images]
    published: Published | None = None
    root: Path | None = None

    @property
    def present(self) -> bool:
        """Whether the files are there."""
        if self.published is None or self.root is None:
            return True
        return (self.root / self.published.marker).exists()


def find_source(settings: DataSettings, cache: Path) -> Source:
    """Finds the source that the settings name, without reading its images.

    Raises:
        DataError: A path of the user's is not there.
    """
    if settings.name == "digits":
        return Source(None, _open_digits)
    path = Path(settings.path) if settings.path is not None else cache / "raw" / settings.name
    if settings.name == "folder":
        return Source(folder_state(path), partial(open_folder, path), root=path)
    if settings.name == "array":
        return Source(file_state(path), partial(open_array, path), root=path)
    split = str(settings.stated_split)
    published = find_published(settings.name, split)
    opener = partial(open_published, settings.name, split, path)
    return Source(None, opener, published, path)


def open_fitted(settings: DataSettings, source: Source) -> Images:
    """Opens a source and fits its images to the settings."""
    count, images = source.open()
    if settings.limit is not None:
        count, images = min(count, settings.limit), islice(images, settings.limit)
    return count, fit_images(images, settings)


def fetch(settings: DataSettings, source: Source, *, damaged: bool = False) -> None:
    """Downloads the files of a published data set; what is there with the right sums is kept.

    Args:
        settings: The data set.
        source: Where it is to be.
        damaged: Whether files that are there were found damaged.

    Raises:
        DataError: They cannot be downloaded.
    """
    if source.root is not None and source.published is not None:
        get = refetch_published if damaged else fetch_published
        get(settings.name, str(settings.stated_split), source.root)


def _open_digits() -> Images:
    """scikit-learn's 1797 handwritten digits, 8 x 8, 0..16 scaled to 0..255."""
    from sklearn.datasets import load_digits

    grey = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    images = (NamedImage(f"image {index}", grey[index, :, :, None]) for index in range(len(grey)))
    return len(grey), images
