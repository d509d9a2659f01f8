"""Takes a study's name in MLflow for its record, before anything runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from study.errors import UserError
from study.ground.confirming import confirmed_by
from study.places.locations import Places
from study.record.database import Ledger
from study.record.publication import Publication
from study.tracking.experiment import Experiment
from study.tracking.ownership import Owner, experiment_of
from study.tracking.reading import StudyNotFound, open_store
from study.tracking.store import TrackingError, client, is_http, sqlite_path, writing

logger = logging.getLogger(__name__)

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
    return Owner(study=publication.study, record=publication.identity(), runs=publication.runs)


def claim(publication: Publication, places: Places) -> None:
    """Takes a study's name in MLflow for this record, and looks whether it was published there.

    A server that is away does not matter: it is asked again by whoever publishes.

    Raises:
        UserError: The experiment of this name is not this record's.
    """
    owner = owner_of(publication)
    experiment = Experiment(places.tracking, places.artifacts, owner, publication.moved_to)
    _asked(places.tracking, lambda: experiment.id)


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
    runs = publication.runs if publication is not None else tuple
    owner = Owner(study=study, record=record, runs=runs)
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
            _within(CLAIM_SECONDS, ask)
    except TrackingError as error:
        logger.debug("%s", error)
        return str(error)
    return ""


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Does something in a thread, and lets it be if it hangs; raises what it raises."""
    raised: list[Exception] = []

    def act() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=act, name="mlflow-claim", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise TrackingError(f"MLflow did not answer within {seconds:.0f} s")
