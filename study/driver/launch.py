"""The launch: a study is brought to its spec, however often it is called and however the last call ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from study.driver.claiming import check_not_deleting, claim, publication_of
from study.driver.keeping import Keeping
from study.driver.preparing import check_prepared, known_contents
from study.driver.publishing import CLOSE_SECONDS, HURRIED_SECONDS, Publishing
from study.driver.stop import Stop, signals
from study.errors import Interrupted, TrialsFail, UserError
from study.faults import point
from study.places.locations import Places, Site
from study.places.options import typed
from study.places.stores import check_installed
from study.record.database import Counts, Ledger
from study.record.lease import Lease
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.search.observer import Observer
from study.spec.continuation import continued
from study.spec.model import Spec
from study.spec.reader import parse_stored
from study.trial import Outcome
from trainables.folder import Folder

logger = logging.getLogger(__name__)

STOPPING_SECONDS = 2.0
"""How long MLflow is waited for after an interruption; the next launch publishes what is left."""

KEEPING_SECONDS = 30.0
"""How long the end of a launch waits for files of ended trials to be removed; the next one goes on."""

Observe = Callable[[Conductor], Observer]
"""Makes an observer of a launch: progress."""


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """How a launch ended.

    Attributes:
        study: The study.
        counts: Per arm, how many trials ended how, in all launches.
        ran: Trials that this launch ended.
        unpublished: Trials and arms whose MLflow runs are not up to date, or lack files (``ttur sync``
            publishes them).
        places: Where everything is.
        without_files: Those of ``unpublished`` that lack nothing but files.
    """

    study: str
    counts: Mapping[str, Mapping[Outcome, int]]
    ran: int
    unpublished: int
    places: Places
    without_files: int = 0

    @property
    def missing(self) -> str:
        """What MLflow lacks of the study, in words; empty if nothing."""
        runs, files = self.unpublished - self.without_files, self.without_files
        lacking = [f"{runs} run{'s' * (runs != 1)}"] if runs else []
        if files:
            lacking.append(f"the files of {files} run{'s' * (files != 1)}")
        return f"MLflow lacks {' and '.join(lacking)}" if lacking else ""


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
        spec, data = _continued(ledger, spec, places)
        # 3. Its data are those that it began with, and its trials can be built.
        contents = _examined(ledger, spec, data, places.cache, _until(stop, say))
        # 4. Its name in MLflow is ours too.
        publication = publication_of(ledger, spec.name)
        claim(publication, places)
        # 5. The record knows the spec, and the home where everything is.
        changed = _store(ledger, spec, data, contents)
        site.remember(spec.name, publication.identity())
        # 6. A finished study ends here, without its trials being read.
        counts = {name: ledger.counts(spec.name, name) for name in spec.arms}
        if not changed and _nothing_to_do(spec, publication, counts):
            ended = {name: dict(count.ended) for name, count in counts.items()}
            return LaunchResult(study=spec.name, counts=ended, ran=0, unpublished=0, places=places)
        # 7. What is left is run, published and tidied up.
        conductor = Conductor(spec, ledger, places)
        before = conductor.ended
        unpublished, without_files = _drive(
            conductor, publication, site, stop, observe, _data(ledger, spec)
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
    _check_ending(conductor, result, site, stop)
    return result


@contextmanager
def held(study: str, places: Places, stop: Stop) -> Iterator[Ledger]:
    """Opens the record and holds the study's lease."""
    ledger = Ledger(places.record)
    with ExitStack() as stack:
        stack.callback(ledger.close)
        lease = Lease(ledger.engine, study)
        lease.acquire(stop.lost, lambda: stop("ttur stop asked for it"))
        stack.callback(lease.release)
        # After an outage the study may be somebody else's.
        ledger.patience.before_retry = lease.check
        ledger.patience.given_up = lambda: stop.asked
        yield ledger


def _drive(
    conductor: Conductor,
    publication: Publication,
    site: Site,
    stop: Stop,
    observe: Observe | None,
    data: str,
) -> tuple[int, int]:
    """Runs what is left and publishes it; returns how many runs lack anything, and how many only files."""
    spec, places = conductor.spec, site.places
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
            _run(spec, conductor, site.options.address)
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
    if stop.robbed:
        seconds = 0.0  # its trials are the other driver's, and run
    unpublished = _close(publishing, conductor, publication, seconds)
    keeping.close(min(seconds, KEEPING_SECONDS))
    return unpublished, publishing.without_files


def _check_ending(conductor: Conductor, result: LaunchResult, site: Site, stop: Stop) -> None:
    """Raises what a launch that did not reach its spec, or was signalled, ends with."""
    name = result.study
    if conductor.refusal:
        raise UserError(
            f"no trial of {name} can be built: {conductor.refusal}; correct it and launch again "
            "(no trial was used up)"
        )
    if conductor.fault:
        raise TrialsFail(
            f"{conductor.stopping}, the last one with: {conductor.fault}. None of them is used up: put that "
            f"right and go on with: {typed(site.options, 'resume', name)}"
        )
    if conductor.stopping and conductor.unfinished:
        raise Interrupted(
            f"{conductor.stopping}; {result.ran} trials were ended and {conductor.unfinished} are left. "
            f"Go on with: {typed(site.options, 'resume', name)}",
            stop.signal,
        )
    if stop.signal is not None:
        sync = typed(site.options, "sync", name)
        later = f" {result.missing}; publish what is missing with: {sync}"
        raise Interrupted(
            f"{conductor.stopping}, but every trial of {name} has ended."
            + (later if result.missing else ""),
            stop.signal,
        )


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
        return sum(ledger.reopen_failed(spec.name, arm) for arm in spec.arms)


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
            data=_data(ledger, spec),
        )
        unpublished = _close(publishing, conductor, publication, CLOSE_SECONDS)
        keeping.close(0)
        return unpublished


def _run(spec: Spec, conductor: Conductor, address: str | None) -> None:
    # Ray takes seconds to import: a finished study, and every query, does without.
    from study.engine import cluster, tune

    with cluster.cluster(address, spec.resources):
        tune.run(conductor, spec.resources, spec.settings.accelerated)


def _nothing_to_do(spec: Spec, publication: Publication, counts: Mapping[str, Counts]) -> bool:
    """Whether every budget is used up and everything published, told without reading the trials."""
    return publication.shown() == _budgets(spec) and all(
        counts[name].ended.total() == counts[name].asked >= arm.trials
        and not counts[name].unpublished
        for name, arm in spec.arms.items()
    )


def _data(ledger: Ledger, spec: Spec) -> str:
    """What the record says of a study's data, in words; empty if nothing."""
    return str((ledger.contents(spec.name) or {}).get("sentence", ""))


def _budgets(spec: Spec) -> dict[str, int]:
    return {name: arm.trials for name, arm in spec.arms.items()}


def _close(
    publishing: Publishing, conductor: Conductor, publication: Publication, seconds: float
) -> int:
    """Publishes what is left; returns how many runs are not up to date, or lack files."""
    unpublished = publishing.close(seconds)
    if not unpublished and all(arm.finished for arm in conductor.arms.values()):
        publication.keep_shown(_budgets(conductor.spec))
    return unpublished


def _continued(ledger: Ledger, spec: Spec, places: Places) -> tuple[Spec, dict[str, Any] | None]:
    """The spec with which the study goes on, and the one that is stored."""
    data = ledger.stored_spec(spec.name)
    check_not_deleting(ledger, spec.name)
    if data is None:
        _check_unused(spec.name, places)
        return spec, None
    asked = {name: ledger.counts(spec.name, name).asked for name in spec.arms}
    known = ledger.contents(spec.name) is not None
    spec, raised = continued(parse_stored(data), spec, asked, known=known)
    if raised:
        logger.warning("%s", raised)
    return spec, data


def _until(stop: Stop, say: Callable[[str], None]) -> Callable[[str], None]:
    """Says things until an end is asked for, which the one who says them then comes to."""

    def tell(sentence: str) -> None:
        if stop.asked:
            raise Interrupted(f"interrupted while {sentence}; launch again", stop.signal)
        say(sentence)

    return tell


def _examined(
    ledger: Ledger,
    spec: Spec,
    stored: dict[str, Any] | None,
    cache: str,
    say: Callable[[str], None],
) -> dict[str, Any] | None:
    """Says what the study's data are, and refuses them before anything is stored: it may be corrected.

    A study that has all its trials is asked for nothing more than the record holds, unless its files are
    said to be elsewhere.
    """
    before = None if stored is None else ledger.contents(spec.name)
    ended = {name: ledger.counts(spec.name, name).ended.total() for name in spec.arms}
    left = any(ended[name] < arm.trials for name, arm in spec.arms.items())
    moved = stored is not None and parse_stored(stored).trial != spec.trial
    if not (left or moved):
        return before
    check_prepared(spec, cache)
    return known_contents(spec, cache, before, say)


def _store(
    ledger: Ledger,
    spec: Spec,
    stored: dict[str, Any] | None,
    contents: dict[str, Any] | None,
) -> bool:
    """Stores the spec if it is another one than the stored one, and says whether it is."""
    new = spec.model_dump(mode="json")
    if new != stored:
        ledger.store_spec(spec.name, new)
    if contents is not None and contents != ledger.contents(spec.name):
        ledger.keep_contents(spec.name, contents)
    return new != stored


def _check_unused(study: str, places: Places) -> None:
    """Refuses a new study where trials of another one of its name lie: they would be continued."""
    folder = f"{places.checkpoints.rstrip('/')}/{study}"
    if Folder(folder).names():
        raise UserError(
            f"{folder} holds trials of an earlier study {study} that this record does not know; remove "
            "that folder, or give another --name, --record or --checkpoints"
        )
