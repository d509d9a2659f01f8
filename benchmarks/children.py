"""What the processes took that a script has run and waited for."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """CPU-seconds of all child processes that have ended and were waited for, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
