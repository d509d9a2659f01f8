"""The connection to a record's database: opened, asked with patience, or a sentence that says why not."""

from __future__ import annotations

import logging
import random
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa

from study.errors import Unreachable, UserError
from study.ground.credentials import hidden
from study.record.private import STUDIES

logger = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""How long an unreachable record is waited for before a launch gives up."""
LAST_SECONDS = 5.0
"""How long it is waited for once the launch was asked to end."""
ATTEMPTS = 8
"""How often tables are made, should other processes make the same ones at the same time."""


class Patience:
    """Does things with the record, and waits for a database that is away for a while.

    Attributes:
        before_retry: Called before each further try; may raise to give up (the lease was lost meanwhile).
        given_up: Whether to stop waiting: the launch was asked to end.
    """

    def __init__(self) -> None:
        self.before_retry: Callable[[], None] = lambda: None
        self.given_up: Callable[[], bool] = lambda: False

    def __call__(self, operation: Callable[[], T]) -> T:
        """Returns what an operation returns, however often it has to be tried."""
        began, pause = time.monotonic(), 0.2
        while True:
            try:
                return operation()
            except (optuna.exceptions.StorageInternalError, sa.exc.OperationalError) as error:
                longest = LAST_SECONDS if self.given_up() else PATIENCE_SECONDS
                if time.monotonic() - began > longest or _hopeless(error):
                    raise
                logger.warning(
                    "The record cannot be reached (%s); trying again.",
                    type(error.__cause__ or error).__name__,
                )
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
            self.before_retry()


def _hopeless(error: BaseException) -> bool:
    """Whether waiting cannot help: nobody makes a database writable meanwhile."""
    return "readonly database" in f"{error} {error.__cause__}"


def made_once(make: Callable[[], T]) -> T:
    """Makes tables that are not there yet, which another process may be doing at the same time.

    Whoever makes them looks what is missing and then makes it: of two that do so at once one fails, and
    finds all of it there when it looks again.

    Args:
        make: Makes what is missing.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return make()
        except (sa.exc.DBAPIError, optuna.exceptions.StorageInternalError) as error:
            if not _made_meanwhile(error):
                raise
        time.sleep(random.uniform(0.05, 0.2) * attempt)
    return make()


def _made_meanwhile(error: BaseException) -> bool:
    """Whether a table or a row could not be made because somebody else has just made it."""
    cause = error if isinstance(error, sa.exc.DBAPIError) else error.__cause__
    return isinstance(cause, sa.exc.IntegrityError) or "already exists" in str(cause)


def is_made(url: str) -> bool | None:
    """Whether a database has a record's tables, which opening it would make; None if it does not answer."""
    try:
        engine = sa.create_engine(parsed_url(url))
    except (UserError, sa.exc.SQLAlchemyError, ImportError):
        return None  # opening it says what is wrong
    try:
        return sa.inspect(engine).has_table(STUDIES.name)
    except sa.exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Opens Optuna's storage; a new SQLite file and a record's tables are made.

    Raises:
        UserError: The URL cannot be used.
        Unreachable: The database server does not answer, or refuses this client.
    """
    parsed = parsed_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if sqlite and parsed.database:
            Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        storage = made_once(
            lambda: optuna.storages.RDBStorage(
                parsed.render_as_string(hide_password=False), engine_kwargs=engine_settings(parsed)
            )
        )
    except RuntimeError as error:  # Optuna: the tables are of another version
        raise UserError(_other_version(url, error)) from None
    except (
        sa.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
    ) as error:
        # What a server answers now, or does not, it may answer later; a wrong URL stays wrong.
        said = isinstance(error, sa.exc.DBAPIError) or isinstance(
            error.__cause__, sa.exc.DBAPIError
        )
        away = said and not sqlite
        raise (Unreachable if away else UserError)(
            f"the record {_harmless(url)} cannot be opened ({hidden(_first_line(error), url)}); check the "
            "URL, that the database is up, and its password in PGPASSFILE or PGPASSWORD"
        ) from None
    if sqlite:
        with storage.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
        sa.event.listen(storage.engine, "connect", _without_waiting)
        storage.engine.dispose()  # the connections of before wait
    return storage


def _without_waiting(connection: Any, _record: object) -> None:
    """Lets an SQLite connection write without waiting for the disk: see where the record brings it there.

    With a write-ahead log only the power can take what was written, and then what was written last.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


def parsed_url(url: str) -> sa.URL:
    """Reads a record's URL; ``postgresql://`` is taken to mean the psycopg driver."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # a ValueError: the port is not a number
        raise UserError(
            f"the record {_harmless(url)} cannot be opened (it is not an SQLAlchemy URL); write "
            "sqlite:///FILE or postgresql://HOST/DATABASE"
        ) from None
    return (
        parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
    )


def engine_settings(parsed: sa.URL) -> dict[str, Any]:
    """The settings of an engine, for SQLAlchemy."""
    if parsed.get_backend_name() == "sqlite":
        # A driver and a `ttur status` may meet in SQLite: wait instead of failing.
        return {"connect_args": {"timeout": 60}}
    return {"pool_pre_ping": True}  # a server may have ended a connection; a file does not


def _other_version(url: str, error: RuntimeError) -> str:
    """What Optuna says of tables that another version of it made, with the URL in its place."""
    said = str(error).replace("$STORAGE_URL", shlex.quote(_harmless(url)))
    return f"the record {_harmless(url)} cannot be opened: {said.strip()} Copy it first."


def _harmless(url: str) -> str:
    """A record's URL without its secrets; what is not a URL may be anything, and is not repeated."""
    return hidden(url) if "://" in url else "URL"


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ImportError):
        return f"{cause}; pip install 'ttur-study[postgresql]'"
    if isinstance(cause, sa.exc.ArgumentError):
        return "it is not an SQLAlchemy URL"
    original = getattr(cause, "orig", None) or cause
    return str(original).strip().splitlines()[0] if str(original).strip() else type(cause).__name__
