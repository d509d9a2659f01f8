"""What is read from MLflow's own tables is what MLflow's own queries say."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.mlflow import new_store, owner, record, tracking

from study.tracking import query, reading, tables
from study.tracking.store import client
from study.tracking.writer import Tracking
from study.trial import Outcome


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a study, and what is none of its trials beside it."""
    folder = tmp_path_factory.mktemp("store")
    uri = new_store(folder)
    writer = tracking(uri, folder)
    writer.publish(
        record(number=0, scores=(3.0, 1.5, 4.0), outcome=Outcome.COMPLETE, further={"w": 8}),
        fresh=True,
    )
    writer.publish(
        record(number=1, scores=(1e-300, 2.0), outcome=Outcome.DIVERGED, reason="loss is nan"),
        fresh=True,
    )
    writer.publish(record(number=2), fresh=True)
    writer.publish(
        record("one_timescale", 0, outcome=Outcome.FAILED, reason="no\nmemory"), fresh=True
    )
    gone = writer.publish(record(number=3, scores=(0.1,), outcome=Outcome.COMPLETE), fresh=True)
    store = client(uri)
    store.delete_run(gone)
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    theirs = store.create_run(experiment.experiment_id, tags={"kind": "trial", "record": "theirs"})
    store.log_metric(theirs.info.run_id, "b", 1.0)
    store.create_run(experiment.experiment_id, tags={"note": "a user's own"})
    Tracking(uri, str(folder / "artifacts"), owner("another")).publish(
        record(study="another", scores=(9.0,), outcome=Outcome.COMPLETE), fresh=True
    )
    return uri


def test_both_ways_say_the_same(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> tuple[Any, ...]:
        rows = query.trials("study", tracking_uri=uri)
        curves = query.histories(rows, tracking_uri=uri)
        return (
            rows,
            curves,
            query.best("study", top=1, tracking_uri=uri),
            reading.record_of("study", tracking_uri=uri),
        )

    with monkeypatch.context() as patched:
        # MLflow's own queries would be the other way, and are not asked at all.
        for module in (query, reading):
            patched.setattr(module, "open_store", None)
        read = everything()
    assert [(row.arm, row.number) for row in read[0]] == [
        ("one_timescale", 0),
        ("two_timescale", 0),
        ("two_timescale", 1),
        ("two_timescale", 2),
    ]
    assert read[1]["study/two_timescale/0"] == [(10, 3.0), (20, 1.5), (30, 4.0)]
    assert read[2][0].objective == 1e-300
    monkeypatch.setattr(tables, "read", lambda _uri, _question: None)
    assert everything() == read


def test_a_study_that_is_not_there_is_not_found(uri: str) -> None:
    with pytest.raises(reading.StudyNotFound, match="there is no study 'nothing'") as by_mlflow:
        reading.experiment_in(client(uri), "nothing")
    for ask in (query.trials, query.arms, reading.record_of):
        with pytest.raises(reading.StudyNotFound) as by_tables:
            ask("nothing", tracking_uri=uri)
        assert str(by_tables.value) == str(by_mlflow.value)


def test_a_study_that_is_not_there_is_not_asked_of_mlflow(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (query, reading):  # importing MLflow takes seconds
        monkeypatch.setattr(module, "open_store", None)
    client(uri).delete_experiment(client(uri).create_experiment("deleted"))
    for name in ("nothing", "deleted"):
        with pytest.raises(reading.StudyNotFound):
            query.trials(name, tracking_uri=uri)


def test_a_value_that_is_not_a_number_is_read_as_such(tmp_path: Path) -> None:
    uri = new_store(tmp_path)
    tracking(uri, tmp_path).publish(record(scores=(3.0,), outcome=Outcome.COMPLETE), fresh=True)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(
            "UPDATE latest_metrics SET is_nan = 1, value = 0 WHERE key = 'best_score_noise'"
        )
    best = query.trials("study", tracking_uri=uri)[0].best
    assert best is not None
    assert best.noise != best.noise


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE latest_metrics RENAME COLUMN is_nan TO missing",
        "DROP TABLE tags",
        # the same name in another workspace
        "INSERT INTO experiments (name, lifecycle_stage, workspace) VALUES ('study', 'active', 'w')",
    ],
)
def test_tables_of_another_kind_are_left_to_mlflow(tmp_path: Path, change: str) -> None:
    uri = new_store(tmp_path)
    tracking(uri, tmp_path).publish(record(scores=(3.0,), outcome=Outcome.COMPLETE), fresh=True)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(change)

    def trials(read: tables.Tables) -> list[tables.RunFacts]:
        experiment = read.experiment("study")
        assert experiment is not None
        return query._own_runs(read, experiment, "trial", None)

    assert tables.read(uri, trials) is None


def test_a_server_is_asked_by_mlflow() -> None:
    assert tables.read("http://127.0.0.1:9", lambda t: t.experiment("study")) is None
