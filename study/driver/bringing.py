"""One study, a search or a confirmation, is brought to its spec: run, published and tidied up."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from study.driver.beginning import (
    claim,
    continued_spec,
    examined,
    may_be_anothers,
    publication_of,
    store,
    unfinished,
    until,
)
from study.driver.ending import LaunchResult, check_ending
from study.driver.keeping import Keeping
from study.driver.publishing import CLOSE_SECONDS, HURRIED_SECONDS, Publishing
from study.driver.session import Session
from study.ground.faults import point
from study.record.database import Counts, Ledger
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.spec.model import Spec


def bring(spec: Spec, ledger: Ledger, session: Session) -> tuple[LaunchResult, Spec]:
    """Brings a study to its spec.

    Args:
        spec: The study.
        ledger: The record, for who holds the study's lease.
        session: The launch.

    Returns:
        How it ended, and the spec with which it went on.

    Raises:
        UserError: The spec does not continue the stored study, it cannot be run here, or its name in
            MLflow is another record's.
        TrialsFail: Too many trials in a row failed.
        Interrupted: The launch was asked to stop, and has.
    """
    site, places, stop = session.site, session.site.places, session.stop
    # 1. This spec and the stored one become one, or the launch is refused.
    spec, data = continued_spec(ledger, spec, places)
    # 2. Its data are those that it began with, and its trials can be built.
    left = unfinished(ledger, spec)
    contents = examined(ledger, spec, data, places.cache, until(stop, session.say), left=left)
    # 3. Its name in MLflow is ours too; workers get ready meanwhile.
    publication = _claimed(spec, ledger, session, left)
    # 4. The record knows the spec, and the home where everything is.
    changed = store(ledger, spec, data, contents)
    site.remember(spec.name, publication.identity())
    # 5. A finished study ends here, without its trials being read.
    counts = {name: ledger.counts(spec.name, name) for name in spec.arms}
    if not changed and _nothing_to_do(spec, publication, counts):
        ended = {name: dict(count.ended) for name, count in counts.items()}
        result = LaunchResult(study=spec.name, counts=ended, ran=0, unpublished=0, places=places)
        return result, spec
    # 6. What is left is run, published and tidied up.
    conductor = Conductor(spec, ledger, places)
    before = conductor.ended
    unpublished, without_files = drive(conductor, publication, session, data_of(ledger, spec))
    stop.check_lease(spec.name)
    # 7. What came of it is said, or raised.
    result = LaunchResult(
        study=spec.name,
        counts={name: dict(arm.counts) for name, arm in conductor.arms.items()},
        ran=conductor.ended - before,
        unpublished=unpublished,
        places=places,
        without_files=without_files,
    )
    check_ending(conductor, result, site, stop)
    return result, spec


def _claimed(spec: Spec, ledger: Ledger, session: Session, left: bool) -> Publication:
    """Takes the study's name in MLflow; where trials are left, their workers are started.

    They are before that only where nobody else can have the name: a launch that is refused starts nothing.
    """
    publication, places = publication_of(ledger, spec.name), session.site.places
    if left and not may_be_anothers(places):
        session.engine.start(spec)
    claim(publication, places)
    if left:
        session.engine.start(spec)
    return publication


def _nothing_to_do(spec: Spec, publication: Publication, counts: Mapping[str, Counts]) -> bool:
    """Whether every budget is used up and everything published, told without reading the trials."""
    return publication.shown() == budgets(spec) and all(
        counts[name].ended.total() == counts[name].asked >= arm.trials
        and not counts[name].unpublished
        for name, arm in spec.arms.items()
    )


logger = logging.getLogger(__name__)

STOPPING_SECONDS = 2.0
"""How long MLflow is waited for after an interruption; the next launch publishes what is left."""

KEEPING_SECONDS = 30.0
"""How long the end of a launch waits for files of ended trials to be removed; the next one goes on."""


def drive(
    conductor: Conductor, publication: Publication, session: Session, data: str
) -> tuple[int, int]:
    """Runs what is left and publishes it; returns how many runs lack anything, and how many only files."""
    spec, places, stop, observe = (
        conductor.spec,
        session.site.places,
        session.stop,
        session.observe,
    )
    if conductor.left:
        for doubt in spec.settings.warnings():
            logger.warning("trial: %s", doubt)
    keeping = Keeping(spec, places, conductor)
    publishing = Publishing(publication, places, conductor, keeps=keeping.keeps, data=data)
    conductor.observe(keeping, publishing, *([observe(conductor)] if observe else []))
    stop.tells(conductor.interrupt)
    stop.tells(lambda _why: publishing.hurry(HURRIED_SECONDS))
    try:
        if conductor.left:
            session.engine.run(conductor)
            conductor.settle()
    except Exception as error:
        if not conductor.stopping:
            # Its thread must not go on beside a later launch of this process.
            publishing.close(STOPPING_SECONDS)
            keeping.close(0)
            raise
        # A SIGTERM to the whole process group takes the embedded engine along.
        logger.warning("the engine ended before the trials were checkpointed: %s", error)
    seconds = STOPPING_SECONDS if conductor.stopping else CLOSE_SECONDS
    point("closing")
    if stop.taken_over:
        seconds = 0.0  # its trials are the other driver's, and run
    unpublished = close(publishing, conductor, publication, seconds)
    keeping.close(min(seconds, KEEPING_SECONDS))
    return unpublished, publishing.without_files


def close(
    publishing: Publishing, conductor: Conductor, publication: Publication, seconds: float
) -> int:
    """Publishes what is left; returns how many runs are not up to date, or lack files."""
    unpublished = publishing.close(seconds)
    if not unpublished and all(arm.finished for arm in conductor.arms.values()):
        publication.keep_shown(budgets(conductor.spec))
    return unpublished


def data_of(ledger: Ledger, spec: Spec) -> str:
    """What the record says of a study's data, in words; empty if nothing."""
    return str((ledger.contents(spec.name) or {}).get("sentence", ""))


def budgets(spec: Spec) -> dict[str, int]:
    """How many trials each arm is to have."""
    return {name: arm.trials for name, arm in spec.arms.items()}
