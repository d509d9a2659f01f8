"""The answer of a study, read from MLflow: how its arms compare, and what its confirmation says."""

from __future__ import annotations

from functools import partial

from study.results.comparison import Comparison, compare
from study.results.confirmation import SUFFIX, Confirmation, confirmation
from study.tracking import query, reading


def compared(study: str, *, tracking_uri: str) -> Comparison:
    """The arms of a study side by side, each later one against the first.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.

    Raises:
        StudyNotFound: The store has no study of this name.
        ValueError: The scores were taken by different protocols.
        TrackingError: The store could not be read.
    """
    rows = query.trials(study, tracking_uri=tracking_uri)
    return compare(
        study,
        rows,
        query.arms(study, tracking_uri=tracking_uri),
        partial(query.curve, tracking_uri=tracking_uri),
    )


def confirmed(study: str, *, tracking_uri: str) -> Confirmation | None:
    """The finalists of a study over new seeds; None if it was not confirmed.

    Args:
        study: Name of the study, not that of the confirming one.
        tracking_uri: MLflow tracking URI.

    Raises:
        TrackingError: The store could not be read.
    """
    try:
        rows = query.trials(f"{study}{SUFFIX}", tracking_uri=tracking_uri)
    except reading.StudyNotFound:
        return None
    try:
        arms = query.arms(study, tracking_uri=tracking_uri)
        records = {
            reading.record_of(name, tracking_uri=tracking_uri)
            for name in (study, f"{study}{SUFFIX}")
        }
        if len(records - {None}) > 1:
            return None  # somebody else's of that name
    except reading.StudyNotFound:  # the store was lost since, and has the confirming study alone
        arms = []
    return confirmation(study, rows, arms)
