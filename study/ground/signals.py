"""The signals that ask a process to end: one thread hears them, and nothing else dies of them."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Notice = Callable[[signal.Signals], bool]
"""Takes in a signal; True interrupts the main thread where it stands (KeyboardInterrupt)."""

SAME_SECONDS = 0.2
"""Signals within this time are one: ``timeout``, systemd and shells may send two to ask once."""

_WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "ended by a hang-up",
}

_WAKE = signal.SIGURG
"""Ends the watching thread; where nobody waits for it, it does nothing."""


def ending() -> tuple[signal.Signals, ...]:
    """Returns the signals that ask for an end; not SIGHUP where it is ignored, as ``nohup`` has it."""
    asked = (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return asked
    return (*asked, signal.SIGHUP)


def words(number: int) -> str:
    """Returns what a signal did to a process."""
    return _WORDS[signal.Signals(number)]


@contextmanager
def handled(
    handle: Callable[[int, FrameType | None], object], *only: signal.Signals
) -> Iterator[None]:
    """Handles the signals of :func:`ending`, or ``only`` some, and puts back what handled them before."""
    numbers = [number for number in ending() if not only or number in only]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Watcher:
    """The thread that waits for the signals; there is one at a time in a process."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._numbers = set(ending())
        self._heard = 0.0
        self._insists = False
        self._ended = False
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended = True
        assert self._thread.ident is not None
        signal.pthread_kill(self._thread.ident, _WAKE)
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def hear(self, number: signal.Signals) -> None:
        before, self._heard = self._heard, time.monotonic()
        if self._heard - before >= SAME_SECONDS:
            for notice in tuple(self.notices):
                self._insists = notice(number) or self._insists
            if self._insists and threading.current_thread() is not threading.main_thread():
                _thread.interrupt_main()

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The main thread's handler: for the watching thread, and for threads that were there before it.

        Those do not have the signals blocked, and Python hands on to this one what they get.
        """
        self.hear(signal.Signals(number))
        if self._insists:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {_WAKE})
        while not self._ended:
            number = signal.sigwait({*self._numbers, _WAKE})
            if number in self._numbers:
                self.hear(signal.Signals(number))


_watcher: _Watcher | None = None


@contextmanager
def watched(notice: Notice) -> Iterator[None]:
    """Has a thread of its own wait for the signals of :func:`ending`, and call ``notice`` with each.

    All other threads, and all processes that are started meanwhile, have the signals blocked. So a signal
    is heard at once, whatever the main thread is busy with; no library's handler runs; and processes that
    are started here do not die of a signal that was sent to a whole group or a whole job.

    Inside another one, the outer ``notice`` is called first. Outside the main thread nothing is done.
    """
    global _watcher
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, watcher = _watcher, _watcher or _Watcher()
    _watcher = watcher
    watcher.notices.append(notice)
    try:
        with handled(watcher.handle):
            yield
    finally:
        watcher.notices.pop()
        if outer is None:
            watcher.end()
            _watcher = None
