"""The files that show where a trial stands (sample grids), read from its folder wherever that is.

The folder is a path or an fsspec URI: the trial wrote it on whichever node it ran on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

FOLDER = "samples"
"""Where a trial keeps them, below its own folder."""


@dataclass(frozen=True)
class SampleFile:
    """One file of samples: its name, its size in bytes, and where it is."""

    name: str
    size: int
    path: str
    filesystem: AbstractFileSystem

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Gives the file under its own name in a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="ttur-samples-") as folder:
            copy = Path(folder) / self.name
            self.filesystem.get_file(self.path, str(copy))
            yield copy


def samples_of(folder: str) -> list[SampleFile]:
    """The files of samples in a trial's folder, by name; none if it has no such folder."""
    if not folder:
        return []
    filesystem, path = url_to_fs(folder)
    try:
        listed = filesystem.ls(str(PurePosixPath(path) / FOLDER), detail=True)
    except FileNotFoundError:
        return []
    files = [
        SampleFile(PurePosixPath(entry["name"]).name, entry["size"], entry["name"], filesystem)
        for entry in listed
        if entry["type"] == "file"
    ]
    # Names that begin with a dot are files in the making, by the writer's convention.
    return sorted((file for file in files if file.name[0] != "."), key=lambda file: file.name)
