"""The work between launches: failed trials are opened again, and MLflow gets what it lacks."""

from __future__ import annotations

import logging

from study.driver.beginning import check_not_deleting, claim, held, publication_of
from study.driver.bringing import close, data_of
from study.driver.keeping import Keeping
from study.driver.naming import ended_trials
from study.driver.publishing import CLOSE_SECONDS, Publishing
from study.driver.reporting import report
from study.driver.session import Stop
from study.places.locations import Site
from study.record.database import Ledger
from study.record.named import confirming_studies
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.spec.reader import parse_stored

logger = logging.getLogger(__name__)


def reopen_failed(spec: Spec, site: Site) -> int:
    """Makes the failed trials of a study ones that were cut off, so that the next launch runs them again.

    Args:
        spec: The study, as the record has it.
        site: Where it is.

    Returns:
        How many there were.

    Raises:
        StudyBusy: A driver runs it.
    """
    with held(spec.name, site.places, Stop()) as ledger:
        return sum(
            ledger.reopen_failed(each.name, arm)
            for each in (spec, *_confirming(spec, ledger))
            for arm in each.arms
        )


def sync(spec: Spec, site: Site) -> int:
    """Publishes to MLflow what a study's record has and MLflow lacks; twice is the same as once.

    Args:
        spec: The study, as the record has it.
        site: Where it is.

    Returns:
        Runs that could not be published, or not with their files.

    Raises:
        StudyBusy: A driver runs it, and publishes by itself.
        UserError: The experiment of its name is not this record's.
    """
    with held(spec.name, site.places, Stop()) as ledger:
        left = sum(_synced(each, ledger, site) for each in (spec, *_confirming(spec, ledger)))
        if not left and _ended(spec, ledger):
            lacking = report(spec, ledger, site.places, Stop(), logger.info).lacking
            if lacking:
                logger.warning("%s", lacking)
        return left


def _synced(spec: Spec, ledger: Ledger, site: Site) -> int:
    check_not_deleting(ledger, spec.name)
    publication = publication_of(ledger, spec.name)
    claim(publication, site.places)
    conductor = Conductor(spec, ledger, site.places)
    keeping = Keeping(spec, site.places, conductor)
    publishing = Publishing(
        publication,
        site.places,
        conductor,
        everything=True,
        keeps=keeping.keeps,
        data=data_of(ledger, spec),
    )
    unpublished = close(publishing, conductor, publication, CLOSE_SECONDS)
    keeping.close(0)
    return unpublished


def _ended(spec: Spec, ledger: Ledger) -> bool:
    """Whether the search has come to its end."""
    ended = ended_trials(spec, ledger)
    return all(ended[name] >= arm.trials for name, arm in spec.arms.items())


def _confirming(spec: Spec, ledger: Ledger) -> list[Spec]:
    """The studies that confirm a study."""
    stored = (ledger.stored_spec(name) for name in confirming_studies(ledger, spec.name))
    return [parse_stored(data) for data in stored if data is not None]
