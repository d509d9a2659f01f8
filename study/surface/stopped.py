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
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from study.surface.gains import Curve, gains
from study.surface.observations import Array
from study.trial import Outcome, TrialRecord
from trainables.levels import Score

T = TypeVar("T")

MOST = 100
"""Whole trials whose curves are asked, from a server one by one; of more each so-manieth."""


def still_to_come(rows: Sequence[TrialRecord]) -> tuple[Array, Array]:
    """How much lower each trial would lie had none been stopped.

    A stopped trial's newest score would have gained what whole trials gained from that step
    (:func:`study.surface.gains.gains`); its lowest stays its lowest where it had risen by more than that. One
    that has early evaluations alone has no score to be moved: see :func:`forecast`.

    Args:
        rows: Trials that count, of all arms, with scores > 0. One that has a forecast is taken at its word.
            Where a row has its lowest score alone, as a table's has, nothing is known of its curve.

    Returns:
        What is to be added to the logarithm of each lowest score, <= 0, and the standard deviation of that,
        shape (n,) each; 0 for trials that were not stopped, and where no whole trial was evaluated by then.

    Example:
        >>> still_to_come([])
        (array([], dtype=float64), array([], dtype=float64))
    """
    curves = [_curve(row) for row in rows if row.outcome is Outcome.COMPLETE]
    whole = some([curve for curve in curves if len(curve) > 1])
    found = functools.cache(lambda step: gains(step, whole))
    added, spread = np.zeros(len(rows)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        if row.outcome is not Outcome.STOPPED or row.score is None:
            continue
        if row.forecast is not None:
            added[place] = math.log(row.forecast.value / row.score)
            spread[place] = row.forecast.noise / row.forecast.value
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


def forecast(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The same trials, those that were stopped with what :func:`still_to_come` says of them.

    One that was stopped at an early evaluation would have come to its newest one less what whole trials'
    scores lay below theirs at that step; how far these differ, and this itself, is how sure that is.

    Args:
        rows: As there.
    """
    rows = _from_early(rows)
    pairs = zip(*still_to_come(rows), strict=True)
    said = [(float(added), float(spread)) for added, spread in pairs]
    return [
        replace(row, forecast=Score(value := row.score * math.exp(added), value * spread))
        if spread and row.score is not None
        else row
        for row, (added, spread) in zip(rows, said, strict=True)
    ]


def _from_early(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The same trials, those that were stopped at an early evaluation with a forecast."""
    both = [(_curve(row), _early(row)) for row in rows if row.outcome is Outcome.COMPLETE]
    pairs = some([(curve, early) for curve, early in both if curve and early])
    whole, first = [curve for curve, _ in pairs], [early for _, early in pairs]
    found = functools.cache(lambda step: gains(step, whole, early=first))
    made = []
    for row in rows:
        alone = row.outcome is Outcome.STOPPED and row.score is None and row.forecast is None
        if alone and row.early and (ahead := found(row.early[-1].step)).whole:
            value = row.early[-1].score * math.exp(ahead.mean)
            spread = math.hypot(ahead.deviation, ahead.mean)
            made.append(replace(row, forecast=Score(value, value * spread)))
        else:
            made.append(row)
    return made


def _curve(row: TrialRecord) -> Curve:
    return {each.step: each.score for each in row.measurements}


def _early(row: TrialRecord) -> Curve:
    return {each.step: each.score for each in row.early}
