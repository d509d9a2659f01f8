"""Published data sets: how their files are fetched, and how they are read.

What else there is to know of each is its row in :mod:`trainables.settings.datasets`. torchvision fetches them
and checks their sums. LSUN is the exception: torchvision cannot fetch it, and its reader pickles a cache into
the working directory, so the LMDB is read here.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.arrays import reason
from trainables.data.collection import Collection, Item, of_arrays
from trainables.data.errors import DamagedError, DataError


class Digits:
    """scikit-learn's 1797 handwritten digits, 8 x 8, 0..16 scaled to 0..255."""

    def open(self, _split: str, _root: Path) -> Collection:
        """Reads them from the installation."""
        from sklearn.datasets import load_digits

        grey = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
        return of_arrays(grey[:, :, :, None], lambda index: f"image {index}")

    def fetch(self, split: str, root: Path, *, damaged: bool) -> None:
        """Does nothing: they are installed."""


@dataclass(frozen=True)
class OfTorchvision:
    """A data set that torchvision has; it raises all sorts on damaged bytes.

    Attributes:
        name: Its name.
        make: torchvision's data set, from (its module, part, root, whether to download).
        collected: Its images, from (the data set, root).
        unchecked: The unpacked files and folders of which torchvision checks only that they exist.
    """

    name: str
    make: Callable[[Any, str, Path, bool], Any]
    collected: Callable[[Any, Path], Collection]
    unchecked: Callable[[Path], list[Path]] = lambda _root: []

    def open(self, split: str, root: Path) -> Collection:
        """Reads it; of CelebA's images damage shows when they are read."""
        from torchvision import datasets

        try:
            dataset = self.make(datasets, split, root, False)
        except Exception as error:
            raise DamagedError(
                f"{self.name} in {root} is damaged ({reason(error)}); `ttur prepare` fetches it again"
            ) from error
        return self.collected(dataset, root)

    def fetch(self, split: str, root: Path, *, damaged: bool) -> None:
        """Downloads it; torchvision keeps the files whose sums are right.

        Of unpacked files whose sums torchvision does not check it keeps whatever is there. If there is
        damage they are put aside for the time of the download, so that it unpacks them anew.
        """
        unchecked = self.unchecked(root) if damaged else []
        aside = {path: path.with_name(f"{path.name}.damaged") for path in unchecked}
        for path, place in aside.items():
            _remove(place)
            path.rename(place)
        try:
            self._download(split, root)
        except BaseException:
            for path, place in aside.items():
                _remove(path)
                place.rename(path)
            raise
        for place in aside.values():
            _remove(place)

    def _download(self, split: str, root: Path) -> None:
        from torchvision import datasets

        root.mkdir(parents=True, exist_ok=True)
        try:
            self.make(datasets, split, root, True)
        except Exception as error:  # of networks, archives and sums
            raise DataError(
                f"{self.name} could not be downloaded to {root}: {reason(error)}"
            ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _pixels_of(name: str, to_nhwc: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Collection]:
    """The images of a data set that holds all its pixels."""

    def collected(dataset: Any, _root: Path) -> Collection:
        images = to_nhwc(np.asarray(dataset.data))
        return of_arrays(images, lambda index: f"image {index} of {name}")

    return collected


def _of_celeba(dataset: Any, root: Path) -> Collection:
    folder = root / "celeba" / "img_align_celeba"

    def items(positions: Sequence[int]) -> Iterator[Item]:
        for place in positions:
            yield Item(f"image {place} of celeba", folder / str(dataset.filename[place]))

    return Collection(len(dataset), items)


def _raw_mnist(root: Path) -> list[Path]:
    return [file for file in (root / "MNIST" / "raw").glob("*-ubyte") if file.is_file()]


def _images_of_celeba(root: Path) -> list[Path]:
    images = root / "celeba" / "img_align_celeba"
    return [images] if images.exists() else []


class LsunBedroom:
    """The bedrooms of LSUN: an LMDB of encoded images, by part."""

    def open(self, split: str, root: Path) -> Collection:
        """Reads it; needs the extra ``lsun``."""
        folder = root / f"bedroom_{split}_lmdb"
        if not folder.is_dir():
            raise DataError(
                f"LSUN is not in {folder.parent}; unpack {folder.name}.zip from "
                f"http://dl.yf.io/lsun/scenes there"
            )
        try:
            lmdb = importlib.import_module("lmdb")
        except ModuleNotFoundError as error:
            raise DataError(
                "lsun_bedroom needs a package: pip install 'ttur-study[lsun]'"
            ) from error
        try:
            environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
            with environment.begin() as transaction:
                keys = list(transaction.cursor().iternext(keys=True, values=False))
        except lmdb.Error as error:
            raise DataError(f"LSUN in {folder} is damaged ({error}); unpack it again") from error

        def items(positions: Sequence[int]) -> Iterator[Item]:
            with environment.begin() as transaction:
                for place in positions:
                    label = f"image {keys[place].decode()} of lsun_bedroom"
                    yield Item(label, transaction.get(keys[place]))

        return Collection(len(keys), items)

    def fetch(self, split: str, root: Path, *, damaged: bool) -> None:  # noqa: ARG002
        """Says how a user fetches it."""
        raise DataError(
            f"LSUN has to be fetched by hand: unpack bedroom_{split}_lmdb.zip from "
            f"http://dl.yf.io/lsun/scenes into {root}"
        )


DIGITS = Digits()
MNIST = OfTorchvision(
    "mnist",
    lambda tv, split, root, get: tv.MNIST(root, train=split == "train", download=get),
    _pixels_of("mnist", lambda pixels: pixels[..., None]),
    _raw_mnist,
)
CIFAR10 = OfTorchvision(
    "cifar10",
    lambda tv, split, root, get: tv.CIFAR10(root, train=split == "train", download=get),
    _pixels_of("cifar10", lambda pixels: pixels),
)
SVHN = OfTorchvision(
    "svhn",
    lambda tv, split, root, get: tv.SVHN(root, split=split, download=get),
    _pixels_of("svhn", lambda pixels: pixels.transpose(0, 2, 3, 1)),
)
CELEBA = OfTorchvision(
    "celeba",
    lambda tv, split, root, get: tv.CelebA(root, split=split, target_type=[], download=get),
    _of_celeba,
    _images_of_celeba,
)
LSUN_BEDROOM = LsunBedroom()
