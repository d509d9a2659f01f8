"""The middle of a launch: what is left of a study is run, published and tidied up."""

from __future__ import annotations

import logging

from study.driver.keeping import Keeping
from study.driver.publishing import CLOSE_SECONDS, HURRIED_SECONDS, Publishing
from study.driver.session import Session
from study.ground.faults import point
from study.record.database import Ledger
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.spec.model import Spec

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
