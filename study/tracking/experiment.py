"""One study's MLflow experiment and its runs: finding and making them, each safe to repeat.

Used by tracking alone, which says what the runs hold.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from study.ground.faults import point
from study.tracking import moved, words
from study.tracking.content import milliseconds
from study.tracking.ownership import Owner, adopt, experiment_of
from study.tracking.private import run_again
from study.tracking.store import client, is_http, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow import MlflowClient, entities
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

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
        owner: Whose it is: nobody else's is touched.
        opened: Told, each time that it is opened, what tells it from any other, in this store and in
            others: an emptied store has another one of the same name.
    """

    def __init__(
        self,
        uri: str,
        artifacts: str | None,
        owner: Owner,
        opened: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._owner = owner
        self._opened = opened
        self._id: str | None = None

    @cached_property
    def client(self) -> MlflowClient:
        """The store."""
        return client(self._uri)

    @property
    def id(self) -> str:
        """MLflow's id of the experiment, which is made if need be.

        Raises:
            UserError: Its name is somebody else's.
        """
        if self._id is None:
            found = self._find_or_make()
            identity = str(found.experiment_id)
            moved.settle(self._uri, self._artifacts, identity)
            self._opened(f"{identity}@{found.creation_time}")
            self._id = identity
        return self._id

    def forget(self) -> None:
        """Looks the experiment up again when it is next needed."""
        self._id = None

    def runs(self, condition: str) -> Iterator[Run]:
        """All active runs of the owner that match, oldest first."""
        own = f"{condition} and tags.{words.RECORD} = '{self._owner.record}'"
        return runs(self.client, self.id, own)

    def find(self, condition: str) -> Run | None:
        """The one run that matches; of several (a request repeated on the way) all but one go.

        Such have the same start. Another start is that of another copy of the home, whose run it is.
        """
        found = sorted(self.runs(condition), key=lambda run: (run.info.start_time, run.info.run_id))
        for duplicate in found[1:]:
            if duplicate.info.start_time == found[0].info.start_time:
                self.client.delete_run(duplicate.info.run_id)
        return found[0] if found else None

    def get(self, run_id: str) -> Run | None:
        """One of the owner's runs by its id, restored if somebody deleted it; None if it is not there."""
        experiment = self.id
        try:
            run = self.client.get_run(run_id)
        except Exception as error:
            if not is_gone(error):
                raise
            return None
        holder = run.data.tags.get(words.RECORD)
        if run.info.experiment_id != experiment or holder not in (None, self._owner.record):
            return None
        if run.info.lifecycle_stage == "deleted":
            self.client.restore_run(run_id)
            logger.warning(
                "the run of %s was deleted in MLflow and is restored: its trial is in the record",
                run.data.tags.get(words.TRIAL, run_id),
            )
        if holder is None:  # of before records had identities: that its id is kept proves it
            self.client.set_tag(run_id, words.RECORD, self._owner.record)
        return run

    def reopen(self, run_id: str) -> None:
        """Shows a run that had ended as running, without an end."""
        run_again(self.client, run_id)

    def make(self, name: str, started: float, tags: dict[str, str], condition: str) -> str:
        """Makes a run and returns its id.

        Args:
            name: Its name.
            started: When it began, seconds since the epoch.
            tags: Its tags from the first instant on.
            condition: What finds it, and should a retried request have made two, both.
        """
        experiment = self.id
        tags = {**tags, words.RECORD: self._owner.record}
        point("run-creating")
        made = self.client.create_run(
            experiment, start_time=milliseconds(started), tags=tags, run_name=name
        )
        point("run-created")
        # A POST whose answer was lost is repeated on the way, and has then made two runs.
        kept = self.find(condition) if is_http(self._uri) else None
        return str(made.info.run_id if kept is None else kept.info.run_id)

    def _find_or_make(self) -> entities.Experiment:
        found = experiment_of(self.client, self._owner) or self._make_experiment()
        if found.lifecycle_stage == "deleted":
            # A deleted experiment keeps its name, so restoring it is the only way to use the name.
            self.client.restore_experiment(found.experiment_id)
            logger.warning(
                "the experiment of %s was in MLflow's trash, and is restored", found.name
            )
        if words.RECORD not in found.tags:
            adopt(self.client, found, self._owner)
        return found

    def _make_experiment(self) -> entities.Experiment:
        place = self._artifacts
        if place is not None and "://" not in place:
            place = Path(place).resolve().as_uri()
        study = self._owner.study
        tags = {words.STUDY: study, words.RECORD: self._owner.record}
        try:
            made = self.client.create_experiment(study, artifact_location=place, tags=tags)
        except Exception as error:
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another record was quicker, or a request whose answer was lost was repeated on the way.
            found = experiment_of(self.client, self._owner)
            if found is None:
                raise
            return found
        return self.client.get_experiment(made)
