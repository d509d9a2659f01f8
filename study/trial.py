"""One trial as it is known: the value that passes from the record to MLflow, and on to the answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from trainables.levels import CEILING, FLOOR, Levels, Score
from trainables.protocol import (
    FURTHER,
    OWN,
    Measurement,
    Parameters,
    ParameterValue,
    one_a_step,
    scores_among,
)

ONE, TWO = "one_timescale", "two_timescale"
"""The arms of the paper's question, the second being compared with the first."""


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


UNFINISHED = "unfinished"
"""The word for how a trial ended that has not, beside the outcomes."""


class Sampled:
    """What has the parameters of a trial: each of them by its name."""

    parameters: Parameters

    @property
    def b(self) -> float:
        """Learning rate of the discriminator."""
        return self.parameters.b

    @property
    def a(self) -> float:
        """Learning rate of the generator."""
        return self.parameters.a

    @property
    def d_steps(self) -> int:
        """Discriminator updates per generator update."""
        return self.parameters.d_steps

    @property
    def further(self) -> Mapping[str, ParameterValue]:
        """Any further sampled setting, by its dotted path."""
        return self.parameters.further


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Sampled):
    """One trial as it is known, whoever tells of it: the record, the trial's folder, MLflow or a table.

    Attributes:
        study: Name of the study.
        arm: Name of the arm.
        number: Position in the arm, from 0.
        seed: Seed of the trial's streams.
        parameters: The sampled b, a, d_steps and further settings.
        score_name: Protocol of the scores.
        outcome: How it ended; None while it runs or is interrupted.
        reason: One sentence on why it ended as it did, or None.
        end_step: Generator updates done when it ended, or None.
        measurements: Its evaluations in order of step, one a step, up to its end; early ones are apart. The
            record has their scores alone, MLflow the best (of a stopped trial the last, too), tables it.
        early: Its early evaluations, of fewer samples, in order of step: none is a score.
        forecast: What a stopped trial would have come to as whole trials have it, and how sure that is (see
            :mod:`study.surface.stopped`); None if it was not stopped, or nobody who had all curves said so.
        started: When it was asked for, seconds since the epoch.
        ended: When it ended, seconds since the epoch, or None.
        folder: Where its files are (checkpoints, measurements, samples): a path or an fsspec URI.
        mlflow_run_id: Its MLflow run, as far as it is known.
        published: Whether that run shows its end and everything before it.
        spec_fingerprint: Fingerprint of the part of the spec that gives its score a meaning.

    What its source does not know is left as it is by default.
    """

    study: str
    arm: str
    number: int
    parameters: Parameters
    score_name: str = ""
    seed: int = 0
    outcome: Outcome | None = None
    reason: str | None = None
    end_step: int | None = None
    measurements: tuple[Measurement, ...] = ()
    early: tuple[Measurement, ...] = ()
    forecast: Score | None = None
    started: float = 0.0
    ended: float | None = None
    folder: str = ""
    mlflow_run_id: str | None = None
    published: bool = False
    spec_fingerprint: str = ""

    @property
    def identity(self) -> str:
        """``study/arm/number``, the trial's identity everywhere."""
        return f"{self.study}/{self.arm}/{self.number}"

    @cached_property
    def best(self) -> Measurement | None:
        """The evaluation with the lowest score (the first of equals), or None without evaluations."""
        # Kept, as what follows from it is: sorting thousands of trials asks each of them dozens of times.
        return min(self.measurements, key=lambda m: m.score, default=None)

    @property
    def score(self) -> float | None:
        """Lowest score of its evaluations, or None if it has none."""
        return self.best.score if self.best else None

    @property
    def step(self) -> int | None:
        """Generator updates done at the lowest score, or None."""
        return self.best.step if self.best else None

    @property
    def noise(self) -> float:
        """Standard deviation of the lowest score over redrawn samples; 0 if unknown."""
        return self.best.noise if self.best else 0.0

    @property
    def levels(self) -> Levels:
        """What its score can be seen against, as far as that was measured with it."""
        return Levels.of(self.best.metrics) if self.best else Levels()

    @property
    def learnt(self) -> bool:
        """Whether its lowest score is clearly below what pictures of nothing score, or that is not known."""
        return self.best is None or self.levels.learnt(self.best.score, self.best.noise)

    @property
    def doubt(self) -> str:
        """Says of a lowest score that says nothing what it is no better than; empty of any other."""
        if self.learnt:
            return ""
        return f"nothing learnt: not clearly below {self.levels.ceiling:.4g}, which noise scores as well"

    @property
    def seconds(self) -> float:
        """Training and evaluation time, interruptions excluded; 0 before the first evaluation."""
        newest = self.measurements[-1:] or self.early[-1:]
        return newest[0].seconds if newest else 0.0

    def with_evaluations(self, measurements: Iterable[Measurement]) -> Self:
        """Returns the trial with these evaluations: one a step, and none from after its end.

        One that came later (from a worker that was told to stop, or before the trial was taken up again) is
        no part of it.
        """
        end = math.inf if self.end_step is None else self.end_step
        kept = [m for m in one_a_step(measurements) if m.step <= end]
        early = tuple(m for m in kept if m.early)
        return replace(self, measurements=tuple(scores_among(kept)), early=early)

    def scores_alone(self) -> Self:
        """Returns the trial with the scores of its evaluations, and nothing else that was measured."""
        bare, early = (
            tuple(Measurement(step=m.step, score=m.score, time=m.time, early=m.early) for m in each)
            for each in (self.measurements, self.early)
        )
        return replace(self, measurements=bare, early=early)

    @cached_property
    def counts(self) -> bool:
        """Whether it belongs to the search's result: it ended, and not because of an error."""
        return self.outcome in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED)

    @cached_property
    def objective(self) -> float:
        """What the search minimises: the lowest score, +inf for a trial without one."""
        return math.inf if self.best is None else self.best.score

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, a forecast if one is known: what queries print, the columns of ``to_frame``."""
        further = self.parameters.to_json()
        own = {name: further.pop(name) for name in OWN}
        said = self.forecast
        foreseen = {"forecast": said.value, "forecast_noise": said.noise} if said else {}
        return {
            "arm": self.arm,
            "number": self.number,
            **own,
            "score": self.score,
            "score_name": self.score_name,
            "step": self.step,
            "seed": self.seed,
            "outcome": None if self.outcome is None else str(self.outcome),
            "mlflow_run_id": self.mlflow_run_id,
            "study": self.study,
            "noise": self.noise,
            "reason": self.reason,
            "started": self.started,
            "seconds": self.seconds,
            "end_step": self.end_step,
            **self.levels.to_json(),
            "share": self.levels.share(self.score),
            **foreseen,
            FURTHER: further,
        }

    def fields(self) -> dict[str, Any]:
        """Its values by the names of the columns of :func:`study.to_frame`, further parameters among them."""
        known = self.to_json()
        further = known.pop(FURTHER)
        return known | {f"further.{k}" if k in known else k: v for k, v in further.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds a trial from :meth:`to_json`; what is left out is not known.

        Args:
            data: At least study, arm, number, score_name, b, a and d_steps.

        Raises:
            ValueError: A parameter or the outcome cannot be one.
        """
        score, outcome, end = data.get("score"), data.get("outcome"), data.get("end_step")
        best = None
        if score is not None:
            known = {FLOOR: data.get("floor"), CEILING: data.get("ceiling")}
            best = Measurement(
                step=int(data.get("step") or 0),
                score=float(score),
                noise=float(data.get("noise") or 0.0),
                metrics={name: float(level) for name, level in known.items() if level is not None},
                seconds=float(data.get("seconds") or 0.0),
                time=0.0,
            )
        return cls(
            study=data["study"],
            arm=data["arm"],
            number=int(data["number"]),
            parameters=Parameters.of(
                {**{name: data[name] for name in OWN}, FURTHER: data.get(FURTHER)}
            ),
            score_name=data["score_name"],
            seed=int(data.get("seed") or 0),
            outcome=None if outcome is None else Outcome(outcome),
            reason=data.get("reason"),
            end_step=None if end is None else int(end),
            measurements=() if best is None else (best,),
            forecast=_forecast(data),
            started=float(data.get("started") or 0.0),
            mlflow_run_id=data.get("mlflow_run_id"),
        )


def _forecast(data: Mapping[str, Any]) -> Score | None:
    value = data.get("forecast")
    return None if value is None else Score(float(value), float(data.get("forecast_noise") or 0.0))


def rank(trial: TrialRecord) -> tuple[float, int, str]:
    """The place of a trial among others, as a key to sort by: the lower score first.

    Of equals the one that was asked for earlier comes first, then the arm whose name does: every list of
    trials, every best one and every finalist follows this one order.
    """
    return trial.objective, trial.number, trial.arm


def ranked(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that count and have a score, best first; see :func:`rank`."""
    return sorted((t for t in trials if t.counts and t.best is not None), key=rank)


def by_convention(arms: Iterable[str]) -> list[str]:
    """Arms whose order in the spec is not known: one_timescale, two_timescale, the others by name."""
    return sorted(arms, key=lambda arm: (arm != ONE, arm != TWO, arm))


def compared_order(arms: Iterable[str]) -> list[str]:
    """The order in which arms are compared: the paper's two first if both are there, else as given."""
    known = list(dict.fromkeys(arms))
    if ONE in known and TWO in known:
        known.sort(key=lambda arm: (arm != ONE, arm != TWO))
    return known
