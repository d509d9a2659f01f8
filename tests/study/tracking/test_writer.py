"""What a run in MLflow shows of a trial, and of an arm."""

from __future__ import annotations

import math
import sqlite3
import traceback
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.pool import NullPool, Pool
from support.mlflow import BEGAN, empty_store, history, new_store, owner, record, runs, tracking

from study.tracking import query
from study.tracking.content import ArmRecord
from study.tracking.store import TrackingError, client, without_waiting
from study.tracking.writer import Tracking
from study.trial import Outcome
from trainables.protocol import ParameterValue


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_store(tmp_path)


@pytest.fixture
def store(uri: str) -> MlflowClient:
    return client(uri)


@pytest.fixture
def writer(uri: str, tmp_path: Path) -> Tracking:
    return tracking(uri, tmp_path)


def test_a_run_shows_what_the_trial_is(writer: Tracking, store: MlflowClient) -> None:
    further: dict[str, ParameterValue] = {
        "loss": "hinge",
        "regulariser.weight": 0.1,
        "name": "12",
        "ema": None,
    }
    run_id = writer.publish(record(number=3, scores=[9.0, 4.0, 5.0], further=further), fresh=True)
    run = store.get_run(run_id)
    (parent,) = runs(store, "arm")
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.info.run_name == "two_timescale"
    expected = {"kind": "trial", "trial": "study/two_timescale/3", "study": "study", "seed": "103"}
    expected |= {"arm": "two_timescale", "number": "3", "score_name": "fd_digits_1k"}
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags["spec_fingerprint"] == "f1n9e2"
    assert run.data.tags["code_version"]
    assert run.data.params == {
        "b": "0.004",
        "a": "0.0003",
        "d_steps": "2",
        "loss": "hinge",
        "regulariser.weight": "0.1",
        "name": '"12"',
        "ema": "null",
    }
    assert run.data.metrics["b"] == 4e-3
    assert run.data.metrics["a"] == 3e-4
    assert run.data.metrics["d_steps"] == 2


def test_evaluations_keep_their_step_and_time(writer: Tracking, store: MlflowClient) -> None:
    run_id = writer.publish(
        record(scores=[9.0, 4.0, 5.0], metrics={"loss_d": 0.5, "score": 7.0}), fresh=True
    )
    when = [round((BEGAN + second) * 1000) for second in (1, 2, 3)]
    assert history(store, run_id, "score") == [
        (10, when[0], 9.0),
        (20, when[1], 4.0),
        (30, when[2], 5.0),
    ]
    assert [value for *_, value in history(store, run_id, "best_score")] == [9.0, 4.0, 4.0]
    assert [value for *_, value in history(store, run_id, "best_step")] == [10, 20, 20]
    metrics = store.get_run(run_id).data.metrics
    assert metrics["best_score"] == 4.0
    assert metrics["loss_d"] == 0.5
    assert metrics["metrics.score"] == 7.0
    assert metrics["noise"] == 0.25
    assert metrics["seconds"] == 4.5


def test_the_noise_of_a_trial_is_that_of_its_lowest_score(
    writer: Tracking, store: MlflowClient, uri: str
) -> None:
    scored = record(scores=[9.0, 4.0, 50.0], outcome=Outcome.COMPLETE)
    noises = zip(scored.measurements, (0.9, 0.2, 7.0), strict=True)
    noisy = replace(scored, measurements=tuple(replace(m, noise=n) for m, n in noises))
    run_id = writer.publish(noisy, fresh=True)
    assert [value for *_, value in history(store, run_id, "noise")] == [0.9, 0.2, 7.0]
    assert [value for *_, value in history(store, run_id, "best_score_noise")] == [0.9, 0.2, 0.2]
    (row,) = query.trials("study", tracking_uri=uri)
    assert (row.score, row.noise) == (4.0, 0.2)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.COMPLETE, "FINISHED"),
        (Outcome.STOPPED, "FINISHED"),
        (Outcome.DIVERGED, "FINISHED"),
        (Outcome.FAILED, "FAILED"),
    ],
)
def test_the_end_of_a_trial_ends_its_run(
    writer: Tracking, store: MlflowClient, outcome: Outcome, status: str
) -> None:
    running = record(scores=[3.0])
    run_id = writer.publish(running, fresh=True)
    info = store.get_run(run_id).info
    assert (info.status, info.start_time, info.end_time) == ("RUNNING", BEGAN * 1000, None)
    ended = record(scores=[3.0, 2.0], outcome=outcome, reason="a sentence")
    assert writer.publish(ended, fresh=False) == run_id
    run = store.get_run(run_id)
    assert (run.info.status, run.info.end_time) == (status, (BEGAN + 1000) * 1000)
    assert run.data.tags["outcome"] == outcome
    assert run.data.tags["reason"] == "a sentence"
    assert run.data.metrics["best_score"] == 2.0


def test_a_diverged_trial_without_a_score_sends_no_score(
    writer: Tracking, store: MlflowClient
) -> None:
    diverged = record(outcome=Outcome.DIVERGED, reason="the loss of D was inf at step 3")
    run = store.get_run(writer.publish(diverged, fresh=True))
    assert run.data.metrics.keys() == {"b", "a", "d_steps"}
    assert run.data.tags["outcome"] == "diverged"


def test_a_metric_that_is_not_finite_is_left_out(writer: Tracking, store: MlflowClient) -> None:
    metrics = {"loss_d": math.nan, "loss_g": math.inf, "ok": 1.0}
    run_id = writer.publish(record(scores=[3.0], metrics=metrics), fresh=True)
    assert {"loss_d", "loss_g"}.isdisjoint(store.get_run(run_id).data.metrics)
    assert store.get_run(run_id).data.metrics["ok"] == 1.0


def test_a_trial_with_many_numbers_goes_in_several_batches(
    writer: Tracking, store: MlflowClient
) -> None:
    further = {f"setting_{index}": index for index in range(120)}
    many = record(scores=[float(index) for index in range(400, 0, -1)], further=dict(further))
    run_id = writer.publish(many, fresh=True)
    assert len(store.get_metric_history(run_id, "score")) == 400
    assert len(store.get_run(run_id).data.params) == 123
    assert store.get_run(run_id).data.metrics["best_score"] == 1.0


def test_samples_become_artifacts_once(
    uri: str, tmp_path: Path, store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = tmp_path / "trial" / "samples"
    samples.mkdir(parents=True)
    (samples / "000010.png").write_bytes(b"first")
    (samples / ".000020.png.part").write_bytes(b"half")
    running = record(scores=[3.0], folder=(tmp_path / "trial").as_uri())
    writer = tracking(uri, tmp_path)
    run_id = writer.publish(running, fresh=True)
    (samples / "000020.png").write_bytes(b"second")
    writer.publish(running, fresh=False)
    listed = [file.path for file in store.list_artifacts(run_id, "samples")]
    assert listed == ["samples/000010.png", "samples/000020.png"]
    (samples / "000020.png").write_bytes(b"written anew")
    restarted = tracking(uri, tmp_path)
    restarted.publish(running, fresh=False)
    sizes = {file.path: file.file_size for file in store.list_artifacts(run_id, "samples")}
    assert sizes == {"samples/000010.png": 5, "samples/000020.png": 12}
    uploads: list[str] = []
    monkeypatch.setattr(
        restarted._experiment.client,
        "log_artifact",
        lambda run_id, path, folder: uploads.append(path),
    )
    restarted.publish(running, fresh=False)
    assert uploads == []


def test_the_log_and_the_error_of_a_trial_that_ended_become_artifacts(
    uri: str, tmp_path: Path, store: MlflowClient
) -> None:
    trial = tmp_path / "trial"
    trial.mkdir()
    (trial / "log.txt").write_text("words")
    (trial / "checkpoint.pt").write_bytes(b"not a text")
    running = record(scores=[3.0], folder=str(trial))
    writer = tracking(uri, tmp_path)
    run_id = writer.publish(running, fresh=True)
    assert store.list_artifacts(run_id) == []
    (trial / "error.txt").write_text("Traceback")
    failed = replace(running, outcome=Outcome.FAILED, reason="no", ended=99.0)
    writer.publish(failed, fresh=False)
    assert [file.path for file in store.list_artifacts(run_id)] == ["error.txt", "log.txt"]


def test_an_arm_shows_the_spec_and_ends(
    writer: Tracking, store: MlflowClient, uri: str, tmp_path: Path
) -> None:
    arm = ArmRecord(
        study="study",
        arm="two_timescale",
        position=1,
        spec="name: study\n",
        spec_fingerprint="f1n9e2",
        score_name="fd_digits_1k",
        started=BEGAN,
    )
    run_id = writer.publish_arm(arm)
    writer.publish(record(), fresh=True)
    assert [run.info.run_id for run in runs(store, "arm")] == [run_id]
    assert store.get_run(run_id).info.status == "RUNNING"
    assert store.get_run(run_id).data.tags["position"] == "1"
    spec = Path(store.download_artifacts(run_id, "spec.yaml", str(tmp_path)))
    assert spec.read_text() == "name: study\n"
    writer.publish_arm(replace(arm, ended=BEGAN + 9))
    assert store.get_run(run_id).info.status == "KILLED"
    again = tracking(uri, tmp_path)
    assert again.publish_arm(replace(arm, ended=BEGAN + 9, finished=True)) == run_id
    assert store.get_run(run_id).info.status == "FINISHED"
    assert store.get_run(run_id).info.end_time == (BEGAN + 9) * 1000
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    assert "name: study" in experiment.tags["mlflow.note.content"]
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://someone:pl4nted@127.0.0.1:9/mlflow",
        "http://someone:pl4nted@127.0.0.1:9",
        "http://someone:pl4nted/@127.0.0.1:9",
        "nonsense://someone:pl4nted@127.0.0.1:9",
    ],
)
def test_errors_do_not_tell_the_password(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at .*127\.0\.0\.1:9") as caught:
        Tracking(uri, None, owner()).publish(record(), fresh=True)
    shown = "".join(traceback.format_exception(caught.value))
    assert "pl4nted" not in shown.replace(uri, "")
    assert "\n" not in str(caught.value)


def test_a_new_sqlite_store_gets_its_folder() -> None:
    made = empty_store()
    assert made.parent.name == "there"
    # SQLite keeps its log and an index of it there while somebody has the store open.
    kept = {file.name for file in made.parent.iterdir()} - {"mlflow.db-wal", "mlflow.db-shm"}
    assert kept == {"mlflow.db"}


def test_a_new_sqlite_store_waits_for_the_disk_once_a_transaction() -> None:
    with closing(sqlite3.connect(empty_store())) as store:
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.execute("PRAGMA synchronous").fetchone() == (2,)


def test_only_the_file_that_is_being_made_is_not_waited_for(tmp_path: Path) -> None:
    def waits(name: str) -> int:
        connection = NullPool(lambda: sqlite3.connect(tmp_path / name)).connect()
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous")
        (value,) = cursor.fetchone() or (None,)
        connection.close()
        return int(value)

    def waiting(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = FULL")  # tests wait for no disk otherwise

    event.listen(Pool, "connect", waiting)
    try:
        with without_waiting(tmp_path / "made.db"):
            assert [waits("made.db"), waits("other.db")] == [0, 2]
        assert waits("made.db") == 2
    finally:
        event.remove(Pool, "connect", waiting)
