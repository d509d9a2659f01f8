"""The beginning of a launch: the study is held, its spec joined with the stored one, its data known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from study.driver.claiming import check_not_deleting
from study.driver.preparing import check_new, check_prepared, known_contents
from study.driver.session import Stop
from study.errors import Interrupted, UserError
from study.places.locations import Places
from study.record.database import Ledger
from study.record.lease import Lease
from study.spec.continuation import continued
from study.spec.model import Spec
from study.spec.reader import parse_stored
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
        _check_unused(spec.name, places)
        return spec, None
    asked = {name: ledger.counts(spec.name, name).asked for name in spec.arms}
    known = ledger.contents(spec.name) is not None
    spec, raised = continued(parse_stored(data), spec, asked, known=known)
    if raised:
        logger.warning("%s", raised)
    return spec, data


def _check_unused(study: str, places: Places) -> None:
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
    if stored is None:
        check_new(spec, cache)
    return known_contents(spec, cache, before, say)


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
