"""Processes that a script runs: their environment, and what they took that it has waited for."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def environment() -> dict[str, str]:
    """That of a launch which runs wherever it is: it finds the benchmarks, and its trials have one thread."""
    quiet = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    root = str(Path(__file__).parents[1])
    place = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **quiet, "PYTHONPATH": place}


def cpu_seconds() -> float:
    """CPU-seconds of all child processes that have ended and were waited for, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
