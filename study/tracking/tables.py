"""MLflow's own tables, read in bulk: the one place that knows how its database is laid out.

MLflow's queries make a dozen objects for each value of a run, which takes most of the time of a question
about thousands of trials, and importing it takes seconds. What is read here are columns that have been
there since its first database; where they are not, or the store is a server, its own queries are used.
"""

from __future__ import annotations

import functools
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from study.tracking import words
from study.tracking.store import collector_paused, is_http

T = TypeVar("T")

_log = logging.getLogger(__name__)

_AT_ONCE = 500
"""Runs that one statement names: SQLite takes no more than some thousands."""


@dataclass(frozen=True)
class RunFacts:
    """What a query needs of a run; a metric has its newest value, ``artifacts`` is where its files are."""

    run_id: str
    started: float
    artifacts: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    """At which step each metric was measured last, as far as it is known."""


@dataclass(frozen=True)
class ExperimentFacts:
    """An experiment that was not deleted."""

    experiment_id: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """One value of a metric; the time is in milliseconds since the epoch, as MLflow has it."""

    step: int
    value: float
    timestamp: int


class Tables:
    """A connection to the database of an MLflow store."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def experiment(self, name: str) -> ExperimentFacts | None:
        """Finds an experiment by its name."""
        found = self._rows(
            "SELECT experiment_id FROM experiments WHERE name = :name AND lifecycle_stage = 'active'",
            name=name,
        )
        if len(found) > 1:  # of several workspaces: MLflow knows which one is meant
            raise LookupError(name)
        if not found:
            return None
        (experiment,) = found[0]
        tags = self._rows(
            "SELECT key, value FROM experiment_tags WHERE experiment_id = :id", id=experiment
        )
        return ExperimentFacts(experiment, dict(tags))

    def names(self, prefix: str) -> list[str]:
        """The names of the experiments that begin so, sorted."""
        found = self._rows(
            "SELECT name FROM experiments WHERE substr(name, 1, :length) = :prefix"
            " AND lifecycle_stage = 'active'",
            prefix=prefix,
            length=len(prefix),
        )
        return sorted({name for (name,) in found})

    def runs(
        self,
        experiment: ExperimentFacts,
        kind: str,
        tags: Sequence[str],
        metrics: Sequence[str] | None,
    ) -> list[RunFacts]:
        """Reads the runs of a kind that were not deleted, with all parameters; metrics None: all of them."""
        own: dict[str, Any] = {"id": experiment.experiment_id}
        found = {
            run: RunFacts(run, started / 1000, artifacts or "")
            for run, started, artifacts in self._rows(
                "SELECT r.run_uuid, r.start_time, r.artifact_uri"
                " FROM runs AS r JOIN tags AS t ON t.run_uuid = r.run_uuid"
                " WHERE r.experiment_id = :id AND r.lifecycle_stage = 'active'"
                f" AND t.key = '{words.KIND}' AND t.value = :kind",
                kind=kind,
                **own,
            )
        }
        source = (
            "FROM {} AS t JOIN runs AS r ON t.run_uuid = r.run_uuid WHERE r.experiment_id = :id"
        )
        if len(found) <= _AT_ONCE:
            source, own = "FROM {} AS t WHERE t.run_uuid IN :runs", {"runs": list(found)}
        # By the bare key SQLite would look up every run of the store for each key, three times as slow.
        among = "AND COALESCE(t.key, '') IN :keys"
        text = f"SELECT t.run_uuid, t.key, t.value {source} {among}".format("tags")
        for run, key, value in self._rows(text, keys=tags, **own):
            if run in found:
                found[run].tags[key] = value
        text = f"SELECT t.run_uuid, t.key, t.value, t.is_nan, t.step {source}".format(
            "latest_metrics"
        )
        some = {} if metrics is None else {"keys": metrics}
        text += f" {among}" if some else ""
        for run, key, number, is_nan, step in self._rows(text, **some, **own):
            if run in found:
                found[run].metrics[key] = math.nan if is_nan else number
                found[run].steps[key] = step
        text = f"SELECT t.run_uuid, t.key, t.value {source}".format("params")
        for run, key, value in self._rows(text, **own):
            if run in found:
                found[run].params[key] = value
        return list(found.values())

    def artifacts(self, run: str) -> str:
        """Where the files of a run are, as a URI."""
        found = self._rows("SELECT artifact_uri FROM runs WHERE run_uuid = :run", run=run)
        if not found:
            raise LookupError(run)
        return str(found[0][0] or "")

    def histories(self, runs: Sequence[str], metric: str) -> dict[str, list[Point]]:
        """Reads all values that a metric of some runs had."""
        found: dict[str, list[Point]] = defaultdict(list)
        for first in range(0, len(runs), _AT_ONCE):
            rows = self._rows(
                "SELECT run_uuid, step, value, timestamp, is_nan FROM metrics"
                " WHERE key = :metric AND run_uuid IN :runs",
                metric=metric,
                runs=runs[first : first + _AT_ONCE],
            )
            for run, step, value, timestamp, is_nan in rows:
                found[run].append(Point(step, math.nan if is_nan else value, timestamp))
        return found

    def _rows(self, text: str, **values: Any) -> Sequence[Any]:
        lists = [name for name in ("keys", "runs") if name in values]
        statement = sa.text(text).bindparams(*(sa.bindparam(n, expanding=True) for n in lists))
        return self._connection.execute(statement, values).fetchall()


def read(uri: str, question: Callable[[Tables], T]) -> T | None:
    """Asks the database of a store a question.

    Args:
        uri: MLflow tracking URI.
        question: What is asked.

    Returns:
        The answer; None if the store is not a database, cannot be read, or is laid out in another way: then
        MLflow itself is to be asked, which knows, or says what is wrong.
    """
    if is_http(uri) or "://" not in uri:
        return None
    try:
        with _connected(uri) as tables, collector_paused():
            return question(tables)
    except (sa.exc.SQLAlchemyError, ImportError, LookupError) as error:
        _log.debug("MLflow's tables are not read: %s", type(error).__name__)
        return None


@contextmanager
def _connected(uri: str) -> Iterator[Tables]:
    with _engine(uri).connect() as connection:
        yield Tables(connection)


@functools.lru_cache(maxsize=8)
def _engine(uri: str) -> sa.Engine:
    """What statements are compiled with, once for all questions; it keeps no connection open."""
    return sa.create_engine(uri, poolclass=sa.pool.NullPool)
