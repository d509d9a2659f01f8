"""The end of a command by a signal: one sentence, the exit code that shells give it, and in time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from study.errors import Interrupted
from study.ground.signals import watched, words

if TYPE_CHECKING:
    from study.search.conductor import Conductor

SHOW_CURSOR = b"\x1b[?25h"


def leave_at(number: int, _frame: FrameType | None = None) -> NoReturn:
    """A handler that ends the process where it stands: for what has nothing to lose."""
    leave(signal.Signals(number), words(number))


def leave(number: signal.Signals, sentence: str) -> NoReturn:
    """Ends this process and all that it started, now; nothing is waited for and nothing is run any more."""
    # A library that is being imported must not be waited for; without it nothing was started yet.
    psutil: Any = sys.modules.get("psutil")
    if hasattr(psutil, "Process"):
        with suppress(Exception):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
    with suppress(OSError):
        cursor = SHOW_CURSOR if os.isatty(2) else b""  # a table that was redrawn has hidden it
        os.write(2, cursor + f"ttur: {sentence}\n".encode())
    os._exit(128 + number)


class Ending:
    """Ends a launch that gets a signal: at once while no trial has begun, else when its trials are kept.

    A further signal ends it at once, and so does time: who sent the signal will not wait for long.

    Args:
        again: The command that goes on with the study.
        seconds: How long a clean end may take.
    """

    def __init__(self, again: str, seconds: float) -> None:
        self.conductor: Conductor | None = None
        self._again = again
        self._seconds = seconds
        self._number: signal.Signals | None = None

    def __call__(self, number: signal.Signals) -> bool:
        """Takes in a signal, in whichever thread."""
        if self._number is not None:
            leave(number, f"{words(number)} at once; {self._how_to_go_on()}")
        self._number = number
        if self.conductor is None or not self.conductor.begun:
            leave(number, f"{words(number)} before a trial had begun; go on with: {self._again}")
        timer = threading.Timer(self._seconds, self._late, [number])
        timer.daemon = True
        timer.start()
        return False

    def finish(self, error: Interrupted) -> None:
        """Ends the process when the launch has ended cleanly by a signal; nothing if no signal came.

        Python itself would take a while more to clear up, which nobody needs and somebody waits for.
        """
        if self._number is not None:
            leave(self._number, str(error))

    def _late(self, number: signal.Signals) -> None:
        within = f"the launch did not end within {self._seconds:g} s"
        leave(number, f"{words(number)}, but {within}; {self._how_to_go_on()}")

    def _how_to_go_on(self) -> str:
        return f"go on from the last checkpoints with: {self._again}"


@contextmanager
def ending_in_time(again: str, seconds: float) -> Iterator[Ending]:
    """Ends what is run inside as :class:`Ending` says."""
    made = Ending(again, seconds)
    with watched(made):
        try:
            yield made
        except Interrupted as error:
            made.finish(error)
            raise
