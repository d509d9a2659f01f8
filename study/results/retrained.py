"""One finalist over its seeds, and where its runs are read."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from study.ground.confirming import finalist_of_name
from study.results.difference import LEVEL, listed
from study.trial import Outcome, Sampled, TrialRecord
from trainables.levels import UNKNOWN, Levels, lowest
from trainables.protocol import OWN, Parameters

Steps = Mapping[tuple[str, int], int]
"""At which step runs are read, by the arm and the number of the trial that a finalist was."""


@dataclass(frozen=True, kw_only=True)
class Finalist(Sampled):
    """One configuration over its seeds.

    Attributes:
        arm: The arm of the study that it comes from.
        number: The trial that it was.
        parameters: Those of the trial that it was.
        runs: The lowest score of each seed's run in the order of the seeds; None for one without.
        step: Generator updates at which the search's trial had its lowest score; None if that is not known.
        noise: Largest standard deviation of a run's score over redrawn samples.
        levels: What its scores can be seen against.
        at_step: The score of each seed's run at that step, in the order of the seeds; None for one that had
            none then.
    """

    arm: str
    number: int
    parameters: Parameters
    runs: tuple[float | None, ...] = ()
    step: int | None = None
    at_step: tuple[float | None, ...] = ()
    noise: float = 0.0
    levels: Levels = UNKNOWN

    def read(self, lowest: bool) -> list[float]:
        """Its runs in the order of the seeds, at the step or at their lowest; +inf without a score."""
        return [math.inf if r is None else r for r in (self.runs if lowest else self.at_step)]

    @property
    def scores(self) -> tuple[float, ...]:
        """Lowest score of each seed's run, sorted; runs without a score are left out."""
        return tuple(sorted(score for score in self.runs if score is not None))

    @property
    def without(self) -> int:
        """Runs that ended without a score (they diverged, or failed)."""
        return self.runs.count(None)

    @property
    def mean(self) -> float:
        """Mean of the lowest scores, NaN without scores."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """A 95 % interval of that mean; None for fewer than two scores."""
        return mean_interval(self.scores)

    @property
    def told(self) -> tuple[float, ...]:
        """The scores by which it is compared, sorted: those at the step, or the lowest if it is not known."""
        return self.scores if self.step is None else self.scores_at_step

    @property
    def told_mean(self) -> float | None:
        """The mean of ``told``; None without scores."""
        return statistics.fmean(self.told) if self.told else None

    @property
    def scores_at_step(self) -> tuple[float, ...]:
        """The scores at the step, sorted; runs without one are left out."""
        return tuple(sorted(score for score in self.at_step if score is not None))

    @property
    def mean_at_step(self) -> float:
        """Mean score at the step, NaN without scores."""
        scores = self.scores_at_step
        return statistics.fmean(scores) if scores else math.nan

    @property
    def share(self) -> float | None:
        """The part of the way from nothing to real data that the scores told have come on average."""
        return self.levels.share(self.told_mean)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        at_step, sampled = self.scores_at_step, self.parameters.to_json()
        mine = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "parameters"
        }
        return mine | {
            **{name: sampled[name] for name in OWN},
            "scores": list(self.scores),
            "without": self.without,
            "runs": list(self.runs),
            "mean": self.mean if self.scores else None,
            "interval": listed(self.interval),
            "at_step": list(self.at_step),
            "mean_at_step": self.mean_at_step if at_step else None,
            "interval_at_step": listed(mean_interval(at_step)),
            "levels": self.levels.to_json(),
            "share": self.share,
        }


def mean_interval(scores: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval of a mean; None for fewer than two scores.

    Of positive scores it is that of the mean's logarithm, whose standard error is about the mean's over the
    mean (the delta method): positive at both ends. With a score that is not, it is Student's.

    Args:
        scores: Of the runs.

    Examples:
        >>> [round(end, 2) for end in mean_interval([4.0, 6.0])], mean_interval([4.0])
        ([0.39, 63.46], None)
    """
    if len(scores) < 2:
        return None
    from scipy import stats

    mean = statistics.fmean(scores)
    error = statistics.stdev(scores) / math.sqrt(len(scores))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(scores) - 1)) * error
    if min(scores) <= 0:
        return mean - half, mean + half
    factor = math.exp(half / mean)
    return mean / factor, mean * factor


def read_at(searched: Sequence[TrialRecord]) -> Steps:
    """Where the runs of each finalist are read: where the search's trial had its lowest score."""
    return {(row.arm, row.number): row.step for row in searched if row.step is not None}


def finalist_of(name: str, rows: Sequence[TrialRecord], steps: Steps) -> Finalist:
    """A finalist.

    Args:
        name: Its arm in the confirming study: ``ARM-NUMBER``.
        rows: Its runs that have ended, in any order.
        steps: Where the runs of each finalist are read, as far as it is known.
    """
    arm, number = finalist_of_name(name)
    rows = sorted(rows, key=lambda row: row.number)
    runs = tuple(row.score if row.counts else None for row in rows)
    step = steps.get((arm, number))
    return Finalist(
        arm=arm,
        number=number,
        parameters=rows[0].parameters,
        runs=runs,
        step=step,
        noise=max(row.noise for row in rows),
        levels=lowest([row.levels for row in rows]),
        at_step=() if step is None else tuple(score_at(row, step) for row in rows),
    )


def score_at(row: TrialRecord, step: int) -> float | None:
    """The score of a run at a step, None if it had none then.

    A run that was ended before, by a rule or by the clock, has that of its last evaluation.
    """
    if not row.counts:
        return None
    until = [m for m in row.measurements if m.step <= step]
    if not until or (until[-1].step < step and row.outcome is Outcome.DIVERGED):
        return None
    return until[-1].score
