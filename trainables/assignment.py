"""The values between a launch and the worker that runs a trial: the assignment, and the turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from trainables.protocol import Diverged, Measurement, Parameters


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """All that a worker is told of a trial; plain values only.

    Attributes:
        identity: ``study/arm/number``.
        trial: The ``trial`` mapping of the spec.
        parameters: The sampled b, a, d_steps and further settings.
        seed: Seed of the trial's streams.
        folder: Where its files are: a path or an fsspec URI that every node reaches.
        cache: A folder of the node for prepared data, statistics and weights.
        checkpoint_seconds: Least time between two checkpoints; 0 writes one at every turn's end.
        turn_seconds: Longest time until the trial hands back control (it goes on with the next turn).
        keep: Whether the generators of its best and of its newest evaluation are kept in the folder.
    """

    identity: str
    trial: Mapping[str, Any]
    parameters: Parameters
    seed: int
    folder: str
    cache: str
    checkpoint_seconds: float = 15.0
    turn_seconds: float = 2.0
    keep: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the assignment as plain JSON values."""
        return {**vars(self), "parameters": self.parameters.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds an assignment from :meth:`to_json`."""
        return cls(**{**data, "parameters": Parameters.of(data["parameters"])})


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one turn brought.

    Attributes:
        step: Generator updates done.
        steps: Generator updates of a whole trial.
        measurements: Evaluations not handed out before by this run; after a restore, all earlier ones.
        diverged: Why the trial cannot go on, or None.
        finished: Whether there is nothing left to do.
        notes: Sentences on what went wrong and was overcome (a torn checkpoint, a full disk).
    """

    step: int
    steps: int
    measurements: tuple[Measurement, ...] = ()
    diverged: Diverged | None = None
    finished: bool = False
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the turn as plain JSON values."""
        measurements = [measurement.to_json() for measurement in self.measurements]
        diverged = None if self.diverged is None else vars(self.diverged)
        return {**vars(self), "measurements": measurements, "diverged": diverged}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds a turn from :meth:`to_json`."""
        return cls(
            step=data["step"],
            steps=data["steps"],
            measurements=tuple(Measurement.from_json(m) for m in data["measurements"]),
            diverged=Diverged(**data["diverged"]) if data["diverged"] else None,
            finished=data["finished"],
            notes=tuple(data["notes"]),
        )
