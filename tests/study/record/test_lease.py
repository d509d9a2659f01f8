from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from study.errors import StudyBusy
from study.record import lease as lease_module
from study.record.lease import Lease, driven


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.05)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/record.db"


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(url, connect_args={"timeout": 60})
    yield made
    made.dispose()


class Driver:
    """Holds a lease and remembers what it was told."""

    def __init__(self, engine: sa.Engine, study: str = "study") -> None:
        self.lease = Lease(engine, study)
        self.lost = threading.Event()
        self.stopped = threading.Event()

    def take(self) -> None:
        self.lease.acquire(self.lost.set, self.stopped.set)


def owner(engine: sa.Engine) -> dict[str, object]:
    with engine.connect() as connection:
        text = connection.execute(sa.text("SELECT owner FROM ttur_lease")).scalar_one()
    return dict(json.loads(text)) if text else {}


def set_owner(engine: sa.Engine, **changes: object) -> None:
    """Makes the lease look as if another process, perhaps on another machine, held it."""
    changed = json.dumps(owner(engine) | {"token": "another"} | changes)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ttur_lease SET owner = :o"), {"o": changed})


def abandoned(engine: sa.Engine, **changes: object) -> None:
    """Leaves a lease behind whose holder has the given marks."""
    first = Driver(engine)
    first.take()
    first.lease._ended.set()
    assert first.lease._thread is not None
    first.lease._thread.join()
    set_owner(engine, **changes)


def test_a_second_driver_is_refused_and_told_who_holds_it(engine: sa.Engine) -> None:
    first, second = Driver(engine), Driver(engine)
    first.take()
    with pytest.raises(StudyBusy, match=f"already being run by process {os.getpid()} on"):
        second.take()
    assert driven(engine) == driven(engine, "study") == {"study"}
    first.lease.release()
    assert driven(engine) == driven(engine, "study") == set()
    second.take()
    second.lease.release()


def test_leases_of_two_studies_do_not_meet(engine: sa.Engine) -> None:
    one, other = Driver(engine, "one"), Driver(engine, "other")
    one.take()
    other.take()
    assert driven(engine) == {"one", "other"}
    one.lease.release()
    assert driven(engine) == {"other"}
    other.lease.release()


def test_who_looks_for_drivers_makes_nothing(engine: sa.Engine) -> None:
    assert driven(engine) == driven(engine, "study") == set()
    assert sa.inspect(engine).get_table_names() == []


def test_the_lease_of_a_process_that_was_killed_is_taken_at_once(
    engine: sa.Engine, url: str
) -> None:
    code = (
        "import sys, time, sqlalchemy as sa; from study.record.lease import Lease;"
        f"Lease(sa.create_engine({url!r}), 'study').acquire(lambda: None, lambda: None);"
        "print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StudyBusy, match=f"process {holder.pid}"):
            Driver(engine).take()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        second = Driver(engine)
        second.take()
        assert owner(engine)["pid"] == os.getpid()
        second.lease.release()


def test_a_process_id_that_belongs_to_somebody_else_now_is_no_holder(engine: sa.Engine) -> None:
    abandoned(
        engine, started=0.0
    )  # this very process id, but of a process that began at another time
    second = Driver(engine)
    second.take()
    second.lease.release()


def test_another_machines_holder_counts_as_gone_when_its_heart_stands_still(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "EXPIRY_SECONDS", 0.3)
    abandoned(engine, machine="elsewhere", pid=1)
    second = Driver(engine)
    assert driven(engine) == set()
    second.take()
    second.lease.release()


def test_another_machines_holder_is_left_alone_while_its_heart_beats(engine: sa.Engine) -> None:
    abandoned(engine, machine="elsewhere", pid=1)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.02):
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE ttur_lease SET beat = beat + 1"))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(StudyBusy, match="already being run by process 1"):
            Driver(engine).take()
    finally:
        done.set()
        thread.join()


def test_a_driver_that_lost_its_lease_is_told_and_does_not_give_it_back(engine: sa.Engine) -> None:
    first = Driver(engine)
    first.take()
    set_owner(engine, machine="elsewhere", pid=1)
    assert first.lost.wait(30)
    first.lease.release()
    assert owner(engine)["machine"] == "elsewhere"


def test_a_driver_can_look_whether_the_study_is_still_its_own(engine: sa.Engine) -> None:
    driver = Driver(engine)
    driver.take()
    driver.lease.check()
    set_owner(engine, token="another", host="elsewhere", pid=77)
    with pytest.raises(StudyBusy, match="is now being run by process 77 on elsewhere"):
        driver.lease.check()


def test_a_request_to_stop_reaches_the_holder_once(engine: sa.Engine) -> None:
    first, other = Driver(engine), Driver(engine)
    assert not other.lease.request_stop()
    first.take()
    assert other.lease.request_stop()
    assert first.stopped.wait(30)
    first.lease.release()
    assert not other.lease.request_stop()
    again = Driver(engine)
    again.take()  # an old request does not reach the next driver
    assert not again.stopped.wait(0.3)
    again.lease.release()


def test_no_decision_depends_on_the_clock_on_the_wall(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Driver(engine)
    first.take()
    for jump in (-1e8, 1e8):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1.7e9 + jump)
        monkeypatch.setattr(lease_module.psutil.Process, "create_time", lambda _, j=jump: j)
        assert driven(engine) == {"study"}
        with pytest.raises(StudyBusy):
            Driver(engine).take()
    assert not first.lost.is_set()
    first.lease.release()


def test_a_database_that_is_away_does_not_end_the_heartbeat(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Driver(engine)
    first.take()
    real, failed = first.lease._update, threading.Event()

    def away(values: dict[str, object]) -> bool:
        if not failed.is_set():
            failed.set()
            raise sa.exc.OperationalError("UPDATE", {}, OSError("gone"))
        return real(values)

    monkeypatch.setattr(first.lease, "_update", away)
    assert failed.wait(30)
    assert Driver(engine).lease.request_stop()
    assert first.stopped.wait(30)  # it still listens
    first.lease.release()


def test_a_lease_that_cannot_be_given_back_is_no_error(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Driver(engine)
    first.take()

    def away(_: object) -> bool:
        raise sa.exc.OperationalError("UPDATE", {}, OSError("gone"))

    monkeypatch.setattr(first.lease, "_update", away)
    first.lease.release()
    assert "not given back" in caplog.text


def test_of_many_drivers_that_begin_at_once_one_wins(engine: sa.Engine) -> None:
    drivers = [Driver(engine) for _ in range(6)]
    start, won, refused = threading.Barrier(len(drivers)), [], []

    def take(driver: Driver) -> None:
        start.wait()
        try:
            driver.take()
        except StudyBusy:
            refused.append(driver)
        else:
            won.append(driver)

    threads = [threading.Thread(target=take, args=(driver,)) for driver in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 5)
    won[0].lease.release()
