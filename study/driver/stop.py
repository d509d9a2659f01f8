"""The wish that a launch ends early: from a signal, from ``ttur stop``, or from another driver."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from study.errors import StudyBusy
from study.ground.signals import watched, words


class Stop:
    """Why a launch should end, from whichever thread or signal says so first.

    Attributes:
        signal: The signal that asked for it, if one did.
    """

    def __init__(self) -> None:
        self._why = ""
        self._lost = False
        self._told: list[Callable[[str], None]] = []
        self.signal: signal.Signals | None = None

    def __call__(self, why: str) -> None:
        """Asks for an end; the first reason counts."""
        self._why = self._why or why
        for tell in self._told:
            tell(self._why)

    @property
    def asked(self) -> bool:
        """Whether the launch should end."""
        return bool(self._why)

    @property
    def why(self) -> str:
        """The first reason; empty while nothing asks for an end."""
        return self._why

    def signalled(self, number: signal.Signals) -> None:
        """Takes in a signal."""
        self.signal = self.signal or number
        self(words(number))

    def lost(self) -> None:
        """The lease is gone."""
        self._lost = True
        self("another driver took the study over")

    @property
    def taken_over(self) -> bool:
        """Whether another driver has the study now."""
        return self._lost

    def tells(self, tell: Callable[[str], None]) -> None:
        """Passes the wish on, now and later."""
        self._told.append(tell)
        if self._why:
            tell(self._why)

    def check_lease(self, study: str) -> None:
        """Raises StudyBusy if the lease was lost."""
        if self._lost:
            raise StudyBusy(
                f"this driver was cut off for too long and another one runs the study {study} now"
            )


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a clean end; a further one into a KeyboardInterrupt."""

    def notice(number: signal.Signals) -> bool:
        again = stop.signal is not None
        stop.signalled(number)
        return again

    with watched(notice):
        yield
