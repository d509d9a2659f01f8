"""Builds the extractor that the settings name, and fetches what it needs ahead of time.

What there is to know of each is its row in :mod:`trainables.settings.extractors`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from trainables.references import load
from trainables.scores.extractor import Extractor
from trainables.settings.score import ScoreSettings


class Download(Protocol):
    """How the weights of an extractor come to this machine."""

    def missing(self, name: str, cache: Path) -> bool:
        """Whether they have yet to be fetched."""
        ...

    def fetch(self, name: str, cache: Path) -> None:
        """Fetches them; raises DataError if that fails."""
        ...


def build_extractor(settings: ScoreSettings, cache: Path, device: str) -> Extractor:
    """Builds an extractor on a device; its weights must be on this machine already.

    Raises:
        DataError: The weights or an optional package are missing; the message says what to do.
    """
    extractor: Extractor = load(settings.row.build)(settings, cache, device)
    return extractor


def needs_download(settings: ScoreSettings, cache: Path) -> bool:
    """Whether weights have to be fetched before :func:`build_extractor` can work."""
    download = _download(settings)
    return download is not None and download.missing(settings.extractor, cache)


def downloads(settings: ScoreSettings) -> bool:
    """Whether the weights are fetched on their own: not those of a file, or that come with the code."""
    return settings.row.weights is not None and settings.weights is None


def missing_package(settings: ScoreSettings) -> str | None:
    """The command that installs what the extractor needs, if it is not installed; else None."""
    row = settings.row
    installed = all(find_spec(module) is not None for module in row.modules)
    return None if installed else f"pip install 'ttur-study[{row.extra}]'"


def fetch_weights(settings: ScoreSettings, cache: Path) -> None:
    """Downloads the weights of an extractor, if need be.

    Raises:
        DataError: They cannot be downloaded, or a package is missing.
    """
    download = _download(settings)
    if download is not None and download.missing(settings.extractor, cache):
        download.fetch(settings.extractor, cache)


def _download(settings: ScoreSettings) -> Download | None:
    if not downloads(settings) or settings.row.weights is None:
        return None
    download: Download = load(settings.row.weights)
    return download
