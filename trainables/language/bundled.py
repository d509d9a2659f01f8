"""The text that every installation has: Python's language reference, for trials that need no download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

from trainables.data import store


def lines() -> Iterator[str]:
    """Yields its lines without blank ones."""
    stripped = (line.strip() for topic in topics.values() for line in topic.splitlines())
    return filter(None, stripped)


def written(cache: Path) -> Path:
    """Returns a file with its lines, writing it if it is not there."""
    file = path_in(cache)
    with store.locked(file):
        if not file.exists():
            content = "\n".join(lines()).encode()
            store.write_atomically(file, lambda path: path.write_bytes(content))
    return file


def path_in(cache: Path) -> Path:
    """Where that file is, or will be."""
    return cache / "raw" / "pydoc.txt"
