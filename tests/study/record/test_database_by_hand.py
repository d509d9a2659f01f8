"""What the record's database says of arms and notes, from trials that were put there by hand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial
from support.study import empty_record

from search_spaces import build_space
from study.record.connection import engine_settings, parsed_url
from study.record.database import Counts, Ledger
from study.trial import Outcome
from trainables.levels import Levels
from trainables.protocol import Measurement

SPACE = build_space("one_timescale", {"b": [1e-4, 1e-2], "d_steps": [1, 2]})
PARAMETERS = {"b": 0.5, "a": 0.25, "d_steps": 2}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(empty_record(tmp_path))
    yield made
    made.close()


def put(ledger: Ledger, name: str, *trials: tuple[TrialState, dict[str, Any]]) -> None:
    study = optuna.create_study(study_name=name, storage=ledger.storage)
    for state, attributes in trials:
        value = 1.0 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))


def ended(
    state: TrialState = TrialState.COMPLETE, **kept: Any
) -> tuple[TrialState, dict[str, Any]]:
    return state, {"parameters": PARAMETERS, **kept}


def read_anew(ledger: Ledger, name: str) -> optuna.Study:
    """As another process reads it: Optuna reads a trial that has ended once."""
    return optuna.load_study(study_name=name, storage=Ledger(ledger._url).storage)


def test_an_arms_trials_are_counted_by_how_they_stand_without_those_of_other_programs(
    ledger: Ledger,
) -> None:
    put(
        ledger,
        "x/one",
        ended(outcome="complete", published=True),
        ended(outcome="stopped", published=False),
        ended(outcome="diverged", published=True),
        ended(outcome="diverged"),
        ended(TrialState.FAIL, outcome="failed"),
        ended(TrialState.FAIL),  # by another program
        ended(TrialState.PRUNED, published=True),
        (TrialState.RUNNING, {}),  # is being asked for
        ended(TrialState.RUNNING, outcome="complete"),  # its end was not told
        (TrialState.WAITING, {"parameters": PARAMETERS}),
        (TrialState.WAITING, {}),
        (TrialState.COMPLETE, {}),
        (TrialState.FAIL, {"outcome": "failed"}),
    )
    put(ledger, "x/two", ended(outcome="complete", published=True))
    put(ledger, "y/one", (TrialState.WAITING, {}))
    one = Counts(
        asked=9,
        ended=Counter(
            {
                Outcome.COMPLETE: 1,
                Outcome.STOPPED: 2,
                Outcome.DIVERGED: 2,
                Outcome.FAILED: 2,
            }
        ),
        unpublished=4,
    )
    two = Counts(asked=1, ended=Counter({Outcome.COMPLETE: 1}), unpublished=0)
    assert ledger.counts("x", "one") == one
    assert ledger.counts("x", "two") == two
    assert ledger.counts("y", "one") == Counts(0, Counter(), 0)
    assert ledger.all_counts() == {"x/one": one, "x/two": two}
    assert ledger.all_counts("x/two") == {"x/two": two}


def test_failed_trials_of_an_arm_are_running_ones_again_and_nothing_else_is_changed(
    ledger: Ledger,
) -> None:
    end = {"outcome": "failed", "reason": "full", "end_step": 3, "published": True}
    put(
        ledger,
        "x/one",
        ended(TrialState.FAIL, **end, mlflow_run_id="r"),
        ended(TrialState.COMPLETE, **end),
        (TrialState.FAIL, end),  # another program's
        ended(TrialState.FAIL, **end),
    )
    put(ledger, "x/two", ended(TrialState.FAIL, **end))
    assert ledger.reopen_failed("x", "one") == 2
    assert ledger.reopen_failed("x", "one") == 0
    assert ledger.reopen_failed("x", "none") == 0
    trials = read_anew(ledger, "x/one").trials
    running, complete, failed = TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL
    assert [trial.state for trial in trials] == [running, complete, failed, running]
    assert [trial.datetime_complete is None for trial in trials] == [True, False, False, True]
    assert trials[0].user_attrs == {"parameters": PARAMETERS, "mlflow_run_id": "r"}
    assert trials[1].user_attrs == {"parameters": PARAMETERS, **end}
    assert trials[2].user_attrs == end
    assert trials[3].user_attrs == {"parameters": PARAMETERS}
    (other,) = read_anew(ledger, "x/two").trials
    assert (other.state, other.user_attrs) == (failed, {"parameters": PARAMETERS, **end})


def test_what_is_noted_of_a_study_is_read_alone_and_with_that_of_others(ledger: Ledger) -> None:
    for name in ("x", "y"):
        ledger.store_spec(name, {"name": name})
    ledger.note("x", "first", {"n": 1})
    ledger.note("x", "first", {"n": 2})
    ledger.note("x", "second", None)
    ledger.note("y", "first", [3])
    assert ledger.noted("x", "first") == {"n": 2}
    assert ledger.noted("x", "third") is None
    assert ledger.noted("z", "first") is None
    both = {"x": {"first": {"n": 2}, "second": None}, "y": {"first": [3]}}
    assert ledger.notes(["first", "second"]) == both
    assert ledger.notes(["first"], "x") == {"x": {"first": {"n": 2}}}
    with pytest.raises(KeyError):
        ledger.note("z", "first", 1)


def test_what_is_kept_of_a_study_is_kept_under_these_keys(ledger: Ledger) -> None:
    """Later versions read them."""
    ledger.store_spec("y", {"name": "y"})
    ledger.store_spec("x", {"name": "x", "n": 0})
    ledger.store_spec("x", {"name": "x", "n": 1})
    assert (ledger.contents("x"), ledger.slots("x"), ledger.levels("x")) == (None, None, Levels())
    ledger.keep_contents("x", {"used": 3})
    ledger.keep_slots("x", 4)
    ledger.keep_levels("x", Levels(floor=1.0, ceiling=9.0))
    assert read_anew(ledger, "x").user_attrs == {
        "spec": '{"name": "x", "n": 1}',
        "data": {"used": 3},
        "slots": 4,
        "levels": {"floor": 1.0, "ceiling": 9.0},
    }
    assert (ledger.contents("x"), ledger.slots("x")) == ({"used": 3}, 4)
    assert ledger.levels("x") == Levels(floor=1.0, ceiling=9.0)


def test_specs_are_those_of_studies_not_of_arms_or_of_other_people(ledger: Ledger) -> None:
    for name in ("y", "x"):
        ledger.store_spec(name, {"name": name})
    ledger.store_spec("x/one", {"name": "an arm"})
    ledger.keep_slots("x", 3)
    put(ledger, "foreign", (TrialState.WAITING, {}))
    assert ledger.stored_specs() == {"x": {"name": "x"}, "y": {"name": "y"}}
    assert ledger.stored_specs("x") == {"x": {"name": "x"}}
    assert ledger.stored_specs("z") == {}
    assert ledger.studies() == ["x", "y"]
    assert ledger.stored_spec("y") == {"name": "y"}
    assert ledger.stored_spec("z") is None


def test_an_arm_is_made_once_and_the_lower_score_is_the_better(ledger: Ledger) -> None:
    sampler, pruner = RandomSampler(), NopPruner()
    made = ledger.arm("x", "one", sampler, pruner)
    assert made.sampler is sampler
    assert made._study.pruner is pruner
    assert made._study.direction == optuna.study.StudyDirection.MINIMIZE
    assert made._patience is ledger.patience
    made._study.add_trial(create_trial(value=1.0))
    assert len(ledger.arm("x", "one").frozen()) == 1
    assert optuna.get_all_study_names(ledger.storage) == ["x/one"]


def test_a_study_is_deleted_with_its_arms_and_no_other(ledger: Ledger) -> None:
    for name in ("x/one", "xx/one", "x.confirm/x", "y/x/one"):
        put(ledger, name)
    ledger.store_spec("x", {})
    ledger.store_spec("xx", {})
    ledger.delete("x")
    left = ["xx/one", "x.confirm/x", "y/x/one", "xx"]
    assert optuna.get_all_study_names(ledger.storage) == left
    ledger.delete("x")
    put(ledger, "x/two")  # cut off before what says that it is there
    ledger.delete("x")
    assert optuna.get_all_study_names(ledger.storage) == left


def test_the_arms_of_a_study_go_before_what_says_that_it_is_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.store_spec("x", {})
    put(ledger, "x/one")
    gone: list[str] = []
    monkeypatch.setattr(optuna, "delete_study", lambda study_name, storage: gone.append(study_name))
    ledger.delete("x")
    assert gone == ["x/one", "x"]


def test_only_a_server_can_have_closed_a_connection() -> None:
    server = engine_settings(parsed_url("postgresql://host/database"))
    assert server == {"pool_pre_ping": True}
    assert engine_settings(parsed_url("sqlite:///file")) == {"connect_args": {"timeout": 60}}


def on_the_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The files that are brought to the disk from now on, by their inodes."""
    brought: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: brought.append(os.fstat(file).st_ino))
    return brought


def test_a_trial_is_on_the_disk_when_it_is_handed_out_and_when_it_has_ended(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = ledger.arm("x", "one")
    for engine in (ledger.engine, ledger.storage.engine):
        with engine.connect() as connection:
            # 1: SQLite waits for the disk when it takes its log into the file, and not for each line of it.
            assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 1
    brought = on_the_disk(monkeypatch)
    number = arm.ask(SPACE).number
    log = (tmp_path / "record.db-wal").stat().st_ino
    assert brought == [log]
    arm.report(number, Measurement(step=1, score=1.0))
    arm.set_run(number, "r", published=False)
    assert brought == [log], "its folder tells the score again, and its run is found by its tag"
    arm.end(number, Outcome.COMPLETE, 1.0, None, 1)
    assert brought == [log, log]


def test_what_another_program_enqueues_or_begins_is_seen_beside_trials_of_ones_own(
    ledger: Ledger,
) -> None:
    arm, script = ledger.arm("x", "one"), ledger.arm("x", "one")._study
    ledger.arm("x", "two")._study.enqueue_trial({"b": 1e-3, "d_steps": 1})
    arm.ask(SPACE)
    assert arm.queue(SPACE) == 0
    script.enqueue_trial({"b": 1e-3, "d_steps": 1})
    assert arm.queue(SPACE) == 1
    assert arm.ask(SPACE).b == 1e-3
    begun = script.ask({"c": optuna.distributions.FloatDistribution(0, 1)})
    assert arm.queue(SPACE) == 0
    assert script.trials[begun.number].state == TrialState.FAIL


def test_a_look_opens_optunas_storage_when_it_is_needed(ledger: Ledger) -> None:
    ledger.store_spec("x", {"name": "x"})
    look = Ledger(ledger._url, look=True)
    assert look.stored_spec("x") == {"name": "x"}
    assert look._storage is None
    look.close()
    assert optuna.get_all_study_names(look.storage) == ["x"]
    assert look.storage is look.storage
    look.close()
    assert ledger.engine is ledger.storage.engine
