"""Workers of the embedded engine that get ready while a launch is prepared: their imports take seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

IMPORTED = "RAY_preload_python_modules"
"""Ray's variable: what each worker imports when it has begun, before it takes a task."""
THREADS = "OMP_NUM_THREADS"
"""Numeric libraries read it when they are loaded, which is before a worker knows its trial."""
KEPT = "RAY_idle_worker_killing_time_threshold_ms"
"""Ray's variable: how long a worker stays that has nothing to do. By itself Ray ends it after a second, as
soon as a trial has reserved its CPUs, which it does just before it takes it, and starts another instead."""
KEPT_MS = 120_000
"""Until the first trials are there, on a slow machine too; workers that no trial takes are ended then."""


@contextmanager
def getting_ready(imported: Sequence[str], cpu: float) -> Iterator[None]:
    """Lets the workers of an engine that is started meanwhile import modules, with a trial's threads.

    Ray starts a worker for each CPU as soon as its first driver is there.

    Args:
        imported: The modules; one that cannot be imported is imported again by the trial, which says so.
        cpu: CPUs of a trial.
    """
    mine = {
        IMPORTED: ",".join([*filter(None, [os.environ.get(IMPORTED)]), *imported]),
        THREADS: str(max(1, int(cpu))),
        KEPT: os.environ.get(KEPT, str(KEPT_MS)),
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
