"""Brings a collection to images of one shape, and counts what is used, broken and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from trainables.counting import counted, left_out_in_words
from trainables.data.collection import Collection, Item
from trainables.data.decode import Broken, decode, in_parallel
from trainables.data.errors import DamagedError, DataError
from trainables.data.pixels import look_of
from trainables.data.store import SMALLEST, NamedImage, size_in_words
from trainables.data.transform import fit_pixels, with_channels
from trainables.settings.data import DataSettings

NAMED = 50
"""Broken files that a message names; of more it gives the number."""


@dataclass
class Gathering:
    """Images on their way from a collection to a set of one shape.

    Attributes:
        settings: How they are brought there.
        collection: Where they come from.
        positions: Which of the collection are used, rising.
        spare: Which are taken for broken ones, in this order: with a ``limit`` a set has as many images as
            the score's name says.
        used: How many came through so far.
        broken: What could not be read.
        left_out: How many files or pages are not used, by reason.
    """

    settings: DataSettings
    collection: Collection
    positions: Sequence[int]
    spare: Sequence[int] = ()
    used: int = 0
    broken: list[Broken] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    _first: NamedImage | None = None
    _brightest: int = 0

    def images(self) -> Iterator[NamedImage]:
        """Yields the images, all of one shape, uint8 H x W x C.

        Raises:
            DataError: Images cannot be brought to one shape, some are broken, or there are too few; of the
                broken ones all are told at once, at the end.
        """
        self.left_out += self.collection.left_out
        positions, spare, seen = self.positions, iter(self.spare), 0
        while positions:
            yield from self._images_at(positions)
            seen += len(positions)
            positions = sorted(islice(spare, len(self.positions) - self.used))
        self.left_out["beyond data.limit"] = self.collection.count - seen
        self.left_out["broken"] = len(self.broken)
        self.left_out += Counter()  # drops what is zero
        self._check()

    def _images_at(self, positions: Sequence[int]) -> Iterator[NamedImage]:
        for image in in_parallel(self._read, self.collection.items(positions)):
            if isinstance(image, Broken):
                self.broken.append(image)
            elif not (self.broken and self.settings.broken == "refuse"):
                yield self._taken(image)

    @property
    def complaint(self) -> str:
        """What is said of the broken files: all of them, or the first 50 and how many more."""
        named = [f"{one.label} ({one.why})" for one in self.broken[:NAMED]]
        more = len(self.broken) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")

    def _read(self, item: Item) -> NamedImage | Broken:
        image = decode(item, look_of(self.settings))
        if isinstance(image, Broken):
            return image
        return NamedImage(image.label, fit_pixels(image, self.settings), image.further)

    def _taken(self, image: NamedImage) -> NamedImage:
        pixels, first = image.pixels, self._first
        if first is not None and pixels.shape[2] < first.pixels.shape[2]:
            pixels = with_channels(pixels, 3)
        if first is not None and pixels.shape[2] > first.pixels.shape[2]:
            raise DataError(
                f"{image.label} has colour, images before it are grey; set data.channels to 3 or 1"
            )
        if first is not None and pixels.shape != first.pixels.shape:
            raise DataError(
                f"{image.label} is {size_in_words(pixels)}, but {first.label} is "
                f"{size_in_words(first.pixels)}; set data.size to bring all images to one size"
            )
        taken = NamedImage(image.label, pixels)
        self._first = first or taken
        self._brightest = max(self._brightest, int(pixels.max()))
        self.left_out["further pages or frames"] += image.further
        self.used += 1
        return taken

    def _check(self) -> None:
        row = self.settings.row
        if self.broken and row is not None and row.how == "fetched":
            raise DamagedError(
                f"{self.complaint} cannot be read as an image; `ttur prepare` fetches it again"
            )
        if self.broken and self.settings.broken == "refuse":
            raise DataError(
                f"{len(self.broken)} of {counted(len(self.positions), 'files')} cannot be read as images: "
                f"{self.complaint}; restore or remove them, or set data.broken to skip"
            )
        if replaces_broken(self.settings) and self.used < len(self.positions):
            raise DataError(
                f"data.limit is {self.settings.limit}, but {len(self.broken)} of "
                f"{counted(self.used + len(self.broken), 'files')} cannot be read as images: "
                f"{self.complaint}, so fewer are left than the score's name would say; lower the limit, or "
                "remove it"
            )
        if self.used < SMALLEST:
            rest = left_out_in_words(self.left_out)
            raise DataError(
                f"images to learn from: {self.used}{f' ({rest} left out)' if rest else ''}; a GAN needs at "
                f"least {SMALLEST}"
            )
        if self._brightest <= 1 and self._may_be_masks:
            raise DataError(
                "no value of the images is above 1, as if they were masks of 0 and 1 and not pixels of 0 to "
                "255; set data.range to [0, 1] if they are"
            )

    @property
    def _may_be_masks(self) -> bool:
        return self.settings.row is None and self.settings.rules > 1


def chosen(count: int, settings: DataSettings) -> tuple[Sequence[int], Sequence[int]]:
    """Which images of a collection are used: all, or a random subset that is always the same one.

    Args:
        count: How many the collection has.
        settings: The limit, and what becomes of broken ones.

    Returns:
        Their positions, rising; and, where broken ones are skipped, the positions of what is taken for
        them, in this order.
    """
    if settings.limit is None or settings.limit >= count:
        return range(count), ()
    if settings.rules == 1:
        return range(settings.limit), ()
    order = np.random.default_rng(0).permutation(count).tolist()
    spare = order[settings.limit :] if replaces_broken(settings) else ()
    return sorted(order[: settings.limit]), spare


def replaces_broken(settings: DataSettings) -> bool:
    """Whether others are taken for broken images: so that ``limit`` is true of what is used."""
    return settings.rules > 2
