"""The files of runs: which of a trial's files MLflow is to have, and sending those that it lacks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from study.tracking.files import SampleFile, generators_of, samples_of, texts_of
from study.tracking.private import remove_files
from study.tracking.store import TrackingError, without_credentials
from trainables.kept import steps_to_keep
from trainables.trial_files import ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from study.trial import TrialRecord

logger = logging.getLogger(__name__)

Wanted = dict[str, list[SampleFile]]
"""The files that a run is to have, by folder."""

There = dict[str, dict[str, int]]
"""The size in bytes of each file that a run has, by folder and name; without the folders not looked at."""


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
    found = {"samples": samples_of(record.folder)}
    if generators:
        found["generator"] = generators_of(record.folder, steps_to_keep(record.measurements))
    found = {folder: files for folder, files in found.items() if files}
    if record.outcome is not None and record.folder:
        # Also if there are none: the run may have the error of an earlier try.
        found[""] = texts_of(record.folder)
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
