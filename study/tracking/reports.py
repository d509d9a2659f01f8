"""Puts a study's report into MLflow: an artifact of each arm's run."""

from __future__ import annotations

from pathlib import Path

from study.tracking import words
from study.tracking.reading import open_store, own
from study.tracking.store import runs, writing


def publish_report(study: str, page: Path, *, tracking_uri: str) -> int:
    """Puts a report into the runs of a study's arms; an older one is replaced.

    Args:
        study: Name of the study.
        page: The page.
        tracking_uri: MLflow tracking URI.

    Returns:
        How many runs have it.

    Raises:
        StudyNotFound: There is no such SQLite file, or an empty one.
        TrackingError: MLflow, or where it keeps files, could not be reached or refused.
    """
    store = open_store(tracking_uri, study)
    with writing(tracking_uri, "the report"):
        experiment = store.get_experiment_by_name(study)
        if experiment is None:  # deleted since it was read
            return 0
        condition = own(experiment, f"tags.{words.KIND} = '{words.KIND_ARM}'")
        found = list(runs(store, experiment.experiment_id, condition))
        for run in found:
            store.log_artifact(run.info.run_id, str(page))
    return len(found)
