"""Artifacts of a home that was moved or copied: MLflow keeps their absolute place, and nobody tells it.

A home's own store is the SQLite file ``mlflow.db``, and its artifacts lie in the folder ``artifacts`` beside
it. Where such a file names another ``artifacts`` folder, it was carried off from there.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlparse

from study.tracking.store import sqlite_path

logger = logging.getLogger(__name__)

_FILE, _FOLDER = "mlflow.db", "artifacts"


def settle(uri: str, artifacts: str | None, experiment_id: str) -> None:
    """Lets a moved home's experiment and its runs keep their artifacts where the home is now.

    Args:
        uri: The tracking URI.
        artifacts: Where the artifacts of new experiments go.
        experiment_id: The experiment.
    """
    home = _home_artifacts(uri)
    if home is None or artifacts is None or Path(artifacts) != home:
        return
    # MLflow has no call for it: these two columns are its own, and a change of theirs is only told.
    try:
        store = sqlite3.connect(home.parent / _FILE, timeout=60)
        with contextlib.closing(store), store:
            _rewrite(store, home, experiment_id)
    except sqlite3.OperationalError as error:
        logger.warning(
            "the places of the artifacts in %s cannot be brought up to date: %s", uri, error
        )


def _rewrite(connection: sqlite3.Connection, home: Path, experiment_id: str) -> None:
    select = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
    found = connection.execute(select, (experiment_id,)).fetchone()
    old = _other_home(found[0] if found else "", home)
    if old is None:
        return
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
        (home.as_uri(), experiment_id),
    )
    select = "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?"
    for run_id, place in connection.execute(select, (experiment_id,)).fetchall():
        # A run whose files were left behind is still read from there.
        if _path(place) == old / run_id / _FOLDER and (
            (home / run_id).exists() or not (old / run_id).exists()
        ):
            new = (home / run_id / _FOLDER).as_uri()
            connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (new, run_id))


def local_files(uri: str, run_id: str, artifacts: str) -> Path | None:
    """The folder of this machine that a run's artifacts are in; None if MLflow has to fetch them.

    In a home that was moved or copied they are beside its store, not where MLflow says.

    Args:
        uri: The tracking URI.
        run_id: The run.
        artifacts: Where its artifacts are, as MLflow has it.
    """
    home, recorded = _home_artifacts(uri), _path(artifacts)
    if home is None or recorded is None or not (home / run_id).exists():
        return recorded
    old = _other_home(recorded.parents[1].as_uri(), home) if len(recorded.parents) > 1 else None
    return recorded if old is None else home / run_id / _FOLDER


def _home_artifacts(uri: str) -> Path | None:
    path = sqlite_path(uri)
    if path is None or path.name != _FILE:
        return None
    return path.absolute().resolve().parent / _FOLDER


def _other_home(location: str, home: Path) -> Path | None:
    """The ``artifacts`` folder that a location is, if it is that of another home."""
    path = _path(location)
    return path if path is not None and path.name == _FOLDER and path != home else None


def _path(location: str) -> Path | None:
    parsed = urlparse(location)
    return Path(unquote(parsed.path)) if parsed.scheme in ("", "file") and parsed.path else None
