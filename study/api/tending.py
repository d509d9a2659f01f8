"""The functions that tend a study that is there: stopped, published, deleted."""

from __future__ import annotations

from study.api.sites import Locations, forgotten, options_of, record_of, stored


def stop(name: str, *, home: str | None = None, places: Locations | None = None) -> bool:
    """Asks the driver of a study to checkpoint its trials and end; False if none runs.

    Examples:
        >>> study.stop("quickstart")  # doctest: +SKIP
        True
    """
    from study.record.opening import request_stop

    return request_stop(name, record_of(name, options_of(home, places)))


def sync(name: str, *, home: str | None = None, places: Locations | None = None) -> int:
    """Publishes to MLflow what it lacks; returns how many runs still lack something, if only files.

    Examples:
        >>> study.sync("quickstart")  # doctest: +SKIP
        0
    """
    from study.driver import mending

    return mending.sync(*stored(name, options_of(home, places)))


def delete(name: str, *, home: str | None = None, places: Locations | None = None) -> list[str]:
    """Deletes a study for good: record, checkpoints, generators, and what MLflow has of it.

    The study that confirms it goes along. Nobody is asked; cut off, it is finished by the next call.

    Returns:
        What a tracking server keeps in its trash until ``mlflow gc`` is run there, by name.

    Examples:
        >>> study.delete("quickstart")  # doctest: +SKIP
        []
    """
    from study.driver import delete

    options = options_of(home, places)
    if forgotten(name, options):
        return []
    return delete.delete(name, stored(name, options)[1])
