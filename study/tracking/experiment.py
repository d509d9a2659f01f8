"""One study's MLflow experiment and its runs: finding and making them, each safe to repeat.

Used by tracking alone, which says what the runs hold.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from study.faults import point
from study.tracking import store as words
from study.tracking.content import RUNNING, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Run

_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE")
"""Codes with which MLflow answers a write to a run or experiment that is gone or deleted."""


def is_gone(error: Exception) -> bool:
    """Whether MLflow raised this because a run or an experiment is not there (any more)."""
    return getattr(error, "error_code", None) in _GONE


class Experiment:
    """The experiment of one study, opened and made when it is first needed.

    Args:
        uri: MLflow tracking URI.
        artifacts: Where a new experiment keeps its artifacts; None leaves it to the server.
        study: Name of the study, which is the experiment's name.
    """

    def __init__(self, uri: str, artifacts: str | None, study: str) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._study = study
        self._id: str | None = None

    @cached_property
    def client(self) -> MlflowClient:
        """The store."""
        return words.client(self._uri)

    @property
    def id(self) -> str:
        """MLflow's id of the experiment, which is made if need be."""
        if self._id is None:
            self._id = self._find_or_make()
        return self._id

    def forget(self) -> None:
        """Looks the experiment up again when it is next needed."""
        self._id = None

    def runs(self, condition: str) -> Iterator[Run]:
        """All active runs that match, oldest first."""
        return words.runs(self.client, self.id, condition)

    def find(self, condition: str) -> Run | None:
        """The one run that matches; of several (a request repeated on the way) all but one go."""
        found = sorted(self.runs(condition), key=lambda run: (run.info.start_time, run.info.run_id))
        for duplicate in found[1:]:
            self.client.delete_run(duplicate.info.run_id)
        return found[0] if found else None

    def get(self, run_id: str) -> Run | None:
        """A run by its id, restored if somebody deleted it; None if the store has none."""
        try:
            run = self.client.get_run(run_id)
        except Exception as error:
            if not is_gone(error):
                raise
            return None
        if run.info.lifecycle_stage == "deleted":
            self.client.restore_run(run_id)
        return run

    def reopen(self, run_id: str) -> None:
        """Shows a run that had ended as running, without an end."""
        from mlflow.entities import RunStatus

        # MlflowClient.update_run sends the old end along, and no public call takes it away. In MLflow's
        # protocol 0 is an end that is not there.
        store = self.client._tracking_client.store
        store.update_run_info(run_id, RunStatus.from_string(RUNNING), end_time=0, run_name=None)

    def make(self, name: str, started: float, tags: dict[str, str], condition: str) -> str:
        """Makes a run and returns its id.

        Args:
            name: Its name.
            started: When it began, seconds since the epoch.
            tags: Its tags from the first instant on.
            condition: What finds it, and should a retried request have made two, both.
        """
        experiment = self.id
        point("run-creating")
        made = self.client.create_run(
            experiment, start_time=milliseconds(started), tags=tags, run_name=name
        )
        point("run-created")
        # A POST whose answer was lost is repeated on the way, and has then made two runs.
        kept = self.find(condition) if words.is_http(self._uri) else None
        return str(made.info.run_id if kept is None else kept.info.run_id)

    def _find_or_make(self) -> str:
        found = self.client.get_experiment_by_name(self._study)
        if found is None:
            place = self._artifacts
            if place is not None and "://" not in place:
                place = Path(place).resolve().as_uri()
            return self.client.create_experiment(self._study, artifact_location=place)
        if found.lifecycle_stage == "deleted":
            # A deleted experiment keeps its name, so restoring it is the only way to use the name.
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
