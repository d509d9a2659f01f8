"""The publisher against a writer that fails as told: what is published, how often, and what is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.mlflow import BEGAN, record

from study.tracking import jobs, outbox
from study.tracking.content import ArmRecord
from study.tracking.outbox import Publisher
from study.trial import Outcome, TrialRecord
from trainables.folder import MEASUREMENTS, Folder, line_of

WAIT = 20.0
"""Seconds that a test waits for the thread before it fails; a passing test never waits so long."""


class FakeWriter:
    """Counts what is published; fails while ``down``, and always for what is in ``refused``."""

    def __init__(self) -> None:
        self.down = False
        self.refused: set[str] = set()
        self.calls: list[tuple[str, bool]] = []
        self.published: dict[str, TrialRecord | ArmRecord] = {}
        self.changed = threading.Condition()

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool = True) -> str:
        return self._take(record, fresh)

    def publish_arm(self, record: ArmRecord, *, files: bool = True) -> str:
        return self._take(record, False)

    def _take(self, record: TrialRecord | ArmRecord, fresh: bool) -> str:
        with self.changed:
            self.calls.append((record.identity, fresh))
            failing = self.down or record.identity in self.refused
            if not failing:
                self.published[record.identity] = record
            self.changed.notify_all()
        if failing:
            raise OSError("connection refused")
        return f"run of {record.identity}"

    def wait_for_calls(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) >= count, WAIT)


class Study:
    """The trials that a publisher is given, and what it stored."""

    def __init__(self) -> None:
        self.records = {each.identity: each for each in (record(number=n) for n in range(50))}
        self.stored: list[tuple[str, str]] = []

    def store(self, record: TrialRecord, run_id: str, whole: bool) -> None:
        self.stored.append((record.identity, run_id))


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.fixture
def publisher(
    writer: FakeWriter, study: Study, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    monkeypatch.setattr(jobs, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(jobs, "LONGEST_PAUSE", 0.01)
    publisher = Publisher(writer, study.store)
    yield publisher
    publisher.close(0)


def identity(number: int) -> str:
    return f"study/two_timescale/{number}"


def test_everything_submitted_is_published_and_stored(
    publisher: Publisher, writer: FakeWriter, study: Study
) -> None:
    for number in range(50):
        publisher.submit(record(number=number), fresh=True)
    assert publisher.close(WAIT) == 0
    assert writer.published.keys() == study.records.keys()
    assert study.stored == [(name, f"run of {name}") for name in study.records]
    assert {fresh for _, fresh in writer.calls} == {True}


def test_an_outage_ends_with_everything_published_once(
    publisher: Publisher, writer: FakeWriter, study: Study
) -> None:
    writer.down = True
    for number in range(3):
        publisher.submit(record(number=number), fresh=True)
    writer.wait_for_calls(5)
    assert publisher.unpublished == 3
    assert study.stored == []
    writer.down = False
    assert publisher.close(WAIT) == 0
    assert sorted(study.stored) == [(identity(n), f"run of {identity(n)}") for n in range(3)]


def test_what_failed_once_may_have_a_run_and_is_not_fresh(
    publisher: Publisher, writer: FakeWriter
) -> None:
    writer.down = True
    publisher.submit(record(number=0), fresh=True)
    writer.wait_for_calls(2)
    assert writer.calls[:2] == [(identity(0), True), (identity(0), False)]


def test_a_record_that_is_refused_holds_up_no_other(
    publisher: Publisher, writer: FakeWriter
) -> None:
    writer.refused = {identity(0)}
    for number in range(10):
        publisher.submit(record(number=number))
    writer.wait_for_calls(25)
    assert publisher.close(0.2) == 1
    assert writer.published.keys() == {identity(number) for number in range(1, 10)}


def test_a_server_that_is_gone_for_good_leaves_a_count(
    publisher: Publisher, writer: FakeWriter, study: Study
) -> None:
    writer.down = True
    for number in range(4):
        publisher.submit(record(number=number))
    publisher.submit_arm(arm())
    assert publisher.close(0.1) == 5
    assert publisher.unpublished == 5
    assert study.stored == []


class Slow(FakeWriter):
    """Takes a little while for each record, as MLflow does."""

    seconds = 0.05

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool = True) -> str:
        time.sleep(self.seconds)
        return super().publish(record, fresh=fresh, files=files)


def test_the_end_waits_as_long_as_records_are_taken(study: Study) -> None:
    publisher = Publisher(Slow(), study.store)
    for number in range(20):
        publisher.submit(record(number=number))
    assert publisher.close(0.5) == 0  # 20 records take a second
    assert len(study.stored) == 20


def test_an_end_in_a_hurry_leaves_the_rest(study: Study) -> None:
    publisher = Publisher(Slow(), study.store)
    for number in range(20):
        publisher.submit(record(number=number))
    began = time.monotonic()
    left = publisher.close(0.5, at_most=0.3)
    assert 0 < left < 20
    assert time.monotonic() - began < 0.9
    publisher._thread.join(WAIT)
    stored = len(study.stored)
    assert 20 - left <= stored <= 21 - left  # the one in hand may have been taken after all


def test_a_request_that_hangs_does_not_hold_up_the_end_and_is_the_last(study: Study) -> None:
    release = threading.Event()

    class Hanging(FakeWriter):
        def publish(self, record: TrialRecord, *, fresh: bool, files: bool = True) -> str:
            release.wait(WAIT)
            return super().publish(record, fresh=fresh, files=files)

    publisher = Publisher(Hanging(), study.store)
    for number in range(3):
        publisher.submit(record(number=number))
    assert publisher.close(0.1) == 3
    release.set()
    publisher._thread.join(WAIT)
    assert len(study.stored) == 1


class Held(FakeWriter):
    """Holds its first record until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release = threading.Event(), threading.Event()

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool = True) -> str:
        self.entered.set()
        assert self.release.wait(WAIT)
        return super().publish(record, fresh=fresh, files=files)


def test_the_newest_state_is_published_and_waiting_changes_coalesce(study: Study) -> None:
    writer = Held()
    publisher = Publisher(writer, study.store)
    publisher.submit(record(number=0))
    assert writer.entered.wait(WAIT)
    for _ in range(20):
        publisher.submit(record(number=1), fresh=True)
        publisher.submit(record(number=1))
    publisher.submit(record(number=1, outcome=Outcome.COMPLETE))
    writer.release.set()
    assert publisher.close(WAIT) == 0
    assert writer.calls == [(identity(0), False), (identity(1), True)]
    published = writer.published[identity(1)]
    assert isinstance(published, TrialRecord)
    assert published.outcome is Outcome.COMPLETE


def in_folder(folder: Path, number: int, **known: Any) -> TrialRecord:
    """A trial as it was published live, and whose folder has all that was measured."""
    whole = record(number=number, scores=[3.0, 2.0], metrics={"loss": 0.5}, **known)
    place = Folder(str(folder / str(number)))
    for measurement in whole.measurements:
        place.append(MEASUREMENTS, line_of(measurement))
    return replace(whole, folder=str(folder / str(number)))


def test_a_trial_of_an_earlier_launch_is_published_with_what_its_folder_has(
    writer: FakeWriter, study: Study, tmp_path: Path
) -> None:
    ended, cut_off = (
        in_folder(tmp_path, number, outcome=outcome)
        for number, outcome in enumerate((Outcome.COMPLETE, None))
    )
    gone = replace(record(number=2, scores=[4.0]).scores_alone(), folder=str(tmp_path / "gone"))
    publisher = Publisher(writer, study.store)
    for each in (ended, cut_off, gone):
        publisher.submit_stored(each.scores_alone())
    assert publisher.close(WAIT) == 0
    last = cut_off.measurements[-1].time
    assert writer.published == {
        ended.identity: ended,
        cut_off.identity: replace(cut_off, ended=last),
        gone.identity: replace(gone, ended=gone.measurements[-1].time),
    }


def test_of_many_that_wait_what_was_measured_is_read_from_their_folders(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "KEPT_WHOLE", 1)
    writer = Held()
    publisher = Publisher(writer, study.store)
    trials = [in_folder(tmp_path, number, outcome=Outcome.COMPLETE) for number in range(4)]
    for trial in trials:
        publisher.submit(trial)
    with publisher._changed:
        waiting = [job.record for job in publisher._queue.values()]
    assert sum(bool(each.measurements[0].metrics) for each in waiting[-2:]) == 0  # type: ignore[union-attr]
    writer.release.set()
    assert publisher.close(WAIT) == 0
    assert writer.published == {trial.identity: trial for trial in trials}


def arm(**changes: float) -> ArmRecord:
    made = ArmRecord(
        study="study",
        arm="two_timescale",
        position=1,
        spec="name: study",
        spec_fingerprint="f",
        score_name="fd",
        started=BEGAN,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_of_several_records_of_an_arm_the_last_counts(
    publisher: Publisher, writer: FakeWriter
) -> None:
    writer.down = True
    publisher.submit_arm(arm())
    writer.wait_for_calls(1)
    publisher.submit_arm(arm(ended=BEGAN + 1))
    writer.down = False
    assert publisher.close(WAIT) == 0
    assert writer.published["study/two_timescale"] == arm(ended=BEGAN + 1)


def test_an_outage_is_told_once(
    publisher: Publisher, writer: FakeWriter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        writer.down = True
        publisher.submit(record(number=0))
        writer.wait_for_calls(5)
        publisher.close(0.05)
    told = [entry.message for entry in caplog.records]
    assert told == ["connection refused; the study goes on, and it is tried again"]


def test_a_callback_that_fails_is_tried_again(writer: FakeWriter, study: Study) -> None:
    failures = iter([True, False])

    def stored(record: TrialRecord, run_id: str, whole: bool) -> None:
        if next(failures):
            raise RuntimeError("the record is locked")
        study.store(record, run_id, whole)

    publisher = Publisher(writer, stored)
    publisher.submit(record(number=0), fresh=True)
    assert publisher.close(WAIT) == 0
    assert study.stored == [(identity(0), f"run of {identity(0)}")]
    assert len(writer.calls) == 2
