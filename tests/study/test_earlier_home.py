"""A home that an earlier version made is read, resumed and extended.

``support/earlier_home.tar.xz`` holds the record, MLflow's store and the trials' folders of two studies on the
saddle as an earlier version left them in November 2026. ``old`` is finished; ``half`` was stopped with a
trial at a checkpoint, and its last trial was never asked for.
"""

from __future__ import annotations

import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

import study
from study.api.sites import options_of, published
from study.driver.session import Engine
from study.tracking import query
from trainables.run import TrialRun

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The home, with trials run in this process."""
    with tarfile.open(SUPPORT / "earlier_home.tar.xz") as packed:
        # Python 3.11.2 of Debian 12 has no filters yet.
        packed.extractall(
            tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )
    here = tmp_path / "home"
    with sqlite3.connect(here / "mlflow.db") as store:  # it was elsewhere
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            store.execute(
                f"UPDATE {table} SET {column} = replace({column}, '/tmp/oldrun/home', ?)",
                (str(here),),
            )

    def run(_: Engine, conductor: Any) -> None:
        while (assignment := conductor.next()) is not None:
            trial = TrialRun(assignment)
            while not conductor.turn(assignment.identity, trial.turn()):
                pass

    monkeypatch.setattr(Engine, "run", run)
    return str(here)


def told(rows: Any) -> dict[tuple[str, int], tuple[float | None, str | None, str | None]]:
    return {(row.arm, row.number): (row.score, row.outcome, row.mlflow_run_id) for row in rows}


def rows_of(name: str, home: str) -> Any:
    with published(name, options_of(home, None)) as uri:
        return query.trials(name, tracking_uri=uri)


def test_it_is_read(home: str) -> None:
    states = {found.study: found.state for found in study.status(home=home)}
    assert states == {"old": "finished", "half": "interrupted"}
    scores = {key: score for key, (score, _, _) in told(rows_of("old", home)).items()}
    assert len(scores) == 4
    assert study.best("old", home=home)[0].score == min(scores.values())
    shown = study.show("old", "two_timescale/1", home=home)
    assert [each.step for each in shown.measurements] == [10, 20, 30, 40]
    assert shown.score == scores["two_timescale", 1]
    assert study.compare("old", home=home).arms.keys() == {"one_timescale", "two_timescale"}


@pytest.mark.slow
def test_it_is_resumed_as_the_same_trials_and_runs(home: str) -> None:
    before = told(rows_of("half", home))
    result = study.resume("half", home=home, changes=["confirm.when=never"])
    after = told(rows_of("half", home))
    assert result.ran == 2
    assert sorted(after) == [("one_timescale", 0), ("two_timescale", 0), ("two_timescale", 1)]
    for key, (_, _, run) in before.items():
        assert after[key][2] == run
    for arm, number in after:
        shown = study.show("half", f"{arm}/{number}", home=home)
        assert [each.step for each in shown.measurements] == [10, 20, 30, 40]
    assert study.status("half", home=home)[0].state == "finished"


@pytest.mark.slow
def test_it_is_extended(home: str) -> None:
    before = told(rows_of("old", home))
    result = study.extend("old", "+1", home=home, changes=["confirm.when=never"])
    after = told(rows_of("old", home))
    assert result.ran == 2
    assert len(after) == 6
    assert before.items() <= after.items()
