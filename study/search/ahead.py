"""Looking ahead along a curve: whether a trial will still beat the best, by the gains of whole trials."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.spec.parts import Stopping
from study.surface.gains import Curve, gains
from trainables.levels import Levels
from trainables.protocol import Measurement

FEWEST = 10
"""Whole trials, of all arms together, before any is stopped for what they came to."""


def reason_to_give_up(
    history: Sequence[Measurement], rule: Stopping, whole: Sequence[Curve], best: tuple[float, int]
) -> str | None:
    """Judges by its newest evaluation whether a trial will still beat the best of its arm.

    It is stopped if, as the whole trials' curves have it, the probability of that is below the rule's
    ``chance``. It is not while fewer than :data:`FEWEST` whole trials were evaluated there, and not while
    the best score is not clearly below the ceiling: nothing was learnt yet that would have to be beaten.

    Args:
        history: All evaluations so far, in order.
        rule: The spec's rule.
        whole: Curves of the whole trials of all arms, by the same protocol of the score.
        best: The lowest score of the trial's arm, in any trial, and that trial's number.

    Returns:
        One sentence on why the trial stops, or None if it goes on.
    """
    if rule.rule != "ahead" or not history:
        return None
    own, last = min(history, key=lambda m: m.score), history[-1].step
    lowest, number = best
    if own.score <= lowest or not Levels.of(own.metrics).learnt(lowest, own.noise):
        return None
    if lowest <= 0 or any(score <= 0 for curve in whole for score in curve.values()):
        return None  # not a distance: there is no logarithm to take
    found = gains(last, whole, own.noise / own.score)
    chance = found.chance(own.score, lowest)
    if found.whole < FEWEST or chance >= rule.chance:
        return None
    expected = own.score * math.exp(found.mean)
    return (
        f"it would not beat {lowest:.6g} of trial {number}: its lowest by step {last}, {own.score:.6g}, "
        f"would come to about {expected:.4g} as in {found.whole} whole trials, and below the best with a "
        f"chance of {100 * chance:.2g} % (stopping.chance is {100 * rule.chance:g} %)"
    )
