"""Deletes a study: its record, its checkpoints and what MLflow has of it; all of it, or nothing."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from dataclasses import dataclass

from study.driver.beginning import held, owner_of, publication_of
from study.driver.session import Stop
from study.ground.faults import point
from study.places.locations import Places, Site
from study.record.database import Ledger
from study.record.named import confirming_studies
from study.tracking.ownership import Owner
from study.tracking.reading import StudyNotFound, open_store
from study.tracking.removal import experiments_of, remove
from study.tracking.store import writing
from trainables.folder import Folder


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What a deletion would take.

    Attributes:
        studies: The study and those that confirm it.
        trials: Trials of all of them.
        folders: Where their trials' checkpoints, measurements and generators lie.
        tracking: The MLflow tracking URI.
    """

    studies: tuple[str, ...]
    trials: int
    folders: tuple[str, ...]
    tracking: str


def extent(study: str, site: Site) -> Extent:
    """What :func:`delete` would take; nothing is changed."""
    ledger = Ledger(site.places.record)
    try:
        names = _with_confirmation(ledger, study)
        counts = ledger.all_counts()
    finally:
        ledger.close()
    asked = {arm: count.asked for arm, count in counts.items() if arm.split("/")[0] in names}
    return Extent(
        studies=names,
        trials=sum(asked.values()),
        folders=tuple(_folder(site.places, name) for name in names),
        tracking=site.places.tracking,
    )


def delete(study: str, site: Site) -> list[str]:
    """Deletes a study and those that confirm it, for good.

    That it is to go is written down first: cut off at any point, it is finished by the next call, and nothing
    else is done with the study meanwhile.

    Args:
        study: Name of the study.
        site: Where it is.

    Returns:
        What a tracking server keeps of it in its trash, by name; it has no call that removes for good.

    Raises:
        StudyBusy: A driver runs it.
        UserError: Its experiment in MLflow holds runs that are not its own.
        TrackingError: MLflow could not be reached; call again when it is back.
    """
    places = site.places
    with held(study, places, Stop()) as ledger, ExitStack() as stack:
        names = _with_confirmation(ledger, study)
        for name in names[1:]:
            stack.enter_context(held(name, places, Stop()))
        owners = [owner_of(publication_of(ledger, name)) for name in names]
        with writing(places.tracking):
            _removed_from_mlflow(places, owners, only_look=True)
        publication_of(ledger, study).intend_deletion()
        point("delete-intended")
        with writing(places.tracking):
            left = _removed_from_mlflow(places, owners)
        point("delete-mlflow")
        for name in names:
            Folder(_folder(places, name)).remove_all()
        point("delete-checkpoints")
        for name in names[1:]:
            site.forget(name)
        # The study itself goes last: by it the next call knows what to do. By the home's note it finds it.
        site.leave(study)
        for name in reversed(names):
            ledger.delete(name)
            point("delete-record")
        site.forget(study)
    return left


def _with_confirmation(ledger: Ledger, study: str) -> tuple[str, ...]:
    return (study, *confirming_studies(ledger, study))


def _folder(places: Places, study: str) -> str:
    return f"{places.checkpoints.rstrip('/')}/{study}"


def _removed_from_mlflow(places: Places, owners: list[Owner], only_look: bool = False) -> list[str]:
    left = []
    for owner in owners:
        with contextlib.suppress(StudyNotFound):  # there is no store
            store = open_store(places.tracking, owner.study)
            for experiment in experiments_of(store, owner):
                if not only_look:
                    left.append(remove(store, experiment, owner, places.artifacts))
                    point("delete-experiment")
    return [name for name in left if name]
