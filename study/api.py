"""The verbs as functions, for programs and notebooks.

What everything that works on a study takes, as far as it needs it:

- ``home``: the folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
- ``places``: locations by name (record, tracking, artifacts, checkpoints, cache) that count before what the
  spec and the environment say.
- ``address``: a running Ray cluster (``auto`` or ``host:port``); None: the embedded engine.
- ``tracking``: the MLflow tracking URI, for what reads MLflow only.

Bad input raises :class:`study.errors.UserError`, whose text is the sentence that the command line prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.places.home import Home
from study.spec.model import Spec
from study.spec.reader import mapping, parse_spec, parse_yaml, read_spec_file, set_fields
from study.tracking import query
from study.trial_row import TrialRow, to_frame

if TYPE_CHECKING:
    from study.driver.launch import LaunchResult
    from study.places.options import Options
    from study.record.status import StudyStatus
    from study.results.comparison import Comparison
    from study.spec.recipes import Recipe

__all__ = [
    "best",
    "compare",
    "confirm",
    "extend",
    "launch",
    "prepare",
    "read_spec",
    "recipes",
    "report",
    "resume",
    "schema",
    "status",
    "stop",
    "sync",
    "to_frame",
    "trials",
]

Places = Mapping[str, str | None]
"""Locations by name."""


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
    from study.spec.recipes import recipe_text

    source = f"recipe {text}"
    return parse_spec(set_fields(mapping(parse_yaml(recipe_text(text), source), source), changes))


def launch(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    home: str | None = None,
    places: Places | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Brings a study to its spec; see :func:`study.driver.launch.launch`.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.
    """
    from study.driver.launch import launch as run

    known = spec if isinstance(spec, Spec) else read_spec(spec)
    return run(known, _options(home, places, address))


def resume(
    name: str,
    *,
    home: str | None = None,
    places: Places | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Launches a study with its stored spec."""
    from study.driver.launch import resume as run

    return run(name, _options(home, places, address))


def extend(
    name: str,
    trials: str | int,
    *,
    arm: str | None = None,
    home: str | None = None,
    places: Places | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Gives a study a larger budget and runs it.

    Args:
        name: The study.
        trials: ``40``: a budget of 40 in all; ``"+40"``: 40 more.
        arm: The arm; None: every arm.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.
    """
    from study.driver.launch import launch as run
    from study.record.stored import extended, stored_spec

    options = _options(home, places, address)
    return run(extended(stored_spec(name, options), str(trials), arm), options)


def confirm(
    name: str,
    *,
    home: str | None = None,
    places: Places | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Trains the finalists of a study again from new seeds; its ``confirm`` part says how many."""
    from study.driver.confirm import confirm as run

    return run(name, _options(home, places, address))


def prepare(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    home: str | None = None,
    places: Places | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Fetches and converts the data and weights that a study needs; returns the folder they are in.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name; ``cache`` is that folder.
        say: Told what is being done, a sentence at a time.
    """
    known = spec if isinstance(spec, Spec) else read_spec(spec)
    cache = Home(home).places(None, places or {}, known.storage).cache
    try:
        known.settings.prepare(cache, "cpu", say)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    return cache


def status(
    name: str | None = None, *, home: str | None = None, places: Places | None = None
) -> list[StudyStatus]:
    """Reads the state of one study, or of all in the record."""
    from study.record.status import status as read

    return read(name, _options(home, places))


def sync(name: str, *, home: str | None = None, places: Places | None = None) -> int:
    """Publishes to MLflow what it lacks; returns how many runs could not be published."""
    from study.driver.launch import sync as publish

    return publish(name, _options(home, places))


def stop(name: str, *, home: str | None = None, places: Places | None = None) -> bool:
    """Asks the driver of a study to checkpoint its trials and end; False if none runs."""
    from study.record.stored import request_stop

    return request_stop(name, _options(home, places))


def trials(name: str, *, home: str | None = None, tracking: str | None = None) -> list[TrialRow]:
    """Reads every trial of a study from MLflow; :func:`to_frame` makes a DataFrame of them."""
    return query.trials(name, tracking_uri=_uri(name, home, tracking))


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
    return query.best(name, arm=arm, top=top, tracking_uri=_uri(name, home, tracking))


def compare(name: str, *, home: str | None = None, tracking: str | None = None) -> Comparison:
    """Compares the arms of a study, from MLflow: each later one with the first."""
    from study.results.answers import compared

    return compared(name, tracking_uri=_uri(name, home, tracking))


def report(
    name: str,
    folder: str | Path | None = None,
    *,
    home: str | None = None,
    tracking: str | None = None,
) -> Path:
    """Writes a page on a study, from MLflow; returns the page.

    Args:
        name: The study.
        folder: Where the page and its figures go; None: ``NAME-report``.
        home: Folder of local state.
        tracking: MLflow tracking URI.
    """
    from study.results.report import report as write

    where = Path(folder) if folder is not None else Path(f"{name}-report")
    return write(name, tracking_uri=_uri(name, home, tracking), folder=where)


def recipes() -> list[Recipe]:
    """Lists the recipes: studies that come with the product."""
    from study.spec.recipes import recipes as read

    return read()


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of specs."""
    from study.spec.schema import schema as make

    return make()


def tracking_uri(name: str, *, home: str | None = None, places: Places | None = None) -> str:
    """Returns the MLflow tracking URI of a study."""
    return Home(home).places(name, places or {}).tracking


def _uri(name: str, home: str | None, tracking: str | None) -> str:
    return tracking_uri(name, home=home, places={"tracking": tracking})


def _options(home: str | None, places: Places | None, address: str | None = None) -> Options:
    from study.places.options import Options

    return Options(home=home, places=places, address=address)
