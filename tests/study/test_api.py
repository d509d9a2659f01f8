"""The verbs as functions: all are there, they take locations, and what they return can be tabulated."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mlflow import changed, new_store, record, row, tracking
from support.study import empty_record, saddle_spec

import study
from study.cli.verbs import cli
from study.errors import UserError
from study.record.database import Ledger
from study.spec.model import Spec
from study.trial import Outcome, TrialRecord

COMMANDS_ONLY = {"ui", "doctor"}
"""Verbs that serve a page or look at this machine: nothing that a program would call."""


def test_every_verb_is_a_function() -> None:
    assert set(cli.commands) - COMMANDS_ONLY <= set(study.__all__)
    for name in study.__all__:
        assert callable(getattr(study, name)), name


def test_reading_a_recipe_hides_no_function() -> None:
    spec = study.read_spec("quickstart")
    assert spec.name in {recipe.name for recipe in study.recipes()}
    assert "properties" in study.schema()
    # A module of a verb's name would take the function's place as soon as it is imported.
    modules = {entry.name.removesuffix(".py") for entry in files("study").iterdir()}
    assert modules & set(study.__all__) == {"recipes"}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """A record with one study, far from the home folder, which has none."""
    monkeypatch.setenv("TTUR_HOME", str(tmp_path / "home"))
    for name in ("TTUR_RECORD", "MLFLOW_TRACKING_URI", "TTUR_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    url = empty_record(tmp_path)
    ledger = Ledger(url)
    spec = study.read_spec(saddle_spec())
    ledger.store_spec("little", spec.model_dump(mode="json"))
    ledger.close()
    return {"record": url, "tracking": new_store(tmp_path)}


def test_a_spec_of_a_script_may_hold_what_numpy_made() -> None:
    def spec(trials: Any, b: Any, a: Any, steps: Any) -> Spec:
        return study.read_spec(
            {
                "name": "made",
                "trial": {"kind": "saddle", "steps": steps, "evaluate_every": 5},
                "arms": {"two": {"space": "two_timescale", "trials": trials, "b": b, "a": a}},
            }
        )

    ends = np.geomspace(1e-4, 1e-2, 3)[::2]
    made = spec(np.int64(8), ends, (np.float64(1e-4), np.float64(1e-2)), np.array(20))
    assert made == spec(8, [1e-4, 1e-2], [1e-4, 1e-2], 20)
    assert type(made.arms["two"].trials) is int


def test_a_study_is_found_where_the_places_say(places: dict[str, str | None]) -> None:
    (state,) = study.status("little", places=places)
    assert state.state == "interrupted"
    assert study.stop("little", places=places) is False
    with pytest.raises(UserError, match="a budget can only grow"):
        study.extend("little", 1, places=places)
    with pytest.raises(UserError, match="no trial of little has a score yet"):
        study.confirm("little", places=places)
    with pytest.raises(UserError):
        study.status("little")


def test_a_job_server_is_not_launched_on_from_a_program() -> None:
    with pytest.raises(UserError, match="submitted as a job by `ttur launch`"):
        study.launch(saddle_spec(), address="http://head:8265")


def test_a_study_is_prepared_where_the_places_say(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    assert study.prepare(saddle_spec(), places={"cache": cache}) == cache


def test_what_was_published_is_read_from_the_tracking_uri(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = new_store(tmp_path)
    writer = tracking(uri, tmp_path)
    for number, score in enumerate([3.0, 2.0]):
        writer.publish(record(number=number, scores=[score], outcome=Outcome.COMPLETE), fresh=True)
    (best,) = study.best("study", top=1, tracking=uri)
    assert best.number == 1
    assert list(study.to_frame(study.trials("study", tracking=uri))["score"]) == [3.0, 2.0]
    assert list(study.compare("study", tracking=uri).arms) == ["two_timescale"]
    page = study.report("study", tracking=uri)
    assert page.parent.resolve() == tmp_path / "study-report"
    assert "two_timescale" in page.read_text(encoding="utf-8")


def test_a_frame_of_nothing_has_its_columns() -> None:
    filled = study.to_frame([row("x", 0, 1.0)])
    empty = study.to_frame([])
    assert list(empty.columns) == list(filled.columns)
    assert {"arm", "b", "score", "noise", "outcome", "mlflow_run_id"} <= set(empty.columns)
    assert len(empty) == 0


def test_a_further_parameter_takes_no_columns_place() -> None:
    rows: list[TrialRecord] = [
        changed(row("x", 0, 1.0), noise=0.5, further={"noise": 7.0, "loss": "hinge", "score": 8.0}),
        row("x", 1, None),
    ]
    frame = study.to_frame(rows)
    assert list(frame["noise"]) == [0.5, 0.0]
    assert frame["score"][0] == 1.0
    assert frame["further.noise"][0] == 7.0
    assert frame["further.score"][0] == 8.0
    assert frame["loss"][0] == "hinge"
    assert math.isnan(frame["further.noise"][1])
