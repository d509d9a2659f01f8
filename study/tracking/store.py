"""The way to MLflow: stores are opened, probed and read here, page by page.

MLflow is imported inside functions: it costs seconds, and ``ttur --help`` must not pay them. Nothing
here uses MLflow's global state (active run, tracking URI), so several stores can be open at once.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.ground.credentials import HIDDEN, hidden

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000
"""Runs a page of a search: MLflow's own default, and small enough for an HTTP answer."""

# What is set only if the user did not. The timeouts keep a dead server from holding a caller for
# minutes (MLflow's own: 120 s a request and 7 retries with a growing pause).
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}

_QUIET = ("alembic", "urllib3.connectionpool")
"""Loggers that would tell of every table made and every retry; failures reach us as exceptions."""

_SQLITE = "sqlite:///"


class TrackingError(RuntimeError):
    """MLflow could not be reached or refused; one sentence, without credentials."""


def client(uri: str) -> MlflowClient:
    """Opens an MLflow store by its tracking URI, without touching MLflow's global state.

    Args:
        uri: ``sqlite:///PATH`` (its folder is made if need be), another database URL, or
            ``http(s)://HOST``.

    Raises:
        One of :func:`failures`: A database that cannot be reached.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _QUIET:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.ERROR)
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        _make_sqlite(path)
    elif path is None and not is_http(uri):
        _probe(uri)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _make_sqlite(path: Path) -> None:
    """Makes an SQLite store whole or not at all.

    MLflow makes its tables in a long row of migrations, and refuses a file that a process which died
    among them left behind; so they are made in a file beside, which then gets the name. It is waited for the
    disk once, at the end, and not after each of some hundred statements.
    """
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        with without_waiting(made):
            MlflowClient(tracking_uri=f"{_SQLITE}{made}").search_experiments(max_results=1)
        # A copy, as MLflow may keep its connection: a file with a log must not be open under two names.
        ready = Path(shutil.copyfile(made, made.with_suffix(".ready")))
        _log_ahead(ready)
        # Another process may have been first: its file stays.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(ready)


@contextlib.contextmanager
def without_waiting(file: Path) -> Iterator[None]:
    """Lets connections to an SQLite file that begin inside write without waiting for the disk.

    MLflow opens the file itself, so this is told to all that SQLAlchemy opens meanwhile.
    """
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    def begun(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection) and _is_of(connection, file):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Pool, "connect", begun)
    try:
        yield
    finally:
        event.remove(Pool, "connect", begun)


def _is_of(connection: sqlite3.Connection, file: Path) -> bool:
    """Whether a connection is one to this file."""
    of = connection.execute("PRAGMA database_list").fetchone()[2]  # empty: it is in memory
    return bool(of) and Path(of).resolve() == file.resolve()


def _log_ahead(file: Path) -> None:
    """Gives an SQLite file a write-ahead log, and brings it to the disk.

    With the log a transaction waits for the disk once, where it would wait for it four times, and readers do
    not wait for a writer. The file remembers that it has one.
    """
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with file.open("rb") as made:
        os.fsync(made.fileno())


def _probe(uri: str) -> None:
    """Connects to a database once: MLflow itself would try a dead one for 100 s."""
    from sqlalchemy import create_engine

    engine = create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises for a store that cannot be reached or read."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError


def unreadable(uri: str, error: Exception) -> TrackingError:
    """What a reader raises for one of :func:`failures`: one sentence, without credentials."""
    line = without_credentials(str(error), uri).splitlines()[0]
    return TrackingError(f"MLflow at {without_credentials(uri)} cannot be read: {line}")


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite tracking URI, or None for any other kind of store."""
    return Path(uri[len(_SQLITE) :]) if uri.startswith(_SQLITE) else None


def is_http(uri: str) -> bool:
    """Whether a tracking URI is a server, whose requests may be retried on the way."""
    return uri.startswith(("http://", "https://"))


def without_credentials(text: str, uri: str = "") -> str:
    """Hides the user and the secrets of every URL of a text, and the secrets of ``uri`` anywhere.

    Args:
        text: A URI, or a message that may quote one.
        uri: The tracking URI that was in use; its secrets are also hidden where they stand alone.
    """
    # A user may be a token, so that it goes too.
    return re.sub(r"://[^\s/]+@", f"://{HIDDEN}@", hidden(text, uri))


@contextlib.contextmanager
def writing(uri: str, what: str = "the record") -> Iterator[None]:
    """Turns whatever MLflow, its database or its HTTP library raises into a :class:`TrackingError`.

    A :class:`study.errors.UserError` passes: it is about what was asked for, not about the store.

    Args:
        uri: The tracking URI.
        what: What is written.
    """
    try:
        yield
    except (UserError, TrackingError):
        raise
    except Exception as error:
        # Not chained: the original may quote the tracking URI with its password.
        text = without_credentials(f"{type(error).__name__}: {error}", uri)
        where = without_credentials(uri)
        line = text.splitlines()[0]
        raise TrackingError(f"MLflow at {where} did not take {what}: {line}") from None


def runs(
    store: MlflowClient,
    experiment_id: str,
    filter_string: str,
    page: int = PAGE,
    view: int | None = None,
) -> Iterator[Run]:
    """All runs of an experiment that match, oldest first, page by page, each once.

    Args:
        store: The store.
        experiment_id: The experiment.
        filter_string: Which runs, in MLflow's words.
        page: Runs a request.
        view: MLflow's ViewType; None: only active ones.
    """
    from mlflow.entities import ViewType

    kind = ViewType.ACTIVE_ONLY if view is None else view
    seen: set[str] = set()
    token: str | None = None
    while True:
        found = store.search_runs(
            [experiment_id],
            filter_string,
            run_view_type=kind,
            max_results=page,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        for run in found:
            # A page is an offset: a run that appears meanwhile can shift one onto the next page.
            if run.info.run_id not in seen:
                seen.add(run.info.run_id)
                yield run
        token = found.token
        if not token:
            return


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Stops the cyclic garbage collector while a whole study is read.

    A run is two dozen objects of MLflow's database layer; for thousands of runs the collector, which finds
    nothing there, takes half of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
