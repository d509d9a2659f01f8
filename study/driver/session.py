"""One launch as its parts share it: where it is, the wish that it ends, the engine, who is told."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from study.errors import StudyBusy, UserError
from study.ground.signals import watched, words
from study.places.locations import Site
from study.places.urls import check_installed
from study.search.conductor import Conductor
from study.search.handing import Observer
from study.spec.model import Spec
from trainables.kinds import worker_modules


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


logger = logging.getLogger(__name__)

Observe = Callable[[Conductor], Observer]
"""Makes an observer of a launch: progress."""

Say = Callable[[str], None]
"""Is told, a sentence at a time, what is being done."""


class Engine:
    """The Ray that a launch runs on: started once, before a trial is first run.

    Args:
        address: A running cluster; None: the embedded engine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._started = False
        self._stack = ExitStack()

    def start(self, spec: Spec) -> None:
        """Starts it, if it is not: its workers import what they need while the launch is prepared."""
        # Ray takes seconds to import: a finished study, and every query, does without.
        from study.engine import cluster
        from study.engine.ahead import getting_ready

        if self._started:
            return
        with getting_ready(worker_modules(spec.trial["kind"]), spec.resources.cpu):
            self._stack.enter_context(cluster.cluster(self._address, spec.resources))
        self._started = True

    def run(self, conductor: Conductor) -> None:
        """Runs trials until the conductor hands out no more."""
        from study.engine import tune

        spec = conductor.spec
        self.start(spec)
        tune.run(conductor, spec.resources, spec.settings.accelerated)

    def end(self) -> None:
        """Ends the embedded engine, or leaves the cluster."""
        self._started = False
        self._stack.close()


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the search and the confirmation of one launch share.

    Attributes:
        site: Where and how.
        stop: The wish that the launch ends.
        engine: Where trials run.
        observe: Makes an observer of each of the two.
        say: Is told what is being done.
    """

    site: Site
    stop: Stop
    engine: Engine
    observe: Observe | None
    say: Say


@contextmanager
def session(
    site: Site, observe: Observe | None = None, say: Say = logger.info
) -> Iterator[Session]:
    """Begins a launch: from now on signals ask for its end.

    Raises:
        UserError: It cannot be run from here.
    """
    if site.options.submits:
        raise UserError(
            f"address is {site.options.address}: a driver is submitted as a job by `ttur launch`; here, give "
            "host:port of the cluster's head"
        )
    check_installed(site.places)
    stop, engine = Stop(), Engine(site.options.address)
    with ExitStack() as stack:
        stack.enter_context(signals(stop))
        stack.callback(engine.end)
        yield Session(site=site, stop=stop, engine=engine, observe=observe, say=say)
