"""A trial that is handed out: what a worker is told of it, and who hears of it until it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from study.places.locations import Places
from study.search.arm import ArmState
from study.search.samplers import derived_seed
from study.spec.model import Spec
from study.trial import TrialRecord
from trainables.assignment import Assignment, Turn
from trainables.protocol import Measurement


@dataclass
class Live:
    """A trial that was handed out and has not ended."""

    arm: ArmState
    record: TrialRecord
    measurements: list[Measurement] = field(default_factory=list)
    early: list[Measurement] = field(default_factory=list)
    run_id: str | None = None
    """Written by whoever publishes, in a thread of its own; the record is the conductor's alone."""

    def has(self, measurement: Measurement) -> bool:
        """Whether it was taken in already."""
        return measurement in (self.early if measurement.early else self.measurements)

    def take(self, measurement: Measurement) -> None:
        """Adds an evaluation. Those after it were computed from an older checkpoint, and will be again."""
        self.measurements = [m for m in self.measurements if m.step < measurement.step]
        self.early = [m for m in self.early if m.step < measurement.step]
        (self.early if measurement.early else self.measurements).append(measurement)

    @property
    def step(self) -> int:
        """The step of the newest evaluation, 0 without one."""
        return max((m.step for m in (*self.measurements, *self.early)), default=0)

    @property
    def known(self) -> TrialRecord:
        """The trial with its run."""
        return replace(self.record, mlflow_run_id=self.run_id or self.record.mlflow_run_id)


@dataclass(frozen=True)
class Failure:
    """A trial that could not be run; whether it is to blame for that is not known yet."""

    live: Live
    error: str
    step: int


class Handing:
    """What the spec says of all trials, added to what the record has of each.

    Args:
        spec: The study.
        places: Where the trials' folders lie.
    """

    def __init__(self, spec: Spec, places: Places) -> None:
        self._spec = spec
        self._places = places
        self._score_name, self._fingerprint = spec.settings.score_name, spec.fingerprint

    def completed(self, record: TrialRecord) -> TrialRecord:
        """Adds to what the record has of a trial what the spec says of all."""
        return replace(
            record,
            # The same number has the same seed in every arm: arms are compared on equal starts.
            seed=derived_seed(self._spec.search.seed, record.number),
            score_name=self._score_name,
            folder=self._places.folder(self._spec.name, record.arm, record.number),
            spec_fingerprint=self._fingerprint,
        )

    def assignment(self, record: TrialRecord) -> Assignment:
        """What a worker needs to run a trial."""
        return Assignment(
            identity=record.identity,
            trial=self._spec.trial,
            parameters=record.parameters,
            seed=record.seed,
            folder=record.folder,
            cache=self._places.cache,
            checkpoint_seconds=self._spec.resources.checkpoint_seconds,
            keep=self._spec.storage.keep != "none",
        )


class Observer(Protocol):
    """Who is told of what happens: progress, and the publisher of runs."""

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out; ``fresh`` if it was asked for just now."""

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back."""

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run; that it ended so is said if another one ends well."""

    def ended(self, record: TrialRecord) -> None:
        """A trial ended."""
