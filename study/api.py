"""The verbs as functions, for programs and notebooks.

Every function takes ``home`` (the folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``). Bad input
raises :class:`study.errors.UserError`, whose text is the sentence that the command line prints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import query
from study.comparison import Comparison
from study.comparison import compare as compare_rows
from study.home import Home
from study.spec import Spec
from study.spec_file import mapping, parse_spec, parse_yaml, read_spec_file, set_fields
from study.trial_row import TrialRow

if TYPE_CHECKING:
    from study.launching import LaunchResult
    from study.state import StudyStatus


def read_spec(what: str | Path | Mapping[str, Any], changes: Sequence[str] = ()) -> Spec:
    """Reads a spec.

    Args:
        what: A recipe's name, a spec file, or the fields themselves.
        changes: ``path.to.field=value``, as after ``--set``.
    """
    if isinstance(what, Mapping):
        return parse_spec(set_fields(dict(what), changes))
    text = str(what)
    # os.path: a name that no file can have is no error there.
    if text.endswith((".yaml", ".yml")) or "/" in text or os.path.isfile(text):  # noqa: PTH113
        return parse_spec(set_fields(read_spec_file(Path(text)), changes))
    from study.recipe_book import recipe_text

    source = f"recipe {text}"
    return parse_spec(set_fields(mapping(parse_yaml(recipe_text(text), source), source), changes))


def launch(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    home: str | None = None,
    places: Mapping[str, str | None] | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Brings a study to its spec; see :func:`study.launching.launch`.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name (record, tracking, artifacts, checkpoints, cache).
        address: A running Ray cluster; None: the embedded engine.
    """
    from study.launching import Options
    from study.launching import launch as run

    known = spec if isinstance(spec, Spec) else read_spec(spec)
    return run(known, Options(home=home, places=places, address=address))


def resume(name: str, *, home: str | None = None, address: str | None = None) -> LaunchResult:
    """Launches a study with its stored spec."""
    from study.launching import Options
    from study.launching import resume as run

    return run(name, Options(home=home, address=address))


def extend(
    name: str,
    trials: str | int,
    *,
    arm: str | None = None,
    home: str | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Gives a study a larger budget and runs it.

    Args:
        name: The study.
        trials: ``40``: a budget of 40 in all; ``"+40"``: 40 more.
        arm: The arm; None: every arm.
        home: Folder of local state.
        address: A running Ray cluster; None: the embedded engine.
    """
    from study.launching import Options, extended, stored_spec
    from study.launching import launch as run

    options = Options(home=home, address=address)
    return run(extended(stored_spec(name, options), str(trials), arm), options)


def status(name: str | None = None, *, home: str | None = None) -> list[StudyStatus]:
    """Reads the state of one study, or of all in the record."""
    from study.launching import Options
    from study.state import status as read

    return read(name, Options(home=home))


def trials(name: str, *, home: str | None = None, tracking: str | None = None) -> list[TrialRow]:
    """Reads every trial of a study from MLflow; ``study.trial_row.to_frame`` makes a DataFrame of them."""
    return query.trials(name, tracking_uri=_tracking(name, home, tracking))


def best(
    name: str,
    *,
    arm: str | None = None,
    top: int | None = None,
    home: str | None = None,
    tracking: str | None = None,
) -> list[TrialRow]:
    """Lists the configurations of a study, best first, from MLflow.

    Args:
        name: The study.
        arm: Only this arm.
        top: Only the best so many.
        home: Folder of local state.
        tracking: MLflow tracking URI.
    """
    return query.best(name, arm=arm, top=top, tracking_uri=_tracking(name, home, tracking))


def compare(name: str, *, home: str | None = None, tracking: str | None = None) -> Comparison:
    """Compares the arms of a study, from MLflow."""
    return compare_rows(name, trials(name, home=home, tracking=tracking))


def sync(name: str, *, home: str | None = None) -> int:
    """Publishes to MLflow what it lacks; returns how many runs could not be published."""
    from study.launching import Options
    from study.launching import sync as publish

    return publish(name, Options(home=home))


def stop(name: str, *, home: str | None = None) -> bool:
    """Asks the driver of a study to checkpoint its trials and end; False if none runs."""
    from study.launching import Options, request_stop

    return request_stop(name, Options(home=home))


def _tracking(name: str, home: str | None, tracking: str | None) -> str:
    return Home(home).places(name, {"tracking": tracking}).tracking
