"""deploy/postgresql.sh on a host that is not the best: no root, a folder with a space, a power loss."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from support.postgres import DEPLOY, free_port, missing_postgres

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Host:
    """A server of a user who is not root."""

    base: Path
    port: int

    @property
    def folder(self) -> Path:
        return self.base / "it's a server"

    @property
    def password(self) -> str:
        return (self.base / "secrets" / "postgresql_password").read_text()

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def as_user(self, *command: str) -> list[str]:
        return ["runuser", "-u", "nobody", "--", *command] if os.getuid() == 0 else [*command]

    def call(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"TTUR_SECRETS": str(self.base / "secrets"), "LC_ALL": "C"}
        command = self.as_user(str(self.base / script), *arguments)
        return subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, timeout=120
        )

    def start(self) -> subprocess.CompletedProcess[str]:
        return self.call("postgresql.sh", "start", str(self.folder), "127.0.0.1", str(self.port))

    def answer(self) -> object:
        where = {"host": "127.0.0.1", "port": self.port, "user": "ttur", "dbname": "ttur"}
        with closing(psycopg.connect(password=self.password, **where)) as connection:  # type: ignore[arg-type]
            return connection.execute("SELECT 7").fetchone()

    def server(self) -> psutil.Process:
        lock = self.folder / "data" / "postmaster.pid"
        return psutil.Process(int(lock.read_text().splitlines()[0]))

    def lose_power(self) -> None:
        """Kills the server and all of its processes, so that none of them can clean up."""
        server = self.server()
        processes = [server, *server.children(recursive=True)]
        server.suspend()  # it would start others in place of those that die
        for process in reversed(processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if reason := missing_postgres():
        pytest.skip(reason)
    if os.getuid() == 0 and not shutil.which("runuser"):
        pytest.skip("root needs runuser to become another user")
    with tempfile.TemporaryDirectory(prefix="ttur-pg-") as base:
        host = Host(Path(base), free_port())
        for script in ("postgresql.sh", "secrets.sh"):
            shutil.copy(DEPLOY / script, base)
        if os.getuid() == 0:
            shutil.chown(base, "nobody")
        made = host.call("secrets.sh", str(host.base / "secrets"))
        assert made.returncode == 0, made.stderr
        started = host.start()
        try:
            assert started.returncode == 0, started.stdout + started.stderr + host.log
            yield host
        finally:
            with suppress(OSError, psutil.Error):
                host.lose_power()


def test_a_folder_may_have_a_space_and_a_quote_in_its_name(host: Host) -> None:
    assert host.answer() == (7,)
    assert (host.folder / f".s.PGSQL.{host.port}").is_socket()


def test_starting_a_server_that_runs_leaves_it_alone(host: Host) -> None:
    before = host.server()
    assert host.start().returncode == 0
    assert host.server() == before


@pytest.mark.parametrize("program", ["sleep", "postgres"])
def test_after_a_power_loss_the_locks_may_name_another_program(host: Host, program: str) -> None:
    host.lose_power()
    other = host.base / program  # also a PostgreSQL, but not this one
    if not other.exists():
        shutil.copy(str(shutil.which("sleep")), other)
    running = subprocess.Popen(host.as_user(str(other), "600"), cwd="/")
    try:
        pid = [running.pid, *(process.pid for process in _children(running.pid))][-1]
        locks = [host.folder / "data" / "postmaster.pid", *host.folder.glob(".s.PGSQL.*.lock")]
        assert len(locks) == 2
        for lock in locks:
            lock.write_text("\n".join([str(pid), *lock.read_text().splitlines()[1:]]) + "\n")
        started = host.start()
        assert started.returncode == 0, started.stdout + started.stderr + host.log
        assert host.server().pid != pid
        assert host.answer() == (7,)
    finally:
        for process in [*_children(running.pid), psutil.Process(running.pid)]:
            process.kill()
        running.wait()


def _children(pid: int) -> list[psutil.Process]:
    """The processes below one: runuser's is the program, in a moment."""
    process = psutil.Process(pid)
    while process.name() == "runuser" and not process.children():
        time.sleep(0.01)
    return process.children(recursive=True)


def test_a_password_that_cannot_be_set_is_in_no_log(host: Host) -> None:
    settings = host.folder / "data" / "postgresql.auto.conf"
    kept = settings.read_text()
    settings.write_text(f"{kept}default_transaction_read_only = on\nlog_statement = all\n")
    try:
        host.lose_power()
        failed = host.start()
    finally:
        settings.write_text(kept)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "cannot execute ALTER ROLE in a read-only transaction" in said
    assert "cannot execute ALTER ROLE in a read-only transaction" in host.log
    assert host.password not in said + host.log
