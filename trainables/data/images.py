"""Images for training and for scores: prepared at most once per node, shared by all its trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainables.data import store
from trainables.data.errors import DamagedError
from trainables.data.sources import Source, fetch, find_source, open_fitted
from trainables.data.store import Progress, Report, silent
from trainables.settings.data import DataSettings


@dataclass(frozen=True)
class ImageData:
    """A prepared set of images.

    Attributes:
        images: uint8 in 0..255, N x H x W x C, a read-only memory map.
        name: Name of the data set, as the settings have it.
        fingerprint: SHA-256 of the prepared pixels.
        split: The part of the data set, as scores state it; None if it has no parts.
    """

    images: np.ndarray = field(repr=False)
    name: str
    fingerprint: str
    split: str | None = None


def load_images(settings: DataSettings, cache: Path) -> ImageData:
    """Returns the images that the settings describe, converting local files if that is still to do.

    Nothing is downloaded here: several trials on a node would all wait for, or repeat, a download.

    Args:
        settings: Which images, and how they are prepared.
        cache: Folder of this node for prepared data.

    Raises:
        DataError: The files are not there (the message names ``ttur prepare``) or cannot be used.
    """
    return _load(settings, cache, silent, download=False)


def prepare_images(settings: DataSettings, cache: Path, report: Report) -> ImageData:
    """As :func:`load_images`, but downloads what is missing or damaged, and says how far it is."""
    return _load(settings, cache, report, download=True)


def _load(settings: DataSettings, cache: Path, report: Report, *, download: bool) -> ImageData:
    source = find_source(settings, cache)
    folder = image_folder(settings, source, cache)
    if not folder.exists():
        with store.locked(folder):
            if not folder.exists():
                _prepare(settings, source, folder, report, download=download)
    images_array, fingerprint = store.read(folder)
    return ImageData(images_array, settings.name, fingerprint, settings.stated_split)


def _prepare(
    settings: DataSettings, source: Source, folder: Path, report: Report, *, download: bool
) -> None:
    """Fetches, where that is allowed and needed, and converts; an interrupted download is repaired."""
    if download and not source.present:
        report(Progress(f"downloading {settings.name}", 0, 0))
        fetch(settings, source)
    try:
        _convert(settings, source, folder, report)
    except DamagedError:
        if not download:
            raise
        report(Progress(f"downloading {settings.name} again, which is damaged", 0, 0))
        fetch(settings, source, damaged=True)
        _convert(settings, source, folder, report)


def _convert(settings: DataSettings, source: Source, folder: Path, report: Report) -> None:
    count, images = open_fitted(settings, source)
    store.build(folder, count, images, report)


def image_folder(settings: DataSettings, source: Source, cache: Path) -> Path:
    """Where the prepared images of these settings are, or will be."""
    pixels = settings.model_dump(exclude={"flip", "path"})
    pixels |= {
        "split": settings.stated_split,
        "size": settings.image_size,
        "crop": settings.image_crop,
        "fit": settings.image_fit,
        "channels": settings.image_channels,
    }
    key = store.digest([store.LAYOUT, pixels, source.state])
    return cache / "data" / f"{settings.name}-{key[:16]}"
