"""Puts a study's report into MLflow: an artifact of each arm's run."""

from __future__ import annotations

import shutil
from pathlib import Path

from study.tracking.moved import local_files
from study.tracking.query import arm_runs
from study.tracking.reading import open_store
from study.tracking.store import writing


def publish_report(study: str, page: Path, *, tracking_uri: str) -> int:
    """Puts a report into the runs of a study's arms; an older one is replaced.

    Args:
        study: Name of the study.
        page: The page.
        tracking_uri: MLflow tracking URI.

    Returns:
        How many runs have it.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: MLflow, or where it keeps files, could not be reached or refused.
    """
    found = arm_runs(study, tracking_uri=tracking_uri)
    with writing(tracking_uri, "the report"):
        for run in found:
            # MLflow would copy it to a folder of this machine as well, but takes seconds to be imported.
            if (folder := local_files(tracking_uri, run.run_id, run.artifacts)) is not None:
                _copy(page, folder)
            else:
                open_store(tracking_uri, study).log_artifact(run.run_id, str(page))
    return len(found)


def _copy(page: Path, folder: Path) -> None:
    """Copies a page into a folder, where at any time an older one or the new one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{page.name}.new"
    shutil.copyfile(page, new)
    new.replace(folder / page.name)
