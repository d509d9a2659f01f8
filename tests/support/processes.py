"""Processes that tests start and end: what they said, what runs under them, and that nothing is left."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

GRACE_SECONDS = 10.0
"""What a process that ended by itself leaves behind (Ray's workers) gets this long to end by itself too."""


def seeded() -> random.Random:
    """Random moments from a seed that a failing test shows."""
    seed = random.SystemRandom().randrange(10**6)
    logging.getLogger(__name__).warning(f"the moments are drawn from seed {seed}")
    return random.Random(seed)


def ended(process: subprocess.Popen[str], timeout: float = 400) -> str:
    """Waits for a process and returns what it said on the channels that are not files."""
    said = process.communicate(timeout=timeout)
    return "".join(text for text in said if text)


def session(leader: int) -> list[psutil.Process]:
    """What still runs of all that a process started that leads a session; Ray's workers are of it."""
    found = []
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):
            if os.getsid(pid) == leader:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def end_hard(process: subprocess.Popen[str]) -> None:
    """Ends a process that leads a session and all that is in it, and waits until nothing of it is left."""
    if process.poll() not in (None, -signal.SIGKILL):
        with suppress(AssertionError):
            wait_until("its processes end", lambda: not session(process.pid), seconds=GRACE_SECONDS)
    process.kill()
    process.wait()

    def gone() -> bool:
        for each in (left := session(process.pid)):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        return not left

    wait_until("all its processes are gone", gone, seconds=60)


def wait_until(
    what: str,
    condition: Callable[[], bool],
    process: subprocess.Popen[str] | None = None,
    seconds: float = 200,
) -> None:
    """Polls until a condition holds; fails with its description, at once if the process ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            # It may have come about between the two looks.
            assert condition(), (
                f"ttur ended ({process.returncode}) before: {what}\n{ended(process)}"
            )
            return
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that run the trials of a driver."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            # Tune names the class anew when it adds the resources.
            if any(word.startswith("ray::") and "Trainable" in word for word in child.cmdline()):
                found.append(child)
    return found
