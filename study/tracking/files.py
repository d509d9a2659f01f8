"""Files of runs, read back from MLflow: the spec of a study and the samples of a trial."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from study.tracking import store as words
from study.tracking.moved import carried_to
from study.tracking.query import StudyNotFound, open_store, own
from study.trial import TrialRecord

if TYPE_CHECKING:
    from mlflow.entities import Run


def spec_text(study: str, *, tracking_uri: str) -> str | None:
    """The spec of a study as YAML, or None if no arm of it has been published.

    Raises:
        TrackingError: The store could not be read.
    """
    try:
        store = open_store(tracking_uri, study)
    except StudyNotFound:
        return None
    try:
        experiment = store.get_experiment_by_name(study)
        if experiment is None:
            return None
        condition = own(experiment, f"tags.{words.KIND} = '{words.KIND_ARM}'")
        arms = list(words.runs(store, experiment.experiment_id, condition))
        found = [run for run in arms if _listed(tracking_uri, run)]
        return _read(tracking_uri, found[-1], "spec.yaml").decode() if found else None
    except words.failures() as error:
        raise words.unreadable(tracking_uri, error) from None


def samples(row: TrialRecord, *, tracking_uri: str) -> dict[str, bytes]:
    """The samples of a trial at its best evaluation, by file name; of the last, if those are gone.

    Raises:
        TrackingError: The store could not be read.
    """
    store, run_id = open_store(tracking_uri, row.study), row.mlflow_run_id or ""
    try:
        run = store.get_run(run_id)
        paths = _listed(tracking_uri, run, "samples")
        by_suffix: dict[str, str] = {}
        for path in sorted(path for path in paths if not path.endswith(".json")):
            suffix = PurePosixPath(path).suffix
            # Steps are written with leading zeros, so that the order of names is that of steps.
            chosen = PurePosixPath(by_suffix.get(suffix, "")).stem.endswith(f"-{row.step or 0:08d}")
            if not chosen:
                by_suffix[suffix] = path
        return {
            PurePosixPath(path).name: _read(tracking_uri, run, path) for path in by_suffix.values()
        }
    except words.failures() as error:
        raise words.unreadable(tracking_uri, error) from None


def _listed(uri: str, run: Run, folder: str = "") -> list[str]:
    """The artifacts of a run in a folder, each by its path below those of the run."""
    carried = carried_to(uri, run)
    if carried is None:
        found = words.client(uri).list_artifacts(run.info.run_id, folder or None)
        return [file.path for file in found]
    there = carried / folder
    return [f"{folder}/{file.name}".lstrip("/") for file in there.glob("*")]


def _read(uri: str, run: Run, path: str) -> bytes:
    carried = carried_to(uri, run)
    if carried is not None:
        return (carried / path).read_bytes()
    with tempfile.TemporaryDirectory(prefix="ttur-report-") as folder:
        store = words.client(uri)
        return Path(store.download_artifacts(run.info.run_id, path, folder)).read_bytes()
