"""Private parts of Ray that cannot be avoided: the processes of the embedded engine, and their quick end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import psutil
from ray._private import services, worker
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]


def follow_environment() -> None:
    """Lets this process go by RAY_AUTH_MODE and the token as they are now, not as when Ray was imported."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def processes() -> list[psutil.Process]:
    """Returns what the embedded engine runs: its servers, and all that these started."""
    node: Any = worker._global_node
    servers = chain.from_iterable(node.all_processes.values()) if node is not None else ()
    found: list[psutil.Process] = []
    for server in servers:
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(server.process.pid)
            found += [started, *started.children(recursive=True)]
    return found


def end(processes: Sequence[psutil.Process]) -> None:
    """Ends what is left of the embedded engine.

    Its agents notice that their server is gone, but then try for a minute to tell another one of it.
    """
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


class _Server(services.ConsolePopen):
    """A server of the embedded engine, which is killed when Ray asks it to end.

    A driver has SIGTERM blocked (study/signals.py), and what it starts inherits that: Ray would wait a
    second for each server to end of a SIGTERM before it kills it. Nothing is in them that is needed again.
    """

    def terminate(self) -> None:
        """Kills the process."""
        self.kill()


services.ConsolePopen = _Server  # type: ignore[misc]
