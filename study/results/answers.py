"""The answer of a study, read from MLflow: how its arms compare, and what its confirmations say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from study.ground.confirming import confirmed_by, confirming, finalist_of_name
from study.results.comparison import Comparison, compare
from study.results.confirmation import Confirmation, confirmation
from study.results.forecasts import searched, with_evaluations
from study.results.retrained import Steps, read_at
from study.tracking import query, reading, words
from study.trial import TrialRecord, by_convention, compared_order


def compared(
    study: str, *, tracking_uri: str, rows: Sequence[TrialRecord] | None = None
) -> Comparison:
    """The arms of a study side by side, each later one against the first, by the search and by fresh seeds.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.
        rows: Its trials, if they have been read already (:func:`study.results.forecasts.searched`).

    Raises:
        StudyNotFound: The store has no study of this name.
        ValueError: The scores were taken by different protocols.
        TrackingError: The store could not be read.
    """
    if rows is None:
        rows = searched(study, tracking_uri=tracking_uri)
    arms = query.arms(study, tracking_uri=tracking_uri)
    order = compared_order([*arms, *by_convention({row.arm for row in rows})])
    fresh = _confirmed(study, None, rows, order, tracking_uri)
    curve = partial(query.curve, tracking_uri=tracking_uri)
    found = compare(study, rows, arms, curve, fresh)
    longer = reading.studies_from(f"{confirming(study)}-", tracking_uri=tracking_uri)
    by = [confirmed_by(name) for name in longer]
    lengths = sorted(each[1] for each in by if each and each[0] == study and each[1] is not None)
    made = [_confirmed(study, steps, rows, order, tracking_uri) for steps in lengths]
    return replace(found, longer=tuple(each for each in made if each is not None))


def confirmed(study: str, steps: int | None = None, *, tracking_uri: str) -> Confirmation | None:
    """The finalists of a study over new seeds; None if it was not confirmed.

    Args:
        study: Name of the study, not that of the confirming one.
        steps: Generator updates of the trials; None: as many as in the search.
        tracking_uri: MLflow tracking URI.

    Raises:
        TrackingError: The store could not be read.
    """
    try:
        rows = query.trials(study, tracking_uri=tracking_uri)
        arms = query.arms(study, tracking_uri=tracking_uri)
    except reading.StudyNotFound:  # the store was lost since, and has the confirming study alone
        rows, arms = [], []
    return _confirmed(study, steps, rows, arms, tracking_uri)


def _confirmed(
    study: str,
    steps: int | None,
    search: Sequence[TrialRecord],
    arms: Sequence[str],
    tracking_uri: str,
) -> Confirmation | None:
    name = confirming(study, steps)
    try:
        rows = query.trials(name, tracking_uri=tracking_uri)
        owners = {reading.record_of(name, tracking_uri=tracking_uri)}
        if search:
            owners.add(reading.record_of(study, tracking_uri=tracking_uri))
    except reading.StudyNotFound:
        return None
    if len(owners - {None}) > 1:
        return None  # somebody else's of that name
    read = read_at(search) if steps is None else _at_the_end(rows, steps)
    evaluated, looked = with_evaluations(rows, tracking_uri), _looked(name, tracking_uri)
    found = confirmation(study, evaluated, arms, read, looked)
    if found is None:
        return None
    trained = tuple(replace(each, trained=steps) for each in found.differences)
    return replace(found, steps=steps, differences=trained)


def _looked(name: str, tracking_uri: str) -> list[int]:
    """How many trials a confirming study had each time that it had come to its end."""
    found = query.arm_runs(name, tracking_uri=tracking_uri)
    return [int(n) for run in found for n in run.tags.get(words.LOOKS, "").split()]


def _at_the_end(rows: Sequence[TrialRecord], steps: int) -> Steps:
    """Longer runs are read at their last step: the search has chosen none beyond its own."""
    return {finalist_of_name(row.arm): steps for row in rows}
