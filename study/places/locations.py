"""The locations of a study's things: what the user said of them, resolved, and the site of a launch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from study.errors import UserError
from study.ground.credentials import hidden


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to launch, as opposed to what.

    Attributes:
        home: Folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
        given: Locations that count before the spec's, by name (record, tracking, artifacts,
            checkpoints, cache).
        address: A running Ray cluster (``auto``, ``host:port``), or the job server of one
            (``http://head:8265``); None: the embedded engine.
        modules: Folders of packages that go with a submitted job.

    Raises:
        UserError: The address has none of these forms.
    """

    home: str | None = None
    given: Mapping[str, str | None] = field(default_factory=dict)
    address: str | None = None
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = self.address in (None, "auto") or self.submits
        if not known and not re.fullmatch(r"[^/]+:[0-9]{1,5}", str(self.address)):
            raise UserError(
                f"--address {self.address}: write auto, host:port of the cluster's head, or "
                "http://host:8265 to submit the study as a job"
            )

    @property
    def submits(self) -> bool:
        """Whether the driver is submitted as a job, and does not run here."""
        return (self.address or "").startswith(("http://", "https://"))


HERE = Options()
"""The home of the environment, the places of the spec, the embedded engine."""

_SAID_AGAIN = ("record", "tracking")
"""Flags that say where a study is; the other places of a study are remembered with it."""

_RUNNING = ("launch", "resume", "extend", "confirm")
"""Verbs that run trials, and so take the address of a cluster."""


def typed(options: Options, verb: str, *words: str) -> str:
    """Returns a command line that means the same study in the same place.

    Args:
        options: What the last command was given.
        verb: The verb.
        words: What follows it, not yet quoted.
    """
    given: dict[str, str | None] = {"home": options.home}
    given |= {name: options.given.get(name) for name in _SAID_AGAIN}
    if verb in _RUNNING:
        given["address"] = options.address
    flags = [f"--{name}={hidden(value)}" for name, value in given.items() if value]
    return shlex.join(["ttur", verb, *words, *flags])


ENVIRONMENT = {
    "record": "TTUR_RECORD",
    "tracking": "MLFLOW_TRACKING_URI",
    "artifacts": "TTUR_ARTIFACTS",
    "checkpoints": "TTUR_CHECKPOINTS",
    "cache": "TTUR_CACHE",
}
"""The environment variable of each location."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """The resolved locations.

    Attributes:
        record: Optuna storage URL.
        tracking: MLflow tracking URI.
        artifacts: MLflow artifact location for new experiments; None leaves it to the server.
        checkpoints: Path or fsspec URI below which the trials' folders lie.
        cache: Folder of each node for prepared data, statistics and weights.
    """

    record: str
    tracking: str
    artifacts: str | None
    checkpoints: str
    cache: str

    def folder(self, study: str, arm: str, number: int) -> str:
        """Returns the folder of one trial."""
        return f"{self.checkpoints.rstrip('/')}/{study}/{arm}/{number:05d}"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a study is run: its places, resolved once, and what they were resolved from.

    Attributes:
        places: Where its things are.
        home: The folder of local state.
        options: What the user said, for the commands that are suggested next.
        remember: Keeps the places for a study of this name, and the identity of its record, so that who
            looks later finds them.
        leave: Notes that the record of a study is being removed; until it is forgotten, they are still known.
        forget: Forgets them for a study that was deleted.
    """

    places: Places
    home: Path
    options: Options
    remember: Callable[[str, str], None]
    leave: Callable[[str], None]
    forget: Callable[[str], None]
