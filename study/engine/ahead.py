"""Workers of the embedded engine that get ready while a launch is prepared: their imports take seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

IMPORTED = "RAY_preload_python_modules"
"""Ray's variable: what each worker imports when it has begun, before it takes a task."""
THREADS = "OMP_NUM_THREADS"
"""Numeric libraries read it when they are loaded, which is before a worker knows its trial."""


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
