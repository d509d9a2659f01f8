"""The files of a trial that MLflow shows, wherever its folder is: samples, generators, log and error.

The folder is a path or an fsspec URI: the trial wrote it on whichever node it ran on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from trainables.kept import generator_name
from trainables.trial_files import ERROR, LOG

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
    return _files(folder, FOLDER)


def generators_of(folder: str, steps: Collection[int]) -> list[SampleFile]:
    """The generators that a trial keeps of the evaluations at these steps."""
    names = {generator_name(step) for step in steps}
    return [file for file in _files(folder, "") if file.name in names]


def texts_of(folder: str) -> list[SampleFile]:
    """What a trial printed, and the traceback of one that failed."""
    return [file for file in _files(folder, "") if file.name in (LOG, ERROR)]


def _files(folder: str, below: str) -> list[SampleFile]:
    if not folder:
        return []
    filesystem, path = url_to_fs(folder)
    try:
        listed = filesystem.ls(str(PurePosixPath(path) / below), detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = [
        SampleFile(PurePosixPath(entry["name"]).name, entry["size"], entry["name"], filesystem)
        for entry in listed
        if entry["type"] == "file"
    ]
    # Names that begin with a dot are files in the making, by the writer's convention.
    return sorted((file for file in files if file.name[0] != "."), key=lambda file: file.name)
