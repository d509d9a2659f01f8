"""The resolved locations of a study's things, and the site that a launch works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from study.places.options import Options

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
