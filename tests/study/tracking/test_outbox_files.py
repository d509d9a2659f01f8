"""The publisher while MLflow takes records and the store of files takes nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support.mlflow import BEGAN, record

from study.tracking import jobs
from study.tracking.content import ArmRecord
from study.tracking.files import FilesLacking
from study.tracking.outbox import Publisher
from study.trial import Outcome, TrialRecord

WAIT = 20.0
"""Seconds that a test waits for the thread before it fails; a passing test never waits so long."""


class FakeStore:
    """MLflow with a store of files beside it, which may be away; counts what each of them is asked."""

    def __init__(self) -> None:
        self.away = False
        self.refused: set[str] = set()
        self.files_refused: set[str] = set()
        self.values: list[TrialRecord | ArmRecord] = []
        self.asked: list[str] = []
        self.files: set[str] = set()
        self.whole: dict[str, bool] = {}
        self.changed = threading.Condition()

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool) -> str:
        return self._take(record, files)

    def publish_arm(self, record: ArmRecord, *, files: bool) -> str:
        return self._take(record, files)

    def stored(self, record: TrialRecord, run_id: str, whole: bool) -> None:
        assert run_id == f"run of {record.identity}"
        self.whole[record.identity] = whole

    def _take(self, record: TrialRecord | ArmRecord, files: bool) -> str:
        name = record.identity
        with self.changed:
            self.values.append(record)
            if files:
                self.asked.append(name)
            if files and not self.away and name not in self.files_refused:
                self.files.add(name)
            self.changed.notify_all()
        if name in self.refused:
            raise OSError("connection refused")
        if name not in self.files:
            raise FilesLacking("no space", f"run of {name}")
        return f"run of {name}"

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def publisher(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(jobs, "CLOSING_PAUSE", 0.001)
    publisher = Publisher(store, store.stored)
    yield publisher
    publisher.close(0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LONGEST_PAUSE", 0.001)


@pytest.fixture
def much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 10 * WAIT)
    monkeypatch.setattr(jobs, "LONGEST_PAUSE", 10 * WAIT)


def ended(number: int) -> TrialRecord:
    return record(number=number, scores=[3.0], outcome=Outcome.COMPLETE)


def arm() -> ArmRecord:
    return ArmRecord(
        study="study",
        arm="two_timescale",
        position=0,
        spec="name: study",
        spec_fingerprint="f",
        score_name="fd",
        started=BEGAN,
    )


def identity(number: int) -> str:
    return f"study/two_timescale/{number}"


@pytest.mark.usefixtures("much_later")
def test_all_but_files_is_published_at_once_and_the_store_that_is_away_is_hardly_asked(
    publisher: Publisher, store: FakeStore
) -> None:
    store.away = True
    for number in range(200):
        publisher.submit(ended(number))
    store.wait_until(lambda: len(store.values) == 200)
    assert store.asked == [identity(0)]
    assert publisher.close(WAIT) == 200
    assert publisher.without_files == 200
    assert len(store.asked) == 1 + jobs.LAST_TRIES
    assert store.whole == dict.fromkeys(map(identity, range(200)), False)


@pytest.mark.usefixtures("at_once")
def test_a_store_that_comes_back_gets_every_file_once(
    publisher: Publisher, store: FakeStore
) -> None:
    store.away = True
    for number in range(20):
        publisher.submit(ended(number))
    publisher.submit_arm(arm())
    store.wait_until(lambda: len(store.asked) > 25)
    assert publisher.unpublished == 21
    with store.changed:
        store.away = False
        before = len(store.asked)
    assert publisher.close(WAIT) == 0
    assert sorted(store.asked[before:]) == sorted(store.files)
    assert len(store.files) == 21
    assert store.whole == dict.fromkeys(map(identity, range(20)), True)


@pytest.mark.usefixtures("much_later")
def test_the_end_asks_a_store_once_more_whatever_its_pause(
    publisher: Publisher, store: FakeStore
) -> None:
    store.away = True
    for number in range(5):
        publisher.submit(ended(number))
    store.wait_until(lambda: len(store.values) == 5)
    store.away = False
    assert publisher.close(WAIT) == publisher.without_files == 0


@pytest.mark.usefixtures("at_once")
def test_files_that_are_refused_hold_up_no_others(publisher: Publisher, store: FakeStore) -> None:
    store.files_refused = {identity(0), identity(3)}
    for number in range(6):
        publisher.submit(ended(number))
    store.wait_until(lambda: len(store.files) == 4)
    assert publisher.close(WAIT) == publisher.without_files == 2
    assert store.files == {identity(number) for number in (1, 2, 4, 5)}


@pytest.mark.usefixtures("at_once")
def test_a_record_that_is_refused_holds_up_no_files(publisher: Publisher, store: FakeStore) -> None:
    store.away, store.refused = True, {identity(0)}
    for number in range(3):
        publisher.submit(ended(number))
    store.wait_until(lambda: len(store.asked) > 5)
    store.away = False
    store.wait_until(lambda: store.files >= {identity(1), identity(2)})
    assert publisher.close(0.1) == 1
    assert publisher.without_files == 0


@pytest.mark.usefixtures("much_later")
def test_the_newest_state_is_what_waits_for_its_files(
    publisher: Publisher, store: FakeStore
) -> None:
    store.away = True
    publisher.submit(record(number=0, scores=[4.0]), fresh=True)
    store.wait_until(lambda: len(store.values) == 1)
    publisher.submit(ended(0))
    store.wait_until(lambda: len(store.values) == 2)
    store.away = False
    assert publisher.close(WAIT) == 0
    last = store.values[-1]
    assert isinstance(last, TrialRecord)
    assert (last.outcome, last.mlflow_run_id) == (Outcome.COMPLETE, f"run of {identity(0)}")
    assert len(store.values) == 3


@pytest.mark.usefixtures("at_once")
def test_that_files_are_missing_is_told_once(
    publisher: Publisher, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.away = True
    for number in range(3):
        publisher.submit(ended(number))
    store.wait_until(lambda: len(store.asked) > 8)
    publisher.close(WAIT)
    told = [entry.message for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert told == ["no space; the study goes on, and files are sent later"]


def test_a_store_that_hangs_is_left_alone_for_longer_than_it_hung() -> None:
    store = jobs.FileStore()
    store.failed(took=1000.0, closing=False)
    assert store.asked_again - time.monotonic() > 2900
    store.failed(took=1000.0, closing=True)
    assert store.asked_again - time.monotonic() <= jobs.CLOSING_PAUSE
