"""Files of trials and runs: what MLflow is given of a trial's folder, and what is read back of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from study.tracking import words
from study.tracking.moved import carried_to
from study.tracking.reading import StudyNotFound, open_store, own
from study.tracking.store import client, failures, runs, unreadable
from study.trial import TrialRecord
from trainables.kept import generator_name
from trainables.trial_files import ERROR, LOG

if TYPE_CHECKING:
    from mlflow.entities import Run


FOLDER = "samples"
"""Where a trial keeps them, below its own folder."""


@dataclass(frozen=True)
class SampleFile:
    """One file of samples: its name, its size in bytes, and where it is."""

    name: str
    size: int
    path: str
    filesystem: AbstractFileSystem

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Gives the file under its own name in a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="ttur-samples-") as folder:
            copy = Path(folder) / self.name
            self.filesystem.get_file(self.path, str(copy))
            yield copy


def samples_of(folder: str) -> list[SampleFile]:
    """The files of samples in a trial's folder, by name; none if it has no such folder."""
    return _files(folder, FOLDER)


def generators_of(folder: str, steps: Collection[int]) -> list[SampleFile]:
    """The generators that a trial keeps of the evaluations at these steps."""
    names = {generator_name(step) for step in steps}
    return [file for file in _files(folder, "") if file.name in names]


def texts_of(folder: str) -> list[SampleFile]:
    """What a trial printed, and the traceback of one that failed."""
    return [file for file in _files(folder, "") if file.name in (LOG, ERROR)]


def _files(folder: str, below: str) -> list[SampleFile]:
    if not folder:
        return []
    filesystem, path = url_to_fs(folder)
    try:
        listed = filesystem.ls(str(PurePosixPath(path) / below), detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = [
        SampleFile(PurePosixPath(entry["name"]).name, entry["size"], entry["name"], filesystem)
        for entry in listed
        if entry["type"] == "file"
    ]
    # Names that begin with a dot are files in the making, by the writer's convention.
    return sorted((file for file in files if file.name[0] != "."), key=lambda file: file.name)


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
        arms = list(runs(store, experiment.experiment_id, condition))
        found = [run for run in arms if _listed(tracking_uri, run)]
        return _read(tracking_uri, found[-1], "spec.yaml").decode() if found else None
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def code_of(study: str, *, tracking_uri: str) -> str:
    """The version of the code that published a study; "" if that is not known.

    Raises:
        TrackingError: The store could not be read.
    """
    try:
        experiment = open_store(tracking_uri, study).get_experiment_by_name(study)
    except failures() as error:
        raise unreadable(tracking_uri, error) from None
    return str(experiment.tags.get(words.CODE_VERSION, "")) if experiment else ""


def samples_of_run(row: TrialRecord, *, tracking_uri: str) -> dict[str, bytes]:
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
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def _listed(uri: str, run: Run, folder: str = "") -> list[str]:
    """The artifacts of a run in a folder, each by its path below those of the run."""
    carried = carried_to(uri, run)
    if carried is None:
        found = client(uri).list_artifacts(run.info.run_id, folder or None)
        return [file.path for file in found]
    there = carried / folder
    return [f"{folder}/{file.name}".lstrip("/") for file in there.glob("*")]


def _read(uri: str, run: Run, path: str) -> bytes:
    carried = carried_to(uri, run)
    if carried is not None:
        return (carried / path).read_bytes()
    with tempfile.TemporaryDirectory(prefix="ttur-report-") as folder:
        store = client(uri)
        return Path(store.download_artifacts(run.info.run_id, path, folder)).read_bytes()
