"""The connection to a record's database: opened, or a sentence that says why it cannot be."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa

from study.errors import Unreachable, UserError
from study.ground.credentials import hidden
from study.record.private import STUDIES
from study.record.retry import made_once


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
    return storage


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
    # A driver and a `ttur status` may meet in SQLite: wait instead of failing.
    sqlite = parsed.get_backend_name() == "sqlite"
    return {"pool_pre_ping": True, **({"connect_args": {"timeout": 60}} if sqlite else {})}


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
