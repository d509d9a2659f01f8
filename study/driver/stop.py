"""How a launch is asked to end early: by a signal, by ``ttur stop``, or because another driver took over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from study.errors import StudyBusy
from study.signals import handled

if TYPE_CHECKING:
    from study.search.conductor import Conductor


class Stop:
    """Why a launch should end, from whichever thread or signal says so first."""

    def __init__(self) -> None:
        self._why = ""
        self._lost = False
        self._conductor: Conductor | None = None

    def __call__(self, why: str) -> None:
        """Asks for an end; the first reason counts."""
        self._why = self._why or why
        if self._conductor is not None:
            self._conductor.interrupt(self._why)

    @property
    def asked(self) -> bool:
        """Whether the launch should end."""
        return bool(self._why)

    def lost(self) -> None:
        """The lease is gone."""
        self._lost = True
        self("another driver took the study over")

    @property
    def robbed(self) -> bool:
        """Whether another driver has the study now."""
        return self._lost

    def attach(self, conductor: Conductor) -> None:
        """Passes the wish on to a conductor, now and later."""
        self._conductor = conductor
        if self._why:
            conductor.interrupt(self._why)

    def check_lease(self, study: str) -> None:
        """Raises StudyBusy if the lease was lost."""
        if self._lost:
            raise StudyBusy(
                f"this driver was cut off for too long and another one runs the study {study} now"
            )


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into a clean end; a second SIGINT ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop("interrupted" if number == signal.SIGINT else "terminated")

    with handled(handle):
        yield
