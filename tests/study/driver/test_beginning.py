"""The beginning of a launch: what is refused is refused before the engine costs anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mlflow import new_store, record
from support.study import saddle_spec

from study import api
from study.driver.session import Engine
from study.errors import UserError
from study.spec.model import Spec
from study.tracking.ownership import Owner
from study.tracking.store import client
from study.tracking.writer import Tracking


class StartedError(Exception):
    """The engine was to be started."""


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """Ends a launch where its engine would be started; says whether MLflow's store was there then."""
    found: list[bool] = []

    def start(_: Engine, spec: Spec) -> None:
        found.append((tmp_path / "mlflow.db").exists())
        raise StartedError(spec.name)

    monkeypatch.setattr(Engine, "start", start)
    return found


def launch(home: Path) -> None:
    api.launch(api.read_spec(saddle_spec("study", trials=1)), home=str(home))


def test_a_name_that_is_another_record_s_is_refused_before_the_engine_starts(
    tmp_path: Path, seen: list[bool]
) -> None:
    uri = new_store(tmp_path)
    Tracking(uri, None, Owner(study="study", record="theirs")).publish(record(), fresh=True)
    with pytest.raises(UserError, match="belongs to another record"):
        launch(tmp_path)
    assert seen == []
    theirs = client(uri).get_experiment_by_name("study")
    assert theirs is not None
    client(uri).rename_experiment(theirs.experiment_id, "free")
    with pytest.raises(StartedError):
        launch(tmp_path)
    assert seen == [True]


def test_workers_get_ready_while_the_first_store_is_made(tmp_path: Path, seen: list[bool]) -> None:
    with pytest.raises(StartedError):
        launch(tmp_path)
    assert seen == [False]
