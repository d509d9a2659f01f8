"""Files of trials and runs: what MLflow is given of a trial's folder, and what is read back of a run."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from study.tracking import query, tables, words
from study.tracking.moved import local_files
from study.tracking.private import remove_files
from study.tracking.reading import StudyNotFound, open_store, tags_of
from study.tracking.store import (
    TrackingError,
    client,
    failures,
    unreadable,
    without_credentials,
)
from study.trial import TrialRecord
from trainables.folder import ERROR, LOG
from trainables.kept import generator_name, steps_to_keep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from study.trial import TrialRecord


SPEC = "spec.yaml"
"""The artifact of an arm's run that has the spec."""

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
        arms = query.arm_runs(study, tracking_uri=tracking_uri)
    except StudyNotFound:
        return None
    try:
        places = [
            _Place(tracking_uri, arm.run_id, arm.artifacts)
            for arm in sorted(arms, key=lambda run: run.started)
        ]
        # An arm's run whose files were lost may have got a report since.
        found = [place for place in places if SPEC in place.listed()]
        return found[-1].read(SPEC).decode() if found else None
    except OSError as error:
        raise unreadable(tracking_uri, error) from None
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def code_of(study: str, *, tracking_uri: str) -> str:
    """The version of the code that published a study; "" if that is not known.

    Raises:
        TrackingError: The store could not be read.
    """
    try:
        return str(tags_of(study, tracking_uri=tracking_uri).get(words.CODE_VERSION, ""))
    except StudyNotFound:
        return ""


def samples_of_run(row: TrialRecord, *, tracking_uri: str) -> dict[str, bytes]:
    """The samples of a trial at its best evaluation, by file name; of the last, if those are gone.

    Raises:
        TrackingError: The store could not be read.
        OSError: A file is out of reach.
    """
    try:
        place = _place_of(row, tracking_uri)
        paths = place.listed(FOLDER)
        by_suffix: dict[str, str] = {}
        for path in sorted(path for path in paths if not path.endswith(".json")):
            suffix = PurePosixPath(path).suffix
            # Steps are written with leading zeros, so that the order of names is that of steps.
            chosen = PurePosixPath(by_suffix.get(suffix, "")).stem.endswith(f"-{row.step or 0:08d}")
            if not chosen:
                by_suffix[suffix] = path
        return {PurePosixPath(path).name: place.read(path) for path in by_suffix.values()}
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def _place_of(row: TrialRecord, uri: str) -> _Place:
    """Where the files of a trial's run are."""
    run_id = row.mlflow_run_id or ""
    # MLflow reads all that a run has measured to say where its files are.
    there = tables.read(uri, lambda t: t.artifacts(run_id))
    if there is None:
        there = str(open_store(uri, row.study).get_run(run_id).info.artifact_uri)
    return _Place(uri, run_id, there)


@dataclass(frozen=True)
class _Place:
    """Where the files of a run are.

    Attributes:
        uri: The tracking URI.
        run_id: The run.
        artifacts: Where its artifacts are, as MLflow has it.
    """

    uri: str
    run_id: str
    artifacts: str

    def listed(self, folder: str = "") -> list[str]:
        """The artifacts in a folder, each by its path below those of the run."""
        if (local := self._local) is None:
            found = client(self.uri).list_artifacts(self.run_id, folder or None)
            return [file.path for file in found]
        return [f"{folder}/{file.name}".lstrip("/") for file in (local / folder).glob("*")]

    def read(self, path: str) -> bytes:
        """The content of an artifact."""
        if (local := self._local) is not None:
            return (local / path).read_bytes()
        with tempfile.TemporaryDirectory(prefix="ttur-report-") as folder:
            store = client(self.uri)
            return Path(store.download_artifacts(self.run_id, path, folder)).read_bytes()

    @property
    def _local(self) -> Path | None:
        return local_files(self.uri, self.run_id, self.artifacts)


logger = logging.getLogger(__name__)

Wanted = dict[str, list[SampleFile]]
"""The files that a run is to have, by folder."""

There = dict[str, dict[str, int]]
"""The size in bytes of each file that a run has, by folder and name; without the folders not looked at."""


_SAMPLES, _GENERATOR, _TEXTS = "samples", "generator", ""
"""The folders of a run's files."""


def none_there() -> There:
    """What a run has that was made just now, so that nobody need ask for it."""
    return {folder: {} for folder in (_SAMPLES, _GENERATOR, _TEXTS)}


class FilesLacking(TrackingError):
    """A run is up to date in MLflow but for its files: the store of the artifacts did not take them.

    Attributes:
        run_id: The run.
    """

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


def wanted(record: TrialRecord, generators: bool) -> Wanted:
    """The samples of a trial; of one that ended its log and error too.

    Args:
        record: The trial.
        generators: Whether also the generators that it keeps.
    """
    found = {_SAMPLES: samples_of(record.folder)}
    if generators:
        found[_GENERATOR] = generators_of(record.folder, steps_to_keep(record.measurements))
    found = {folder: files for folder, files in found.items() if files}
    if record.outcome is not None and record.folder:
        # Also if there are none: the run may have the error of an earlier try.
        found[_TEXTS] = texts_of(record.folder)
    return found


def lacks(files: Wanted, there: There) -> bool:
    """Whether a run lacks any of the files, as far as is known without asking."""
    return any(_missing(some, there.get(folder, {})) for folder, some in files.items())


def send(client: MlflowClient, run_id: str, files: Wanted, there: There) -> None:
    """Sends the files that MLflow does not have in that size, and notes them as there.

    The error of a trial that failed, was run again and then ended well goes.
    """
    for folder, some in files.items():
        if folder not in there:
            listed = client.list_artifacts(run_id, folder or None)
            there[folder] = {Path(entry.path).name: entry.file_size or 0 for entry in listed}
        for file in _missing(some, there[folder]):
            with file.local_copy() as path:
                client.log_artifact(run_id, str(path), folder or None)
            there[folder][file.name] = file.size
        if not folder and ERROR in there[folder] and ERROR not in {file.name for file in some}:
            _remove_error(client, run_id)
            del there[folder][ERROR]


def _remove_error(client: MlflowClient, run_id: str) -> None:
    try:
        remove_files(client, run_id, ERROR)
    except Exception as error:  # a server may let nobody delete: a launch must not wait for that
        logger.warning(
            "%s of an earlier try could not be removed from MLflow's run %s: %s",
            ERROR,
            run_id,
            without_credentials(str(error)),
        )


def _missing(files: Sequence[SampleFile], there: Mapping[str, int]) -> list[SampleFile]:
    return [file for file in files if there.get(file.name) != file.size]
