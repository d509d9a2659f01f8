"""What MLflow shows of a launch: while it runs, when it was cut off, and when it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from support.mlflow import everything, history, new_store, record, runs
from support.processes import wait_until
from support.study import empty_record, saddle_spec

from study.driver import beginning
from study.driver.beginning import claim, publication_of
from study.driver.publishing import Publishing
from study.errors import UserError
from study.places.locations import Places
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking.ownership import Owner
from study.tracking.store import client
from study.tracking.writer import Tracking
from trainables.assignment import Turn
from trainables.folder import Folder
from trainables.protocol import Measurement

WAIT = 60.0


class Launches:
    """One study in a record and an MLflow store of its own, launched again and again."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(empty_record(folder))
        self.places = Places(
            record="",
            tracking=new_store(folder),
            artifacts=str(folder / "artifacts"),
            checkpoints=str(folder / "checkpoints"),
            cache="",
        )
        self.spec = Spec.model_validate(saddle_spec("study", trials=1))
        self.store: MlflowClient = client(self.places.tracking)

    def launch(self, everything: bool = False) -> tuple[Conductor, Publishing]:
        conductor = Conductor(self.spec, self.ledger, self.places)
        publication = publication_of(self.ledger, self.spec.name)
        publishing = Publishing(publication, self.places, conductor, everything)
        conductor.observe(publishing)
        return conductor, publishing

    def sync(self) -> None:
        assert self.launch(everything=True)[1].close(WAIT) == 0

    def trial(self, arm: str) -> Run:
        (found,) = [run for run in runs(self.store) if run.data.tags["arm"] == arm]
        return found


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    made.ledger.close()


def begun(conductor: Conductor) -> str:
    assignment = conductor.next()
    assert assignment is not None
    return assignment.identity


def turn(*steps: int) -> Turn:
    measured = tuple(Measurement(step=s, score=50.0 - s, time=1e9 + s) for s in steps)
    return Turn(step=steps[-1], steps=40, measurements=measured, finished=steps[-1] == 40)


def test_a_trial_that_was_cut_off_is_shown_so_until_it_goes_on(study: Launches) -> None:
    conductor, publishing = study.launch()
    first, second = begun(conductor), begun(conductor)
    conductor.turn(first, turn(10, 20, 40))
    conductor.turn(second, turn(10, 20))
    conductor.interrupt("interrupted")
    assert publishing.close(WAIT) == 0
    ended, cut_off = study.trial("one_timescale"), study.trial("two_timescale")
    assert (ended.info.status, cut_off.info.status) == ("FINISHED", "KILLED")
    assert cut_off.info.end_time > cut_off.info.start_time
    shown = everything(study.store)
    study.sync()
    assert everything(study.store) == shown

    conductor, publishing = study.launch()
    assert begun(conductor) == second
    conductor.turn(second, turn(10, 20))  # a worker hands out the evaluations that it read back
    conductor.turn(second, turn(40))
    assert publishing.close(WAIT) == 0
    found = study.trial("two_timescale")
    assert (found.info.run_id, found.info.status) == (cut_off.info.run_id, "FINISHED")
    assert found.info.end_time >= cut_off.info.end_time
    points = history(study.store, found.info.run_id, "score")
    assert [(step, value) for step, _, value in points] == [(10, 40.0), (20, 30.0), (40, 10.0)]
    shown = everything(study.store)
    study.sync()
    assert everything(study.store) == shown


def test_a_trial_that_runs_again_has_no_end(study: Launches) -> None:
    conductor, publishing = study.launch()
    begun(conductor)
    assert publishing.close(WAIT) == 0
    conductor, publishing = study.launch()
    begun(conductor)
    wait_until("everything is published", lambda: publishing._publisher.unpublished == 0)
    info = study.trial("one_timescale").info
    assert (info.status, bool(info.end_time)) == ("RUNNING", False)
    assert publishing.close(WAIT) == 0
    info = study.trial("one_timescale").info
    assert (info.status, bool(info.end_time)) == ("KILLED", True)


def test_a_trial_that_a_kill_left_running_is_cut_off_when_the_next_launch_is_stopped(
    study: Launches,
) -> None:
    conductor, publishing = study.launch()
    begun(conductor)
    publishing._publisher.close(WAIT)  # as if the driver had been killed: its end is not published
    assert study.trial("one_timescale").info.status == "RUNNING"
    conductor, publishing = study.launch()
    conductor.interrupt("interrupted")
    assert publishing.close(WAIT) == 0
    assert study.trial("one_timescale").info.status == "KILLED"


def test_a_driver_that_lost_its_study_ends_no_run(study: Launches) -> None:
    conductor, publishing = study.launch()
    begun(conductor)
    wait_until("everything is published", lambda: publishing._publisher.unpublished == 0)
    conductor.interrupt("another driver took the study over")
    shown = everything(study.store)
    publishing.close(0)
    publishing._publisher._thread.join(WAIT)
    assert everything(study.store) == shown
    assert study.trial("one_timescale").info.status == "RUNNING"


def test_arms_have_their_place_in_the_spec_and_one_without_a_budget_is_finished(
    study: Launches,
) -> None:
    arms = dict(reversed(study.spec.arms.items()))
    arms["one_timescale"] = arms["one_timescale"].model_copy(update={"trials": 0})
    study.spec = study.spec.model_copy(update={"arms": arms})
    study.sync()
    found = {run.data.tags["arm"]: run for run in runs(study.store, "arm")}
    places = {arm: run.data.tags["position"] for arm, run in found.items()}
    assert places == {"two_timescale": "0", "one_timescale": "1"}
    without = found["one_timescale"].info
    assert (without.status, without.end_time) == ("FINISHED", without.start_time)
    shown = everything(study.store)
    study.sync()
    assert everything(study.store) == shown


@pytest.mark.parametrize("asked_before", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_another_store_gets_everything_that_the_record_has(
    study: Launches, tmp_path: Path, asked_before: bool
) -> None:
    """Also if it did not answer when the launch began, and is found to be another one only later."""
    conductor, publishing = study.launch()
    conductor.turn(begun(conductor), turn(40))
    conductor.turn(begun(conductor), turn(40))
    assert publishing.close(WAIT) == 0
    other = tmp_path / "other"
    other.mkdir()
    places = replace(study.places, tracking=new_store(other))
    publication = publication_of(study.ledger, "study")
    if asked_before:
        claim(publication, places)
    conductor = Conductor(study.spec, study.ledger, places)
    assert [state.unpublished for state in conductor.arms.values()] == [[0] * asked_before] * 2
    publishing = Publishing(publication, places, conductor)
    assert publishing.close(WAIT) == 0
    assert len(runs(client(places.tracking))) == len(runs(client(places.tracking), "arm")) == 2
    # What is there is not sent a second time.
    claim(publication, places)
    conductor = Conductor(study.spec, study.ledger, places)
    assert [state.unpublished for state in conductor.arms.values()] == [[], []]


def test_a_trial_without_its_files_counts_as_published_only_when_they_are_there(
    study: Launches, tmp_path: Path
) -> None:
    blocker = tmp_path / "artifacts"
    blocker.write_text("a file where the folder should be")
    for _ in range(2):  # also when nothing is left to run
        conductor, publishing = study.launch()
        while (assignment := conductor.next()) is not None:
            Folder(assignment.folder).write("log.txt", b"words")
            conductor.turn(assignment.identity, turn(40))
        assert publishing.close(WAIT) == publishing.without_files == 4  # two trials, two arms
        shown = study.trial("one_timescale")
        assert (shown.info.status, shown.data.metrics["score"]) == ("FINISHED", 10.0)
        again = Conductor(study.spec, study.ledger, study.places)
        assert [state.unpublished for state in again.arms.values()] == [[0], [0]]
    blocker.unlink()
    study.sync()
    for run in runs(study.store):
        assert [file.path for file in study.store.list_artifacts(run.info.run_id)] == ["log.txt"]
    again = Conductor(study.spec, study.ledger, study.places)
    assert [state.unpublished for state in again.arms.values()] == [[], []]


def test_a_name_that_turns_out_to_be_taken_ends_the_publishing_at_once(
    study: Launches, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Tracking(study.places.tracking, None, Owner(study="study", record="theirs"))
    theirs.publish(record(), fresh=True)
    shown = everything(study.store)
    conductor, publishing = study.launch()  # as if MLflow had been away when the name was asked for
    conductor.turn(begun(conductor), turn(40))
    began = time.monotonic()
    assert publishing.close(10 * WAIT) == 3  # a trial and two arms
    assert time.monotonic() - began < 5 * WAIT
    said = [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
    assert len(said) == 1
    assert "belongs to another record" in said[0]
    assert "nothing is published" in said[0]
    assert everything(study.store) == shown
    with pytest.raises(UserError, match="belongs to another record"):
        claim(publication_of(study.ledger, "study"), study.places)


def test_a_server_that_hangs_is_not_waited_for(
    study: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "CLAIM_SECONDS", 0.01)
    released = threading.Event()
    monkeypatch.setattr(beginning, "sqlite_path", lambda _: None)
    monkeypatch.setattr("study.tracking.experiment.experiment_of", lambda *_: released.wait(WAIT))
    claim(publication_of(study.ledger, "study"), study.places)
    released.set()
