"""Prepared images on disk: written once per node, read by every trial on it as one memory map.

A set of images is a folder with ``images.npy`` (uint8, N x H x W x C) and ``meta.json``. It is built
under a temporary name and renamed when complete, so a reader sees all of it or nothing, and a file
lock (released by the system when its holder dies) lets one process build while the others wait.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from filelock import FileLock

from trainables.data.arrays import reason
from trainables.data.errors import DataError

Value = TypeVar("Value")

LAYOUT = 1
SMALLEST = 2


@dataclass(frozen=True)
class Progress:
    """How far a long preparation is: ``done`` of ``total`` units (total 0: unknown)."""

    what: str
    done: int
    total: int

    def __str__(self) -> str:
        """In words: ``converting cifar10: 20000 of 50000``."""
        amount = f": {self.done} of {self.total}" if self.total else ""
        return f"{self.what}{amount}"


Report = Callable[[Progress], None]


SAYING_SECONDS = 5.0


def in_words(say: Callable[[str], None]) -> Report:
    """Has preparation said in words; what is counted, once in some seconds: not at all if it takes none."""
    said = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal said
        if progress.done and time.monotonic() - said < SAYING_SECONDS:
            return
        said = time.monotonic()
        say(str(progress))

    return report


def worth_telling(before: int, done: int, total: int) -> bool:
    """Whether a twentieth of the work was completed between ``before`` and ``done``."""
    return done * 20 // total > before * 20 // total


def silent(_: Progress) -> None:
    """Reports nothing."""


@dataclass(frozen=True)
class NamedImage:
    """One decoded image, and what to call it in an error message."""

    label: str
    pixels: np.ndarray
    """uint8, H x W x C."""
    further: int = 0
    """Pages or frames of its file that are not used."""


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Holds the lock that belongs to a file or folder of the cache."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        yield


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary file and renames it to ``path`` once it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _to_disk(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda file: file.write_text(content))


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        OSError: It is not there.
        ValueError: It is not JSON.
    """
    return json.loads(path.read_text())


def remembered(path: Path, compute: Callable[[], Any], parse: Callable[[Any], Value]) -> Value:
    """Computes a small JSON value once per node; one process computes while others wait for it.

    Args:
        path: Where it is kept; a file that cannot be used is written anew.
        compute: Gives the value.
        parse: Makes of it what is returned.
    """
    with locked(path):
        try:
            return parse(read_json(path))
        except (OSError, ValueError, TypeError, LookupError):
            value = compute()
            write_text(path, json.dumps(value))
            return parse(value)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which becomes ``folder`` when the block ends well.

    The caller holds the lock of ``folder``, so what a killed process left unfinished can be removed.

    Raises:
        DataError: The disk is full or cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.parent.glob(f".{folder.name}.*/"):
            shutil.rmtree(unfinished)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            yield temporary
            for file in temporary.iterdir():
                _to_disk(file)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"prepared data cannot be written to {folder.parent} ({error}); check the disk"
        ) from error


def _to_disk(file: Path) -> None:
    """Waits until a file's content would survive a power cut: its name must not come before it."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def build(
    folder: Path,
    expected: int,
    images: Iterator[NamedImage],
    report: Report,
    about: Callable[[], Mapping[str, Any]],
) -> None:
    """Writes a set of images of one shape into a folder that does not exist yet; see :func:`building`.

    Args:
        folder: Where the set goes.
        expected: How many images there are, unless some turn out to be broken.
        images: The images, in order; whatever is wrong with them is raised by their iterator.
        report: Told how many are done.
        about: Gives, once all are written, what else is to be kept with them.

    Raises:
        DataError: There is no image, or the disk is full.
    """
    with building(folder) as temporary:
        shape, fingerprint = _write_images(temporary / "images.npy", expected, images, report)
        meta = {"layout": LAYOUT, "shape": shape, "fingerprint": fingerprint, **about()}
        (temporary / "meta.json").write_text(json.dumps(meta))


def _write_images(
    path: Path, expected: int, images: Iterator[NamedImage], report: Report
) -> tuple[tuple[int, ...], str]:
    """Writes a .npy file image by image; a full disk is an error here, not a fault in a map."""
    first = next(images, None)
    if first is None:
        raise DataError("there are no images")
    shape = (expected, *first.pixels.shape)
    checksum = hashlib.sha256(repr(shape).encode())
    done = 0
    with path.open("wb") as file:
        _write_header(file, shape)
        for done, image in enumerate(chain([first], images), start=1):
            content = image.pixels.tobytes()
            file.write(content)
            checksum.update(content)
            if worth_telling(done - 1, done, expected):
                report(Progress("converting images", done, expected))
        if done != expected:
            shape = (done, *first.pixels.shape)
            file.seek(0)
            _write_header(
                file, shape
            )  # as long as the other: numpy leaves room for the count to grow
    return shape, checksum.hexdigest() if done == expected else _fingerprint(path)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _fingerprint(path: Path) -> str:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    checksum = hashlib.sha256(repr(images.shape).encode())
    for image in images:
        checksum.update(np.ascontiguousarray(image).data)
    return checksum.hexdigest()


def size_in_words(pixels: np.ndarray) -> str:
    """The size of an image (H x W x C) in words: ``8 x 8 pixels with 3 channels``."""
    height, width, channels = pixels.shape
    return f"{width} x {height} pixels with {channels} channel{'s' if channels > 1 else ''}"


@dataclass(frozen=True)
class Prepared:
    """A prepared set.

    Attributes:
        images: uint8, N x H x W x C, a read-only memory map that all processes share.
        fingerprint: SHA-256 of their shape and pixels.
        left_out: How many files or pages were not used, by reason.
    """

    images: np.ndarray
    fingerprint: str
    left_out: Mapping[str, int]


def read(folder: Path) -> Prepared:
    """Maps a prepared set into memory.

    Raises:
        DataError: The folder is damaged.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text())
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        sound = meta["layout"] == LAYOUT and list(images.shape) == meta["shape"]
        fingerprint = str(meta["fingerprint"])
        left_out = {str(why): int(count) for why, count in meta.get("left_out", {}).items()}
    except Exception as error:  # damaged bytes make numpy raise all sorts
        raise DataError(
            f"prepared images in {folder} are damaged ({reason(error)}); delete it"
        ) from error
    if not sound or images.dtype != np.uint8:
        raise DataError(f"prepared images in {folder} are not what its meta.json says; delete it")
    return Prepared(images, fingerprint, left_out)
