"""The stopping rule: a trial ends before its last step if its score rises or collapses.

A pure function of the trial's own history, so that it gives the same answer after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from study.spec.parts import Stopping
from trainables.levels import Levels
from trainables.protocol import Measurement


def reason_to_stop(history: Sequence[Measurement], rule: Stopping) -> str | None:
    """Judges the newest evaluation of a trial.

    An evaluation has *risen* if its score lies above the best one before it by more than ``min_delta``
    times the score's noise. A trial stops when, after the warm-up, its last ``patience`` evaluations
    have all risen: a curve that dips back (48.7, 84, 56 has been seen) is given that time. It stops
    at once when its score is more than ``collapse`` times the best one (scores are distances, >= 0).

    While the best score is not clearly below what noise scores (the ceiling, where it is known), nothing was
    learnt yet that could be lost: such scores rise and fall for no reason, and a rise ends no trial.

    Args:
        history: All evaluations so far, in order; the warm-up ones count for the best score.
        rule: The spec's rule; what it does not say is as for trials of few evaluations
            (:meth:`study.spec.parts.Stopping.over`).

    Returns:
        One sentence on why the trial stops, or None if it goes on.
    """
    rule = rule.over(0)
    warmup, patience = rule.warmup or 0, rule.patience or 1
    if rule.rule == "none" or len(history) <= warmup or len(history) < 2:
        return None
    newest = history[-1]
    best = min(history[:-1], key=lambda m: m.score)
    if rule.collapse is not None and best.score > 0 and newest.score > rule.collapse * best.score:
        return (
            f"the score collapsed: {newest.score:.6g} at step {newest.step} is more than "
            f"{rule.collapse:g} times the best, {best.score:.6g} at step {best.step}"
        )
    learnt = Levels.of(newest.metrics).learnt(best.score, best.noise)
    if (
        learnt
        and len(history) > patience
        and all(
            _risen(history, index, rule.min_delta)
            for index in range(len(history) - patience, len(history))
        )
    ):
        return (
            f"the score rose: {patience} evaluations in a row lie above "
            f"{best.score:.6g} of step {best.step}"
        )
    return None


def _risen(history: Sequence[Measurement], index: int, min_delta: float) -> bool:
    best = min(history[:index], key=lambda m: m.score)
    noise = max(history[index].noise, best.noise)
    return history[index].score > best.score + min_delta * noise
