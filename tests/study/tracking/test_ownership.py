"""Two records and one MLflow: each adopts, changes and deletes only what it made itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from support.mlflow import (
    BEGAN,
    assert_one_gets_the_name,
    everything,
    new_store,
    owner,
    record,
    runs,
    tracking,
)

from study.errors import UserError
from study.tracking import query, reading, removal
from study.tracking.content import ArmRecord
from study.tracking.ownership import Owner
from study.tracking.store import client
from study.tracking.writer import Tracking
from study.trial import Outcome


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_store(tmp_path)


@pytest.fixture
def store(uri: str) -> MlflowClient:
    return client(uri)


def writer(uri: str, name: str, **more: object) -> Tracking:
    return Tracking(uri, None, Owner(study="study", record=name, **more))  # type: ignore[arg-type]


def arm() -> ArmRecord:
    return ArmRecord(
        study="study",
        arm="two_timescale",
        position=0,
        spec="name: study",
        spec_fingerprint="f",
        score_name="fd",
        started=BEGAN,
    )


def id_of(store: MlflowClient) -> str:
    found = store.get_experiment_by_name("study")
    assert found is not None
    return str(found.experiment_id)


def legacy(store: MlflowClient, trials: int = 2) -> list[str]:
    """An experiment as it was published before records had identities; the ids of its trials' runs."""
    experiment = store.create_experiment("study", tags={"spec_fingerprint": "f"})
    tags = {"study": "study", "arm": "two_timescale"}
    parent = store.create_run(experiment, tags={**tags, "kind": "arm"}).info.run_id
    made = []
    for number in range(trials):
        own = {**tags, "kind": "trial", "trial": f"study/two_timescale/{number}"}
        own |= {"mlflow.parentRunId": parent, "number": str(number), "seed": "1"}
        own |= {"score_name": "fd", "outcome": "complete"}
        run_id = store.create_run(experiment, tags=own).info.run_id
        for name in ("b", "a", "d_steps", "best_score", "best_step", "noise", "seconds"):
            store.log_metric(run_id, name, 1.0)
        store.set_terminated(run_id)
        made.append(run_id)
    return made


def test_everything_that_is_made_carries_the_identity(uri: str, store: MlflowClient) -> None:
    one = writer(uri, "one")
    one.publish_arm(arm())
    one.publish(record(scores=[3.0]), fresh=True)
    experiment = store.get_experiment(id_of(store))
    assert (experiment.tags["record"], experiment.tags["study"]) == ("one", "study")
    assert [run.data.tags["record"] for run in runs(store) + runs(store, "arm")] == ["one", "one"]


@pytest.mark.parametrize("trashed", [False, True])
def test_a_name_that_another_record_has_is_refused_and_nothing_is_touched(
    uri: str, store: MlflowClient, trashed: bool
) -> None:
    one = writer(uri, "one")
    one.publish_arm(arm())
    run_id = one.publish(record(scores=[3.0], outcome=Outcome.COMPLETE), fresh=True)
    before = everything(store)
    if trashed:
        store.delete_experiment(id_of(store))
    other = record(scores=[1.0], outcome=Outcome.COMPLETE, run_id=run_id)
    two = writer(uri, "two", runs=lambda: [run_id])  # not even if it thinks that the run is its own
    with pytest.raises(UserError, match=r"another record.*--name.*--tracking") as said:
        two.publish(other, fresh=False)
    assert ("in the trash" in str(said.value)) == trashed
    with pytest.raises(UserError, match="experiment study"):
        two.publish_arm(arm())
    if trashed:
        assert store.get_experiment(id_of(store)).lifecycle_stage == "deleted"
        store.restore_experiment(id_of(store))
    assert everything(store) == before


def test_an_experiment_of_somebody_else_is_refused(uri: str, store: MlflowClient) -> None:
    experiment = store.create_experiment("study")
    store.create_run(experiment, run_name="mine")
    with pytest.raises(UserError, match="was not made by a study"):
        writer(uri, "one").publish(record(scores=[3.0]), fresh=True)
    assert store.get_experiment(experiment).tags == {}


def test_an_experiment_that_got_another_name_is_refused_until_it_has_its_own_again(
    uri: str, store: MlflowClient
) -> None:
    run_id = writer(uri, "one").publish(record(scores=[3.0]), fresh=True)
    experiment = id_of(store)
    store.rename_experiment(experiment, "the first one")
    with pytest.raises(UserError, match="renamed to 'the first one'; name it study again"):
        writer(uri, "one").publish(record(scores=[3.0]), fresh=False)
    assert store.get_experiment_by_name("study") is None
    store.rename_experiment(experiment, "study")
    assert writer(uri, "one").publish(record(scores=[3.0]), fresh=False) == run_id


def test_an_old_experiment_is_adopted_by_the_record_that_kept_its_runs(
    uri: str, store: MlflowClient
) -> None:
    ids = legacy(store)
    (parent,) = runs(store, "arm")
    stray = store.create_run(
        id_of(store), tags={"kind": "trial", "trial": "study/two_timescale/0"}
    ).info.run_id
    assert (
        len(query.trials("study", tracking_uri=uri)) == 2
    )  # before it is adopted, it is read as it was
    mine = writer(uri, "one", runs=lambda: ids)
    again = record(number=0, outcome=Outcome.COMPLETE, run_id=ids[0])
    assert mine.publish(again, fresh=False) == ids[0]
    assert mine.publish_arm(arm()) == parent.info.run_id
    assert store.get_experiment(id_of(store)).tags["record"] == "one"
    tagged = {run.info.run_id: run.data.tags.get("record") for run in runs(store)}
    assert tagged == {ids[0]: "one", ids[1]: "one", stray: None}
    with pytest.raises(UserError, match="another record"):
        writer(uri, "two", runs=lambda: ids).publish(again, fresh=False)


@pytest.mark.parametrize("kept", [[], ["0" * 32]])
def test_an_old_experiment_of_which_the_record_kept_no_run_is_refused(
    uri: str, store: MlflowClient, kept: list[str]
) -> None:
    legacy(store)
    before = everything(store)
    with pytest.raises(UserError, match="belongs to another record"):
        writer(uri, "one", runs=lambda: kept).publish(record(scores=[3.0]), fresh=True)
    assert everything(store) == before
    assert "record" not in store.get_experiment(id_of(store)).tags


def test_an_adoption_that_was_cut_off_is_done_again(
    uri: str, store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = legacy(store, trials=3)
    mine = writer(uri, "one", runs=lambda: ids)

    class Killed(BaseException):
        """Nothing catches it."""

    calls = []
    original = MlflowClient.log_batch

    def killed(self: MlflowClient, *arguments: object, **rest: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        original(self, *arguments, **rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", killed)
        with pytest.raises(Killed):
            mine.publish_arm(arm())
    assert len(query.trials("study", tracking_uri=uri)) == 3
    writer(uri, "one", runs=lambda: ids).publish_arm(arm())
    assert {run.data.tags["record"] for run in runs(store) + runs(store, "arm")} == {"one"}
    assert len(query.trials("study", tracking_uri=uri)) == 3


def test_of_two_records_that_come_at_the_same_instant_one_gets_the_name(uri: str) -> None:
    assert_one_gets_the_name(uri, "study")


def test_only_the_runs_of_the_record_whose_it_is_are_read(uri: str, store: MlflowClient) -> None:
    run_id = writer(uri, "one").publish(record(scores=[3.0], outcome=Outcome.COMPLETE), fresh=True)
    tags = store.get_run(run_id).data.tags
    for holder in ({"record": "two"}, {}):
        own = {key: value for key, value in tags.items() if key != "record"} | holder
        stray = store.create_run(id_of(store), tags={**own, "number": "7"}).info.run_id
        for name in ("b", "a", "d_steps", "best_score", "best_step", "noise", "seconds"):
            store.log_metric(stray, name, 0.5)
    for rows in (
        query.trials("study", tracking_uri=uri),
        query.best("study", tracking_uri=uri),
        query.best("study", top=1, tracking_uri=uri),
    ):
        assert [row.mlflow_run_id for row in rows] == [run_id]


def test_a_run_that_is_another_records_is_no_duplicate(uri: str, store: MlflowClient) -> None:
    run_id = writer(uri, "one").publish(record(scores=[3.0]), fresh=True)
    tags = store.get_run(run_id).data.tags
    store.create_run(id_of(store), tags={**tags, "record": "two"})
    assert writer(uri, "one").publish(record(scores=[3.0, 2.0]), fresh=False) == run_id
    assert len(runs(store)) == 2
    gone = store.search_runs([id_of(store)], run_view_type=ViewType.DELETED_ONLY)
    assert len(gone) == 0


def test_an_emptied_store_is_noticed_while_it_is_written(uri: str, store: MlflowClient) -> None:
    seen: list[str] = []
    one = Tracking(uri, None, owner(), seen.append)
    ended = [record(number=n, scores=[3.0], outcome=Outcome.COMPLETE) for n in range(2)]
    for each in ended:
        one.publish(each, fresh=True)
    first = id_of(store)
    store.delete_experiment(first)
    store._tracking_client.store._hard_delete_experiment(first)
    one.publish(record(number=2, scores=[3.0]), fresh=False)
    assert len(set(seen)) == 2
    for each in ended:  # what was in the first one is not taken to be in the second
        one.publish(each, fresh=False)
    assert len(runs(store)) == 3


def test_who_asks_about_another_records_study_is_told(uri: str, tmp_path: Path) -> None:
    tracking(uri, tmp_path).publish(record(scores=[3.0]), fresh=True)
    reading.check_record("study", "r1", tracking_uri=uri)
    reading.check_record("study", None, tracking_uri=uri)
    with pytest.raises(reading.StudyNotFound, match="belongs to another record"):
        reading.check_record("study", "r2", tracking_uri=uri)


def copies(uri: str, has: int) -> tuple[Tracking, Tracking]:
    """The writers of a home, whose record has one trial, and of a copy of it, whose record has so many."""
    return (
        writer(uri, "one", trials=lambda: {"two_timescale": 1}),
        writer(uri, "one", trials=lambda: {"two_timescale": has}),
    )


def test_a_copy_of_a_home_is_refused_where_the_other_went_on(uri: str, store: MlflowClient) -> None:
    home, copy = copies(uri, 2)
    home.publish_arm(arm())
    home.publish(record(scores=[3.0], outcome=Outcome.COMPLETE), fresh=True)
    copy.publish_arm(arm())
    copy.publish(record(number=1, scores=[2.0], outcome=Outcome.COMPLETE), fresh=True)
    before = everything(store)
    later = writer(uri, "one", trials=lambda: {"two_timescale": 1})  # the next launch
    with pytest.raises(UserError, match=r"two_timescale #1.* another copy of this home"):
        later.publish(record(number=1, scores=[1.0]), fresh=True)
    with pytest.raises(UserError, match="another copy of this home"):
        later.publish_arm(arm())
    assert everything(store) == before
    # What its own record has is no other copy's.
    again = writer(uri, "one", trials=lambda: {"two_timescale": 2, "one_timescale": 0})
    again.publish(record(number=1, scores=[2.0], outcome=Outcome.COMPLETE), fresh=False)
    assert len(runs(store)) == 2


def test_a_trial_that_the_record_gets_while_it_is_looked_for_is_its_own(
    uri: str, store: MlflowClient
) -> None:
    home, _ = copies(uri, 1)
    home.publish_arm(arm())
    home.publish(record(scores=[3.0]), fresh=True)
    has = iter([0, 1, 1, 1])
    asking = writer(uri, "one", trials=lambda: {"two_timescale": next(has)})
    asking.publish(record(scores=[3.0]), fresh=False)
    assert len(runs(store)) == 1


def test_two_runs_of_one_trial_by_two_copies_at_once_both_stay(
    uri: str, store: MlflowClient
) -> None:
    for began in (BEGAN, BEGAN + 60):
        made = writer(uri, "one")
        made.publish(replace(record(scores=[3.0]), started=began), fresh=True)
    assert len(runs(store)) == 2
    writer(uri, "one").publish(record(scores=[3.0], outcome=Outcome.COMPLETE), fresh=False)
    assert len(runs(store)) == 2, "only a request that was repeated made a run too many"


def test_a_study_is_not_deleted_with_the_trials_of_another_copy(
    uri: str, store: MlflowClient
) -> None:
    home, copy = copies(uri, 2)
    home.publish(record(scores=[3.0]), fresh=True)
    copy.publish(record(number=1, scores=[2.0]), fresh=True)
    less = Owner(study="study", record="one", trials=lambda: {"two_timescale": 1})
    with pytest.raises(UserError, match="holds 1 run not of this record's study"):
        removal.experiments_of(store, less)
    for known in ({"two_timescale": 2}, {}):  # all its own; its arm is deleted already
        whole = Owner(study="study", record="one", trials=lambda known=known: known)
        assert len(removal.experiments_of(store, whole)) == 1
