"""A trial's folder: named files on a local disk, a shared disk or an object store.

Writes are atomic: a reader sees the old file or the new one, never a part of one. On a disk the bytes are
forced out before the name changes, so that this also holds when the machine goes down.
"""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from trainables.protocol import Measurement, one_a_step

_PARTIAL = ".partial"


class Folder:
    """Files below one location.

    Args:
        location: A path or an fsspec URI (``s3://bucket/studies/…``); made when something is written.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self._files: Any
        self._files, self._root = fsspec.url_to_fs(location)
        self._local = "file" in (
            (self._files.protocol,)
            if isinstance(self._files.protocol, str)
            else tuple(self._files.protocol)
        )

    def write(self, name: str, content: bytes) -> None:
        """Writes a file whole, or leaves what was there.

        Raises:
            OSError: The file could not be written (no space, no permission); nothing was changed.
        """
        path = posixpath.join(self._root, name)
        if not self._local:
            self._files.pipe_file(path, content)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two hosts on a shared disk may well have processes of the same number.
        partial = target.with_name(f".{target.name}.{os.getpid()}-{uuid.uuid4().hex}{_PARTIAL}")
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def append(self, name: str, content: bytes) -> None:
        """Adds to the end of a file; on an object store the file is written anew."""
        if not self._local:
            self.write(name, (self.read(name) if self.exists(name) else b"") + content)
            return
        target = Path(posixpath.join(self._root, name))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            file.write(content)

    def remove_partial(self) -> None:
        """Removes what writers that were killed left half written; nobody else may be writing."""
        for name in self.names():
            if name.startswith(".") and name.endswith(_PARTIAL):
                self.remove(name)

    def read(self, name: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            FileNotFoundError: There is no such file.
        """
        content: bytes = self._files.cat_file(posixpath.join(self._root, name))
        return content

    def exists(self, name: str) -> bool:
        """Tells whether a file is there."""
        return bool(self._files.exists(posixpath.join(self._root, name)))

    def names(self) -> list[str]:
        """Returns the names of the files directly in the folder, sorted; none if it does not exist."""
        try:
            entries = self._files.ls(self._root, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(posixpath.basename(str(entry)) for entry in entries)

    def below(self) -> list[str]:
        """Returns the relative paths of all files in the folder and its sub-folders; none if it is gone.

        On an object store that is one listing, however many sub-folders there are.
        """
        try:
            found = self._files.find(self._root)
        except FileNotFoundError:
            return []
        return sorted(posixpath.relpath(str(each), self._root) for each in found)

    def remove(self, name: str) -> None:
        """Removes a file; it may be gone already."""
        try:
            self._files.rm_file(posixpath.join(self._root, name))
        except FileNotFoundError:
            return

    def remove_all(self) -> None:
        """Removes the folder and all that is below it; it may be gone already."""
        try:
            self._files.rm(self._root, recursive=True)
        except FileNotFoundError:
            return


MEASUREMENTS = "measurements.jsonl"
"""The evaluations, a line each, in the order in which they were taken."""

LOG = "log.txt"
"""What the trial's processes printed, the first of it and the last."""

ERROR = "error.txt"
"""The whole traceback of a trial that failed."""


def sample_name(name: str, step: int) -> str:
    """Where an artifact of a trial lies in its folder.

    A sample (``samples.png``) is kept for every evaluation, with its step in the name; facts
    (``score.json``) are the same at each and kept once.
    """
    path = PurePosixPath(name)
    stem = path.stem if path.suffix == ".json" else f"{path.stem}-{step:08d}"
    return f"samples/{stem}{path.suffix}"


def read_measurements(folder: str) -> list[Measurement]:
    """Reads the evaluations that a trial left in its folder; a torn last line is left out.

    Of two at one step (a worker that was being cut off may have added one) the later one counts; see
    :func:`trainables.protocol.one_a_step`.
    """
    try:
        content = Folder(folder).read(MEASUREMENTS)
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    return one_a_step(Measurement.from_json(json.loads(line)) for line in whole.splitlines())


def line_of(measurement: Measurement) -> bytes:
    """An evaluation as a line of that file."""
    return json.dumps(measurement.to_json(), separators=(",", ":")).encode() + b"\n"


def write_error(folder: str, traceback: str) -> None:
    """Keeps the traceback of a trial that failed.

    Raises:
        OSError: It could not be written.
    """
    Folder(folder).write(ERROR, traceback.encode())


def remove_error(folder: str) -> None:
    """Removes the traceback of a trial that is run again."""
    Folder(folder).remove(ERROR)


def read_text(folder: str, name: str) -> str | None:
    """Reads the log or the traceback of a trial; None if there is none."""
    try:
        return Folder(folder).read(name).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
