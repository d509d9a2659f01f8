"""Images for training and for scores: prepared at most once per node, shared by all its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainables.data import store
from trainables.data.decode import quiet_pillow
from trainables.data.errors import DamagedError
from trainables.data.gather import Gathering, chosen
from trainables.data.sources import Source, fetch, find_source
from trainables.data.store import Progress, Report, silent
from trainables.settings.data import DataSettings

LOOKED_AT = 1000
"""Images that :func:`look_at` decodes."""


@dataclass(frozen=True)
class ImageData:
    """A prepared set of images.

    Attributes:
        images: uint8 in 0..255, N x H x W x C, a read-only memory map.
        name: Name of the data set, as the settings have it.
        fingerprint: SHA-256 of the prepared pixels.
        split: The part of the data set, as scores state it; None if it has no parts.
        left_out: How many files, pages or rows beside them were not used, by reason.
    """

    images: np.ndarray = field(repr=False)
    name: str
    fingerprint: str
    split: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def load_images(settings: DataSettings, cache: Path, report: Report = silent) -> ImageData:
    """Returns the images that the settings describe, converting local files if that is still to do.

    Nothing is downloaded here: several trials on a node would all wait for, or repeat, a download.

    Args:
        settings: Which images, and how they are prepared.
        cache: Folder of this node for prepared data.
        report: Told how far a conversion is.

    Raises:
        DataError: The files are not there (the message names ``ttur prepare``) or cannot be used.
    """
    return _load(settings, cache, report, download=False)


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
    found = store.read(folder)
    return ImageData(
        found.images, settings.name, found.fingerprint, settings.stated_split, found.left_out
    )


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
    collection = source.open()
    gathering = Gathering(settings, collection, *chosen(collection.count, settings))
    with quiet_pillow():
        store.build(
            folder,
            len(gathering.positions),
            gathering.images(),
            report,
            lambda: {"left_out": dict(gathering.left_out)},
        )


def available(settings: DataSettings, cache: Path) -> int | None:
    """How many images there are, whatever ``limit`` says; None if their files have to be fetched first.

    Raises:
        DataError: The files cannot be listed.
    """
    source = find_source(settings, cache)
    return source.open().count if source.present else None


def look_at(settings: DataSettings, cache: Path) -> tuple[int, int, int, int] | None:
    """Says what a set will be when it is prepared, without preparing it; nothing is written.

    Of a set that is not prepared yet up to 1,000 images are decoded, evenly spread, so that what would be
    refused later is refused now.

    Returns:
        Its shape, N x H x W x C, or None if its files have to be fetched first.

    Raises:
        DataError: The images cannot be used.
    """
    source = find_source(settings, cache)
    folder = image_folder(settings, source, cache)
    if folder.exists():
        return _four(store.read(folder).images.shape)
    if not source.present:
        return None
    collection = source.open()
    positions, spare = chosen(collection.count, settings)
    spread = sorted({round(place) for place in np.linspace(0, len(positions) - 1, LOOKED_AT)})
    gathering = Gathering(settings, collection, [positions[at] for at in spread if at >= 0], spare)
    shape: tuple[int, ...] = ()
    with quiet_pillow():
        for image in gathering.images():
            shape = image.pixels.shape
    return _four((len(positions) - (0 if spare else len(gathering.broken)), *shape))


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    count, height, width, channels = shape
    return count, height, width, channels


def image_folder(settings: DataSettings, source: Source, cache: Path) -> Path:
    """Where the prepared images of these settings are, or will be."""
    facts = _old_facts(settings) if settings.rules == 1 else _facts(settings)
    key = store.digest([settings.rules, facts, source.state])
    return cache / "data" / f"{settings.name.replace(':', '.')}-{key[:16]}"


def _facts(settings: DataSettings) -> Mapping[str, object]:
    """The settings that change the prepared pixels, defaults filled in."""
    return {
        **settings.model_dump(exclude={"flip", "augment", "path", "rules"}),
        "split": settings.stated_split,
        "size": settings.image_size,
        "crop": settings.image_crop,
        "fit": settings.image_fit,
        "channels": settings.image_channels,
    }


def _old_facts(settings: DataSettings) -> Mapping[str, object]:
    """What the earlier rules made of the same; their ``crop`` was called ``resize``."""
    kept = {"name": settings.name, "limit": settings.limit}
    fit = "resize" if settings.image_fit == "crop" else settings.image_fit
    return kept | {
        "split": settings.stated_split,
        "size": settings.image_size,
        "crop": settings.image_crop,
        "fit": fit,
        "channels": settings.image_channels,
    }
