"""The cases without an answer, whatever the numbers are: nothing was learnt, or the study is too small.

A finalist whose score is not clearly below what samples of nothing score (noise, the mean of the data, an
untrained generator) has learnt nothing that the score can see; which of two such is lower is not an answer.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from study.trial import TrialRecord
from trainables.levels import Levels

Curve = Sequence[tuple[int, float]]
"""The scores of a trial: (generator updates, score), by step."""

Curves = Callable[[TrialRecord], Curve]
"""Looks up the curve of a trial."""

OF_NOTHING = "noise, the mean of the data or an untrained generator"
"""What the ceiling is the lowest score of, in words."""

FITTED = 3
"""Evaluations, the last ones, that a slope needs at least; more of a curve are its second half."""

LEAST_LONGER, MOST_LONGER = 2.0, 10.0
"""How many times as long a trial is advised to be trained, at least and at most: further ahead a slope says
nothing."""


class Known(Protocol):
    """What stands for an arm: a trial, or a finalist."""

    @property
    def number(self) -> int:
        """The trial that it is, or was."""

    @property
    def noise(self) -> float:
        """Standard deviation of its score over redrawn samples."""


@dataclass(frozen=True)
class Judged:
    """A trial or finalist as what stands for its arm: a view of it.

    Attributes:
        arm: The arm.
        of: The trial or finalist.
        scores: Its score, or those of several runs; at least one.
        curve: Its scores while it was trained, if they are known.
    """

    arm: str
    of: Known
    scores: Sequence[float]
    curve: Curve = ()

    @property
    def name(self) -> str:
        """How it is called in sentences: ``one_timescale's #3``."""
        return f"{self.arm}'s #{self.of.number}"

    @property
    def score(self) -> float:
        """Its score, or the mean of its runs."""
        return statistics.fmean(self.scores)

    @property
    def spread(self) -> float:
        """Standard deviation of the runs of several seeds; 0 of one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0

    def learnt(self, levels: Levels) -> bool:
        """Whether it is clearly below the ceiling."""
        return levels.learnt(self.score, self.of.noise, self.spread)


@dataclass(frozen=True, kw_only=True)
class NothingLearnt:
    """Why two arms are not compared: a finalist has learnt nothing yet.

    Attributes:
        arms: Whose finalist has not.
        sentence: What is said of them.
        next: What to do next.
    """

    arms: tuple[str, ...]
    sentence: str
    next: str


def nothing_learnt(finalists: Sequence[Judged], levels: Levels) -> NothingLearnt | None:
    """Says that one or more finalists have learnt nothing yet; None if all have, or it cannot be told.

    Args:
        finalists: Those of the arms that are compared.
        levels: What their scores can be seen against.

    Examples:
        >>> from trainables.protocol import Parameters
        >>> trial = TrialRecord(
        ...     study="s", arm="one", number=3, parameters=Parameters(b=1e-3, a=1e-3, d_steps=1)
        ... )
        >>> noise = Judged("one", trial, [3533.0])
        >>> print(nothing_learnt([noise], Levels(floor=540.0, ceiling=3493.0)).next)
        Next: train longer in a new study, e.g. twice as long (trial.steps).
    """
    without = [each for each in finalists if not each.learnt(levels)]
    if not without:
        return None
    scores = " and ".join(f"{each.name} scores {each.score:.4g}" for each in without)
    return NothingLearnt(
        arms=tuple(each.arm for each in without),
        sentence=f"Nothing was learnt yet, so nothing is compared: {scores}: not clearly below "
        f"{levels.ceiling:.4g}, the lowest that {OF_NOTHING} scores.",
        next=_train_longer(without, levels),
    )


def of_trial(trial: TrialRecord, curve: Curves | None = None) -> Judged:
    """The trial with an arm's lowest score as its finalist.

    Args:
        trial: One with a score.
        curve: Looks up its scores; None: those that the trial itself has.
    """
    found = Judged(trial.arm, trial, [trial.objective])
    if curve is None or found.learnt(trial.levels):
        points = tuple((m.step, m.score) for m in trial.measurements)
    else:  # it is only asked for where it is of use: MLflow gives it in a request of its own
        points = tuple(curve(trial))
    return replace(found, curve=points)


def longer(curve: Curve, needed: float) -> float | None:
    """How many times as long a trial has to be trained until its score is as low as is needed.

    Args:
        curve: Its scores so far.
        needed: The score.

    Returns:
        By the slope of the last half of the curve, a straight line; at least 2. None if that does not fall,
        there are too few evaluations, or it would be more than 10 times as long.
    """
    last = list(curve)[-max(FITTED, len(curve) // 2) :]
    if len(last) < FITTED:
        return None
    steps, scores = np.asarray(last, dtype=float).T
    slope, start = np.polyfit(steps, scores, 1)
    if not slope < 0:
        return None
    times = (needed - start) / slope / steps[-1]
    return max(LEAST_LONGER, float(times)) if times <= MOST_LONGER else None


def _train_longer(without: Sequence[Judged], levels: Levels) -> str:
    times = [
        longer(each.curve, levels.needed(each.of.noise, each.spread))
        for each in without
        if each.curve
    ]
    known = [each for each in times if each is not None]
    if len(known) < len(without):
        return "Next: train longer in a new study, e.g. twice as long (trial.steps)."
    return (
        f"Next: train longer in a new study, about {_times(max(known))} (trial.steps) at the rate at which "
        "the score falls now."
    )


def _times(factor: float) -> str:
    whole = math.ceil(factor - 1e-9)
    return "twice as long" if whole == 2 else f"{whole} times as long"
