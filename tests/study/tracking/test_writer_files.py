"""What a run shows while the place of its artifacts cannot be written, and when it can again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.mlflow import BEGAN, new_store, owner, record, runs, tracking
from support.postgres import free_port

from study.tracking.content import ArmRecord
from study.tracking.files import FilesLacking
from study.tracking.store import client
from study.tracking.writer import Tracking
from study.trial import Outcome, TrialRecord


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_store(tmp_path)


@pytest.fixture
def store(uri: str) -> MlflowClient:
    return client(uri)


@pytest.fixture
def ended(tmp_path: Path) -> TrialRecord:
    samples = tmp_path / "trial" / "samples"
    samples.mkdir(parents=True)
    (samples / "000010.png").write_bytes(b"a grid")
    (tmp_path / "trial" / "log.txt").write_text("words")
    return record(scores=[3.0], outcome=Outcome.COMPLETE, folder=str(tmp_path / "trial"))


def arm() -> ArmRecord:
    return ArmRecord(
        study="study",
        arm="two_timescale",
        position=1,
        spec="name: study",
        spec_fingerprint="f",
        score_name="fd",
        started=BEGAN,
        ended=BEGAN + 9,
    )


def files(store: MlflowClient, run_id: str) -> list[str]:
    return [e.path for folder in (None, "samples") for e in store.list_artifacts(run_id, folder)]


def shows_all_but_files(store: MlflowClient, run_id: str) -> None:
    run = store.get_run(run_id)
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "complete")
    assert run.data.params["b"] == "0.001"
    assert (run.data.metrics["score"], run.data.metrics["b"]) == (3.0, 1e-3)


def test_a_place_that_cannot_be_written_keeps_nothing_but_files_back(
    uri: str, store: MlflowClient, tmp_path: Path, ended: TrialRecord
) -> None:
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    writer = tracking(uri, tmp_path)
    with pytest.raises(FilesLacking, match="did not take the files: NotADirectoryError") as lacking:
        writer.publish(ended, fresh=True)
    shows_all_but_files(store, lacking.value.run_id)
    with pytest.raises(FilesLacking) as of_arm:
        writer.publish_arm(arm())
    assert store.get_run(of_arm.value.run_id).info.status == "KILLED"
    assert store.get_experiment_by_name("study").tags["spec_fingerprint"] == "f"
    (tmp_path / "artifacts").unlink()
    again = replace(ended, mlflow_run_id=lacking.value.run_id)
    for later in (writer, tracking(uri, tmp_path)):
        assert later.publish(again, fresh=False) == lacking.value.run_id
        assert later.publish_arm(arm()) == of_arm.value.run_id
    assert files(store, lacking.value.run_id) == ["log.txt", "samples", "samples/000010.png"]
    assert files(store, of_arm.value.run_id) == ["spec.yaml"]


def test_a_server_of_files_that_is_away_keeps_nothing_but_files_back(
    uri: str, store: MlflowClient, ended: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    place = f"http://127.0.0.1:{free_port()}/api/2.0/mlflow-artifacts/artifacts/1"
    writer = Tracking(uri, place, owner())
    with pytest.raises(FilesLacking, match="did not take the files") as lacking:
        writer.publish(ended, fresh=True)
    shows_all_but_files(store, lacking.value.run_id)


def test_files_that_may_not_be_sent_are_missed_without_the_store_being_asked(
    uri: str, store: MlflowClient, tmp_path: Path, ended: TrialRecord
) -> None:
    writer = tracking(uri, tmp_path)
    for name in ("list_artifacts", "log_artifact", "log_text"):
        setattr(writer._experiment.client, name, lambda *_: pytest.fail("the store was asked"))
    with pytest.raises(FilesLacking) as lacking:
        writer.publish(ended, fresh=True, files=False)
    shows_all_but_files(store, lacking.value.run_id)
    with pytest.raises(FilesLacking):
        writer.publish_arm(arm(), files=False)
    without = replace(record(number=1, scores=[2.0], outcome=Outcome.COMPLETE), folder="")
    writer.publish(without, fresh=True, files=False)  # has none
    assert len(runs(store)) == 2


@pytest.mark.parametrize("silent", [False, True])
def test_a_trial_that_failed_and_then_ended_well_keeps_no_error(
    uri: str, store: MlflowClient, tmp_path: Path, ended: TrialRecord, silent: bool
) -> None:
    if silent:
        (tmp_path / "trial" / "log.txt").unlink()
    error = tmp_path / "trial" / "error.txt"
    error.write_text("Traceback")
    failed = replace(ended, outcome=Outcome.FAILED, reason="no space")
    run_id = tracking(uri, tmp_path).publish(failed, fresh=True)
    assert "error.txt" in files(store, run_id)
    error.unlink()
    again = tracking(uri, tmp_path)  # another launch runs it
    again.publish(replace(ended, outcome=None, ended=None, mlflow_run_id=run_id), fresh=False)
    assert again.publish(replace(ended, mlflow_run_id=run_id), fresh=False) == run_id
    log = [] if silent else ["log.txt"]
    assert files(store, run_id) == [*log, "samples", "samples/000010.png"]


def test_a_store_that_lets_nobody_delete_is_told_of_and_holds_up_nothing(
    uri: str,
    tmp_path: Path,
    ended: TrialRecord,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = tmp_path / "trial" / "error.txt"
    error.write_text("Traceback")
    failed = replace(ended, outcome=Outcome.FAILED, reason="no space")
    writer = tracking(uri, tmp_path)
    run_id = writer.publish(failed, fresh=True)
    error.unlink()

    def refuse(*_: object) -> None:
        raise PermissionError("not allowed at http://user:pw@host")

    monkeypatch.setattr(
        "mlflow.store.artifact.local_artifact_repo.LocalArtifactRepository.delete_artifacts", refuse
    )
    assert writer.publish(ended, fresh=False) == run_id
    (told,) = [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
    assert told.startswith("error.txt of an earlier try could not be removed from MLflow's run")
    assert "pw" not in told


def test_what_was_sent_needs_no_store(
    uri: str, store: MlflowClient, tmp_path: Path, ended: TrialRecord
) -> None:
    writer = tracking(uri, tmp_path)
    run_id = writer.publish(ended, fresh=True)
    writer.publish_arm(arm())
    assert writer.publish(ended, fresh=False, files=False) == run_id
    writer.publish_arm(arm(), files=False)
