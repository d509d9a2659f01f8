"""The cases without an answer, whatever the numbers are: nothing was learnt, or the study is too small.

A finalist whose score is not clearly below what samples of nothing score (noise, the mean of the data, an
untrained generator) has learnt nothing that the score can see; which of two such is lower is not an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A trial or setting that stands for its arm.

    Attributes:
        name: How it is called in sentences: ``one_timescale's #3``.
        arm: Its arm.
        score: Its score, or the mean of its runs.
        noise: Standard deviation of that over redrawn samples.
        spread: Standard deviation over seeds, of a mean.
        curve: Its scores while it was trained, if they are known.
    """

    name: str
    arm: str
    score: float
    noise: float = 0.0
    spread: float = 0.0
    curve: Curve = ()

    def learnt(self, levels: Levels) -> bool:
        """Whether it is clearly below the ceiling."""
        return levels.learnt(self.score, self.noise, self.spread)


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
        >>> noise = Judged(name="one's #3", arm="one", score=3533.0)
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
    found = Judged(
        name=f"{trial.arm}'s #{trial.number}",
        arm=trial.arm,
        score=trial.objective,
        noise=trial.noise,
    )
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
        longer(each.curve, levels.needed(each.noise, each.spread)) for each in without if each.curve
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
