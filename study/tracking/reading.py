"""A study found in an MLflow store for reading, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.tracking import tables, words
from study.tracking.store import client, failures, sqlite_path, unreadable, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Experiment


class StudyNotFound(ValueError):
    """The store has no such study; the message says where it was looked for."""


def open_store(tracking_uri: str, study: str) -> MlflowClient:
    """Opens the store for reading; a missing SQLite file is not made.

    Raises:
        StudyNotFound: There is no such SQLite file, or an empty one.
        TrackingError: The store could not be opened.
    """
    check_file(tracking_uri, study)
    try:
        return client(tracking_uri)
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def check_file(tracking_uri: str, study: str) -> None:
    """Checks that the file of an SQLite store is there; any other store passes.

    Raises:
        StudyNotFound: There is no such file, or an empty one.
    """
    path = sqlite_path(tracking_uri)
    if path is not None and not (path.exists() and path.stat().st_size):
        raise StudyNotFound(f"there is no study {study!r}: no MLflow store at {path}")


def experiment_in(store: MlflowClient, study: str) -> Experiment:
    """Finds a study's experiment.

    Raises:
        StudyNotFound: The store has none of its name, or a deleted one.
    """
    experiment = store.get_experiment_by_name(study)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise _not_there(study, str(store.tracking_uri))
    return experiment


def experiment_of(read: tables.Tables, study: str, *, tracking_uri: str) -> tables.ExperimentFacts:
    """Finds a study's experiment in a store's own tables: importing MLflow to say no takes seconds.

    Raises:
        StudyNotFound: The store has none of its name, or a deleted one.
    """
    experiment = read.experiment(study)
    if experiment is None:
        raise _not_there(study, tracking_uri)
    return experiment


def _not_there(study: str, tracking_uri: str) -> StudyNotFound:
    where = without_credentials(tracking_uri)
    return StudyNotFound(f"there is no study {study!r} in the MLflow store at {where}")


def own(experiment: Experiment, condition: str) -> str:
    """Narrows a search down to the runs of the record whose the experiment is.

    One of before records had identities holds what it holds.
    """
    record = experiment.tags.get(words.RECORD)
    return condition if record is None else f"{condition} and tags.{words.RECORD} = '{record}'"


def record_of(study: str, *, tracking_uri: str) -> str | None:
    """The identity of the record that a study in MLflow belongs to; None if it has none.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    return tags_of(study, tracking_uri=tracking_uri).get(words.RECORD)


def tags_of(study: str, *, tracking_uri: str) -> Mapping[str, str]:
    """The tags of a study's experiment.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    check_file(tracking_uri, study)
    read = tables.read(tracking_uri, lambda t: experiment_of(t, study, tracking_uri=tracking_uri))
    if read is not None:
        return read.tags
    store = open_store(tracking_uri, study)
    try:
        found: Mapping[str, str] = experiment_in(store, study).tags
    except failures() as error:
        raise unreadable(tracking_uri, error) from None
    return found


def check_record(study: str, record: str | None, *, tracking_uri: str) -> None:
    """Checks that a study in MLflow is the one that is asked about, and not one of its name.

    Args:
        study: Name of the study.
        record: Identity of its record; None if it is not known, and any will do.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name, or another record's.
        TrackingError: The store could not be read.
    """
    if record is not None and record_of(study, tracking_uri=tracking_uri) not in (None, record):
        where = without_credentials(tracking_uri)
        raise StudyNotFound(
            f"the study {study!r} in MLflow at {where} belongs to another record than the one that this "
            "home launched last; give the --home that launched it, or a new folder as --home"
        )


def studies_from(prefix: str, *, tracking_uri: str) -> list[str]:
    """The names of the studies that begin so, sorted.

    Raises:
        StudyNotFound: There is no such store.
        TrackingError: The store could not be read.
    """
    check_file(tracking_uri, prefix)
    read = tables.read(tracking_uri, lambda t: t.names(prefix))
    if read is not None:
        return read
    store = open_store(tracking_uri, prefix)
    try:
        found = store.search_experiments(filter_string=f"name LIKE '{prefix}%'")
    except failures() as error:
        raise unreadable(tracking_uri, error) from None
    # For LIKE an underscore is any character.
    return sorted(each.name for each in found if each.name.startswith(prefix))
