"""The driver of a Ray job: ``python -m study.engine.job_driver ARGUMENTS`` is ``ttur ARGUMENTS`` retried.

Ray does not restart a job whose process died (ray-project/ray#41026). Since a launch continues whatever
it finds, starting it again is all it takes.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from study.ground.signals import handled

FINAL = frozenset({0, 2, 3, 129, 130, 143})
"""Exit codes of ``ttur`` that another try would not change: done, bad input, trials fail, asked to stop.

A record or a cluster that does not answer is neither (1): after a power loss a database may need minutes."""
RETRIES = 10
PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 120.0
LONG_LIFE_SECONDS = 600.0
"""A driver that lived this long made progress: its death is counted as the first again."""

SUBMISSION = "TTUR_SUBMISSION"
"""The environment variable that tells one submission from others of its name, whose log Ray goes on with."""

logger = logging.getLogger(__name__)


def begun(submission: str) -> str:
    """What the driver of a submission says first, so that who submitted it knows that it runs."""
    return f"the driver of the submission {submission} has begun"


def run(
    command: Sequence[str], *, retries: int = RETRIES, pause_seconds: float = PAUSE_SECONDS
) -> int:
    """Runs a command until it ends for good.

    Args:
        command: What to run.
        retries: How often in a row it may die before its exit code is passed on.
        pause_seconds: Time before the first retry; it doubles with each in a row, up to two minutes.

    Returns:
        Its last exit code; 128 + n if signal n ended it.
    """
    stopping = threading.Event()
    deaths = 0
    with _noticed(stopping.set):
        while True:
            began = time.monotonic()
            code = subprocess.run(command, check=False).returncode
            deaths = 1 if time.monotonic() - began > LONG_LIFE_SECONDS else deaths + 1
            if code in FINAL or stopping.is_set() or deaths > retries:
                return code if code >= 0 else 128 - code
            pause = _pause(pause_seconds, deaths)
            said = "the driver ended with %d; try %d of %d in %g s"
            logger.warning(said, code, deaths, retries, pause)
            if stopping.wait(pause):
                return 130


def _pause(first: float, deaths: int) -> float:
    return min(first * 2.0 ** (deaths - 1), max(first, LONGEST_PAUSE_SECONDS))


def _noticed(notice: Callable[[], None]) -> AbstractContextManager[None]:
    """Notices the signals that ask for an end instead of dying of them.

    Ray sends its stop signal to this process and to the driver alike: passing it on would be a second
    one, which ends a launch at once.
    """
    return handled(lambda _number, _frame: notice())


def main() -> None:
    """Runs ``ttur`` with this process's arguments."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logger.info(begun(os.environ.get(SUBMISSION, "")))
    sys.exit(run([sys.executable, "-m", "study.cli", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
