"""What is known of one trial: the values that pass from the record to MLflow, and from MLflow to queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from trainables.protocol import Measurement, Parameters


class Outcome(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """All its steps were made."""
    STOPPED = "stopped"
    """The stopping rule ended it; counted as complete in a study's status."""
    DIVERGED = "diverged"
    """A loss, gradient, weight or score was not finite."""
    FAILED = "failed"
    """It could not be run (an error, after all retries)."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as the record has it.

    Attributes:
        study: Name of the study.
        arm: Name of the arm.
        number: Position in the arm, from 0.
        seed: Seed of the trial's streams.
        parameters: The sampled b, a, d_steps and further settings.
        score_name: Protocol of the scores.
        outcome: How it ended; None while it runs or is interrupted.
        reason: One sentence on why it ended as it did, or None.
        measurements: Its evaluations in order of step.
        started: When it was asked for, seconds since the epoch.
        ended: When it ended, seconds since the epoch, or None.
        folder: Where its files are (checkpoints, measurements, samples): a path or an fsspec URI.
        mlflow_run_id: Its MLflow run as far as the record knows it.
        spec_fingerprint: Fingerprint of the part of the spec that gives its score a meaning.
    """

    study: str
    arm: str
    number: int
    seed: int
    parameters: Parameters
    score_name: str
    outcome: Outcome | None = None
    reason: str | None = None
    measurements: tuple[Measurement, ...] = field(default=())
    started: float = 0.0
    ended: float | None = None
    folder: str = ""
    mlflow_run_id: str | None = None
    spec_fingerprint: str = ""

    @property
    def identity(self) -> str:
        """``study/arm/number``, the trial's identity everywhere."""
        return f"{self.study}/{self.arm}/{self.number}"

    @property
    def best(self) -> Measurement | None:
        """The evaluation with the lowest score (the first of equals), or None without evaluations."""
        return min(self.measurements, key=lambda m: m.score, default=None)
