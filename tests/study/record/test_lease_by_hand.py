"""The lease row by row and beat by beat, with a clock that stands until somebody sleeps."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from study.errors import StudyBusy
from study.record import lease as lease_module
from study.record.lease import Lease, driven

ELSEWHERE = {"machine": "elsewhere", "host": "far", "pid": 5, "started": 1.0, "token": "t"}


class Clock:
    """Time that passes by sleeping; at given moments something happens."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.then: dict[int, Callable[[], None]] = {}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.then.get(len(self.slept), lambda: None)()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lease_module, "time", made)
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite:///{tmp_path}/record.db")
    yield made
    made.dispose()


def take(lease: Lease, heard: list[str] | None = None) -> Lease:
    heard = heard if heard is not None else []
    lease.acquire(lambda: heard.append("lost"), lambda: heard.append("stop"))
    return lease


def rows(engine: sa.Engine) -> dict[str, tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT study, owner, beat, stop_requested FROM ttur_lease")
        )
        return {name: (json.loads(o) if o else "", b, bool(s)) for name, o, b, s in found}


def put(engine: sa.Engine, study: str, owner: dict[str, Any] | None, **values: Any) -> None:
    """Makes a row say something else, or makes one."""
    text = "" if owner is None else json.dumps(owner)
    every = {"s": study, "o": text, "b": values.get("beat", 7), "r": values.get("stop", False)}
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM ttur_lease WHERE study = :s"), every)
        connection.execute(sa.text("INSERT INTO ttur_lease VALUES (:s, :o, :b, :r)"), every)


def here(**changes: Any) -> dict[str, Any]:
    """The marks of this very process, as Linux and psutil tell them."""
    fields = Path("/proc/self/stat").read_text().rsplit(") ", 1)[1].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {
        "machine": f"{boot}:{Path('/proc/self/ns/pid').readlink()}",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": float(fields[19]),
        "token": "another",
    } | changes


def test_a_new_lease_is_a_row_that_says_whose_it_is_and_is_given_back(engine: sa.Engine) -> None:
    other = Lease(engine, "y")
    put(engine, "y", ELSEWHERE)
    lease = take(Lease(engine, "x"))
    owner, beat, stop = rows(engine)["x"]
    assert (beat, stop) == (0, False)
    assert owner | {"token": "another"} == here()
    assert len(owner["token"]) == 32
    assert lease._thread is not None
    assert (lease._thread.name, lease._thread.daemon) == ("lease", True)
    put(engine, "x", owner, stop=True)
    lease.release()
    assert rows(engine) == {"x": ("", 7, False), "y": (ELSEWHERE, 7, False)}
    assert lease._thread is None
    lease.release()  # again: nothing is left to give back
    other.release()
    assert rows(engine)["y"][0] == ELSEWHERE


def test_a_lease_that_was_given_back_is_taken_with_its_beat_counted_on(engine: sa.Engine) -> None:
    lease = Lease(engine, "x")
    put(engine, "y", None)
    put(engine, "x", None, stop=True)
    take(lease)
    assert rows(engine)["x"][0]["pid"] == os.getpid()
    assert rows(engine)["x"][1:] == (8, False)
    assert rows(engine)["y"] == ("", 7, False)
    assert lease._beat == 8
    lease.release()


def test_who_finds_a_living_driver_is_refused_with_its_name(engine: sa.Engine) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", here(host="hall"))
    said = f"the study x is already being run by process {os.getpid()} on hall"
    with pytest.raises(StudyBusy, match=f"^{said}$"):
        take(lease)
    assert rows(engine)["x"] == (here(host="hall"), 7, False)
    assert lease._thread is None


@pytest.mark.parametrize("changes", [{"started": 1.0}, {"pid": 2**22 + 1}])
def test_the_lease_of_a_process_that_is_gone_is_taken_without_waiting(
    engine: sa.Engine, clock: Clock, changes: dict[str, Any]
) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", here(**changes))
    assert driven(engine) == set()
    take(lease).release()
    assert clock.slept == []


def test_a_process_that_is_only_waited_for_holds_nothing(engine: sa.Engine) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        process = psutil.Process(child.pid)
        fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        Lease(engine, "x")
        put(engine, "x", here(pid=child.pid, started=float(fields[19])))
        assert driven(engine) == set()


def test_of_two_that_begin_at_once_the_second_is_refused(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", here(token="the first"))
    seen = [None, lease_module._Row("", 7, False), lease_module._Row(json.dumps(here()), 6, False)]
    for row in seen:  # what the second read before the first wrote
        monkeypatch.setattr(lease, "_read", lambda row=row: row)
        monkeypatch.setattr(lease, "_abandoned", lambda _row: True)
        with pytest.raises(StudyBusy, match=r"^another driver has just begun to run the study x$"):
            take(lease)
        assert rows(engine)["x"] == (here(token="the first"), 7, False)
        assert lease._thread is None


def test_another_machines_driver_is_watched_for_as_long_as_an_outage_may_last(
    engine: sa.Engine, clock: Clock
) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", ELSEWHERE)
    take(lease).release()
    assert clock.slept == [1.0] * 30


def test_another_machines_driver_whose_count_moves_is_alive(
    engine: sa.Engine, clock: Clock
) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", ELSEWHERE)
    clock.then[4] = lambda: put(engine, "x", ELSEWHERE, beat=8)
    with pytest.raises(StudyBusy, match="already being run by process 5 on far"):
        take(lease)
    assert clock.slept == [1.0] * 4


@pytest.mark.parametrize("change", ["owner", "gone", "given back"])
def test_what_else_can_come_of_a_lease_that_is_watched(
    engine: sa.Engine, clock: Clock, change: str
) -> None:
    for study in ("x", "y", "z"):
        Lease(engine, study)
        put(engine, study, ELSEWHERE)
    put(engine, "mine", here())
    put(engine, "free", None)

    def happen() -> None:
        put(engine, "y", ELSEWHERE, beat=6)
        if change == "owner":
            put(engine, "x", ELSEWHERE | {"token": "u"})
        elif change == "given back":
            put(engine, "x", None, beat=8)
        else:
            with engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM ttur_lease WHERE study = 'x'"))

    clock.then[2] = happen
    clock.then[4] = lambda: put(engine, "x", ELSEWHERE, beat=99)
    alive = {"x", "y", "mine"} if change == "owner" else {"y", "mine"}
    assert driven(engine) == alive
    assert clock.slept == [1.0] * 6  # two beats long, for z


def test_a_look_at_one_study_does_not_wait_for_another(engine: sa.Engine, clock: Clock) -> None:
    assert driven(engine) == set()
    assert sa.inspect(engine).get_table_names() == []
    Lease(engine, "x")
    put(engine, "x", here())
    put(engine, "z", ELSEWHERE)
    assert driven(engine, "x") == {"x"}
    assert driven(engine, "y") == set()
    assert clock.slept == []


def test_a_wish_to_stop_is_written_where_a_driver_lives(engine: sa.Engine, clock: Clock) -> None:
    lease = Lease(engine, "x")
    assert lease.request_stop() is False
    put(engine, "x", None)
    assert lease.request_stop() is False
    put(engine, "x", here())
    put(engine, "y", here())
    put(engine, "z", ELSEWHERE)
    assert lease.request_stop() is True
    assert rows(engine)["x"] == (here(), 7, True)
    assert rows(engine)["y"] == (here(), 7, False)
    assert clock.slept == [], "whether z is driven is not asked"


def test_a_wish_to_stop_a_driver_that_has_just_gone_reaches_nobody(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(engine, "x")
    put(engine, "x", None)
    monkeypatch.setattr(lease_module, "driven", lambda *_: {"x"})
    assert lease.request_stop() is False
    assert rows(engine)["x"] == ("", 7, False)


def test_a_driver_looks_whether_its_study_is_still_its_own(engine: sa.Engine) -> None:
    lease = take(Lease(engine, "x"))
    lease.check()
    mine = rows(engine)["x"][0]
    put(engine, "x", None)
    lease.check()
    put(engine, "x", ELSEWHERE)
    said = "cut off for too long and the study x is now being run by process 5 on far$"
    with pytest.raises(StudyBusy, match=said):
        lease.check()
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM ttur_lease"))
    lease.check()
    put(engine, "x", mine)
    lease.release()


def test_a_database_that_is_away_is_no_loss_of_the_lease(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any) -> Any:
        raise sa.exc.OperationalError("x", {}, Exception("away"))

    lease = take(Lease(engine, "x"))
    monkeypatch.setattr(lease, "_read", away)
    lease.check()
    monkeypatch.setattr(lease, "_update", away)
    lease.release()
    assert "the lease was not given back: OperationalError" in caplog.text


class Beats:
    """An event that is waited for so many times before it comes, with something done at some of them."""

    def __init__(self, count: int, then: dict[int, Callable[[], None]]) -> None:
        self.count, self.then, self.waited = count, then, list[float]()

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.then.get(len(self.waited), lambda: None)()
        return len(self.waited) > self.count


def keep(lease: Lease, count: int, then: dict[int, Callable[[], None]]) -> tuple[list[str], Beats]:
    """Lets a lease's heart beat so often; returns what its driver was told."""
    heard, beats = list[str](), Beats(count, then)
    lease._ended = beats  # type: ignore[assignment]
    lease._keep(lambda: heard.append("lost"), lambda: heard.append("stop"))
    return heard, beats


def mine(engine: sa.Engine) -> Lease:
    """A lease without a thread: its heart beats when the test says so."""
    lease = Lease(engine, "x")
    lease._me = json.dumps(here())
    put(engine, "x", here(), beat=0)
    put(engine, "y", here(), beat=0, stop=True)
    return lease


def test_a_heart_beats_every_three_seconds_and_counts(engine: sa.Engine) -> None:
    lease, seen = mine(engine), list[int]()
    then = {n: lambda: seen.append(rows(engine)["x"][1]) for n in range(1, 5)}
    heard, beats = keep(lease, 3, then)
    assert seen == [0, 1, 2, 3]
    assert beats.waited == [3.0] * 4
    assert heard == []
    assert rows(engine)["y"] == (here(), 0, True)


def test_a_wish_to_stop_is_told_once(engine: sa.Engine) -> None:
    lease = mine(engine)
    heard, _ = keep(lease, 4, {2: lambda: put(engine, "x", here(), beat=1, stop=True)})
    assert heard == ["stop"]
    assert rows(engine)["x"] == (here(), 4, True)


def test_who_has_lost_the_lease_is_told_and_its_heart_stands_still(engine: sa.Engine) -> None:
    lease = mine(engine)
    heard, beats = keep(lease, 9, {3: lambda: put(engine, "x", ELSEWHERE, stop=True)})
    assert heard == ["lost"]
    assert len(beats.waited) == 3
    assert rows(engine)["x"] == (ELSEWHERE, 7, True)


def test_a_beat_that_the_database_does_not_take_is_made_up_for(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, update = mine(engine), Lease._update
    refused = iter([False, True, True])

    def sometimes(self: Lease, values: dict[str, object]) -> bool:
        if next(refused, False):
            raise sa.exc.OperationalError("x", {}, Exception("away"))
        return update(self, values)

    monkeypatch.setattr(Lease, "_update", sometimes)
    heard, beats = keep(lease, 4, {})
    assert heard == []
    assert len(beats.waited) == 5
    assert rows(engine)["x"][1] == 2


def test_a_row_that_is_gone_after_a_beat_asks_for_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = mine(engine)
    monkeypatch.setattr(lease, "_read", lambda: None)
    heard, beats = keep(lease, 2, {})
    assert heard == []
    assert len(beats.waited) == 3


def test_where_there_is_no_proc_the_host_and_psutil_tell(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_linux(*_: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", no_linux)
    machine = f"{socket.gethostname()}:{round(psutil.boot_time())}"
    started = psutil.Process().create_time()
    lease = take(Lease(engine, "x"))
    owner = rows(engine)["x"][0]
    assert (owner["machine"], owner["started"]) == (machine, started)
    assert driven(engine) == {"x"}
    lease.release()


def test_a_process_began_when_the_22nd_field_says_whatever_its_command_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    after = " ".join(str(n) for n in range(4, 53))
    monkeypatch.setattr(Path, "read_text", lambda _: f"77 (a) S 1 (b) S {after}")
    assert lease_module._started(psutil.Process()) == 22.0


def test_the_heart_of_a_taken_lease_beats_in_a_thread_of_its_own(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.01)
    heard: list[str] = []
    lease = take(Lease(engine, "x"), heard)
    put(engine, "x", ELSEWHERE)
    assert lease._thread is not None
    lease._thread.join(60)
    assert heard == ["lost"]
