"""The report of a study in MLflow, made at the end of what brought it there: once for each state of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.driver.beginning import publication_of
from study.driver.session import Say, Stop
from study.ground.faults import point
from study.places.locations import Places
from study.record.database import Ledger
from study.record.named import confirming_studies
from study.spec.model import Spec
from study.spec.reader import parse_stored

if TYPE_CHECKING:
    from study.results.comparison import Comparison

logger = logging.getLogger(__name__)

REPORT_SECONDS = 120.0
"""How long the end of a launch waits for the report; the next launch or ``ttur sync`` tries again."""

LOOK_SECONDS = 0.05
"""How often it is looked whether the launch was asked to stop meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What came of it.

    Attributes:
        comparison: What the report says, if it was made.
        lacking: Why MLflow has not got it, as a sentence; empty if it has.
    """

    comparison: Comparison | None = None
    lacking: str = ""


def report(spec: Spec, ledger: Ledger, places: Places, stop: Stop, say: Say) -> Reported:
    """Puts the report of a study that is wholly in MLflow there, unless that of this state is there already.

    Nothing that goes wrong is raised: the study has ended without it.

    Args:
        spec: The study, not one that confirms.
        ledger: Its record, for who holds its lease.
        places: Where everything is.
        stop: The wish that ends the waiting.
        say: Is told that it begins.
    """
    publication, state = publication_of(ledger, spec.name), _state(spec, ledger)
    if publication.reported() == state:
        return Reported()
    if stop.asked:
        return Reported(lacking=f"MLflow has not got the report: {stop.why}")
    point("reporting")
    say(f"{spec.name}: the report is being written")
    identity = publication.identity()
    found = _within(lambda: _logged(spec.name, identity, places), stop)
    if found.lacking:
        logger.debug("%s", found.lacking)
    else:
        publication.keep_reported(state)
    return found


def _state(spec: Spec, ledger: Ledger) -> dict[str, Any]:
    """How many trials of the study and of those that confirm it ended how: what a report depends on."""
    names = {spec.name: list(spec.arms)}
    for name in confirming_studies(ledger, spec.name):
        if (data := ledger.stored_spec(name)) is not None:
            names[name] = list(parse_stored(data).arms)
    return {name: {arm: _ended(ledger, name, arm) for arm in arms} for name, arms in names.items()}


def _ended(ledger: Ledger, study: str, arm: str) -> dict[str, int]:
    return {str(outcome): n for outcome, n in ledger.counts(study, arm).ended.items()}


def _logged(study: str, identity: str, places: Places) -> Reported:
    """Makes the report and logs it."""
    # Plotly takes a while to import, and only here is it needed.
    from study.page.report import log
    from study.tracking.reading import check_record

    check_record(study, identity, tracking_uri=places.tracking)
    comparison, lacking = log(study, tracking_uri=places.tracking, cache=places.cache)
    return Reported(comparison=comparison, lacking=lacking or "")


def _within(make: Callable[[], Reported], stop: Stop) -> Reported:
    """Makes it in a thread, which is left to itself when the launch is to stop or the time is over."""
    made: list[Reported] = []

    def act() -> None:
        try:
            made.append(make())
        except Exception as error:
            # Whatever it is, the study is whole, and `ttur report` will say it at length.
            logger.debug("no report", exc_info=True)
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            made.append(Reported(lacking=f"MLflow has not got the report: {line}"))

    thread = threading.Thread(target=act, name="report", daemon=True)
    latest = time.monotonic() + REPORT_SECONDS
    thread.start()
    while thread.is_alive() and not stop.asked and time.monotonic() < latest:
        thread.join(LOOK_SECONDS)
    if made:
        return made[0]
    why = stop.why or f"it took longer than {REPORT_SECONDS:g} s"
    return Reported(lacking=f"MLflow has not got the report: {why}")
