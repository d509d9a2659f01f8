from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages._rdb.models import StudyModel
from optuna.trial import TrialState
from support.study import empty_record, saddle_spec, sample_of

from search_spaces import build_space
from search_spaces.space import SearchSpace
from study.errors import StudyBusy, UserError
from study.record import connection as patience_module
from study.record import lease as lease_module
from study.record import trials as arm_module
from study.record.connection import Patience
from study.record.database import Ledger
from study.record.lease import Lease
from study.record.status import status
from study.record.trials import ArmLedger
from study.search.samplers import make_pruner, make_sampler
from study.spec.model import Spec
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement

SPEC = Spec.model_validate(saddle_spec())
ARM = "two_timescale"


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return build_space("two_timescale", {"b": [1e-4, 1e-2], "a": [1e-4, 1e-2], "d_steps": [1, 2]})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return empty_record(tmp_path)


@pytest.fixture
def record(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def opened(record: Ledger) -> ArmLedger:
    """An arm as a new driver opens it."""
    arm = record.arm("little", ARM)
    arm.use(
        make_sampler(SPEC.search, ARM, SPEC.arms[ARM], arm.asked()),
        make_pruner(SPEC.stopping, SPEC.settings),
    )
    return arm


def scores(trial: TrialRecord) -> dict[int, float]:
    return {m.step: m.score for m in trial.measurements}


def measured(step: int, score: float) -> Measurement:
    return Measurement(step=step, score=score)


def test_a_new_record_is_made_with_its_folder(tmp_path: Path) -> None:
    made = Ledger(f"sqlite:///{tmp_path}/deeper/record.db")
    assert made.studies() == []
    made.close()


@pytest.mark.parametrize("tables", ["optuna", "lease"])
def test_two_that_make_the_same_record_at_once_both_go_on(tmp_path: Path, tables: str) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    if tables == "lease":
        Ledger(url).close()
    metadata = StudyModel.metadata if tables == "optuna" else lease_module._TABLES
    both, waited = threading.Barrier(2), threading.local()

    def meet(*_: object, **__: object) -> None:
        """Called when one of them has seen what is missing, and before it is made."""
        if not getattr(waited, "once", False):
            waited.once = True
            both.wait(30)

    failures: list[BaseException] = []

    def make(name: str) -> None:
        try:
            ledger = Ledger(url)
            Lease(ledger.engine, name)
            ledger.store_spec(name, {"name": name})
            ledger.close()
        except BaseException as error:
            both.abort()
            failures.append(error)

    sa.event.listen(metadata, "before_create", meet)
    try:
        threads = [threading.Thread(target=make, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    finally:
        sa.event.remove(metadata, "before_create", meet)
    assert failures == []
    ledger = Ledger(url)
    assert ledger.studies() == ["one", "two"]
    ledger.close()


def test_a_look_at_many_studies_asks_no_more_than_one_at_few(tmp_path: Path) -> None:
    asked: dict[int, int] = {}
    for number in (2, 9):
        folder = tmp_path / str(number)
        folder.mkdir()
        url = empty_record(folder)
        ledger = Ledger(url)
        for each in range(number):
            data = saddle_spec(f"s{each}", trials=1)
            ledger.store_spec(data["name"], data)
            Lease(ledger.engine, data["name"])
        ledger.close()
        statements: list[str] = []

        def note(*arguments: Any, seen: list[str] = statements) -> None:
            seen.append(arguments[2])

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            assert len(status(None, url)) == number
            asked[number] = len(statements)
            one = len(statements)
            assert [state.study for state in status("s1", url)] == ["s1"]
            assert len(statements) - one < 10
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert asked[2] == asked[9] < 10


def test_a_spec_is_kept_and_replaced(record: Ledger) -> None:
    assert record.stored_spec("little") is None
    assert record.studies() == []
    record.store_spec("little", {"name": "little", "n": 1})
    record.store_spec("little", {"name": "little", "n": 2})
    record.arm("little", ARM)
    assert record.stored_spec("little") == {"name": "little", "n": 2}
    assert record.studies() == ["little"]


def test_what_others_keep_in_the_same_database_is_no_study(record: Ledger) -> None:
    optuna.create_study(storage=record.storage, study_name="foreign")
    record.store_spec("little", {"name": "little"})
    assert record.studies() == ["little"]


def test_the_reason_of_an_end_that_was_never_told_does_not_stay(
    record: Ledger, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = opened(record)
    number = arm.ask(space).number
    monkeypatch.setattr(arm_module, "point", lambda name: _raise(KeyboardInterrupt()))  # a kill
    with pytest.raises(KeyboardInterrupt):
        arm.end(number, Outcome.FAILED, math.inf, "OSError: node lost", 10)
    monkeypatch.undo()
    again = opened(record)
    again.reopen(number, space)
    again.report(number, measured(40, 0.5))
    again.end(number, Outcome.COMPLETE, 0.5, None, 40)
    (entry,) = again.trials()
    assert (entry.outcome, entry.reason, entry.end_step) == (Outcome.COMPLETE, None, 40)


def test_what_was_asked_reported_and_ended_is_read_back(record: Ledger, space: SearchSpace) -> None:
    arm = opened(record)
    asked = arm.ask(space)
    number = asked.number
    assert space.contains(sample_of(arm, number))
    assert asked.parameters.to_json() == space.derive(sample_of(arm, number))
    arm.report(number, measured(10, 3.0))
    arm.report(number, measured(20, 2.0))
    ended = arm.end(number, Outcome.STOPPED, 2.0, "the score rose", 20)
    (entry,) = opened(record).trials()
    assert (entry.identity, entry.parameters) == (f"little/{ARM}/0", asked.parameters)
    assert scores(entry) == {10: 3.0, 20: 2.0}
    assert (entry.outcome, entry.reason, entry.end_step) == (Outcome.STOPPED, "the score rose", 20)
    assert entry.ended == ended
    assert entry.started <= ended
    assert not entry.published


def test_a_trial_that_was_cut_off_goes_on_as_the_same_trial(
    record: Ledger, space: SearchSpace
) -> None:
    asked = (arm := opened(record)).ask(space)
    number = asked.number
    arm.report(number, measured(10, 3.0))
    again = opened(record)
    (entry,) = again.trials()
    assert entry.outcome is None
    assert again.reopen(number, space).parameters == asked.parameters
    again.report(number, measured(10, 4.0))  # computed again after a restart: the later one counts
    again.report(number, measured(20, 1.0))
    again.end(number, Outcome.COMPLETE, 1.0, None, 20)
    (entry,) = opened(record).trials()
    assert scores(entry) == {10: 4.0, 20: 1.0}


def test_a_trial_cut_off_while_it_was_asked_for_gets_what_it_lacks(
    record: Ledger, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = opened(record)

    class Killed(BaseException):
        """Stands for SIGKILL between creating a trial and giving it its parameters."""

    def die(trial: optuna.Trial, *_: Any) -> float:
        if "b" in trial.params:
            raise Killed
        return trial.suggest_float("b", 1e-4, 1e-2, log=True)

    with monkeypatch.context() as patched:
        patched.setattr(arm_module, "suggested", die)
        with pytest.raises(Killed):
            arm.ask(space)
    half = opened(record)
    (number,) = half.half_asked()
    assert half.trials() == []
    before = sample_of(half, number)
    assert set(before) == {"b"}
    taken_up = half.reopen(number, space)
    assert taken_up.b == before["b"]
    assert space.contains(sample_of(half, number))
    assert [e.number for e in half.trials()] == [0]
    assert half.half_asked() == []


def test_points_come_first_and_only_once(record: Ledger, space: SearchSpace) -> None:
    point = {"b": 1e-3, "a": 1e-4, "d_steps": 2}
    asked = opened(record).ask(space, deque([point]))
    assert (asked.number, asked.parameters.to_json()) == (0, point)
    # A driver that died between queueing a point and asking for it.
    arm = opened(record)
    arm._study.enqueue_trial({"b": 2e-3})
    asked = arm.ask(space, deque([{"b": 2e-3}]))
    assert asked.number == 1
    assert asked.b == 2e-3
    assert space.contains(sample_of(arm, 1))
    assert len(opened(record).trials()) == 2


def test_a_queued_point_is_no_trial_yet(record: Ledger) -> None:
    arm = opened(record)
    arm._study.enqueue_trial({"b": 2e-3})
    assert arm.trials() == []


def test_a_trial_without_a_score_has_an_infinite_objective_and_a_failed_one_has_none(
    record: Ledger, space: SearchSpace
) -> None:
    arm = opened(record)
    first = arm.ask(space).number
    second = arm.ask(space).number
    arm.end(first, Outcome.DIVERGED, math.inf, "the loss is nan", 3)
    arm.end(second, Outcome.FAILED, math.inf, "OSError: no", 0)
    trials = arm._study.get_trials()
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.FAIL]
    assert trials[0].value == math.inf
    assert [e.outcome for e in arm.trials()] == [Outcome.DIVERGED, Outcome.FAILED]


def test_the_run_of_a_trial_can_be_kept_before_and_after_its_end(
    record: Ledger, space: SearchSpace
) -> None:
    arm = opened(record)
    number = arm.ask(space).number
    arm.set_run(number, "run1", published=False)
    assert (arm.trial(number).mlflow_run_id, arm.trial(number).published) == ("run1", False)
    arm.end(number, Outcome.COMPLETE, 1.0, None, 40)
    arm.set_run(number, "run2", published=True)
    arm.set_run(number, "run3", published=True)
    entry = opened(record).trial(number)
    assert (entry.mlflow_run_id, entry.published) == ("run3", True)


def test_a_trial_whose_end_was_stored_but_not_confirmed_is_not_ended_twice(
    record: Ledger, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience_module.time, "sleep", lambda _: None)
    arm = opened(record)
    number = arm.ask(space).number
    real = arm._study.tell
    lost = [optuna.exceptions.StorageInternalError("the connection was cut")]

    def tell(*arguments: Any, **options: Any) -> Any:
        told = real(*arguments, **options)
        if lost:
            raise lost.pop()
        return told

    monkeypatch.setattr(arm._study, "tell", tell)
    arm.end(number, Outcome.COMPLETE, 1.0, None, 40)
    assert arm._study.trials[0].value == 1.0


def test_two_threads_write_to_one_sqlite_record(record: Ledger, space: SearchSpace) -> None:
    arm = opened(record)
    numbers = [arm.ask(space).number for _ in range(10)]

    def keep_runs() -> None:
        for number in numbers:
            arm.set_run(number, f"run{number}", published=False)

    thread = threading.Thread(target=keep_runs)
    thread.start()
    for number in numbers:
        arm.report(number, measured(10, float(number)))
    thread.join()
    entries = arm.trials()
    assert [entry.mlflow_run_id for entry in entries] == [f"run{n}" for n in numbers]
    assert [scores(entry) for entry in entries] == [{10: float(n)} for n in numbers]


def test_a_record_that_is_away_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience_module.time, "sleep", lambda _: None)
    answers = [
        optuna.exceptions.StorageInternalError("down"),
        sa.exc.OperationalError("q", {}, OSError()),
    ]

    def flaky() -> str:
        if answers:
            raise answers.pop()
        return "there"

    assert Patience()(flaky) == "there"
    assert "trying again" in caplog.text


def test_a_record_that_stays_away_ends_the_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience_module, "PATIENCE_SECONDS", -1.0)

    def away() -> None:
        raise optuna.exceptions.StorageInternalError("down")

    with pytest.raises(optuna.exceptions.StorageInternalError):
        Patience()(away)


def test_nothing_is_tried_again_after_the_lease_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience_module.time, "sleep", lambda _: None)
    patience, calls = Patience(), []
    patience.before_retry = lambda: _raise(StudyBusy("taken over"))

    def away() -> None:
        calls.append(1)
        raise optuna.exceptions.StorageInternalError("down")

    with pytest.raises(StudyBusy, match="taken over"):
        patience(away)
    assert len(calls) == 1


def test_a_launch_that_was_asked_to_end_does_not_wait_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience_module, "LAST_SECONDS", -1.0)
    patience = Patience()
    patience.given_up = lambda: True
    with pytest.raises(optuna.exceptions.StorageInternalError):
        patience(lambda: _raise(optuna.exceptions.StorageInternalError("down")))


def test_a_database_that_cannot_be_written_is_not_waited_for() -> None:
    error = sa.exc.OperationalError("q", {}, OSError("attempt to write a readonly database"))
    with pytest.raises(sa.exc.OperationalError):
        Patience()(lambda: _raise(error))


def test_an_error_that_is_not_of_the_database_is_not_tried_again() -> None:
    calls = []

    def wrong() -> None:
        calls.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        Patience()(wrong)
    assert len(calls) == 1


def test_a_trial_whose_asking_was_cut_by_the_database_is_found_again(
    record: Ledger, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = opened(record)
    arm.ask(space)
    real = arm._study.ask
    monkeypatch.setattr(
        arm._study, "ask", lambda: (real(), _raise(optuna.exceptions.StorageInternalError()))
    )
    assert arm.ask(space).number == 1
    assert space.contains(sample_of(arm, 1))
    assert len(arm.trials()) == 2


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "it is not an SQLAlchemy URL"),
        ("sqlite:////proc/none/record.db", "cannot be opened"),
        (
            "postgresql://me:hunter2@127.0.0.1:1/x",
            "postgresql://me:***@127.0.0.1:1/x cannot be opened",
        ),
    ],
)
def test_a_record_that_cannot_be_opened_is_one_sentence_without_the_password(
    url: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        Ledger(url)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
