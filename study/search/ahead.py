"""Looking ahead along a curve: whether a trial will still be the best, by the gains of whole trials.

Two rules ask that. ``ahead`` stops a trial whose chance to beat the best of its arm is below a limit.
``worth`` weighs that chance: against the steps that stopping saves, and by how likely a best trial of now is
to be the best in the end. If trials come in any order, the best one of the first n is the best one of all N
with a chance of n / N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from study.spec.parts import Stopping
from study.surface.gains import Curve, gains
from trainables.levels import Levels
from trainables.protocol import Measurement

FEWEST = {"ahead": 10, "worth": 5}
"""Whole trials, of all arms together, before a rule stops any for what they came to."""


@dataclass(frozen=True)
class Stake:
    """What is lost and what is saved where a trial is stopped.

    Attributes:
        left: The steps that it has left, as a share of those that it has left at its first evaluation, > 0.
        place: Its place in its arm, from 1.
        trials: How many trials its arm is to have, at least as many.
    """

    left: float
    place: int
    trials: int


@dataclass(frozen=True)
class Early:
    """What early evaluations of a trial are judged by, as they tell none of it themselves.

    Attributes:
        whole: The early evaluations of the whole trials, in the order of their curves.
        levels: What scores can be seen against.
    """

    whole: Sequence[Curve]
    levels: Levels


def reason_to_give_up(
    history: Sequence[Measurement],
    rule: Stopping,
    whole: Sequence[Curve],
    best: tuple[float, int],
    stake: Stake,
    early: Early | None = None,
) -> str | None:
    """Judges by its newest evaluation whether a trial will still be the best of its arm.

    With ``ahead`` it is stopped if, as whole trials' curves have it, the probability to beat the best is
    below the rule's ``chance``; with ``worth`` if that, times ``place / trials``, is below ``chance`` times
    ``left``. It is not while fewer than :data:`FEWEST` whole trials were evaluated there, nor while the best
    score is not clearly below the ceiling: nothing was learnt yet that would have to be beaten.

    Args:
        history: All evaluations so far, in order; all of them scores, or all of them early ones.
        rule: The spec's rule.
        whole: Curves of the whole trials of all arms, by the same protocol of the score.
        best: The lowest score of the trial's arm, and its trial's number.
        stake: What is lost and saved; of ``worth``.
        early: Of early evaluations; None: they are scores.

    Returns:
        One sentence on why the trial stops, or None if it goes on.
    """
    if rule.rule not in FEWEST or not history:
        return None
    own, last = min(history, key=lambda m: m.score), history[-1].step
    lowest, number = best
    levels, seen = (Levels.of(own.metrics), None) if early is None else (early.levels, early.whole)
    if not levels.learnt(lowest, own.noise) or not _behind(own, lowest, whole, seen):
        return None
    found = gains(last, whole, own.noise / own.score, seen)
    chance, limit, what = found.chance(own.score, lowest), rule.limit, "below the best"
    if rule.rule == "worth":
        # The best of so many trials stays the best of all only so often; and few steps left save little.
        chance, limit = chance * stake.place / stake.trials, limit * stake.left
        what = f"lowest of {stake.trials} trials"
    if found.whole < FEWEST[rule.rule] or chance >= limit:
        return None
    expected = own.score * math.exp(found.mean)
    mine = f"{'its lowest' if early is None else 'its lowest early evaluation'} by step {last}"
    of = f", times {stake.left:.2g} for the steps left" if rule.rule == "worth" else ""
    return (
        f"it would not beat {lowest:.6g} of trial {number}: {mine}, {own.score:.6g}, "
        f"would come to about {expected:.4g} as in {found.whole} whole trials, and {what} with a "
        f"chance of {100 * chance:.2g} % (stopping.chance is {100 * rule.limit:g} %{of})"
    )


def _behind(
    own: Measurement, lowest: float, whole: Sequence[Curve], early: Sequence[Curve] | None
) -> bool:
    """Whether a trial has yet to reach the lowest score, and all that is compared has a logarithm."""
    if early is None and own.score <= lowest:  # an early evaluation is not a score, however low
        return False
    every = (score for curve in (*whole, *(early or ())) for score in curve.values())
    return min(lowest, own.score) > 0 and all(score > 0 for score in every)
