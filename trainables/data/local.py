"""Images that a user brings: a folder of files, or one array file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.arrays import read_arrays
from trainables.data.decode import decode, in_parallel
from trainables.data.errors import DataError
from trainables.data.store import NamedImage

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
Images = tuple[int, Iterator[NamedImage]]


def list_folder(folder: Path) -> list[Path]:
    """Finds the image files in a folder and its sub-folders, sorted by their relative paths.

    Raises:
        DataError: It is no folder, or has none.
    """
    if not folder.is_dir():
        raise DataError(f"data.path is {str(folder)!r}, which is not a folder; check the path")
    files = [
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]
    if not files:
        raise DataError(f"{folder} has no images ({', '.join(SUFFIXES)}); check data.path")
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def folder_state(folder: Path) -> Any:
    """A value that changes when a file of the folder is added, removed, renamed or rewritten.

    Raises:
        DataError: It is no folder, has no images, or one of them is a link to nothing.
    """
    files = [
        (file.relative_to(folder).as_posix(), *_size_and_time(file)) for file in list_folder(folder)
    ]
    return [str(folder.resolve()), files]


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError as error:
        what = "is a link to nothing" if file.is_symlink() else f"cannot be read ({error.strerror})"
        raise DataError(f"{file} {what}; remove it from data.path or restore it") from error
    return status.st_size, status.st_mtime_ns


def open_folder(folder: Path) -> Images:
    """Reads the images of a folder."""
    files = list_folder(folder)
    return len(files), in_parallel(lambda file: decode(str(file), file), files)


def file_state(file: Path) -> Any:
    """A value that changes when the file is rewritten.

    Raises:
        DataError: There is no such file.
    """
    if not file.is_file():
        raise DataError(f"data.path is {str(file)!r}, which is not a file; check the path")
    return [str(file.resolve()), *_size_and_time(file)]


def open_array(file: Path) -> Images:
    """Reads a .npy or .npz file: images as uint8 NHWC, NCHW or NHW, or concatenated JPEG files.

    The concatenated layout has ``jpeg`` (uint8, the files one after the other) and ``offsets``
    (N + 1 integers: file i is ``jpeg[offsets[i]:offsets[i + 1]]``).

    Raises:
        DataError: The file is broken or holds no such array.
    """
    complaint = f"data.path is {str(file)!r}, which is not an array file that can be read"
    arrays = read_arrays(file, complaint)
    if isinstance(arrays, np.ndarray):
        return _from_array(file.name, arrays)
    if {"jpeg", "offsets"} <= set(arrays):
        return _from_jpegs(file.name, arrays["jpeg"], arrays["offsets"])
    return _from_array(file.name, _the_images(file.name, arrays))


def _the_images(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if "images" in arrays:
        return arrays["images"]
    found = [array for array in arrays.values() if array.ndim in (3, 4)]
    if len(found) != 1:
        held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        raise DataError(f"{name} holds {held}; one array called `images` is needed")
    return found[0]


def _from_array(name: str, array: np.ndarray) -> Images:
    if array.dtype != np.uint8:
        raise DataError(f"{name} holds {array.dtype}; images are uint8 in 0..255")
    if array.ndim == 3 and array.shape[2] in (1, 3):
        raise DataError(
            f"{name} has shape {array.shape}, which is one image (H, W, C); the axis N of the images "
            "is missing: store them as (N, H, W, C)"
        )
    images = array[..., None] if array.ndim == 3 else array
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.size == 0:
        raise DataError(
            f"{name} has shape {array.shape}; (N, H, W, C) or (N, C, H, W) with C 1 or 3 is needed"
        )
    return len(images), (
        NamedImage(f"image {index} of {name}", pixels) for index, pixels in enumerate(images)
    )


def _from_jpegs(name: str, content: np.ndarray, offsets: np.ndarray) -> Images:
    sound = (
        content.dtype == np.uint8
        and content.ndim == offsets.ndim == 1
        and np.issubdtype(offsets.dtype, np.integer)
        and len(offsets) > 1
        and offsets[0] >= 0
        and bool((offsets[1:] > offsets[:-1]).all())
        and offsets[-1] <= len(content)
    )
    if not sound:
        raise DataError(f"{name} has offsets that do not cut its jpeg into files; make it anew")

    def read(index: int) -> NamedImage:
        part = content[offsets[index] : offsets[index + 1]].tobytes()
        return decode(f"image {index} of {name}", part)

    return len(offsets) - 1, in_parallel(read, range(len(offsets) - 1))
