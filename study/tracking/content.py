"""The content of runs: status, tags, parameters and metrics of a record, as pure functions."""

from __future__ import annotations

import functools
import itertools
import math
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from study.tracking import words
from study.trial import Outcome, TrialRecord
from trainables.folder import read_measurements
from trainables.protocol import OWN, Measurement, one_a_step

if TYPE_CHECKING:
    from mlflow.entities import Metric


POSITION = "position"
"""Tag of an arm's run: its place in the spec, from 0."""

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
"""MLflow's own words for the status of a run."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ArmRecord:
    """One arm as the record has it: what its parent run shows.

    Attributes:
        study: Name of the study.
        arm: Name of the arm.
        position: Its place in the spec, from 0: arms are compared in this order.
        spec: The whole spec as YAML, kept as an artifact.
        spec_fingerprint: Fingerprint of the part of the spec that gives its scores a meaning.
        score_name: Protocol of the scores.
        started: When the study was first launched, seconds since the epoch.
        ended: When its last trial or launch ended, seconds since the epoch; None while it runs, and
            for a finished arm that has no trial (its budget is 0).
        finished: Whether it has its whole budget; an arm that ended without is shown as killed.
        data: What the trials learn from: how many images or lines, and what was left out; may be empty.
        looked: How many trials a confirming study had each time that it had come to its end.
    """

    study: str
    arm: str
    position: int
    spec: str
    spec_fingerprint: str
    score_name: str
    started: float
    ended: float | None = None
    finished: bool = False
    data: str = ""
    looked: tuple[int, ...] = ()

    @property
    def identity(self) -> str:
        """``study/arm``."""
        return f"{self.study}/{self.arm}"


def milliseconds(seconds: float) -> int:
    """Seconds since the epoch as MLflow counts them."""
    return round(seconds * 1000)


def moment(measurement: Measurement) -> tuple[int, int]:
    """What tells two evaluations of a trial apart in MLflow: step and time in milliseconds."""
    return measurement.step, milliseconds(measurement.time)


def last_moment(record: TrialRecord) -> float:
    """When the last evaluation was taken, or the trial began, seconds since the epoch."""
    taken = (measurement.time for measurement in (*record.measurements, *record.early))
    return max(taken, default=record.started)


def with_folder(record: TrialRecord) -> TrialRecord:
    """Adds to what the record has of a trial what its folder has of it: all that was measured.

    A trial without an outcome ended with its last evaluation, by being cut off.
    """
    kept = read_measurements(record.folder)
    whole = record.with_evaluations(kept) if kept else record
    if whole.outcome is not None or whole.ended is not None:
        return whole
    return replace(whole, ended=last_moment(whole))


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cuts a sequence into pieces of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))


def status(record: TrialRecord) -> str:
    """MLflow's status of a trial; one that was cut off (ended without an outcome) is killed."""
    if record.outcome is None:
        return RUNNING if record.ended is None else KILLED
    return FAILED if record.outcome is Outcome.FAILED else FINISHED


def arm_tags(record: ArmRecord) -> dict[str, str]:
    """Tags of an arm's run, beside those that it is made with."""
    tags = study_tags(record) | {POSITION: str(record.position)}
    return tags | ({words.LOOKS: " ".join(map(str, record.looked))} if record.looked else {})


def study_tags(record: ArmRecord) -> dict[str, str]:
    """Tags of the experiment."""
    tags = {
        words.SCORE_NAME: record.score_name,
        words.SPEC_FINGERPRINT: record.spec_fingerprint,
        words.CODE_VERSION: code_version(),
    }
    return tags | ({words.DATA: record.data} if record.data else {})


def outcome_tags(record: TrialRecord) -> dict[str, str]:
    """How a trial ended and why; none while it has not."""
    if record.outcome is None:
        return {}
    known = {
        words.OUTCOME: record.outcome,
        words.REASON: record.reason,
        words.END_STEP: record.end_step,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def goes_beyond(record: TrialRecord, steps: Iterable[int]) -> bool:
    """Whether some steps come after the end of a trial.

    It was cut off after them, went on from an older checkpoint, and ended sooner than before: on another kind
    of machine scores need not repeat to the last digit, and a rule may stop it then.
    """
    return record.end_step is not None and any(step > record.end_step for step in steps)


def parameter_texts(record: TrialRecord) -> dict[str, str]:
    """All sampled parameters by their names in MLflow."""
    named = record.parameters.to_json()
    return {words.safe_name(k): words.parameter_text(v) for k, v in named.items()}


def parameter_metrics(record: TrialRecord) -> list[Metric]:
    """b, a and d_steps as metrics as well: MLflow compares parameters only as text."""
    from mlflow.entities import Metric

    when, parameters = milliseconds(record.started), record.parameters
    return [Metric(name, float(getattr(parameters, name)), when, 0) for name in OWN]


class Point(Protocol):
    """One value of a metric, as MLflow's own class has it."""

    @property
    def step(self) -> int:
        """When it was taken, in generator updates."""

    @property
    def value(self) -> float:
        """The value."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch."""


def scores_of(points: Iterable[Point]) -> list[Measurement]:
    """The score curve that MLflow has of a trial: in order of step, the later of two at one step.

    Args:
        points: The history of the metric ``score``, in any order.
    """
    in_order = sorted(points, key=lambda point: int(point.timestamp))
    return one_a_step(
        Measurement(step=point.step, score=point.value, time=point.timestamp / 1000)
        for point in in_order
    )


def evaluation_metrics(
    measurements: Iterable[Measurement], sent: Mapping[int, float]
) -> Iterator[Metric]:
    """Every number of every evaluation not sent yet, with the evaluation's own step and time.

    The best score so far goes with each evaluation, so that its latest value is the trial's best. A
    number that is not finite is left out: MLflow would show an infinity as 1.8e308. An evaluation
    that was made again after a restart (the same score at the same step, only later) is not sent twice,
    unless what it is compared with has changed: then the best so far is another one.

    Args:
        measurements: All evaluations of the trial, in order.
        sent: The score that MLflow has for each step.
    """
    best: Measurement | None = None
    shown, latest = _bests(sent), 0
    for measurement in measurements:
        if best is None or measurement.score < best.score:
            best = measurement
        step, when = moment(measurement)
        latest = max(latest, when)
        values = {
            words.BEST_SCORE: best.score,
            words.BEST_STEP: float(best.step),
            words.BEST_NOISE: best.noise,
        }
        if sent.get(step) != measurement.score:
            values |= _evaluated(measurement)
        elif shown[step] == best.score:
            continue
        else:  # of two values at one step and time MLflow would show the larger one
            when = latest
        yield from _finite(values, when, step)


def early_metrics(early: Iterable[Measurement], sent: Mapping[int, float]) -> Iterator[Metric]:
    """Every number of every early evaluation not sent yet, as :func:`evaluation_metrics` of the others.

    Args:
        early: All early evaluations of the trial, in order.
        sent: The one that MLflow has for each step.
    """
    for measurement in early:
        step, when = moment(measurement)
        if sent.get(step) != measurement.score:
            yield from _finite(_evaluated(measurement), when, step)


def _finite(values: Mapping[str, float], when: int, step: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name, value in values.items():
        if math.isfinite(value):
            yield Metric(name, float(value), when, step)


def _evaluated(measurement: Measurement) -> dict[str, float]:
    """Every number of one evaluation, by its name in MLflow."""
    score, noise = (
        (words.EARLY, words.EARLY_NOISE) if measurement.early else (words.SCORE, words.NOISE)
    )
    return {words.metric_name(k): v for k, v in measurement.metrics.items()} | {
        score: measurement.score,
        noise: measurement.noise,
        words.SECONDS: measurement.seconds,
    }


def _bests(scores: Mapping[int, float]) -> dict[int, float]:
    """The lowest score up to each step."""
    steps = sorted(scores)
    return dict(zip(steps, itertools.accumulate((scores[s] for s in steps), min), strict=True))


@functools.cache
def code_version() -> str:
    """``0.1.0+g1a2b3c4d5e6f`` in a clone (with ``-dirty`` if it has changes), else ``0.1.0``."""
    try:
        version = metadata.version("ttur-study")
    except metadata.PackageNotFoundError:
        version = "0"
    commit = _commit(Path(__file__).parents[2])
    return f"{version}+g{commit}" if commit else version


def _commit(root: Path) -> str:
    """The commit of the clone at ``root``, or an empty string if it is not a clone."""
    # Only a repository whose top is ours: an installed copy may lie inside somebody else's.
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    command += ["--exclude", "*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
