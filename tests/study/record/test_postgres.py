"""PostgreSQL as Optuna's storage and as MLflow's store, with the driver that the project names."""

from __future__ import annotations

from collections.abc import Iterator

import mlflow
import optuna
import psycopg
import pytest
from support.postgres import Postgres, private_postgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with private_postgres() as server:
        yield server


@pytest.fixture
def passfile(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", str(postgres.passfile))


def test_a_client_without_the_password_is_refused(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="ttur", dbname="ttur")


@pytest.mark.usefixtures("passfile")
def test_optuna_goes_on_after_postgresql_was_restarted(postgres: Postgres) -> None:
    storage = optuna.storages.RDBStorage(postgres.url(), engine_kwargs={"pool_pre_ping": True})
    study = optuna.create_study(study_name="kept", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("b", 1e-4, 1e-2, log=True), n_trials=2)

    postgres.stop("immediate")
    postgres.start()

    study.optimize(lambda trial: trial.suggest_float("b", 1e-4, 1e-2, log=True), n_trials=1)
    assert [trial.number for trial in study.get_trials()] == [0, 1, 2]


@pytest.mark.usefixtures("passfile")
def test_mlflow_keeps_its_runs_in_postgresql(postgres: Postgres) -> None:
    client = mlflow.MlflowClient(tracking_uri=postgres.url("mlflow"))
    experiment = client.create_experiment("kept", artifact_location=str(postgres.folder / "files"))
    run = client.create_run(experiment, tags={"ttur.trial": "kept/two_timescale/0"})
    client.log_metric(run.info.run_id, "score", 0.25)

    found = client.search_runs([experiment], "tags.`ttur.trial` = 'kept/two_timescale/0'")
    assert [each.data.metrics["score"] for each in found] == [0.25]
