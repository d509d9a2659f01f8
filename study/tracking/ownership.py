"""The owner of an experiment in MLflow: a record adopts, changes and deletes only what it made itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.errors import UserError
from study.tracking import words
from study.tracking.store import collector_paused, runs, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


def _none() -> Collection[str]:
    return ()


def _no_trials() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A study of a record, as MLflow knows it.

    Attributes:
        study: Name of the study, which is the experiment's name.
        record: Identity of the record, which its experiment and its runs carry.
        runs: Gives the ids of the MLflow runs that the record keeps with the study's trials: they prove
            that it made an experiment of before records had identities.
        trials: Gives how many trials the record has of each arm that it knows. A copy of a home has the
            same identity: what tells the two apart is that one of them lacks trials of the other's.
    """

    study: str
    record: str
    runs: Callable[[], Collection[str]] = _none
    trials: Callable[[], Mapping[str, int]] = _no_trials


def experiment_of(store: MlflowClient, owner: Owner) -> Experiment | None:
    """The experiment of a record's study, in MLflow's trash or not; None if its name is free.

    Raises:
        UserError: The name is somebody else's, this record's experiment has got another name, or it
            holds trials that this record does not have.
        One of :func:`study.tracking.store.failures`: The store could not be read.
    """
    where = without_credentials(str(store.tracking_uri))
    found = store.get_experiment_by_name(owner.study)
    if found is None:
        renamed = _renamed(store, owner)
        if renamed is None:
            return None
        raise UserError(
            f"the experiment of {owner.study} in MLflow at {where} was renamed to {renamed!r}; name it "
            f"{owner.study} again, or publish to another place (--tracking)"
        )
    holder = found.tags.get(words.RECORD)
    if holder == owner.record:
        _check_same_copy(store, found, owner, where)
        return found
    if holder is None and proven(store, found, owner):
        return found
    trash = ", in the trash" if found.lifecycle_stage == "deleted" else ""
    named = f"experiment {owner.study} (id {found.experiment_id}{trash}) in MLflow at {where}"
    if holder is None and not _tagged_by_us(store, found):
        whose = "was not made by a study"
    else:
        whose = "belongs to another record's study of the same name"
    raise UserError(
        f"the {named} {whose}; give this study another name (--name), or publish to another place "
        "(--tracking)"
    )


def _check_same_copy(store: MlflowClient, experiment: Experiment, owner: Owner, where: str) -> None:
    """Refuses an experiment that has the next trial of an arm: another copy of the home published it."""
    for arm, number in owner.trials().items():
        trial = f"{owner.study}/{arm}/{number}"
        mine = f"tags.{words.TRIAL} = '{trial}' and tags.{words.RECORD} = '{owner.record}'"
        found = store.search_runs([experiment.experiment_id], mine, max_results=1)
        # In the middle of a launch the record may have got it meanwhile.
        if found and owner.trials().get(arm, number) <= number:
            raise UserError(
                f"the experiment {owner.study} (id {experiment.experiment_id}) in MLflow at {where} holds "
                f"{arm} #{number}, which this record does not have: another copy of this home went on with "
                "the study; go on with that one, or publish this one to another place (--tracking)"
            )


def _renamed(store: MlflowClient, owner: Owner) -> str | None:
    """The name that somebody gave to a record's experiment, or None if it has none."""
    mine = f"tags.{words.RECORD} = '{owner.record}' and tags.{words.STUDY} = '{owner.study}'"
    found = store.search_experiments(filter_string=mine, max_results=1)
    return str(found[0].name) if found else None


def _tagged_by_us(store: MlflowClient, experiment: Experiment) -> bool:
    return words.SPEC_FINGERPRINT in experiment.tags or bool(_some_trial(store, experiment))


def _some_trial(store: MlflowClient, experiment: Experiment) -> list[Run]:
    from mlflow.entities import ViewType

    found = store.search_runs(
        [experiment.experiment_id],
        f"tags.{words.KIND} = '{words.KIND_TRIAL}'",
        run_view_type=ViewType.ALL,
        max_results=1,
    )
    return list(found)


def proven(store: MlflowClient, experiment: Experiment, owner: Owner) -> list[Run]:
    """The runs of an experiment that a record published before it had an identity, those of arms too.

    What proves it is that the record keeps their ids with its trials; an arm's run is known by its trials.
    """
    kept = set(owner.runs())
    if not kept:
        return []
    trials = _unclaimed(store, experiment, words.KIND_TRIAL)
    mine = [run for run in trials if run.info.run_id in kept]
    parents = {run.data.tags.get(words.PARENT) for run in mine}
    arms = _unclaimed(store, experiment, words.KIND_ARM) if mine else []
    return [*mine, *(run for run in arms if run.info.run_id in parents)]


def _unclaimed(store: MlflowClient, experiment: Experiment, kind: str) -> list[Run]:
    from mlflow.entities import ViewType

    condition = f"tags.{words.KIND} = '{kind}'"
    with collector_paused():
        found = runs(store, experiment.experiment_id, condition, view=ViewType.ALL)
        return [run for run in found if words.RECORD not in run.data.tags]


def adopt(store: MlflowClient, experiment: Experiment, owner: Owner) -> None:
    """Gives the identity to an experiment of before there were any, and to its proven runs.

    The experiment gets it last: cut off before, all of this is done again.
    """
    from mlflow.entities import RunTag

    for run in proven(store, experiment, owner):
        deleted = run.info.lifecycle_stage == "deleted"
        if not deleted:  # one in the trash takes no tag, and is found by its id
            tags = [RunTag(words.RECORD, owner.record)]
            store.log_batch(run.info.run_id, tags=tags, synchronous=True)
    store.set_experiment_tag(experiment.experiment_id, words.STUDY, owner.study)
    store.set_experiment_tag(experiment.experiment_id, words.RECORD, owner.record)
