"""Writes the report of a study: the page, and figures and tables for a paper.

Everything is read from MLflow, so a report can be made on any machine, and while the study runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study.page.contents import Contents, gather
from study.page.render import render
from study.results.comparison import Comparison
from study.tracking.reading import StudyNotFound
from study.tracking.reports import publish_report, put
from study.tracking.store import TrackingError

PAGE = "report.html"


def write(contents: Contents, folder: Path) -> Path:
    """Writes the page of a study; returns its path.

    Args:
        contents: What it shows.
        folder: Where ``report.html`` goes; made if need be, an older page in it is replaced at once.
    """
    path = folder / PAGE
    put(render(contents).encode("utf-8"), path)
    return path


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written.

    Attributes:
        page: The page.
        figures: Files for a paper.
        unpublished: Why MLflow does not have the page, as a sentence; None if it has.
    """

    page: Path
    figures: Sequence[Path] = ()
    unpublished: str | None = None


def report(
    study: str,
    *,
    tracking_uri: str,
    folder: Path,
    cache: str | None = None,
    figures: Path | None = None,
) -> Report:
    """Reads a study, writes its page, and puts it into MLflow as ``report.html`` of each arm's run.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.
        folder: Where the page goes.
        cache: Folder of this machine for prepared data, which real samples are taken from.
        figures: Where figures and a table for a paper go; None: none are made.

    Raises:
        StudyNotFound: The store has no study of this name, or it has no trial yet.
        TrackingError: The store could not be read.
    """
    contents = gather(study, tracking_uri=tracking_uri, cache=cache)
    page = write(contents, folder)
    made: Sequence[Path] = ()
    if figures is not None:
        from study.page import paper

        made = paper.write(contents, figures)
    return Report(page=page, figures=made, unpublished=published(study, page, tracking_uri))


def log(
    study: str, *, tracking_uri: str, cache: str | None = None
) -> tuple[Comparison, str | None]:
    """Puts the page of a study into MLflow, and leaves nothing here.

    Returns:
        What the page says, and why MLflow does not have it, as a sentence; None if it has.

    Raises:
        StudyNotFound: The store has no study of this name, or it has no trial yet.
        TrackingError: The store could not be read.
    """
    contents = gather(study, tracking_uri=tracking_uri, cache=cache)
    with tempfile.TemporaryDirectory(prefix="ttur-report-") as folder:
        return contents.comparison, published(study, write(contents, Path(folder)), tracking_uri)


def published(study: str, page: Path, tracking_uri: str) -> str | None:
    """Puts a page into MLflow; why that could not be done, or None."""
    try:
        publish_report(study, page, tracking_uri=tracking_uri)
    except (TrackingError, StudyNotFound, OSError) as error:
        return f"MLflow has not got the report: {error}"
    return None
