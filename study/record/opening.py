"""Opens the record of a study that should be there: its stored spec, and the wish that its driver stops.

Whoever only looks makes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from study.errors import UserError
from study.places.urls import is_there, sqlite_file
from study.record.connection import is_made
from study.record.database import Ledger
from study.record.lease import Lease
from study.spec.model import Spec
from study.spec.reader import parse_stored


def existing(url: str) -> Ledger | None:
    """Opens a record without making it.

    Args:
        url: Its SQLAlchemy URL.

    Returns:
        The record, or None if the database is not there or has no tables of a record.

    Raises:
        UserError: It is there and cannot be opened.
    """
    made = is_made(url) if is_there(url) else False
    if made is False:
        return None
    try:
        return Ledger(url, look=made is True)
    except UserError as error:
        file = sqlite_file(url)
        if file is None or os.access(file.absolute().parent, os.W_OK):
            raise
        # SQLite keeps an index beside the file while it reads.
        raise UserError(
            f"the record {file} cannot be read, because its folder cannot be written to; copy the home "
            "to a folder of your own and give that as --home"
        ) from error


def require(url: str, study: str) -> Ledger:
    """Opens the record that should hold a study; whether it does is not looked at.

    Raises:
        UserError: There is no such record.
    """
    ledger = existing(url)
    if ledger is None:
        raise not_found(study, [])
    return ledger


def holds(url: str, study: str) -> bool | None:
    """Whether a record has a study; None if there is no record."""
    ledger = existing(url)
    if ledger is None:
        return None
    try:
        return ledger.stored_spec(study) is not None
    finally:
        ledger.close()


def not_found(study: str, known: Sequence[str]) -> UserError:
    """What is raised for a study that is not in the record.

    Args:
        study: Its name.
        known: The studies that are.
    """
    there = f"it has {', '.join(known)}" if known else "it has none"
    return UserError(
        f"{study} is not a study in this record ({there}); give another name or --home"
    )


def stored_spec(name: str, url: str) -> Spec:
    """Reads a study's spec from the record.

    Args:
        name: The study.
        url: The record.

    Raises:
        UserError: There is no such study in this record.
    """
    return parse_stored(stored_fields(name, url))


def stored_fields(name: str, url: str) -> dict[str, Any]:
    """Reads the fields of a study's spec from the record; no code that they name is imported.

    Args:
        name: The study.
        url: The record.

    Raises:
        UserError: There is no such study in this record.
    """
    ledger = require(url, name)
    try:
        return _stored(ledger, name)
    finally:
        ledger.close()


def request_stop(name: str, url: str) -> bool:
    """Asks the driver that runs a study to stop cleanly; False if none does.

    Args:
        name: The study.
        url: The record.

    Raises:
        UserError: There is no such study in this record.
    """
    ledger = require(url, name)
    try:
        _stored(ledger, name)
        return Lease(ledger.engine, name).request_stop()
    finally:
        ledger.close()


def _stored(ledger: Ledger, name: str) -> dict[str, Any]:
    data = ledger.stored_spec(name)
    if data is None:
        raise not_found(name, ledger.studies())
    return data
