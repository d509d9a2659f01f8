"""The log of a trial: the first and the last of what its process prints, kept in its folder.

Taken at the file descriptors, so that what libraries write from C is there too, and passed on to where it
would have gone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from trainables.folder import LOG, Folder

HEAD_BYTES = 32 * 1024
TAIL_BYTES = 96 * 1024
WRITE_SECONDS = 15.0
"""Least time between two writes of what a trial printed, evaluations and its end aside."""


class Capped:
    """The first and the last bytes of what is added to it."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._left_out = 0

    def add(self, content: bytes, left_out: int = 0) -> None:
        """Adds bytes, after so many that are not there any more."""
        if not left_out:
            room = HEAD_BYTES - len(self._head)
            self._head, content = self._head + content[:room], content[room:]
        tail = self._tail + content
        self._left_out += left_out + max(0, len(tail) - TAIL_BYTES)
        self._tail = tail[-TAIL_BYTES:]

    @property
    def content(self) -> bytes:
        """All that is kept, with a line on what is not."""
        gap = f"\n[… {self._left_out} bytes are left out here …]\n" if self._left_out else ""
        return self._head + gap.encode() + self._tail


class Printed:
    """What one trial's process prints.

    Args:
        location: The trial's folder. What an earlier process of the trial left there is kept.
    """

    def __init__(self, location: str) -> None:
        self._location = location
        self._kept: Capped | None = None
        self._written = 0.0
        self._new = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Takes what is printed inside; nothing is written to the folder yet."""
        with tempfile.TemporaryFile() as file:
            try:
                with _redirected(file):
                    yield
            finally:
                self._take(file)

    def write(self, at_once: bool = True) -> None:
        """Brings the file in the folder up to date; a disk that is full costs the log, not the trial.

        Args:
            at_once: Also if the last time was just now.
        """
        now = time.monotonic()
        if not self._new or not (at_once or now - self._written >= WRITE_SECONDS):
            return
        self._written = now
        with suppress(OSError):
            Folder(self._location).write(LOG, self._all.content)
            self._new = False

    @property
    def _all(self) -> Capped:
        if self._kept is None:
            self._kept = Capped()
            with suppress(OSError):
                self._kept.add(Folder(self._location).read(LOG))
        return self._kept

    def _take(self, file: IO[bytes]) -> None:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        self._new = True
        file.seek(0)
        first = file.read(HEAD_BYTES)
        file.seek(max(len(first), size - TAIL_BYTES))
        left_out = file.tell() - len(first)
        last = file.read()
        self._all.add(first)
        self._all.add(last, left_out)
        with suppress(OSError):
            os.write(1, first + last)


@contextmanager
def _redirected(file: IO[bytes]) -> Iterator[None]:
    """Lets everything that this process prints go to a file."""
    saved = {}
    _flush()
    for number in _descriptors():
        with suppress(OSError):  # closed
            saved[number] = os.dup(number)
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, before in saved.items():
            os.dup2(before, number)
            os.close(before)


def _descriptors() -> set[int]:
    found = {1, 2}
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # replaced, or closed
            found.add(stream.fileno())
    return found


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
