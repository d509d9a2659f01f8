"""The protocol of a trial, and the values that pass out of it.

A trial knows nothing of Ray, Optuna or MLflow. It is built from a configuration, advances from one
evaluation to the next, and can be saved and loaded such that save, load, continue is the same
computation as not having stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

OWN = ("b", "a", "d_steps")
"""The parameters that every trial has: the paper's letters."""

FURTHER = "further"
"""Under which name a mapping may hold all other parameters together."""

ParameterValue = float | int | str | bool | None
State = dict[str, Any]
"""Nested dicts and lists of tensors, numbers, strings, booleans and None: nothing that needs code to load."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The sampled parameters of one trial.

    Attributes:
        b: Learning rate of the discriminator, > 0.
        a: Learning rate of the generator, > 0.
        d_steps: Discriminator updates per generator update, >= 1.
        further: Any further sampled setting, by its dotted path inside the trial's settings
            (``"loss"``, ``"regulariser.weight"``).
    """

    b: float
    a: float
    d_steps: int
    further: Mapping[str, ParameterValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("b", "a"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; a learning rate must be finite and > 0")
        if self.d_steps < 1 or self.d_steps != int(self.d_steps):
            raise ValueError(f"d_steps is {self.d_steps}; it must be a whole number >= 1")

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> Self:
        """Takes the parameters from one mapping, as a search space derives them from a sample.

        Args:
            known: ``b``, ``a``, ``d_steps``, and any further setting by its dotted path; or these further
                ones together under ``further``, as tables and earlier checkpoints have them.

        Raises:
            ValueError: A value cannot be one.

        Examples:
            >>> flat = {"b": 2e-4, "a": 1e-4, "d_steps": 5, "loss": "hinge"}
            >>> Parameters.of(flat).to_json() == flat
            True
        """
        named = {name: value for name, value in known.items() if name not in (*OWN, FURTHER)}
        b, a, d_steps = (known[name] for name in OWN)
        whole = int(d_steps) if math.isfinite(d_steps) and d_steps == int(d_steps) else d_steps
        further = {**(known.get(FURTHER) or {}), **named}
        return cls(b=float(b), a=float(a), d_steps=whole, further=further)

    def to_json(self) -> dict[str, ParameterValue]:
        """Returns one flat mapping of plain JSON values: the inverse of :meth:`of`."""
        return {"b": self.b, "a": self.a, "d_steps": self.d_steps, **self.further}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One evaluation of a trial.

    Attributes:
        step: Generator updates done when it was taken.
        score: What is minimised; always finite. Its protocol is the trial's ``score_name``.
        noise: Standard deviation of the score over redrawn samples, in score units; 0 if unknown.
        metrics: Everything else that was measured (losses, second scores, seconds a step, ...).
        seconds: Training and evaluation time spent on this trial so far, interruptions excluded.
        time: When it was taken, seconds since the epoch; kept, so that publishing it twice is harmless.
        early: Whether it was taken with fewer samples than a score is (``score.early``): then it is compared
            with other early ones alone.
    """

    step: int
    score: float
    noise: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    time: float = field(default_factory=time.time)
    early: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the measurement as plain JSON values."""
        # Not asdict, which copies deeply and takes ten times as long: a checkpoint writes all of them.
        known = {**vars(self), "metrics": dict(self.metrics)}
        if not self.early:
            del known["early"]  # earlier versions read it then
        return known

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds a measurement from :meth:`to_json`."""
        return cls(**data)


def one_a_step(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Returns the evaluations in order of step; of two at one step the one that comes later counts.

    A trial that is taken up again goes on from its last checkpoint and computes the steps after it once
    more. It is the same computation, so that as a rule both are equal. Where they are not (another kind of
    machine, a score whose last digits differ), the trial goes on from the later one: its weights, its best
    score and all that follows belong to it, and nothing that is there belongs to the earlier one.

    Args:
        measurements: In the order in which they were taken.
    """
    by_step = {measurement.step: measurement for measurement in measurements}
    return [by_step[step] for step in sorted(by_step)]


def by_step(measurements: Iterable[Measurement]) -> dict[int, float]:
    """The scores of evaluations by step."""
    return {measurement.step: measurement.score for measurement in measurements}


def scores_among(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The evaluations that are scores: all but early ones."""
    return [measurement for measurement in measurements if not measurement.early]


@dataclass(frozen=True, kw_only=True)
class Diverged:
    """The trial cannot go on: a loss, a gradient, a weight or a score was not finite.

    Attributes:
        step: Generator updates done; the update that would have used the value was not made.
        reason: One sentence: what was not finite.
        time: When it was noticed, seconds since the epoch.
    """

    step: int
    reason: str
    time: float = field(default_factory=time.time)


@runtime_checkable
class Trial(Protocol):
    """One configuration in training.

    Constructed as ``TrialClass(settings, parameters, context)``.
    """

    @property
    def score_name(self) -> str:
        """Name of the score; it states the protocol (``fd_digits_1k``)."""
        ...

    @property
    def step(self) -> int:
        """Generator updates done."""
        ...

    @property
    def finished(self) -> bool:
        """Whether all steps are done and the last evaluation was handed out, or it diverged."""
        ...

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        """Trains up to and including the next evaluation.

        Args:
            pause: Asked between updates; when it answers True the trial returns None at once and a
                later call goes on exactly where it was.

        Returns:
            The evaluation (the trial has an evaluation after every ``evaluate_every`` updates and
            after the last one), or why there is none, or None if it was paused.
        """
        ...

    def save(self) -> State:
        """Returns everything needed to continue: networks, optimisers, schedules, RNG streams."""
        ...

    def load(self, state: State) -> None:
        """Continues from :meth:`save`; raises ValueError if the state is of another trial."""
        ...

    def artifacts(self) -> Mapping[str, bytes]:
        """Files that show where the trial stands: samples (``samples.png``), facts (``score.json``)."""
        ...


@runtime_checkable
class MakesGenerator(Protocol):
    """A trial whose result can be taken home: it trains a generator."""

    @property
    def makes(self) -> Mapping[str, str]:
        """What the generator makes, as far as its weights do not tell: ``image``, or ``characters``."""
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """The generator's tensors by name: ``generator.…``, and ``average.…`` of its moving average."""
        ...


@runtime_checkable
class TellsHow(Protocol):
    """A trial that is not always made the way it was meant to be."""

    @property
    def said(self) -> str | None:
        """Why it is made in another way, one sentence that does not change; None if it is not."""
        ...


@runtime_checkable
class TellsTimes(Protocol):
    """A trial that knows what its time went into."""

    @property
    def times(self) -> Mapping[str, float]:
        """Seconds so far: ``data``, ``training`` (without data) and ``evaluation``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where and how a trial runs; nothing in it changes what is computed on one kind of device.

    Attributes:
        seed: Seed of the trial's streams (initial weights, data order, latent z), >= 0.
        device: A torch device string: ``cpu``, ``cuda``, ``mps``.
        cache: A folder of this node for prepared data, statistics and weights.
    """

    seed: int
    device: str = "cpu"
    cache: str = ""
