"""The sources of images: the one that the settings name is found and opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trainables.data.archives import open_archive
from trainables.data.collection import Collection, Files
from trainables.data.errors import DataError
from trainables.data.listing import images_in, old_images_in
from trainables.data.local import (
    file_state,
    folder_state,
    open_array,
    open_folder,
)
from trainables.data.own import OwnImages
from trainables.data.parquet import choose_files, open_parquet
from trainables.references import load
from trainables.settings.data import DataSettings
from trainables.settings.datasets import FORMS, DataSet


@dataclass(frozen=True)
class Source:
    """A set of images that can be read.

    Attributes:
        state: JSON value that changes when the user's files do; None where they never change.
        open: Gives the images as they are stored.
        root: Folder of the files; None if they are installed.
        origin: Where a data set comes from, for people; None of images of a user's own.
        marker: What exists when the files of a data set are there, if perhaps not all.
        megabytes: Size of what is fetched; None if unknown.
    """

    state: Any
    open: Callable[[], Collection]
    root: Path | None = None
    origin: str | None = None
    marker: Path | None = None
    megabytes: int | None = None

    @property
    def present(self) -> bool:
        """Whether the files are there."""
        return self.marker is None or self.marker.exists()


def find_source(settings: DataSettings, cache: Path) -> Source:
    """Finds the source that the settings name, without reading its images.

    Raises:
        DataError: A path of the user's is not there.
    """
    row = settings.row
    if settings.is_own:
        own = OwnImages(settings)
        return Source(own.state, own.open, origin="what it returns")
    if row is None:
        found: Source = load(FORMS[settings.name].find)(settings, Path(str(settings.path)))
        return found
    root = Path(settings.path) if settings.path is not None else cache / "raw" / settings.name
    split = settings.stated_split or ""
    if row.how == "installed":
        return Source(None, partial(_files(row).open, split, root), origin=row.source)
    marker = root / row.marker.format(split=split)
    return Source(
        None,
        partial(_opened, settings, root, marker),
        root,
        row.source,
        marker,
        row.megabytes if isinstance(row.megabytes, int) else row.megabytes.get(split),
    )


def _opened(settings: DataSettings, root: Path, marker: Path) -> Collection:
    row = settings.row
    assert row is not None
    if row.how == "fetched" and not marker.exists():
        raise DataError(f"{settings.name} is not in {root}; fetch it first with `ttur prepare`")
    return _files(row).open(settings.stated_split or "", root)


def _files(row: DataSet) -> Files:
    files: Files = load(row.files)
    return files


def find_array(settings: DataSettings, path: Path) -> Source:
    """An array file."""
    return Source(file_state(path), partial(open_array, path, settings), root=path)


def find_archive(_: DataSettings, path: Path) -> Source:
    """An archive of images."""
    return Source(file_state(path), partial(open_archive, path), root=path)


def find_parquet(settings: DataSettings, path: Path) -> Source:
    """A Parquet file, or a folder of them."""
    if path.is_dir():
        return find_folder(settings, path)
    opener = partial(open_parquet, [path], Counter(), settings)
    return Source(file_state(path), opener, root=path)


def find_folder(settings: DataSettings, path: Path) -> Source:
    """A folder of images, or one of Parquet files that has no images beside them."""
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
    """Downloads the files of a data set that has a name; what is there with the right sums is kept.

    Args:
        settings: The data set.
        source: Where it is to be.
        damaged: Whether files that are there were found damaged.

    Raises:
        DataError: They cannot be downloaded.
    """
    row = settings.row
    if source.root is not None and row is not None:
        _files(row).fetch(settings.stated_split or "", source.root, damaged=damaged)
