"""The site of a call: where its study is, resolved once from what the caller said and what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.places.home import identity, is_leaving, resolve
from study.places.locations import Options, Site, typed
from study.spec.model import Spec, Storage
from study.tracking import reading

if TYPE_CHECKING:
    from study.driver.taking import Subject

Locations = Mapping[str, str | None]
"""Locations by name."""


def options_of(home: str | None, places: Locations | None, address: str | None = None) -> Options:
    """Puts together what the caller of a function said of places."""
    return Options(home=home, given=places or {}, address=address)


def anywhere(options: Options) -> Site:
    """Resolves where things are for no study in particular."""
    return resolve(options)


def site_of(spec: Spec, options: Options) -> Site:
    """Resolves where a study is run."""
    return resolve(options, spec.name, spec.storage)


def record_of(name: str | None, options: Options) -> str:
    """Resolves where the record of a study is, before its spec is known; None: of no study in particular."""
    return resolve(options, name).places.record


def looked_up(name: str, options: Options) -> tuple[dict[str, Any], Site]:
    """Reads the fields of a study's spec, and resolves where it is; no code that they name is imported.

    Raises:
        UserError: There is no such study in this record.
    """
    from study.record.opening import stored_fields

    fields = stored_fields(name, record_of(name, options))
    storage = Storage.model_validate(fields.get("storage") or {})
    return fields, resolve(options, name, storage)


def stored(name: str, options: Options) -> tuple[Spec, Site]:
    """Reads a study's spec from the record, and resolves where it is run.

    Raises:
        UserError: There is no such study in this record.
    """
    from study.record.opening import stored_spec

    spec = stored_spec(name, record_of(name, options))
    return spec, site_of(spec, options)


def subject_of(
    name: str, trial: str | None, home: str | None, places: Locations | None
) -> tuple[Subject, Site]:
    """Finds a trial (None: the one with the lowest score), and resolves where its study is."""
    from study.driver.taking import subject

    fields, site = looked_up(name, options_of(home, places))
    return subject(fields, site.places, trial), site


@contextmanager
def published(name: str, options: Options) -> Iterator[str]:
    """Gives the tracking URI of a study to a body that reads MLflow, and looks that it is this home's there.

    Raises:
        StudyNotFound: The store has no study of this name, or another record's, as seen here or by the body.
            If the record has it, the sentence says how it is published.
        TrackingError: The store could not be read.
    """
    uri = resolve(options, name).places.tracking
    try:
        reading.check_record(name, identity(name, options), tracking_uri=uri)
        yield uri
    except reading.StudyNotFound as error:
        there = None
        with suppress(UserError):  # what MLflow lacks was asked for, and not the record
            there = _holds(name, options)
        if not there:
            raise
        raise reading.StudyNotFound(
            f"{error}; the record has it, and {typed(options, 'sync', name)} publishes it"
        ) from None


def forgotten(name: str, options: Options) -> bool:
    """Finishes a deletion that was cut off when the home's note of the study was all that was left of it."""
    if not is_leaving(name, options) or _holds(name, options) is not False:
        return False
    resolve(options, name).forget(name)
    return True


def _holds(name: str, options: Options) -> bool | None:
    from study.record.opening import holds

    return holds(record_of(name, options), name)
