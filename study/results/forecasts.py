"""The trials of a search as MLflow has them, those that were stopped with what they would have come to.

A forecast needs the curves of whole trials (study/surface/stopped.py), which rows have not: so it is made
where rows are read, once for all who look at them, and goes with them into a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from study.tracking import query, words
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement


def searched(study: str, *, tracking_uri: str) -> list[TrialRecord]:
    """The trials of a study as :func:`study.tracking.query.trials` gives them, with their forecasts.

    It raises what that raises.
    """
    return with_forecasts(query.trials(study, tracking_uri=tracking_uri), tracking_uri)


def with_forecasts(rows: Sequence[TrialRecord], tracking_uri: str) -> list[TrialRecord]:
    """The same rows in the same order, with the forecasts of those that were stopped.

    Args:
        rows: All trials of a study: fewer would tell less of what trials gain.
        tracking_uri: MLflow tracking URI.

    Raises:
        TrackingError: The store could not be read.
    """
    scored = [row for row in rows if row.score is not None]
    stopped = [row for row in rows if row.outcome is Outcome.STOPPED]
    if not stopped or any(row.objective <= 0 for row in scored):  # of these there is no logarithm
        return list(rows)
    from study.surface.stopped import forecast, some  # SciPy takes a while

    # No more than are asked: a server is asked for the curve of each.
    whole = some([row for row in scored if row.outcome is Outcome.COMPLETE])
    said = forecast([*_whole(whole, stopped, tracking_uri), *stopped])
    known = {row.identity: row for row in said if row.forecast is not None}
    return [known.get(row.identity, row) for row in rows]


def _whole(
    rows: Sequence[TrialRecord], stopped: Sequence[TrialRecord], tracking_uri: str
) -> list[TrialRecord]:
    """Whole trials with their evaluations, and the early ones if a trial was stopped at one of those."""
    made = with_evaluations(rows, tracking_uri)
    if all(row.score is not None for row in stopped):
        return made
    early = query.histories(list(rows), tracking_uri=tracking_uri, metric=words.EARLY)
    # A row has the newest of its own, if there was one.
    every = [
        [
            replace(m, step=step, score=score)
            for m in row.early
            for step, score in early[row.identity]
        ]
        for row in made
    ]
    return [replace(row, early=tuple(mine)) for row, mine in zip(made, every, strict=True)]


def with_evaluations(rows: Sequence[TrialRecord], tracking_uri: str) -> list[TrialRecord]:
    """Trials with the scores of all their evaluations; of the best one all that is known stays.

    Args:
        rows: Trials as :mod:`study.tracking.query` reads them.
        tracking_uri: MLflow tracking URI.

    Raises:
        TrackingError: The store could not be read.
    """
    curves = query.histories(list(rows), tracking_uri=tracking_uri)
    return [
        replace(row, measurements=tuple(_evaluations(row, curve)))
        if (curve := curves.get(row.identity))
        else row
        for row in rows
    ]


def _evaluations(row: TrialRecord, curve: Sequence[tuple[int, float]]) -> Iterator[Measurement]:
    for step, score in curve:
        known = row.best if row.step == step else None
        yield known or Measurement(step=step, score=score, seconds=row.seconds, time=0.0)
