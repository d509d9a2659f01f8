"""A private PostgreSQL for tests, made by the project's own deploy script; it can be stopped and started."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@dataclass(frozen=True)
class Postgres:
    """A server on loopback with the databases ``ttur``, ``mlflow`` and ``mlflow_auth``.

    Attributes:
        folder: Its data, log and socket.
        secrets: The secrets that :file:`deploy/secrets.sh` made for it.
        port: Its port on 127.0.0.1, the same after every start.
    """

    folder: Path
    secrets: Path
    port: int

    @property
    def password(self) -> str:
        return (self.secrets / "postgresql_password").read_text()

    @property
    def passfile(self) -> Path:
        """What ``PGPASSFILE`` has to name for :meth:`url` to connect."""
        return self.secrets / "pgpass"

    def url(self, database: str = "ttur", password: str | None = None) -> str:
        """An SQLAlchemy URL; where it has no password, clients find that by ``PGPASSFILE``."""
        user = f"ttur:{password}" if password else "ttur"
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("start", str(self.folder), "127.0.0.1", str(self.port))

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stops it and cuts off its clients; ``immediate`` is what a crash does."""
        self._run("stop", str(self.folder), mode)

    def dump(self, database: str = "ttur") -> str:
        """All that a database holds, as SQL."""
        found = shutil.which("pg_dump") or str(
            max(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
        )
        command = [found, "--host=127.0.0.1", f"--port={self.port}", "--username=ttur"]
        environment = os.environ | {"PGPASSFILE": str(self.passfile)}
        done = subprocess.run(
            [*command, "--no-password", database],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _run(self, *arguments: str) -> None:
        environment = os.environ | {"TTUR_SECRETS": str(self.secrets)}
        command = [DEPLOY / "postgresql.sh", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def missing_postgres() -> str | None:
    """Why PostgreSQL cannot be started here, or None if it can."""
    if shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return None
    return "PostgreSQL's initdb is not installed (Debian's package postgresql)"


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """Starts a PostgreSQL of its own and removes it afterwards; skips the test where there is none."""
    if reason := missing_postgres():
        pytest.skip(reason)
    # Not pytest's own folder: the system's user postgres must be able to get in.
    with tempfile.TemporaryDirectory(prefix="ttur-pg-") as base:
        Path(base).chmod(0o755)
        server = Postgres(Path(base, "server"), Path(base, "secrets"), free_port())
        subprocess.run([DEPLOY / "secrets.sh", server.secrets], check=True, capture_output=True)
        server.start()
        try:
            yield server
        finally:
            if (server.folder / "data" / "postmaster.pid").exists():
                server.stop("immediate")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free and stays so until the test takes it.

    It is none of those that the system gives to connections, nor of those that Ray gives to its workers
    (10002 to 19999).
    """
    borders = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    lent = range(int(borders[0]), int(borders[1]) + 1)
    ports = [port for port in range(20000, 32768) if port not in lent] or [*range(20000, 32768)]
    for port in random.SystemRandom().sample(ports, len(ports)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no TCP port of 127.0.0.1 is free")
