"""Whole studies through the command line: run, extended, left alone when finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from support.study import ARMS, Place, assert_whole, saddle_spec

from study.record.database import Ledger
from study.record.publication import Publication

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def tags_of(run: Run) -> dict[str, str]:
    """Tags but for the version of the code: somebody may commit while the test runs."""
    return {name: text for name, text in run.data.tags.items() if name != "code_version"}


def everything(place: Place, study: str) -> dict[str, Any]:
    """All that the record and MLflow hold of a study."""
    store = place.store()
    runs = sorted(
        place.runs(study) + place.runs(study, "arm"), key=lambda run: str(run.info.run_id)
    )
    return {
        "trials": [[vars(trial) for trial in place.trials(study, arm)] for arm in ARMS],
        "runs": [(dict(run.info), tags_of(run), run.data.params, run.data.metrics) for run in runs],
        "histories": [
            [
                (p.step, p.timestamp, p.value)
                for p in store.get_metric_history(run.info.run_id, name)
            ]
            for run in runs
            for name in sorted(run.data.metrics)
        ],
    }


def test_a_study_runs_to_its_budget_and_is_left_alone_when_finished(place: Place) -> None:
    spec = place.write(saddle_spec(trials=2))
    said = place.ttur("launch", str(spec))
    assert "ttur ui" in said
    assert_whole(place, "little", 2)
    state = place.json("status", "little")
    counts = {
        "budget": 2,
        "complete": 2,
        "diverged": 0,
        "failed": 0,
        "running": 0,
        "interrupted": 0,
    }
    arms = dict.fromkeys(ARMS, counts)
    ended = {"state": "finished", "confirmation": None, "slots": None, "busy": None}
    assert state == {"study": "little", "arms": arms, **ended}
    best = place.json("best", "little")
    assert {row["arm"] for row in best} == set(ARMS)
    assert [row["score"] for row in best] == sorted(row["score"] for row in best)
    compared = place.json("compare", "little")
    assert compared["arms"]["one_timescale"]["best"]["score"] == min(
        row["score"] for row in best if row["arm"] == "one_timescale"
    )

    before = everything(place, "little")
    assert "finished already" in place.ttur("launch", str(spec))
    assert "finished already" in place.ttur("resume", "little")
    assert everything(place, "little") == before

    # As if the driver had been killed between its last trial and the end of its arms' runs.
    record = Ledger(place.record)
    Publication(record, "little").keep_shown({})
    record.close()
    for arm in place.runs("little", "arm"):
        place.store().update_run(arm.info.run_id, status="RUNNING")
    assert "finished already" in place.ttur("launch", str(spec))
    assert everything(place, "little") == before


def test_an_extension_runs_exactly_what_was_added_and_repeats_no_start_up_point(
    place: Place,
) -> None:
    spec = saddle_spec(trials=4, search={"sampler": "tpe", "seed": 1, "startup": 20})
    place.ttur("launch", str(place.write(spec)))
    first = {arm: place.trials("little", arm) for arm in ARMS}
    place.ttur("extend", "little", "--trials", "7")
    assert_whole(place, "little", 7)
    for arm in ARMS:
        trials = place.trials("little", arm)
        assert [vars(trial) for trial in trials[:4]] == [vars(trial) for trial in first[arm]]
        assert len({trial.params["b"] for trial in trials}) == 7
    assert "a budget can only grow" in place.ttur("extend", "little", "--trials", "6", expect=2)
