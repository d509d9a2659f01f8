"""Published data sets: where their files are, how they are fetched, and how they are read.

torchvision fetches them and checks their sums. LSUN is the exception: torchvision cannot fetch it,
and its reader pickles a cache into the working directory, so the LMDB is read here.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.arrays import reason
from trainables.data.collection import Collection, Item, of_arrays
from trainables.data.errors import DamagedError, DataError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Published:
    """One part of a published data set.

    Attributes:
        name: Name of the data set.
        marker: A path below the root that exists when the files are there, if perhaps not all: it may
            be what an interrupted download left.
        megabytes: Size of what is fetched.
        source: Where it comes from.
    """

    name: str
    marker: str
    megabytes: int
    source: str


def find_published(name: str, split: str) -> Published:
    """What is to be fetched for a part of a data set."""
    svhn = {"train": 182, "test": 64, "extra": 1329}
    found = {
        "mnist": Published(name, "MNIST/raw", 12, "ossci-datasets.s3.amazonaws.com/mnist"),
        "cifar10": Published(name, "cifar-10-batches-py", 170, "www.cs.toronto.edu/~kriz"),
        "svhn": Published(
            name, f"{split}_32x32.mat", svhn.get(split, 0), "ufldl.stanford.edu/housenumbers"
        ),
        "celeba": Published(name, "celeba/img_align_celeba", 1470, "Google Drive, by gdown"),
        "lsun_bedroom": Published(
            name, f"bedroom_{split}_lmdb", 43_000 if split == "train" else 4, "dl.yf.io/lsun/scenes"
        ),
    }
    return found[name]


def fetch_published(name: str, split: str, root: Path) -> None:
    """Downloads a data set to ``root`` and checks its sums; what is there already is kept.

    Raises:
        DataError: It cannot be downloaded; the message says why.
    """
    root.mkdir(parents=True, exist_ok=True)
    if name == "lsun_bedroom":
        raise DataError(
            f"LSUN has to be fetched by hand: unpack bedroom_{split}_lmdb.zip from "
            f"http://dl.yf.io/lsun/scenes into {root}"
        )
    try:
        _dataset(name, split, root, download=True)
    except Exception as error:  # of networks, archives and sums
        raise DataError(f"{name} could not be downloaded to {root}: {reason(error)}") from error


def refetch_published(name: str, split: str, root: Path) -> None:
    """Downloads a damaged data set again; of it torchvision keeps the files whose sums are right.

    Of unpacked files whose sums torchvision does not check it keeps whatever is there. They are put
    aside for the time of the download, so that it unpacks them anew.

    Raises:
        DataError: It cannot be downloaded; all files are as they were.
    """
    aside = {path: path.with_name(f"{path.name}.damaged") for path in _unchecked(name, root)}
    for path, place in aside.items():
        _remove(place)
        path.rename(place)
    try:
        fetch_published(name, split, root)
    except BaseException:
        for path, place in aside.items():
            _remove(path)
            place.rename(path)
        raise
    for place in aside.values():
        _remove(place)


def _unchecked(name: str, root: Path) -> list[Path]:
    """The unpacked files and folders of which torchvision checks only that they exist."""
    if name == "mnist":
        return [file for file in (root / "MNIST" / "raw").glob("*-ubyte") if file.is_file()]
    images = root / "celeba" / "img_align_celeba"
    return [images] if name == "celeba" and images.exists() else []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def open_published(name: str, split: str, root: Path) -> Collection:
    """Reads a data set whose files are below ``root``.

    Raises:
        DataError: They are not there.
        DamagedError: They are damaged; of CelebA's images this shows when they are read.
    """
    if name == "lsun_bedroom":
        return _open_lsun(root / find_published(name, split).marker)
    if not (root / find_published(name, split).marker).exists():
        raise DataError(f"{name} is not in {root}; fetch it first with `ttur prepare`")
    try:
        dataset = _dataset(name, split, root, download=False)
    except Exception as error:  # torchvision raises all sorts on damaged bytes
        raise DamagedError(
            f"{name} in {root} is damaged ({reason(error)}); `ttur prepare` fetches it again"
        ) from error
    return _of_celeba(dataset, root) if name == "celeba" else _in_memory(name, dataset)


def _dataset(name: str, split: str, root: Path, *, download: bool) -> Any:
    from torchvision import datasets

    if name == "mnist":
        return datasets.MNIST(root, train=split == "train", download=download)
    if name == "cifar10":
        return datasets.CIFAR10(root, train=split == "train", download=download)
    if name == "svhn":
        return datasets.SVHN(root, split=split, download=download)
    return datasets.CelebA(root, split=split, target_type=[], download=download)


def _in_memory(name: str, dataset: Any) -> Collection:
    """MNIST (N, 28, 28), CIFAR-10 (N, 32, 32, 3) and SVHN (N, 3, 32, 32) hold all their pixels."""
    images = np.asarray(dataset.data)
    if name == "mnist":
        images = images[..., None]
    if name == "svhn":
        images = images.transpose(0, 2, 3, 1)
    return of_arrays(images, lambda index: f"image {index} of {name}")


def _of_celeba(dataset: Any, root: Path) -> Collection:
    folder = root / "celeba" / "img_align_celeba"

    def items(places: Sequence[int]) -> Iterator[Item]:
        for place in places:
            yield Item(f"image {place} of celeba", folder / str(dataset.filename[place]))

    return Collection(len(dataset), items)


def _open_lsun(folder: Path) -> Collection:
    if not folder.is_dir():
        raise DataError(
            f"LSUN is not in {folder.parent}; unpack {folder.name}.zip from "
            f"http://dl.yf.io/lsun/scenes there"
        )
    try:
        lmdb = importlib.import_module("lmdb")
    except ModuleNotFoundError as error:
        raise DataError("lsun_bedroom needs a package: pip install 'ttur-study[lsun]'") from error
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(keys=True, values=False))
    except lmdb.Error as error:
        raise DataError(f"LSUN in {folder} is damaged ({error}); unpack it again") from error

    def items(places: Sequence[int]) -> Iterator[Item]:
        with environment.begin() as transaction:
            for place in places:
                label = f"image {keys[place].decode()} of lsun_bedroom"
                yield Item(label, transaction.get(keys[place]))

    return Collection(len(keys), items)
