"""Forecasts of stopped trials: their lowest score so far is not that of a whole trial.

A trial is stopped while its score falls more often than not, the later ones of a search nearly all for being
worse than the best. Taken for whole they would say that scores are higher around them than they are, and
those are the good settings as well: that is where a search goes.

Whole trials are those that were let go on, and more alike than all trials are. So what they gained is right
for stopped ones in the mean, but not so surely as their spread says, and errors of one step have one sign: a
gain is doubted by as much as itself. What was measured with and without stands in docs/decisions/surface.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from study.surface.gains import Curve, gains
from study.surface.observations import Array
from study.trial import Outcome, TrialRecord
from trainables.levels import Score
from trainables.protocol import by_step

T = TypeVar("T")

MOST = 100
"""Whole trials whose curves are asked, from a server one by one; of more each so-manieth."""


def still_to_come(rows: Sequence[TrialRecord]) -> tuple[Array, Array]:
    """How much lower each trial would lie had none been stopped.

    A stopped trial's newest score would have gained what whole trials gained from that step
    (:func:`study.surface.gains.gains`); its lowest stays its lowest where it had risen by more than that.

    Args:
        rows: Trials that count, of all arms, with scores > 0. Where a row has its lowest score alone, as a
            table's has, nothing is known of its curve.

    Returns:
        What is to be added to the logarithm of each lowest score, <= 0, and the standard deviation of that,
        shape (n,) each; 0 for trials that were not stopped, and where no whole trial was evaluated by then.

    Example:
        >>> still_to_come([])
        (array([], dtype=float64), array([], dtype=float64))
    """
    curves = [by_step(row.measurements) for row in rows if row.outcome is Outcome.COMPLETE]
    whole = some([curve for curve in curves if len(curve) > 1])
    found = functools.cache(lambda step: gains(step, whole))
    added, spread = np.zeros(len(rows)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        if row.outcome is not Outcome.STOPPED or row.score is None:
            continue
        newest = row.measurements[-1]
        if (ahead := found(newest.step)).whole:
            risen = math.log(newest.score / row.score)
            added[place] = min(risen + ahead.mean, 0.0)
            spread[place] = math.hypot(ahead.deviation, ahead.mean)
    return added, spread


def some(whole: Sequence[T]) -> Sequence[T]:
    """At most :data:`MOST` of the whole trials, which tell of gains as well as all of them."""
    return whole[:: math.ceil(len(whole) / MOST) or 1]


def from_early(pairs: Iterable[tuple[Curve, Curve]]) -> Callable[[int, float], Score | None]:
    """What a trial that was stopped at an early evaluation would have come to.

    Args:
        pairs: Of each whole trial its scores by step, and its early evaluations. Those without the one or the
            other, or with values that have no logarithm, tell nothing.

    Returns:
        A function of the step and the value of an early evaluation: what whole trials' scores came to from
        there, and how far they and this lie apart; None if that is not known.
    """
    both = [(c, e) for c, e in pairs if c and e and min(*c.values(), *e.values()) > 0]
    whole, first = [curve for curve, _ in some(both)], [early for _, early in some(both)]
    found = functools.cache(lambda step: gains(step, whole, early=first))

    def told(step: int, value: float) -> Score | None:
        if value <= 0 or not (ahead := found(step)).whole:
            return None
        centre = value * math.exp(ahead.mean)
        return Score(centre, centre * math.hypot(ahead.deviation, ahead.mean))

    return told


def forecast(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The same trials, those that were stopped with what they would have come to; who has that keeps it.

    It is what :func:`still_to_come` says, or :func:`from_early` of one that has early evaluations alone.

    Args:
        rows: As for :func:`still_to_come`.
    """
    early = from_early(
        (by_step(row.measurements), by_step(row.early))
        for row in rows
        if row.outcome is Outcome.COMPLETE and row.early
    )
    made = []
    for row, added, spread in zip(rows, *still_to_come(rows), strict=True):
        said = row.forecast
        if said is None and row.score is not None and spread:
            value = row.score * math.exp(added)
            said = Score(value, value * float(spread))
        elif said is None and row.outcome is Outcome.STOPPED and row.score is None and row.early:
            said = early(row.early[-1].step, row.early[-1].score)
        made.append(row if said is row.forecast else replace(row, forecast=said))
    return made
