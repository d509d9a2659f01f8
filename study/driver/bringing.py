"""One study, a search or a confirmation, is brought to its spec within a launch."""

from __future__ import annotations

from collections.abc import Mapping

from study.driver.beginning import continued_spec, examined, store, until
from study.driver.claiming import claim, publication_of
from study.driver.driving import budgets, data_of, drive
from study.driver.ending import LaunchResult, check_ending
from study.driver.session import Session
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
    contents = examined(ledger, spec, data, places.cache, until(stop, session.say))
    # 3. Its name in MLflow is ours too.
    publication = publication_of(ledger, spec.name)
    claim(publication, places)
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


def _nothing_to_do(spec: Spec, publication: Publication, counts: Mapping[str, Counts]) -> bool:
    """Whether every budget is used up and everything published, told without reading the trials."""
    return publication.shown() == budgets(spec) and all(
        counts[name].ended.total() == counts[name].asked >= arm.trials
        and not counts[name].unpublished
        for name, arm in spec.arms.items()
    )
