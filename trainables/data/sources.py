"""The sources of images: the one that the settings name is found and opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.archives import open_archive
from trainables.data.collection import Collection, of_arrays
from trainables.data.listing import images_in, old_images_in
from trainables.data.local import (
    file_state,
    folder_state,
    open_array,
    open_folder,
)
from trainables.data.parquet import choose_files, open_parquet
from trainables.data.published import (
    Published,
    fetch_published,
    find_published,
    open_published,
    refetch_published,
)
from trainables.settings.data import DataSettings


@dataclass(frozen=True)
class Source:
    """A set of images that can be read.

    Attributes:
        state: JSON value that changes when the user's files do; None where they never change.
        open: Gives the images as they are stored.
        published: What can be fetched; None if there is nothing to fetch.
        root: Folder of the files.
    """

    state: Any
    open: Callable[[], Collection]
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
    if settings.name == "array":
        return Source(file_state(path), partial(open_array, path, settings), root=path)
    if settings.name == "archive":
        return Source(file_state(path), partial(open_archive, path), root=path)
    if settings.name in ("folder", "parquet"):
        return _find_own(settings, path)
    split = str(settings.stated_split)
    published = find_published(settings.name, split)
    opener = partial(open_published, settings.name, split, path)
    return Source(None, opener, published, path)


def _find_own(settings: DataSettings, path: Path) -> Source:
    """A folder of images, or Parquet files: one, or a folder of them that has no images beside them."""
    if settings.name == "parquet" and not path.is_dir():
        opener = partial(open_parquet, [path], Counter(), settings)
        return Source(file_state(path), opener, root=path)
    listing = old_images_in(path) if settings.rules == 1 else images_in(path)
    shards = listing.others(".parquet") if settings.rules > 1 else []
    if not shards or (listing.files and settings.name == "folder"):
        state = folder_state(path, listing)
        return Source(state, partial(open_folder, listing), root=path)
    files, others = choose_files(shards, settings.split)
    left_out = listing.left_out + others
    left_out[".parquet files"] = 0
    opener = partial(open_parquet, files, +left_out, settings)
    return Source([file_state(file) for file in files], opener, root=path)


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


def _open_digits() -> Collection:
    """scikit-learn's 1797 handwritten digits, 8 x 8, 0..16 scaled to 0..255."""
    from sklearn.datasets import load_digits

    grey = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    return of_arrays(grey[:, :, :, None], lambda index: f"image {index}")
