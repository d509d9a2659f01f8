"""The preparation of a study: all that is slow before its first step (images, weights, real statistics).

``ttur prepare`` does it ahead of time on a node; ``launch --dry-run`` says what it would do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainables.data.errors import DataError
from trainables.data.images import ImageData, image_folder, load_images, prepare_images
from trainables.data.sources import find_source
from trainables.data.store import Progress, Report, silent
from trainables.scores.extractor import (
    downloads,
    fetch_weights,
    missing_package,
    needs_download,
)
from trainables.scores.scorer import build_scorer
from trainables.settings.base import Contents
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings

Action = Literal["download", "fetch by hand", "install", "convert"]


@dataclass(frozen=True)
class Need:
    """One thing that a study needs on a node.

    Attributes:
        what: What it is (``cifar10, train``; ``weights of inception``).
        action: How it comes about.
        source: Where it comes from.
        megabytes: Size of a download; None if unknown or nothing is downloaded.
        present: Whether it is there already.
    """

    what: str
    action: Action
    source: str
    megabytes: int | None
    present: bool

    @property
    def sentence(self) -> str:
        """The need in words: ``download cifar10, train (170 MB) from …``."""
        size = f" ({self.megabytes} MB)" if self.megabytes is not None else ""
        return f"{self.action} {self.what}{size} from {self.source}"


def prepare_plan(data: DataSettings, score: ScoreSettings | None, cache: Path) -> list[Need]:
    """Says what :func:`prepare` would fetch and convert, without doing it.

    Raises:
        DataError: A path of the user's is not there.
    """
    source = find_source(data, cache)
    converted = image_folder(data, source, cache).exists()
    label = ", ".join(part for part in (data.name, data.stated_split) if part)
    needs = []
    if source.origin is not None and source.root is not None:
        there = source.present or converted
        by_hand = data.row is not None and data.row.how == "by hand"
        action: Action = "fetch by hand" if by_hand else "download"
        needs.append(Need(label, action, source.origin, source.megabytes, there))
    place = source.origin if source.root is None else source.root
    needs.append(Need(label, "convert", str(place), None, converted))
    return needs if score is None else [*needs, *_score_needs(score, cache)]


def _score_needs(score: ScoreSettings, cache: Path) -> list[Need]:
    for field in ("weights", "statistics"):
        path = getattr(score, field)
        if path is not None and not Path(path).is_file():
            raise DataError(f"score.{field} is {path!r}, which is not a file; check the path")
    needs = []
    command = missing_package(score)
    if command is not None:
        needs.append(Need(f"the extractor {score.extractor}", "install", command, None, False))
    if not downloads(score):
        return needs
    size, there = score.row.megabytes, not needs_download(score, cache)
    weights = Need(f"weights of {score.extractor}", "download", score.row.source, size, there)
    return [*needs, weights]


def prepare(
    data: DataSettings,
    score: ScoreSettings | None,
    cache: Path,
    device: str = "cpu",
    report: Report = silent,
) -> ImageData:
    """Downloads, checks and converts the images, fetches the weights, computes the real statistics.

    What is there already is kept, so that calling it again costs nothing.

    Args:
        data: The images.
        score: How they will be scored; None prepares the images alone.
        cache: Folder of this node.
        device: Where the features of the real images are extracted: ``cpu``, ``cuda``.
        report: Told what is being done and how far it is.

    Raises:
        DataError: Something cannot be fetched or used; the message says what and why.
    """
    images = prepare_images(data, cache, report)
    if score is not None:
        if needs_download(score, cache):
            report(Progress(f"downloading weights of {score.extractor}", 0, 0))
        fetch_weights(score, cache)
        build_scorer(score, images, cache, device, report)
    return images


def contents(
    data: DataSettings, score: ScoreSettings | None, cache: Path, report: Report = silent
) -> Contents:
    """Converts the images, which must be here, and says what they are; weights are left alone.

    Raises:
        DataError: The images, or the statistics to compare with, are missing or cannot be used.
    """
    images = load_images(data, cache, report)
    fingerprints = {"data": images.fingerprint}
    if score is not None and score.statistics is not None:
        fingerprints["score.statistics"] = hashlib.sha256(
            Path(score.statistics).read_bytes()
        ).hexdigest()
    return Contents(len(images.images), "images", images.left_out, fingerprints)
