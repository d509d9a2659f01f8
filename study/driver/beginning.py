"""The beginning of a launch: the study is held, its name in MLflow claimed, its spec and data looked at."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from study.driver.preparing import check_new, check_prepared, known_contents
from study.driver.session import Stop
from study.errors import Interrupted, UserError
from study.ground.beside import beside
from study.ground.confirming import confirmed_by
from study.places.locations import Places
from study.record.database import Ledger
from study.record.lease import Lease
from study.record.publication import Publication
from study.spec.continuation import continued
from study.spec.model import Spec
from study.spec.reader import parse_stored
from study.tracking.experiment import Experiment
from study.tracking.ownership import Owner, experiment_of
from study.tracking.reading import StudyNotFound, open_store
from study.tracking.store import TrackingError, client, is_http, sqlite_path, writing
from trainables.folder import Folder

logger = logging.getLogger(__name__)


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


def continued_spec(
    ledger: Ledger, spec: Spec, places: Places
) -> tuple[Spec, dict[str, Any] | None]:
    """The spec with which the study goes on, and the one that is stored."""
    data = ledger.stored_spec(spec.name)
    check_not_deleting(ledger, spec.name)
    if data is None:
        check_unused(spec.name, places)
        return spec, None
    asked = {name: ledger.counts(spec.name, name).asked for name in spec.arms}
    known = ledger.contents(spec.name) is not None
    spec, raised = continued(parse_stored(data), spec, asked, known=known)
    if raised:
        logger.warning("%s", raised)
    return spec, data


def check_unused(study: str, places: Places) -> None:
    """Refuses a new study where trials of another one of its name lie: they would be continued."""
    folder = f"{places.checkpoints.rstrip('/')}/{study}"
    if Folder(folder).names():
        raise UserError(
            f"{folder} holds trials of an earlier study {study} that this record does not know; remove "
            "that folder, or give another --name, --record or --checkpoints"
        )


def until(stop: Stop, say: Callable[[str], None]) -> Callable[[str], None]:
    """Says things until an end is asked for, which the one who says them then comes to."""

    def tell(sentence: str) -> None:
        if stop.asked:
            raise Interrupted(f"interrupted while {sentence}; launch again", stop.signal)
        say(sentence)

    return tell


def examined(
    ledger: Ledger,
    spec: Spec,
    stored: dict[str, Any] | None,
    cache: str,
    say: Callable[[str], None],
    *,
    left: bool,
) -> dict[str, Any] | None:
    """Says what the study's data are, and refuses them before anything is stored: it may be corrected.

    A study of which nothing is left to run is asked for nothing more than the record holds, unless its files
    are said to be elsewhere.
    """
    before = None if stored is None else ledger.contents(spec.name)
    moved = stored is not None and parse_stored(stored).trial != spec.trial
    if not (left or moved):
        return before
    check_prepared(spec, cache)
    if stored is None:
        check_new(spec, cache)
    return known_contents(spec, cache, before, say)


def unfinished(ledger: Ledger, spec: Spec) -> bool:
    """Whether an arm has fewer ended trials in the record than it is to have."""
    return any(
        ledger.counts(spec.name, name).ended.total() < arm.trials for name, arm in spec.arms.items()
    )


def store(
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


CLAIM_SECONDS = 8.0
"""How long a launch waits for an MLflow server to say whether its study's name is free."""


def publication_of(ledger: Ledger, study: str) -> Publication:
    """What the record keeps about MLflow; the study's identity is made if need be.

    A confirming study has the identity of the one that it confirms: they belong together.
    """
    found = Publication(ledger, study)
    confirmed, _ = confirmed_by(study) or (study, None)
    given = None
    if confirmed != study and ledger.stored_spec(confirmed) is not None:
        given = Publication(ledger, confirmed).identity()
    found.identity(given)
    return found


def check_not_deleting(ledger: Ledger, study: str) -> None:
    """Refuses a study whose deletion was cut off.

    Raises:
        UserError: It was.
    """
    if Publication(ledger, study).deleting:
        raise UserError(
            f"{study} was to be deleted, and that was cut off; finish it with `ttur delete {study}`"
        )


def owner_of(publication: Publication) -> Owner:
    """The study of a record as MLflow knows it."""
    return Owner(
        study=publication.study,
        record=publication.identity(),
        runs=publication.runs,
        trials=publication.trials,
    )


def claim(publication: Publication, places: Places) -> None:
    """Takes a study's name in MLflow for this record, and looks whether it was published there.

    A server that is away does not matter: it is asked again by whoever publishes.

    Raises:
        UserError: The experiment of this name is not this record's.
    """
    owner = owner_of(publication)
    experiment = Experiment(places.tracking, places.artifacts, owner, publication.moved_to)
    _asked(places.tracking, lambda: experiment.id)


def may_be_anothers(places: Places) -> bool:
    """Whether a name in MLflow could be taken already: there is a store, or a server that may have one."""
    file = sqlite_path(places.tracking)
    return file is None or file.exists()


def check_free(study: str, record: str, places: Places, publication: Publication | None) -> str:
    """Looks whether a study's name could be taken, and takes nothing.

    Args:
        study: Name of the study.
        record: Identity of the record; empty for one that has none yet.
        places: Where MLflow is.
        publication: What the record keeps about MLflow, if there is a record.

    Returns:
        Why that is not known, or an empty string.

    Raises:
        UserError: The experiment of this name is not this record's.
    """
    owner = Owner(study=study, record=record)
    if publication is not None:
        owner = replace(owner, runs=publication.runs, trials=publication.trials)
    try:
        store = open_store(places.tracking, study)
    except StudyNotFound:  # there is no store yet
        return ""
    except TrackingError as error:
        return str(error)
    return _asked(places.tracking, lambda: experiment_of(store, owner))


def _asked(uri: str, question: Callable[[], object]) -> str:
    """Asks MLflow, but waits for a server only for a while; says what was wrong if it did not answer."""

    def ask() -> None:
        with writing(uri):
            question()

    try:
        if sqlite_path(uri) is not None:
            ask()
        else:
            if is_http(uri):
                client(uri)  # MLflow takes seconds to import, and no server is asked yet
            if not beside(ask, name="mlflow-claim", seconds=CLAIM_SECONDS):
                raise TrackingError(f"MLflow did not answer within {CLAIM_SECONDS:.0f} s")
    except TrackingError as error:
        logger.debug("%s", error)
        return str(error)
    return ""
