"""One launch as its parts share it: where it is, the wish that it ends, the engine, who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from study.driver.stop import Stop, signals
from study.errors import UserError
from study.places.locations import Site
from study.places.stores import check_installed
from study.search.conductor import Conductor
from study.search.observer import Observer

logger = logging.getLogger(__name__)

Observe = Callable[[Conductor], Observer]
"""Makes an observer of a launch: progress."""

Say = Callable[[str], None]
"""Is told, a sentence at a time, what is being done."""


class Engine:
    """The Ray that a launch runs on: started when a trial is first run, and once.

    Args:
        address: A running cluster; None: the embedded engine.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._started = False
        self._stack = ExitStack()

    def run(self, conductor: Conductor) -> None:
        """Runs trials until the conductor hands out no more."""
        # Ray takes seconds to import: a finished study, and every query, does without.
        from study.engine import cluster, tune

        spec = conductor.spec
        if not self._started:
            self._stack.enter_context(cluster.cluster(self._address, spec.resources))
            self._started = True
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
