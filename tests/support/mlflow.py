"""MLflow stores for tests: one SQLite file is made once (it takes seconds) and copied."""

from __future__ import annotations

import atexit
import functools
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.tracking._tracking_service import utils

from study.errors import UserError
from study.tracking import store as mlflow_store
from study.tracking.experiment import Experiment
from study.tracking.ownership import Owner
from study.tracking.writer import Tracking
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters, ParameterValue

BEGAN = 1_700_000_000.0
"""When every test's study began, seconds since the epoch."""


@functools.cache
def empty_store() -> Path:
    """The file that all others are copies of."""
    folder = Path(tempfile.mkdtemp(prefix="ttur-test-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "not" / "there" / "mlflow.db"
    mlflow_store.client(f"sqlite:///{path}")
    return path


def new_store(folder: Path) -> str:
    """The tracking URI of an empty store in ``folder``."""
    shutil.copy(empty_store(), folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


def copied(made: Path, folder: Path) -> str:
    """The tracking URI of a copy of a store and its artifacts, as if it had been made in ``folder``."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            store.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(made), str(folder))
            )
    # MLflow remembers by a run's id where its artifacts lie.
    utils._artifact_repos_cache.clear()
    return f"sqlite:///{folder}/mlflow.db"


def tracking(uri: str, folder: Path, study: str = "study") -> Tracking:
    """A new writer: what a restarted driver would have."""
    return Tracking(uri, str(folder / "artifacts"), owner(study))


def owner(study: str = "study", record: str = "r1") -> Owner:
    """A study of a record as MLflow knows it."""
    return Owner(study=study, record=record)


def measured(*scores: float, metrics: dict[str, float] | None = None) -> tuple[Measurement, ...]:
    """Evaluations at steps 10, 20, … taken a second apart."""
    return tuple(
        Measurement(
            step=10 * (index + 1),
            score=score,
            noise=0.25,
            metrics=metrics or {},
            seconds=1.5 * (index + 1),
            time=BEGAN + index + 1,
        )
        for index, score in enumerate(scores)
    )


def record(
    arm: str = "two_timescale",
    number: int = 0,
    *,
    scores: Sequence[float] = (),
    outcome: Outcome | None = None,
    reason: str | None = None,
    further: dict[str, ParameterValue] | None = None,
    study: str = "study",
    run_id: str | None = None,
    folder: str = "",
    metrics: dict[str, float] | None = None,
) -> TrialRecord:
    return TrialRecord(
        study=study,
        arm=arm,
        number=number,
        seed=100 + number,
        parameters=Parameters(b=1e-3 * (number + 1), a=3e-4, d_steps=2, further=further or {}),
        score_name="fd_digits_1k",
        outcome=outcome,
        reason=reason,
        measurements=measured(*scores, metrics=metrics),
        started=BEGAN,
        ended=None if outcome is None else BEGAN + 1000,
        folder=folder,
        mlflow_run_id=run_id,
        spec_fingerprint="f1n9e2",
    )


def row(
    arm: str,
    number: int,
    score: float | None,
    outcome: Outcome | None = Outcome.COMPLETE,
    score_name: str = "fd_digits_1k",
) -> TrialRecord:
    return TrialRecord.from_json(
        {
            "study": "study",
            "arm": arm,
            "number": number,
            "b": 1e-3,
            "a": 5e-4,
            "d_steps": 1,
            "score": score,
            "score_name": score_name,
            "step": None if score is None else 10,
            "seed": number,
            "outcome": outcome,
            "mlflow_run_id": f"{arm}{number}",
        }
    )


def changed(trial: TrialRecord, **values: object) -> TrialRecord:
    """A trial of a table with other values."""
    return TrialRecord.from_json(trial.to_json() | values)


def runs(store: MlflowClient, kind: str = "trial") -> list[Run]:
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    return list(store.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'"))


def history(store: MlflowClient, run_id: str, metric: str) -> list[tuple[int, int, float]]:
    points = store.get_metric_history(run_id, metric)
    return sorted((point.step, point.timestamp, point.value) for point in points)


def everything(store: MlflowClient) -> list[object]:
    """All that can be seen of all runs: publishing again must not change it."""
    seen: list[object] = []
    for run in sorted(runs(store) + runs(store, "arm"), key=lambda run: str(run.info.run_id)):
        seen.append((run.info.run_id, run.info.status, run.info.start_time, run.info.end_time))
        seen.append((run.data.tags, run.data.params))
        seen.extend((name, history(store, run.info.run_id, name)) for name in run.data.metrics)
        seen.extend(file.path for file in store.list_artifacts(run.info.run_id, "samples"))
    return seen


def assert_one_gets_the_name(uri: str, study: str) -> None:
    """Lets two records ask for one name when both have seen that it is free; one of them is refused."""
    began = threading.Barrier(2)
    said: dict[str, str] = {}

    def come(name: str) -> None:
        experiment = Experiment(uri, None, owner(study, name))
        experiment.client.search_experiments(max_results=1)
        original = experiment.client.create_experiment

        def together(*arguments: object, **rest: object) -> str:
            began.wait(60)
            return str(original(*arguments, **rest))  # type: ignore[arg-type]

        experiment.client.create_experiment = together  # type: ignore[method-assign]
        try:
            said[name] = experiment.id
        except UserError as error:
            said[name] = str(error)

    threads = [threading.Thread(target=come, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    found = mlflow_store.client(uri).get_experiment_by_name(study)
    assert found is not None
    holder = found.tags["record"]
    loser = "two" if holder == "one" else "one"
    assert said[holder] == found.experiment_id
    assert "belongs to another record" in said[loser]
