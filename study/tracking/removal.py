"""Removes a study from MLflow for good, as far as its store lets it; nothing of anybody else's goes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from study.errors import UserError
from study.tracking import moved, private, words
from study.tracking.ownership import Owner, proven
from study.tracking.store import collector_paused, is_http, runs, without_credentials
from trainables.counting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


def experiments_of(store: MlflowClient, owner: Owner) -> list[Experiment]:
    """The experiments of a record's study, whatever they are called now and in the trash or not.

    Raises:
        UserError: One of them holds runs that are not the study's.
        One of :func:`study.tracking.store.failures`: The store could not be read.
    """
    from mlflow.entities import ViewType

    mine = f"tags.{words.RECORD} = '{owner.record}' and tags.{words.STUDY} = '{owner.study}'"
    found = list(store.search_experiments(ViewType.ALL, filter_string=mine))
    named = store.get_experiment_by_name(owner.study)
    # One of before records had identities.
    if named is not None and words.RECORD not in named.tags and proven(store, named, owner):
        found.append(named)
    for experiment in found:
        _check_own(store, experiment, owner)
    return found


def _check_own(store: MlflowClient, experiment: Experiment, owner: Owner) -> None:
    known = {run.info.run_id for run in proven(store, experiment, owner)}
    trials = owner.trials()
    others = [
        run
        for run in _all_runs(store, experiment)
        if (run.data.tags.get(words.RECORD) != owner.record and run.info.run_id not in known)
        or _of_a_copy(run, trials)
    ]
    if others:
        where = without_credentials(str(store.tracking_uri))
        raise UserError(
            f"the experiment {experiment.name} in MLflow at {where} holds {counted(len(others), 'runs')} not "
            f"of this record's study {owner.study} ({others[0].info.run_id}, …); delete or move them first"
        )


def _of_a_copy(run: Run, trials: Mapping[str, int]) -> bool:
    """Whether it is a trial that another copy of this record's home has, and this record has not."""
    arm, number = run.data.tags.get(words.ARM, ""), run.data.tags.get(words.NUMBER, "")
    # An arm that is not known may be one whose deletion was cut off.
    return number.isdecimal() and arm in trials and int(number) >= trials[arm]


def _all_runs(store: MlflowClient, experiment: Experiment) -> list[Run]:
    from mlflow.entities import ViewType

    with collector_paused():
        return list(runs(store, experiment.experiment_id, "", view=ViewType.ALL))


def remove(store: MlflowClient, experiment: Experiment, owner: Owner, artifacts: str | None) -> str:
    """Removes an experiment with its runs and their files; again, if it was cut off.

    A tracking server has no call that removes for good: there the experiment gives its name back and lies
    in the trash, without its files, until ``mlflow gc`` is run on the server.

    Args:
        store: The store.
        experiment: One of :func:`experiments_of`.
        owner: Whose it is.
        artifacts: Where the artifacts of new experiments go.

    Returns:
        What is left of it: its name in the trash, or an empty string.
    """
    uri = str(store.tracking_uri)
    moved.settle(uri, artifacts, experiment.experiment_id)
    everything = _all_runs(store, experiment)
    for run in everything:
        _remove_files(store, run)
    if is_http(uri):
        return _trashed(store, experiment, owner)
    _delete(store, experiment, everything)
    return ""


def _remove_files(store: MlflowClient, run: Run) -> None:
    private.remove_files(store, run.info.run_id)
    place = urlparse(str(run.info.artifact_uri))
    if place.scheme in ("", "file"):
        with contextlib.suppress(OSError):  # it holds something else, or was never made
            Path(unquote(place.path)).parent.rmdir()


def _trashed(store: MlflowClient, experiment: Experiment, owner: Owner) -> str:
    name = f"{owner.study} (deleted {owner.record[:8]})"
    if experiment.lifecycle_stage != "deleted":
        if experiment.name != name:
            store.rename_experiment(experiment.experiment_id, name)
        store.delete_experiment(experiment.experiment_id)
    elif experiment.name != name:  # somebody had put it into the trash, where it kept the name
        store.restore_experiment(experiment.experiment_id)
        store.rename_experiment(experiment.experiment_id, name)
        store.delete_experiment(experiment.experiment_id)
    return name


def _delete(store: MlflowClient, experiment: Experiment, everything: list[Run]) -> None:
    if experiment.lifecycle_stage != "deleted":
        store.delete_experiment(experiment.experiment_id)
    runs_of_it = [run.info.run_id for run in everything]
    private.remove_for_good(store, experiment.experiment_id, runs_of_it)
