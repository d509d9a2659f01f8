"""Points at which a test can make a process die, and a step at which it can hold trials.

``TTUR_FAULT=told:3`` kills the process with SIGKILL when it passes the point ``told`` for the third time;
``told:3:SIGTERM`` sends it another signal, and ``told:3:SIGTERM:group`` sends that to its whole group.
Without the variable a point costs one dictionary look-up. The worker's points are POINTS here, the
driver's are in study/ground/faults.py; Ray passes the variable on to the workers that it starts.

``TTUR_HOLD=FILE`` holds every trial while FILE exists: none goes on from an evaluation at the step that is
written in FILE, or at a later one. So a test acts on trials of which it knows where they are.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

POINTS = ("checkpointing", "checkpointed")
"""Before a checkpoint is written, and after."""

_passed: Counter[str] = Counter()


def point(name: str, known: Sequence[str] = POINTS) -> None:
    """Passes a point; dies here if the environment says so.

    Raises:
        ValueError: No such point is known (seen only when the variable is set).
    """
    armed = os.environ.get("TTUR_FAULT")
    if armed is None:
        return
    if name not in known:
        raise ValueError(f"{name!r} is not a fault point; the points are {', '.join(known)}")
    _passed[name] += 1
    at, count, sent, to = [*armed.split(":"), "", "", ""][:4]
    if at == name and _passed[name] == int(count or 1):
        number = signal.Signals[sent or "SIGKILL"]
        os.killpg(os.getpgrp(), number) if to == "group" else os.kill(os.getpid(), number)


def held(step: int) -> bool:
    """Whether a trial has to stay at a step for now."""
    file = os.environ.get("TTUR_HOLD")
    if file is not None:
        with suppress(FileNotFoundError):
            return step >= int(Path(file).read_text())
    return False
