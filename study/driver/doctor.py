"""The check whether a study could run here: installation, stores, engine, and what a spec needs."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from study.driver.preparing import check_new, check_prepared, levels, steps
from study.places.locations import Options, Places, Site
from study.places.urls import ask, check_installed, in_stores, is_installed, sqlite_file
from study.record.opening import existing, holds
from study.spec.model import Resources, Spec
from study.tracking.store import client, sqlite_path, without_credentials
from trainables.counting import counted
from trainables.settings.datasets import DATA_SETS
from trainables.settings.extractors import EXTRACTORS

PACKAGES = ("ray", "optuna", "mlflow", "torch", "torchvision", "scipy")

EXTRAS = {
    "postgresql": "psycopg",
    "s3": "s3fs",
    "gs": "gcsfs",
    "plots": "matplotlib",
    "dashboard": "optuna_dashboard",
}
"""Optional parts of the installation, and a module by which each is known; further ones are in the tables."""

LITTLE_DISK = 2 * 1024**3
"""Bytes below which the disk is called nearly full: checkpoints, data and MLflow's store grow."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one look found.

    Attributes:
        what: What was looked at.
        sentence: What was seen, or what is wrong and what to do.
        good: Whether a study can run as far as this goes.
    """

    what: str
    sentence: str
    good: bool = True


def examine(site: Site, spec: Spec | None = None) -> Iterator[Finding]:
    """Looks at one thing after the other; nothing is made or changed.

    Args:
        site: Where the stores are, and which engine.
        spec: A study whose data, weights and resources are looked at as well.
    """
    places = site.places
    looks: list[tuple[str, Callable[[], str]]] = [
        ("installation", _installation),
        ("extras", _extras),
        ("disk", lambda: _disk(site.home)),
        ("record", lambda: _record(places.record)),
        ("tracking", lambda: _tracking(places.tracking)),
        ("storage", lambda: _storage(places)),
        ("engine", lambda: _engine(site.options, spec)),
    ]
    if spec is not None:
        looks.append(("trial", lambda: _trial(spec, places)))
    for what, look in looks:
        try:
            yield Finding(what=what, sentence=look())
        except Exception as error:  # whatever is wrong is the finding
            text = without_credentials(str(error), places.tracking).strip() or type(error).__name__
            yield Finding(what=what, sentence=text.splitlines()[0], good=False)


def _installation() -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {versions}"


def _extras() -> str:
    extras = {
        **{row.extra: row.modules[0] for row in EXTRACTORS.values() if row.extra},
        **{row.extra: row.modules[0] for row in DATA_SETS.values() if row.extra},
        **EXTRAS,
    }
    there = [name for name, module in extras.items() if is_installed(module)]
    lacking = [name for name in extras if name not in there]
    return f"{', '.join(there) or 'none'} (not installed: {', '.join(lacking) or 'none'})"


def _disk(home: Path) -> str:
    # The first folder above that exists: a look makes no home.
    folder = next(path for path in (home, *home.parents) if path.exists())
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written to; choose another --home")
    free = shutil.disk_usage(folder).free
    if free < LITTLE_DISK:
        raise OSError(f"only {free / 1024**3:.1f} GiB are free on the disk of {home}; make room")
    return f"{free / 1024**3:.0f} GiB free for {home}"


def _record(url: str) -> str:
    ledger = existing(url)
    if ledger is None:
        return _not_made_yet(url, sqlite_file(url))
    try:
        return f"{without_credentials(url)} holds {counted(len(ledger.studies()), 'studies')}"
    finally:
        ledger.close()


def _not_made_yet(url: str, file: Path | None) -> str:
    """Says that a launch makes a store, if it can."""
    if file is not None:
        folder = next(path for path in file.absolute().parents if path.exists())
        try:
            # A file without a name: root may not be able to write everywhere either.
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(f"{file} cannot be made: {error.strerror or error}") from None
    return f"{without_credentials(url)} is not there yet; the first launch makes it"


def _tracking(uri: str) -> str:
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return _not_made_yet(uri, path)
    found = client(uri).search_experiments(max_results=1000)
    return f"{without_credentials(uri)} answers, with {counted(len(found), 'experiments')}"


def _storage(places: Places) -> str:
    check_installed(places)
    if any(name == "checkpoints" for name, _, _ in in_stores(places)):
        ask(places.checkpoints)
        return f"{places.checkpoints} answers"
    return f"checkpoints are kept in {places.checkpoints}"


def _engine(options: Options, spec: Spec | None) -> str:
    if options.submits:
        return f"{options.address} is a job server; the nodes are looked at when the job runs"
    from study.engine import cluster

    resources = spec.resources if spec else Resources()
    with cluster.cluster(options.address, resources):
        if spec is not None:
            gpu = cluster.gpus(resources, spec.settings.accelerated)
            cluster.check_fit(resources.cpu, gpu)
        return cluster.nodes()


def _trial(spec: Spec, places: Places) -> str:
    check_prepared(spec, places.cache)
    if not holds(places.record, spec.name):
        check_new(spec, places.cache)
    todo = [step.text for step in steps(spec, places.cache)]
    first = (
        f"the first trial on a node does: {'; '.join(todo)}" if todo else "all of it is prepared"
    )
    known = "".join(f"; {each}" for each in levels(spec, places.cache))
    return f"{spec.name} can have what it needs; {first}{known}"
