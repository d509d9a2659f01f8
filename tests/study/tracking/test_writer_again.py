"""Publishing again, after a restart, an interruption or a loss: nothing is doubled and nothing changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from support.mlflow import (
    BEGAN,
    everything,
    history,
    measured,
    new_store,
    owner,
    record,
    runs,
    tracking,
)

from study.tracking import query
from study.tracking.content import ArmRecord
from study.tracking.store import client
from study.tracking.writer import Tracking
from study.trial import Outcome


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_store(tmp_path)


@pytest.fixture
def store(uri: str) -> MlflowClient:
    return client(uri)


@pytest.fixture
def writer(uri: str, tmp_path: Path) -> Tracking:
    return tracking(uri, tmp_path)


@pytest.mark.parametrize("restarted", [False, True])
def test_publishing_twice_changes_nothing(
    uri: str, tmp_path: Path, store: MlflowClient, restarted: bool
) -> None:
    (tmp_path / "trial" / "samples").mkdir(parents=True)
    (tmp_path / "trial" / "samples" / "000010.png").write_bytes(b"a grid")
    folder = str(tmp_path / "trial")
    ended = record(
        scores=[3.0, 2.0], outcome=Outcome.COMPLETE, folder=folder, further={"loss": "hinge"}
    )
    unfinished = record(number=1, scores=[5.0], folder=folder)
    writer = tracking(uri, tmp_path)
    for each in (ended, unfinished):
        writer.publish(each, fresh=True)
    before = everything(store)
    if restarted:
        writer = tracking(uri, tmp_path)
    for each in (ended, unfinished):
        writer.publish(each, fresh=False)
    assert everything(store) == before


def test_a_restarted_driver_sends_only_what_is_new(
    uri: str, tmp_path: Path, store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tracking(uri, tmp_path).publish(record(scores=[3.0, 2.0]), fresh=True)
    second = tracking(uri, tmp_path)
    sent: list[int] = []
    original = second._experiment.client.log_batch

    def counted(run_id: str, metrics: list[object], **rest: object) -> None:
        sent.append(len(metrics))
        original(run_id, metrics=metrics, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(second._experiment.client, "log_batch", counted)
    assert second.publish(record(scores=[3.0, 2.0, 1.0]), fresh=False) == first
    assert sent == [6]  # score, best score, its step and noise, noise, seconds of one evaluation
    assert [value for *_, value in history(store, first, "score")] == [3.0, 2.0, 1.0]


def test_what_came_after_the_end_is_shown_no_more(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    """A trial that was cut off went on from an older checkpoint, scored otherwise and was stopped sooner."""
    first = tracking(uri, tmp_path).publish(record(scores=[5.0, 6.0, 2.0]), fresh=True)
    again = record(scores=[5.0, 6.5], outcome=Outcome.STOPPED, reason="it rose", run_id=first)
    again = replace(again, end_step=20)
    writer = tracking(uri, tmp_path)
    second = writer.publish(again, fresh=False)
    assert writer.publish(again, fresh=False) == second
    (row,) = query.trials("study", tracking_uri=uri)
    assert (row.mlflow_run_id, row.score, row.step, row.end_step) == (second, 5.0, 10, 20)
    assert row.seconds == 3.0
    assert query.curve(row, tracking_uri=uri) == [(10, 5.0), (20, 6.5)]
    assert [run.info.run_id for run in runs(store)] == [second]
    # Killed before the record had the other run's id: the first is found, and the other one after it.
    assert tracking(uri, tmp_path).publish(again, fresh=False) == second
    assert [run.info.run_id for run in runs(store)] == [second]


def test_a_trial_that_failed_and_then_ended_sooner_is_shown_as_it_ended(
    uri: str, tmp_path: Path
) -> None:
    failed = replace(record(scores=[2.0, 1.0], outcome=Outcome.FAILED, reason="full"), end_step=20)
    writer = tracking(uri, tmp_path)
    writer.publish(failed, fresh=True)
    lost = replace(record(scores=[2.0], outcome=Outcome.DIVERGED, reason="nan"), end_step=13)
    writer.publish(lost, fresh=False)
    (row,) = query.trials("study", tracking_uri=uri)
    assert (row.score, row.outcome, row.end_step) == (2.0, Outcome.DIVERGED, 13)


def test_runs_of_earlier_versions_have_ended_with_their_last_evaluation(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    made = replace(record(scores=[2.0, 3.0], outcome=Outcome.DIVERGED, reason="nan"), end_step=27)
    run_id = tracking(uri, tmp_path).publish(made, fresh=True)
    assert query.trials("study", tracking_uri=uri)[0].end_step == 27
    store.delete_tag(run_id, "end_step")
    assert query.trials("study", tracking_uri=uri)[0].end_step == 20


def test_early_evaluations_are_metrics_of_their_own_and_sent_once(
    uri: str, tmp_path: Path, store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = record(scores=[3.0, 2.0])
    early = [replace(m, step=m.step - 9, score=8.0 + m.step, early=True) for m in made.measurements]
    one = replace(made, measurements=(), early=tuple(early[:1]))
    run_id = tracking(uri, tmp_path).publish(one, fresh=True)
    names = set(store.get_run(run_id).data.metrics)
    assert names == {"early_score", "early_noise", "seconds", "b", "a", "d_steps"}
    again, sent = tracking(uri, tmp_path), list[tuple[str, int]]()
    original = again._experiment.client.log_batch

    def counted(run_id: str, metrics: list[Metric], **rest: object) -> None:
        sent.extend((metric.key, metric.step) for metric in metrics)
        original(run_id, metrics=metrics, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(again._experiment.client, "log_batch", counted)
    both = replace(made, measurements=made.measurements[1:], early=tuple(early))
    assert again.publish(both, fresh=False) == run_id
    assert {step for name, step in sent if name == "early_score"} == {11}
    assert {step for name, step in sent if name in ("score", "best_score")} == {20}
    again.publish(both, fresh=False)
    assert history(store, run_id, "early_score") == [
        (step, round(m.time * 1000), m.score) for step, m in zip((1, 11), early, strict=True)
    ]
    assert store.get_run(run_id).data.metrics["best_score"] == 2.0


@pytest.mark.slow
def test_many_trials_that_mlflow_has_are_read_at_once_and_not_sent(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [record(number=n, scores=[3.0], outcome=Outcome.COMPLETE) for n in range(30)]
    first = tracking(uri, tmp_path)
    expected = [first.publish(each, fresh=True) for each in ended]
    again = tracking(uri, tmp_path)
    store = again._experiment.client
    searches: list[str] = []
    original = store.search_runs

    def counted(experiments: list[str], condition: str, **rest: object) -> object:
        searches.append(condition)
        return original(experiments, condition, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "search_runs", counted)
    for name in ("get_run", "log_batch", "set_terminated", "create_run", "set_tag"):
        monkeypatch.setattr(store, name, None)
    assert [again.publish(each, fresh=False) for each in ended] == expected
    assert len(searches) == 10


def test_an_interrupted_run_is_shown_as_such_and_goes_on(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    writer = tracking(uri, tmp_path)
    run_id = writer.publish(record(scores=[3.0]), fresh=True)
    cut_off = replace(record(scores=[3.0]), ended=BEGAN + 5)
    assert writer.publish(cut_off, fresh=False) == run_id
    info = store.get_run(run_id).info
    assert (info.status, info.end_time) == ("KILLED", (BEGAN + 5) * 1000)
    before = everything(store)
    for again in (writer, tracking(uri, tmp_path)):
        again.publish(replace(cut_off, ended=BEGAN + 9), fresh=False)
        assert everything(store) == before
    writer = tracking(uri, tmp_path)
    for scores in ([], [3.0], [3.0, 2.0]):
        assert writer.publish(record(scores=scores), fresh=False) == run_id
        info = store.get_run(run_id).info
        assert info.status == "RUNNING"
        assert not info.end_time
    ended = record(scores=[3.0, 2.0], outcome=Outcome.COMPLETE)
    writer.publish(ended, fresh=False)
    info = store.get_run(run_id).info
    assert (info.status, info.end_time) == ("FINISHED", (BEGAN + 1000) * 1000)
    other = tmp_path / "other"
    other.mkdir()
    straight = client(new_store(other))
    tracking(f"sqlite:///{other}/mlflow.db", other).publish(ended, fresh=True)
    (found,), (expected,) = runs(store), runs(straight)
    for metric in expected.data.metrics:
        assert history(store, run_id, metric) == history(straight, expected.info.run_id, metric)
    assert found.data.metrics == expected.data.metrics


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("first", "again"), [(5.0, 4.0), (4.0, 5.0)])
def test_an_evaluation_that_is_computed_again_takes_the_place_of_the_earlier_one(
    uri: str, tmp_path: Path, store: MlflowClient, first: float, again: float, restarted: bool
) -> None:
    writer = tracking(uri, tmp_path)
    before = record(scores=[9.0, first, 8.0])
    run_id = writer.publish(before, fresh=True)
    known, later = before.measurements, replace(before.measurements[1], score=again, time=BEGAN + 9)
    after = replace(before, measurements=(known[0], later, known[2]), mlflow_run_id=run_id)
    writer = tracking(uri, tmp_path) if restarted else writer
    writer.publish(after, fresh=False)
    found = store.get_run(run_id).data.metrics
    assert (found["best_score"], found["best_step"]) == (again, 20)
    curve = query.histories([after], tracking_uri=uri)[after.identity]
    assert curve == [(10, 9.0), (20, again), (30, 8.0)]
    [shown] = query.trials("study", tracking_uri=uri)
    assert (shown.score, shown.step) == (again, 20)


def test_an_arm_that_is_launched_again_runs_without_an_end(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    arm = ArmRecord(
        study="study",
        arm="two_timescale",
        position=1,
        spec="name: study",
        spec_fingerprint="f",
        score_name="fd",
        started=BEGAN,
    )
    writer = tracking(uri, tmp_path)
    run_id = writer.publish_arm(replace(arm, ended=BEGAN + 5))
    for again in (writer, tracking(uri, tmp_path)):
        assert again.publish_arm(arm) == run_id
        info = store.get_run(run_id).info
        assert info.status == "RUNNING"
        assert not info.end_time
    writer.publish_arm(replace(arm, finished=True))  # its budget is 0
    info = store.get_run(run_id).info
    assert (info.status, info.end_time) == ("FINISHED", BEGAN * 1000)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_trial_that_failed_and_ended_well_before_it_was_seen_running_has_no_reason(
    uri: str, tmp_path: Path, store: MlflowClient, restarted: bool
) -> None:
    writer = tracking(uri, tmp_path)
    failed = record(scores=[3.0], outcome=Outcome.FAILED, reason="no place to write")
    run_id = writer.publish(failed, fresh=True)
    assert store.get_run(run_id).data.tags["reason"] == "no place to write"
    writer = tracking(uri, tmp_path) if restarted else writer
    writer.publish(record(scores=[3.0, 2.0], outcome=Outcome.COMPLETE), fresh=False)
    run = store.get_run(run_id)
    assert (run.data.tags["outcome"], run.info.status) == ("complete", "FINISHED")
    assert "reason" not in run.data.tags


@pytest.mark.slow
def test_an_ended_trial_that_is_taken_up_again_loses_its_outcome(
    writer: Tracking, store: MlflowClient
) -> None:
    run_id = writer.publish(
        record(scores=[3.0], outcome=Outcome.FAILED, reason="no memory"), fresh=True
    )
    writer.publish(record(scores=[3.0, 1.0]), fresh=False)
    run = store.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert not {"outcome", "reason"} & run.data.tags.keys()
    writer.publish(record(scores=[3.0, 1.0], outcome=Outcome.COMPLETE), fresh=False)
    assert store.get_run(run_id).data.tags["outcome"] == "complete"


def test_an_evaluation_repeated_after_a_restart_counts_with_its_later_value(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    run_id = tracking(uri, tmp_path).publish(record(scores=[9.0, 4.0]), fresh=True)
    kept, lost = measured(9.0, 4.0)
    repeated = replace(lost, score=6.0, time=lost.time + 60)
    writer = tracking(uri, tmp_path)
    writer.publish(replace(record(), measurements=(kept, repeated)), fresh=False)
    assert store.get_run(run_id).data.metrics["best_score"] == 6.0
    assert len(history(store, run_id, "score")) == 3


@pytest.mark.slow
def test_a_run_that_a_kill_left_with_parameters_alone_gets_its_metrics(
    writer: Tracking, store: MlflowClient
) -> None:
    """MLflow stores one batch in several transactions, the parameters first."""
    ended = record(scores=[3.0], outcome=Outcome.COMPLETE)
    tags = {"kind": "trial", "trial": ended.identity, "study": "study", "arm": ended.arm}
    tags["record"] = owner().record
    experiment = store.create_experiment("study", tags={"record": owner().record})
    left = store.create_run(experiment, tags=tags).info.run_id
    for name, value in (("b", "0.001"), ("a", "0.0003"), ("d_steps", "2")):
        store.log_param(left, name, value)
    assert writer.publish(ended, fresh=False) == left
    metrics = store.get_run(left).data.metrics
    assert (metrics["b"], metrics["a"], metrics["d_steps"]) == (1e-3, 3e-4, 2)
    assert metrics["best_score"] == 3.0


def test_runs_of_a_wiped_store_are_made_anew(tmp_path: Path, uri: str) -> None:
    writer = tracking(uri, tmp_path)
    ended = record(scores=[3.0], outcome=Outcome.COMPLETE)
    old = writer.publish(ended, fresh=True)
    other = tmp_path / "other"
    other.mkdir()
    fresh_uri = new_store(other)
    new = tracking(fresh_uri, other).publish(replace(ended, mlflow_run_id=old), fresh=False)
    assert new != old
    assert [run.info.run_id for run in runs(client(fresh_uri))] == [new]


def test_a_run_deleted_by_hand_comes_back_under_the_same_id_and_it_is_said(
    writer: Tracking, store: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    running = record(scores=[3.0])
    run_id = writer.publish(running, fresh=True)
    store.delete_run(run_id)
    more = record(scores=[3.0, 2.0], run_id=run_id)
    assert writer.publish(more, fresh=False) == run_id
    assert store.get_run(run_id).info.lifecycle_stage == "active"
    assert store.get_run(run_id).data.metrics["best_score"] == 2.0
    said = [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith(
        f"the run of {running.identity} was deleted in MLflow and is restored"
    )


def test_an_experiment_deleted_by_hand_is_restored(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    run_id = tracking(uri, tmp_path).publish(record(scores=[3.0]), fresh=True)
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    store.delete_experiment(experiment.experiment_id)
    assert tracking(uri, tmp_path).publish(record(scores=[3.0]), fresh=False) == run_id
    assert len(runs(store)) == 1


def test_of_two_runs_of_one_trial_one_is_kept(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    run_id = tracking(uri, tmp_path).publish(record(scores=[3.0]), fresh=True)
    run = store.get_run(run_id)
    # The request whose answer was lost is repeated as it was.
    again = store.create_run(
        run.info.experiment_id, start_time=run.info.start_time, tags=run.data.tags
    )
    assert len(runs(store)) == 2
    kept = tracking(uri, tmp_path).publish(record(scores=[3.0]), fresh=False)
    assert kept == min(run_id, again.info.run_id)
    assert len(runs(store)) == 1
    experiment = run.info.experiment_id
    deleted = store.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    assert len(deleted) == 1
