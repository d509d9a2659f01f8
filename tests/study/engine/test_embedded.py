"""The embedded engine's processes: those alone that trials need, and none is left when its driver dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.processes import end_hard, session, wait_until

pytestmark = pytest.mark.slow

DRIVER = """
import os, sys
from pathlib import Path

import ray

from study.engine import cluster
from study.spec.model import Resources


@ray.remote
def where():
    return os.getpid()


@ray.remote(runtime_env={"env_vars": {"MINE": "is there"}})
def mine():
    return os.environ["MINE"]


with cluster.cluster(None, Resources(cpus=1)):
    assert ray.get(where.remote()) != os.getpid()
    assert ray.get(mine.remote()) == "is there"
    Path(sys.argv[1]).touch()
    sys.stdin.read()
"""


def kind(process: psutil.Process) -> str:
    """What a process is: its name, or the script that its Python runs."""
    name, command = process.name(), process.cmdline()
    scripts = [Path(part).stem for part in command if part.endswith(".py")]
    return name if name.startswith("ray::") or not scripts else scripts[0]


def kinds(processes: list[psutil.Process]) -> set[str]:
    """What those of them are that have not ended."""
    found = set()
    for each in processes:
        with suppress(psutil.Error):
            found.add(kind(each))
    return found


def test_no_server_runs_that_trials_do_not_need_and_none_outlives_its_driver(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(ready)],
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until("both tasks are done", ready.exists, process)
        started = kinds(psutil.Process(process.pid).children(recursive=True))
        servers = {each for each in started if not each.startswith("ray::") or "Agent" in each}
        assert servers == {"gcs_server", "raylet", "cat", "ray::RuntimeEnvAgent"}
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        def agents_alone() -> bool:
            # Ray's own agent tries for a minute to tell another server that its own is gone.
            return kinds(session(process.pid)) <= {"ray::RuntimeEnvAgent"}

        wait_until("the servers and the workers are gone", agents_alone, seconds=60)
    finally:
        end_hard(process)
