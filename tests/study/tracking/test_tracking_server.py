"""Publishing to a real tracking server that is not there yet, goes away, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.mlflow import BEGAN, assert_one_gets_the_name, owner, record
from support.server import WAIT, TrackingServer

from study.tracking import query
from study.tracking.content import ArmRecord
from study.tracking.outbox import Publisher
from study.tracking.store import client, runs
from study.tracking.writer import Tracking
from study.trial import Outcome, TrialRecord

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingServer]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = TrackingServer(tmp_path)
    yield server
    server.kill()


def test_outages_lose_and_double_nothing(server: TrackingServer, tmp_path: Path) -> None:
    samples = tmp_path / "trial" / "samples"
    samples.mkdir(parents=True)
    (samples / "000010.png").write_bytes(b"a grid")
    records: dict[str, TrialRecord] = {}
    stored: dict[str, str] = {}

    def store(record: TrialRecord, run_id: str, whole: bool) -> None:
        assert stored.setdefault(record.identity, run_id) == run_id

    publisher = Publisher(Tracking(server.uri, None, owner()), store)

    def submit(*changed: TrialRecord, fresh: bool) -> None:
        for each in changed:
            records[each.identity] = each
            publisher.submit(each, fresh=fresh)

    def wait_until_published() -> None:
        ends = time.monotonic() + WAIT
        while publisher.unpublished:
            assert time.monotonic() < ends
            time.sleep(0.1)

    publisher.submit_arm(
        ArmRecord(
            study="study",
            arm="two_timescale",
            position=1,
            spec="name: study",
            spec_fingerprint="f1n9e2",
            score_name="fd_digits_1k",
            started=BEGAN,
        )
    )
    folder = str(tmp_path / "trial")
    submit(*(record(number=n, scores=[9.0], folder=folder) for n in range(4)), fresh=True)
    server.start()  # it was not there before
    wait_until_published()
    server.kill()
    submit(*(record(number=n, scores=[9.0, 5.0 - n], folder=folder) for n in range(4)), fresh=False)
    submit(record(number=4), fresh=True)
    server.start()
    wait_until_published()
    store_ = client(server.uri)
    interrupted = record(number=0, scores=[9.0, 5.0], folder=folder)
    for each, expected in (
        (replace(interrupted, ended=BEGAN + 5), ("KILLED", (BEGAN + 5) * 1000)),
        (interrupted, ("RUNNING", None)),
    ):
        submit(each, fresh=False)
        wait_until_published()
        info = store_.get_run(stored[each.identity]).info
        assert (info.status, info.end_time) == expected
    ended = [
        record(number=n, scores=[9.0, 5.0 - n, 8.0], outcome=Outcome.STOPPED, folder=folder)
        for n in range(5)
    ]
    submit(*ended, fresh=False)
    assert publisher.close(WAIT) == 0

    experiment = store_.get_experiment_by_name("study")
    assert experiment is not None
    found = list(runs(store_, experiment.experiment_id, "tags.kind = 'trial'"))
    assert {run.data.tags["trial"]: run.info.run_id for run in found} == stored
    assert len(found) == 5
    for run in found:
        assert run.info.status == "FINISHED"
        points = store_.get_metric_history(run.info.run_id, "score")
        assert [point.step for point in points] == [10, 20, 30]
        listed = [file.path for file in store_.list_artifacts(run.info.run_id, "samples")]
        assert listed == ["samples/000010.png"]
    assert len(list(runs(store_, experiment.experiment_id, "tags.kind = 'arm'"))) == 1
    best = query.best("study", tracking_uri=server.uri)
    assert [row.number for row in best] == [4, 3, 2, 1, 0]
    assert query.trials("study", tracking_uri=server.uri) == query.trials(
        "study", tracking_uri=server.store
    )


def test_of_two_records_that_come_at_the_same_instant_one_gets_the_name(
    server: TrackingServer,
) -> None:
    server.start()
    for number in range(5):
        assert_one_gets_the_name(server.uri, f"study{number}")
