"""Images that a user brings: a folder of files, an array file, an archive, Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.counting import left_out_in_words
from trainables.data.arrays import read_arrays
from trainables.data.collection import Collection, Item, of_arrays, of_files
from trainables.data.errors import DataError
from trainables.data.listing import Listing, image_suffixes
from trainables.settings.data import DataSettings


def folder_state(folder: Path, listing: Listing) -> Any:
    """A value that changes when a file of the folder is added, removed, renamed or rewritten.

    Raises:
        DataError: It has no images.
    """
    if not listing.files:
        there = left_out_in_words(listing.left_out)
        raise DataError(
            f"{folder.absolute()} has no images{f' ({there} left out)' if there else ''}; what is read is "
            f"{', '.join(sorted(image_suffixes()))}; check data.path"
        )
    files = [(file.relative_to(folder).as_posix(), *size_and_time(file)) for file in listing.files]
    return [str(folder.resolve()), files]


def size_and_time(file: Path) -> tuple[int, int]:
    """What changes when a file is rewritten; (-1, 0) of one that cannot be looked at: it is broken."""
    try:
        status = file.stat()
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def open_folder(listing: Listing) -> Collection:
    """The images of a folder."""
    return of_files(listing.files, listing.left_out)


def file_state(file: Path) -> Any:
    """A value that changes when the file is rewritten.

    Raises:
        DataError: There is no such file.
    """
    if not file.is_file():
        raise DataError(
            f"data.path is {str(file.absolute())!r}, which is not a file; check the path"
        )
    return [str(file.resolve()), *size_and_time(file)]


def open_array(file: Path, settings: DataSettings) -> Collection:
    """Reads a .npy or .npz file: images as NHWC, NCHW or NHW, or concatenated JPEG files.

    Pixels are uint8 in 0..255, or any type of number if ``settings.range`` says what is black and white.
    The concatenated layout has ``jpeg`` (uint8, the files one after the other) and ``offsets``
    (N + 1 integers: file i is ``jpeg[offsets[i]:offsets[i + 1]]``).

    Raises:
        DataError: The file is broken or holds no such array.
    """
    complaint = f"data.path is {str(file)!r}, which is not an array file that can be read"
    arrays = read_arrays(file, complaint)
    if isinstance(arrays, np.ndarray):
        return from_array(file.name, arrays, settings)
    if {"jpeg", "offsets"} <= set(arrays):
        return _from_jpegs(file.name, arrays["jpeg"], arrays["offsets"])
    return from_array(file.name, _the_images(file.name, arrays), settings)


def _the_images(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if "images" in arrays:
        return arrays["images"]
    found = [array for array in arrays.values() if array.ndim in (3, 4)]
    if len(found) != 1:
        held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        raise DataError(f"{name} holds {held}; one array called `images` is needed")
    return found[0]


def from_array(name: str, array: np.ndarray, settings: DataSettings) -> Collection:
    """The images in an array of NHWC, NCHW or NHW, whose type of number the settings allow."""
    _check_type(name, array, settings)
    if array.ndim == 3 and (array.shape[2] in (1, 3) or array.shape[0] in (1, 3)):
        order = "(H, W, C)" if array.shape[2] in (1, 3) else "(C, H, W)"
        raise DataError(
            f"{name} has shape {array.shape}, which is one image {order}; the axis N of the images "
            "is missing: store them as (N, H, W, C)"
        )
    images = array[..., None] if array.ndim == 3 else array
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.size == 0:
        raise DataError(
            f"{name} has shape {array.shape}; (N, H, W, C) or (N, C, H, W) with C 1 or 3 is needed"
        )
    return of_arrays(images, lambda index: f"image {index} of {name}")


def _check_type(name: str, array: np.ndarray, settings: DataSettings) -> None:
    """Refuses values of which nothing says which are black and which are white."""
    if array.dtype == np.uint8:
        return
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {array.dtype}; images are uint8 in 0..255")
    if settings.range is None:
        raise DataError(
            f"{name} holds {array.dtype}; images are uint8 in 0..255, and of other numbers data.range has "
            "to say which are black and white ([0, 1], say)"
        )


def _from_jpegs(name: str, content: np.ndarray, offsets: np.ndarray) -> Collection:
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

    def items(positions: Sequence[int]) -> Iterator[Item]:
        for place in positions:
            part = content[offsets[place] : offsets[place + 1]].tobytes()
            yield Item(f"image {place} of {name}", part)

    return Collection(len(offsets) - 1, items)
