"""The files of a folder that belong to a set of data, and how many others lie there, by reason."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath, PurePosixPath

from trainables.data.errors import DataError

HIDDEN = frozenset(
    {
        "@eadir",
        "__macosx",
        "$recycle.bin",
        "#recycle",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "desktop.ini",
    }
)
"""Names, in lower case, of what systems and file servers put into folders of their own accord."""

NOT_IMAGES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow knows by name and cannot turn into pixels without another program."""

_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Why a link leads to nothing."""

OLD_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".gif",
)
"""What was read of a folder by the earlier rules (``data.rules`` 1)."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        files: Those that are read, sorted by their paths relative to the folder.
        left_out: How many others there are, by reason, as words that follow a number: ``hidden``.
        rest: The others, but for those that are hidden.
    """

    files: list[Path]
    left_out: Counter[str] = field(default_factory=Counter)
    rest: list[Path] = field(default_factory=list)

    def others(self, suffix: str) -> list[Path]:
        """The files that are not read of which the name ends so, in lower case."""
        return [file for file in self.rest if file.suffix.lower() == suffix]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is not data: ``.git``, ``@eaDir``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in HIDDEN


@cache
def image_suffixes() -> frozenset[str]:
    """The ends of names, in lower case, that the installed Pillow reads as images."""
    from PIL import Image

    known = Image.registered_extensions()  # loads every plugin
    return frozenset(
        suffix
        for suffix, format_ in known.items()
        if format_ in Image.OPEN and format_ not in NOT_IMAGES
    )


def is_image(name: str) -> bool:
    """Whether a file is read as an image, by the end of its name."""
    return PurePath(name).suffix.lower() in image_suffixes()


def called(name: str) -> str:
    """What a file that is not read is counted as: by its suffix, ``.txt files``."""
    suffix = PurePath(name).suffix.lower()
    return f"{suffix} files" if suffix else "files without a suffix"


def files_in(folder: Path) -> Listing:
    """Lists all files of a folder and its sub-folders that are not hidden; links are followed.

    A folder that is reached twice is read once: at its own place if that is inside, else by the first of
    the links in the order of their paths. So a loop ends.

    Raises:
        DataError: A sub-folder cannot be looked into.
    """
    walk = _Walk()
    walk.enter(folder, hidden=False)
    while walk.links:
        walk.links.sort(reverse=True)
        link = walk.links.pop()
        if not walk.enter(link, hidden=False):
            walk.left_out["folders linked twice"] += 1
    return Listing(_sorted(walk.files, folder), walk.left_out)


class _Walk:
    """A walk through folders that remembers where it was."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.links: list[Path] = []
        self.left_out: Counter[str] = Counter()
        self._seen: set[tuple[int, int]] = set()

    def enter(self, folder: Path, *, hidden: bool) -> bool:
        """Walks through a folder; False if it was walked through before."""
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._seen:
                return False
            self._seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            if hidden:  # lost+found, say, which is for root alone
                self.left_out["hidden"] += 1
                return True
            raise _not_let_in(folder, error) from error
        for entry in found:
            self._take(entry, hidden or is_hidden(entry.name))
        return True

    def _take(self, entry: os.DirEntry[str], hidden: bool) -> None:
        if entry.is_dir(follow_symlinks=False):
            self.enter(Path(entry.path), hidden=hidden)
            return
        if hidden:
            self.left_out["hidden"] += 1
            return
        kind = _kind_of(entry)
        if kind is not None and stat.S_ISDIR(kind):
            self.links.append(Path(entry.path))
        elif kind is None or stat.S_ISREG(kind):  # a link to nothing is a broken file
            self.files.append(Path(entry.path))
        else:
            self.left_out["special files"] += 1


def _kind_of(entry: os.DirEntry[str]) -> int | None:
    """The mode of what an entry is or leads to; None of a link to nothing, or to itself in a circle."""
    try:
        return entry.stat().st_mode
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise _not_let_in(Path(entry.path), error) from error


def _not_let_in(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be looked into ({error.strerror}); let it be read, or move it away"
    )


def images_in(folder: Path) -> Listing:
    """Lists the images of a folder and its sub-folders, and counts what else is there.

    Raises:
        DataError: It is not a folder, or a sub-folder cannot be looked into.
    """
    require_folder(folder)
    everything = files_in(folder)
    files = [file for file in everything.files if is_image(file.name)]
    rest = [file for file in everything.files if not is_image(file.name)]
    others = Counter(called(file.name) for file in rest)
    return Listing(files, everything.left_out + others, rest)


def members_in(names: Iterable[str]) -> tuple[list[str], Counter[str]]:
    """As :func:`images_in`, for the names of an archive's files; returns them in their order."""
    taken: list[str] = []
    left_out: Counter[str] = Counter()
    for name in names:
        parts = PurePosixPath(name).parts
        if any(is_hidden(part) for part in parts if part != ".."):  # parts have no "."
            left_out["hidden"] += 1
        elif is_image(name):
            taken.append(name)
        else:
            left_out[called(name)] += 1
    return taken, left_out


def old_images_in(folder: Path) -> Listing:
    """The images of a folder by the earlier rules: few formats, no links to folders, hidden folders too."""
    require_folder(folder)
    files = [
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(OLD_SUFFIXES) and not name.startswith(".")
    ]
    return Listing(_sorted(files, folder))


def require_folder(folder: Path) -> None:
    """Refuses a path that is not a folder.

    Raises:
        DataError: It is not.
    """
    if not folder.is_dir():
        raise DataError(
            f"data.path is {str(folder.absolute())!r}, which is not a folder; check the path"
        )


def _sorted(files: list[Path], folder: Path) -> list[Path]:
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())
