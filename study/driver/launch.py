"""The launch: a study is brought to its spec, however often it is called and however the last call ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from study.driver.beginning import continued_spec, examined, held, store, until
from study.driver.claiming import claim, publication_of
from study.driver.driving import Observe, budgets, data_of, drive
from study.driver.ending import LaunchResult, check_ending
from study.driver.stop import Stop, signals
from study.errors import UserError
from study.ground.faults import point
from study.places.locations import Site
from study.places.stores import check_installed
from study.record.database import Counts
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.spec.model import Spec

logger = logging.getLogger(__name__)


def launch(
    spec: Spec,
    site: Site,
    observe: Observe | None = None,
    say: Callable[[str], None] = logger.info,
) -> LaunchResult:
    """Brings a study to its spec.

    Trials that were cut off are continued from their last checkpoints as the same trials; new ones are
    asked for until each arm has its budget; a finished study is left as it is.

    Args:
        spec: The study.
        site: Where and how.
        observe: Makes an observer (progress) for the launch.
        say: Told, a sentence at a time, how far the data are prepared.

    Returns:
        How it ended.

    Raises:
        UserError: The spec does not continue the stored study, it cannot be run here, or its name in
            MLflow is another record's.
        StudyBusy: Another driver runs the study.
        TrialsFail: Too many trials in a row failed (``resources.stop_after_failures``); none is used up.
        Interrupted: It was asked to stop (Ctrl-C, SIGTERM, ``ttur stop``) and has.
    """
    if site.options.submits:
        raise UserError(
            f"address is {site.options.address}: a driver is submitted as a job by `ttur launch`; here, give "
            "host:port of the cluster's head"
        )
    places = site.places
    check_installed(places)
    stop = Stop()
    # 1. The study is this driver's alone, or the launch is refused.
    with signals(stop), held(spec.name, places, stop) as ledger:
        point("opened")
        # 2. This spec and the stored one become one, or the launch is refused.
        spec, data = continued_spec(ledger, spec, places)
        # 3. Its data are those that it began with, and its trials can be built.
        contents = examined(ledger, spec, data, places.cache, until(stop, say))
        # 4. Its name in MLflow is ours too.
        publication = publication_of(ledger, spec.name)
        claim(publication, places)
        # 5. The record knows the spec, and the home where everything is.
        changed = store(ledger, spec, data, contents)
        site.remember(spec.name, publication.identity())
        # 6. A finished study ends here, without its trials being read.
        counts = {name: ledger.counts(spec.name, name) for name in spec.arms}
        if not changed and _nothing_to_do(spec, publication, counts):
            ended = {name: dict(count.ended) for name, count in counts.items()}
            return LaunchResult(study=spec.name, counts=ended, ran=0, unpublished=0, places=places)
        # 7. What is left is run, published and tidied up.
        conductor = Conductor(spec, ledger, places)
        before = conductor.ended
        unpublished, without_files = drive(
            conductor, publication, site, stop, observe, data_of(ledger, spec)
        )
        stop.check_lease(spec.name)
    # 8. What came of it is said, or raised.
    result = LaunchResult(
        study=spec.name,
        counts={name: dict(arm.counts) for name, arm in conductor.arms.items()},
        ran=conductor.ended - before,
        unpublished=unpublished,
        places=places,
        without_files=without_files,
    )
    check_ending(conductor, result, site, stop)
    return result


def _nothing_to_do(spec: Spec, publication: Publication, counts: Mapping[str, Counts]) -> bool:
    """Whether every budget is used up and everything published, told without reading the trials."""
    return publication.shown() == budgets(spec) and all(
        counts[name].ended.total() == counts[name].asked >= arm.trials
        and not counts[name].unpublished
        for name, arm in spec.arms.items()
    )
