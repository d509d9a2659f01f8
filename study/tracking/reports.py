"""Puts a study's report into MLflow: an artifact of each arm's run."""

from __future__ import annotations

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
                put(page.read_bytes(), folder / page.name)
            else:
                open_store(tracking_uri, study).log_artifact(run.run_id, str(page))
    return len(found)


def put(page: bytes, path: Path) -> None:
    """Puts a page into its place, where at any time an older one or the new one is whole.

    Args:
        page: Its bytes.
        path: The place, whose folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(page)
    new.replace(path)
