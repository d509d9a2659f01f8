"""Reads a study from MLflow, and from nothing else: works on any machine with the tracking URI."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from study.tracking import tables, words
from study.tracking.content import POSITION, scores_of
from study.tracking.private import steps_of
from study.tracking.reading import check_file, experiment_in, experiment_of, open_store, own
from study.tracking.rows import LEVELS, row_of
from study.tracking.store import PAGE, collector_paused, failures, is_http, runs, unreadable
from study.tracking.tables import RunFacts
from study.trial import TrialRecord, by_convention, ranked
from trainables.protocol import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow.entities import Run


_OF_TRIAL = (words.KIND, words.RECORD, words.STUDY, words.ARM, words.NUMBER, words.SEED)
_TAGS = (
    *_OF_TRIAL,
    words.OUTCOME,
    words.REASON,
    words.END_STEP,
    words.SCORE_NAME,
    POSITION,
    words.LOOKS,
)
_METRICS = (*words.RESERVED_METRICS, *LEVELS)
"""What rows are made of."""

_SAMPLE = 200
"""Runs looked at to find out how low the best ones are."""


def trials(study: str, *, tracking_uri: str) -> list[TrialRecord]:
    """All trials of a study in the order of arm and number, ended or not.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    return _unique(_runs(study, words.KIND_TRIAL, tracking_uri))


def measured(study: str, *, tracking_uri: str) -> list[tuple[TrialRecord, Mapping[str, float]]]:
    """All trials of a study, each with every metric of its run: its newest value, by its name in MLflow.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    found = _runs(study, words.KIND_TRIAL, tracking_uri, every_metric=True)
    metrics = {run.run_id: run.metrics for run in found}
    return [(row, metrics[row.mlflow_run_id or ""]) for row in _unique(found)]


def arms(study: str, *, tracking_uri: str) -> list[str]:
    """The names of a study's arms in the order of its spec, those without a trial included.

    A study that was published before arms had their place as a tag has them by convention.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    found = arm_runs(study, tracking_uri=tracking_uri)
    places = {run.tags[words.ARM]: run.tags.get(POSITION) for run in found}
    if None in places.values():
        return by_convention(places)
    return sorted(places, key=lambda arm: (int(places[arm] or 0), arm))


def arm_runs(study: str, *, tracking_uri: str) -> list[RunFacts]:
    """The runs of a study's arms, in no order; raises what :func:`arms` does."""
    return _runs(study, words.KIND_ARM, tracking_uri)


def best(
    study: str, *, arm: str | None = None, top: int | None = None, tracking_uri: str
) -> list[TrialRecord]:
    """The trials that ended, best first.

    A trial that diverged counts with its best score; one without any score, one that failed and one
    that has not ended are not listed.

    Args:
        study: Name of the study.
        arm: Only this arm.
        top: At most so many, >= 1; None for all.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name.
        ValueError: The study has no such arm, or ``top`` is below 1.
        TrackingError: The store could not be read.
    """
    if top is not None and top < 1:
        raise ValueError(f"top is {top}; it must be at least 1")
    # A database is read as a whole in little more time.
    by_pages = top is not None and is_http(tracking_uri)
    if by_pages and (first := _first(study, arm, top or 1, tracking_uri)):
        return first
    rows = trials(study, tracking_uri=tracking_uri)
    if arm is not None:
        rows = [row for row in rows if row.arm == arm]
        if not rows and arm not in (there := arms(study, tracking_uri=tracking_uri)):
            known = ", ".join(there) or "none yet"
            raise ValueError(f"arm is {arm!r}, but study {study!r} has the arms: {known}")
    return ranked(rows)[:top]


def _first(study: str, arm: str | None, top: int, tracking_uri: str) -> list[TrialRecord]:
    """The best trials without reading all of them; none if there are none or it cannot be told.

    MLflow takes seconds to sort thousands of runs by a metric, but little to leave out those above a
    bound. So a page of runs gives a bound, the next one of runs below it a lower one, until a page
    holds all that are left.
    """
    if arm is not None and "'" in arm:
        return []  # no arm's name has one, and no filter can
    store = open_store(tracking_uri, study)
    condition = f"tags.{words.KIND} = '{words.KIND_TRIAL}'"
    if arm is not None:
        condition += f" and tags.{words.ARM} = '{arm}'"
    bound, page = math.inf, min(PAGE, max(_SAMPLE, 4 * top))
    try:
        experiment = experiment_in(store, study)
        condition = own(experiment, condition)
        while True:
            # Decimal: the exact value, without an exponent, which MLflow's filters do not know.
            below = (
                f" and metrics.{words.BEST_SCORE} <= {Decimal(bound):f}" if bound < math.inf else ""
            )
            found = store.search_runs(
                [experiment.experiment_id], condition + below, max_results=page
            )
            rows = ranked(_unique(map(_facts, found)))
            if not found.token:
                return rows[:top]
            if len(rows) < top or rows[top - 1].objective >= bound:
                return []
            bound = rows[top - 1].objective
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def histories(
    rows: list[TrialRecord], *, tracking_uri: str, metric: str = words.SCORE
) -> dict[str, list[tuple[int, float]]]:
    """The score curve of each row: (step, score) by step, by the trial's identity; or another metric's.

    From a server it takes one request a trial.

    Raises:
        TrackingError: The store could not be read.
    """
    if not rows:
        return {}
    identities = {row.mlflow_run_id or "": row.identity for row in rows}
    read = tables.read(tracking_uri, lambda t: t.histories(list(identities), metric))
    if read is not None:
        return {
            identity: [(m.step, m.score) for m in scores_of(read.get(run, []))]
            for run, identity in identities.items()
        }
    store = open_store(tracking_uri, rows[0].study)
    curves = {}
    try:
        for row in rows:
            points = store.get_metric_history(row.mlflow_run_id or "", metric)
            curves[row.identity] = [(m.step, m.score) for m in scores_of(points)]
    except failures() as error:
        raise unreadable(tracking_uri, error) from None
    return curves


def curve(row: TrialRecord, *, tracking_uri: str) -> list[tuple[int, float]]:
    """The score curve of one row: (step, score) by step; raises what :func:`histories` does."""
    return histories([row], tracking_uri=tracking_uri).get(row.identity, [])


def _unique(runs: Iterable[RunFacts]) -> list[TrialRecord]:
    """Runs as rows in the order of arm and number, each trial once."""
    # A run without b was made this instant and not filled yet.
    rows = [row_of(run) for run in runs if OWN[0] in run.metrics]
    # A trial has one run. Should a crash have left a second one, the one with more to show counts.
    unique: dict[tuple[str, int], TrialRecord] = {}
    for row in rows:
        key = (row.arm, row.number)
        if key not in unique or _completeness(row) > _completeness(unique[key]):
            unique[key] = row
    return [unique[key] for key in sorted(unique)]


def _runs(
    study: str, kind: str, tracking_uri: str, *, every_metric: bool = False
) -> list[RunFacts]:
    """All runs of a study of a kind (its trials, or its arms), with the metrics that rows are made of."""
    check_file(tracking_uri, study)
    metrics = None if every_metric else _METRICS
    read = tables.read(
        tracking_uri,
        lambda t: _own_runs(t, experiment_of(t, study, tracking_uri=tracking_uri), kind, metrics),
    )
    if read is not None:
        return read
    store = open_store(tracking_uri, study)
    try:
        experiment = experiment_in(store, study)
        condition = own(experiment, f"tags.{words.KIND} = '{kind}'")
        with collector_paused():
            return [_facts(run) for run in runs(store, experiment.experiment_id, condition)]
    except failures() as error:
        raise unreadable(tracking_uri, error) from None


def _own_runs(
    read: tables.Tables,
    experiment: tables.ExperimentFacts,
    kind: str,
    metrics: Sequence[str] | None,
) -> list[RunFacts]:
    """The runs of a study's record, as the store's database has them."""
    record = experiment.tags.get(words.RECORD)
    return [
        run
        for run in read.runs(experiment, kind, _TAGS, metrics)
        if record in (None, run.tags.get(words.RECORD))
    ]


def _facts(run: Run) -> RunFacts:
    data, info = run.data, run.info
    return RunFacts(
        info.run_id,
        info.start_time / 1000,
        str(info.artifact_uri or ""),
        data.tags,
        data.metrics,
        data.params,
        steps_of(run),
    )


def _completeness(row: TrialRecord) -> tuple[bool, bool, float]:
    return row.outcome is not None, row.score is not None, row.seconds
