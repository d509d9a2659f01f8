"""The lease: at most one driver on a study at a time.

A row beside Optuna's tables names the driver that holds the study and counts its heartbeats. Nobody's
clock is compared with anybody else's: on the holder's own machine its process is looked up, elsewhere a
contender watches whether the count still moves. Every change is a compare-and-swap on owner and count.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from study.errors import StudyBusy
from study.record.connection import made_once

BEAT_SECONDS = 3.0
EXPIRY_SECONDS = 30.0

logger = logging.getLogger(__name__)

_TABLES = sa.MetaData()
_LEASE = sa.Table(
    "ttur_lease",
    _TABLES,
    sa.Column("study", sa.String(200), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("stop_requested", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class _Row:
    owner: str
    beat: int
    stop_requested: bool


class Lease:
    """A study's lease in the record's database.

    Args:
        engine: The record's SQLAlchemy engine.
        study: The study.
    """

    def __init__(self, engine: sa.Engine, study: str) -> None:
        self._engine = engine
        self._study = study
        self._beat = 0
        self._me = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        made_once(lambda: _TABLES.create_all(engine, checkfirst=True))

    def acquire(self, on_lost: Callable[[], None], on_stop_request: Callable[[], None]) -> None:
        """Takes the lease and keeps it alive in a thread until :meth:`release`.

        Args:
            on_lost: Called once if another driver has taken the study over (this one was cut off for
                longer than the expiry).
            on_stop_request: Called once when ``ttur stop`` asked this driver to stop.

        Raises:
            StudyBusy: Another driver holds the study and is alive.
        """
        self._me = json.dumps(_identity())
        row = self._read()
        if row is None:
            taken = self._insert()
        else:
            if row.owner and not self._abandoned(row):
                raise StudyBusy(
                    f"the study {self._study} is already being run by {_name(row.owner)}"
                )
            taken = self._swap(row.owner, row.beat)
        if not taken:
            raise StudyBusy(f"another driver has just begun to run the study {self._study}")
        self._thread = threading.Thread(
            target=self._keep, args=(on_lost, on_stop_request), name="lease", daemon=True
        )
        self._thread.start()

    def release(self) -> None:
        """Gives the lease back."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            try:
                self._update({"owner": "", "stop_requested": False})
            except sa.exc.SQLAlchemyError as error:
                # Nothing is lost: the lease of a process that is gone is taken by the next one.
                logger.warning("the lease was not given back: %s", type(error).__name__)

    def check(self) -> None:
        """Looks whether the lease is still this driver's: after an outage, before anything is written.

        Raises:
            StudyBusy: Another driver has taken the study over.
        """
        try:
            row = self._read()
        except sa.exc.SQLAlchemyError:
            return  # the database is away again: whoever asks will find out
        if row is not None and row.owner and row.owner != self._me:
            raise StudyBusy(
                f"this driver was cut off for too long and the study {self._study} is now being run by "
                f"{_name(row.owner)}"
            )

    def request_stop(self) -> bool:
        """Asks the driver that holds the study to stop; False if there is none."""
        if self._study not in driven(self._engine, self._study):
            return False
        with self._engine.begin() as connection:
            changed = connection.execute(
                _LEASE.update()
                .where(_LEASE.c.study == self._study, _LEASE.c.owner != "")
                .values(stop_requested=True)
            )
        return changed.rowcount == 1

    def _keep(self, on_lost: Callable[[], None], on_stop_request: Callable[[], None]) -> None:
        asked = False
        while not self._ended.wait(BEAT_SECONDS):
            try:
                alive = self._update({"beat": self._beat + 1})
                row = self._read()
            except sa.exc.SQLAlchemyError:
                continue  # the database is away: the next beat tells whether the lease was lost
            if not alive:
                on_lost()
                return
            self._beat += 1
            if row is not None and row.stop_requested and not asked:
                asked = True
                on_stop_request()

    def _abandoned(self, row: _Row) -> bool:
        return not _living(self._engine, {self._study: row}, EXPIRY_SECONDS)

    def _read(self) -> _Row | None:
        return _rows(self._engine, self._study).get(self._study)

    def _insert(self) -> bool:
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    _LEASE.insert().values(
                        study=self._study, owner=self._me, beat=0, stop_requested=False
                    )
                )
        except sa.exc.IntegrityError:
            return False
        return True

    def _swap(self, owner: str, beat: int) -> bool:
        with self._engine.begin() as connection:
            changed = connection.execute(
                _LEASE.update()
                .where(
                    _LEASE.c.study == self._study, _LEASE.c.owner == owner, _LEASE.c.beat == beat
                )
                .values(owner=self._me, beat=beat + 1, stop_requested=False)
            )
        self._beat = beat + 1
        return changed.rowcount == 1

    def _update(self, values: dict[str, object]) -> bool:
        with self._engine.begin() as connection:
            changed = connection.execute(
                _LEASE.update()
                .where(_LEASE.c.study == self._study, _LEASE.c.owner == self._me)
                .values(**values)
            )
        return changed.rowcount == 1


def driven(engine: sa.Engine, study: str | None = None) -> set[str]:
    """The studies that a living driver holds; nothing is made for the look.

    Args:
        engine: The record's SQLAlchemy engine.
        study: Only this one; None: all of the record.
    """
    if not sa.inspect(engine).has_table(_LEASE.name):
        return set()
    held = {name: row for name, row in _rows(engine, study).items() if row.owner}
    return _living(engine, held, 2 * BEAT_SECONDS)


def _rows(engine: sa.Engine, study: str | None = None) -> dict[str, _Row]:
    query = sa.select(_LEASE.c.study, _LEASE.c.owner, _LEASE.c.beat, _LEASE.c.stop_requested)
    if study is not None:
        query = query.where(_LEASE.c.study == study)
    with engine.connect() as connection:
        return {name: _Row(*rest) for name, *rest in connection.execute(query)}


def _living(engine: sa.Engine, held: Mapping[str, _Row], observe_seconds: float) -> set[str]:
    """Which of some studies have a living driver; those of other machines are watched together.

    Args:
        engine: The record's SQLAlchemy engine.
        held: Their rows, each with an owner.
        observe_seconds: How long to watch whether a heartbeat moves.
    """
    owners = {name: json.loads(row.owner) for name, row in held.items()}
    here = {name for name, owner in owners.items() if owner["machine"] == _machine()}
    living = {name for name in here if _alive(owners[name])}
    watched = set(held) - here
    until = time.monotonic() + observe_seconds
    while watched and time.monotonic() < until:
        time.sleep(min(BEAT_SECONDS / 3, observe_seconds))
        now = _rows(engine)
        for name in sorted(watched):
            row = now.get(name)
            if row is None or not row.owner:
                watched.discard(name)
            elif (row.owner, row.beat) != (held[name].owner, held[name].beat):
                watched.discard(name)
                living.add(name)
    return living


def _identity() -> dict[str, str | int | float]:
    process = psutil.Process()
    return {
        "machine": _machine(),
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": _started(process),
        "token": uuid.uuid4().hex,
    }


def _machine() -> str:
    """Names this boot of this machine and this process-id space (a container has its own)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux: the host name has to do
        return f"{socket.gethostname()}:{psutil.boot_time():.0f}"
    return f"{boot}:{space}"


def _alive(owner: dict[str, str | int | float]) -> bool:
    try:
        process = psutil.Process(int(owner["pid"]))
        return _started(process) == owner["started"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(process: psutil.Process) -> float:
    """When a process began: on Linux in ticks since boot, which no change of the clock moves."""
    try:
        # The second field is the command in parentheses and may itself hold spaces.
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2]
        return float(stat.split()[19])
    except OSError:
        return process.create_time()


def _name(owner: str) -> str:
    data = json.loads(owner)
    return f"process {data['pid']} on {data['host']}"
