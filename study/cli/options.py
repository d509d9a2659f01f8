"""The options that verbs of the command line share."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def located(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where things are, and collects them."""

    @wraps(function)
    def collected(
        *args: Any,
        home: str | None,
        record: str | None,
        tracking: str | None,
        artifacts: str | None,
        checkpoints: str | None,
        cache: str | None,
        address: str | None = None,
        modules: tuple[str, ...] = (),
        **rest: Any,
    ) -> Any:
        from study.places.locations import Options

        given = {
            "record": record,
            "tracking": tracking,
            "artifacts": artifacts,
            "checkpoints": checkpoints,
            "cache": cache,
        }
        options = Options(home=home, given=given, address=address, modules=modules)
        return function(*args, options=options, **rest)

    for name, text in {
        "cache": "Folder of each node for prepared data, statistics and weights.",
        "checkpoints": "Path or fsspec URI of the trials' folders.",
        "artifacts": "MLflow artifact location for a new study.",
        "tracking": "MLflow tracking URI.",
        "record": "Optuna storage URL of the record.",
        "home": "Folder of local state (TTUR_HOME; ./ttur-home).",
    }.items():
        collected = click.option(f"--{name}", default=None, help=text)(collected)
    return collected


def brief(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a verb that reads, prints and ends: nothing looks for garbage in cycles meanwhile.

    Python does so whenever many objects were made. Of 10,000 trials all of them are still wanted, and to
    look through them again and again is a tenth of what a report takes.
    """

    @wraps(function)
    def undisturbed(*args: Any, **options: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **options)
        finally:
            if collects:
                gc.enable()

    return undisturbed


def address(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which cluster runs the trials."""
    function = click.option(
        "--module",
        "modules",
        multiple=True,
        metavar="PATH",
        help="With --address http://...: a package (its folder) or a module (its .py file) of your own that "
        "the spec names; it goes with the job.",
    )(function)
    return click.option(
        "--address",
        default=None,
        help="A running Ray cluster: auto or host:port (the driver runs here), or http://head:8265 (the "
        "driver is submitted as a job and this machine may go away).",
    )(function)


def changes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option that changes fields of a spec."""
    return click.option(
        "--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Change a field."
    )(function)


def width() -> int:
    """Columns that a table may take: those of the terminal, or of ``COLUMNS``, or 80."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)
