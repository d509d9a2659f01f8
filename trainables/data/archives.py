"""Images in a .zip or .tar archive, read without unpacking it to the disk."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from trainables.counting import left_out_in_words
from trainables.data.arrays import reason
from trainables.data.collection import Collection, Item
from trainables.data.errors import DataError
from trainables.data.listing import members_in


def open_archive(file: Path) -> Collection:
    """The images of an archive, in the order of their names; what holds them is told by the content.

    Raises:
        DataError: It is not an archive that can be read, is locked by a password, or has no images.
    """
    try:
        found = _zipped(file) if zipfile.is_zipfile(file) else _tarred(file)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make zipfile, tarfile, zlib, ... raise all sorts
        raise _unreadable(file, error) from error
    if not found.count:
        there = left_out_in_words(found.left_out) or "nothing"
        raise DataError(f"{file.absolute()} has no images (it holds {there}); check data.path")
    return found


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(
        f"data.path is {str(file.absolute())!r}, which is not an archive that can be read "
        f"({reason(error)}); make the file anew"
    )


def _zipped(file: Path) -> Collection:
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    names, left_out = members_in(sorted(members))
    locked = [name for name in names if members[name].flag_bits & 1]
    if locked:
        raise DataError(
            f"{file.absolute()} is locked by a password ({locked[0]}); unpack it and give the folder"
        )

    def items(positions: Sequence[int]) -> Iterator[Item]:
        with zipfile.ZipFile(file) as archive:
            for place in positions:
                yield _item(file, names[place], partial(archive.read, names[place]))

    return Collection(len(names), items, left_out)


def _tarred(file: Path) -> Collection:
    """The images in the order in which they lie there: a compressed archive is read from its start."""
    with tarfile.open(file) as archive:
        members = archive.getmembers()
    last = {member.name: place for place, member in enumerate(members) if member.isfile()}
    names, left_out = members_in(sorted(last, key=lambda name: last[name]))
    left_out["links"] += sum(member.issym() or member.islnk() for member in members)

    def items(positions: Sequence[int]) -> Iterator[Item]:
        wanted = {last[names[place]] for place in positions}
        with tarfile.open(file) as archive:
            for place, member in enumerate(archive):
                if place in wanted:
                    yield _item(file, member.name, partial(_member, archive, member))

    return Collection(len(names), items, left_out)


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    return b"" if opened is None else opened.read()


def _item(file: Path, name: str, read: Callable[[], bytes]) -> Item:
    """One member; what is wrong with it is told where it would be decoded."""
    label = f"{name} of {file.absolute()}"
    try:
        return Item(label, read())
    except Exception as error:  # of sums, of packing methods
        return Item(label, error)
