"""The stopping rule: a trial ends early if its score rises or collapses; and the judge of all rules.

The rule is a pure function of the trial's own history, so that it gives the same answer after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.search.ahead import Early, Stake, reason_to_give_up
from study.search.arm import ArmState
from study.spec.model import Spec
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


class Judge:
    """All rules of one spec.

    Args:
        spec: The study.
        arms: Its arms, as far as they are.
    """

    def __init__(self, spec: Spec, arms: Mapping[str, ArmState]) -> None:
        self._rule, self._arms = spec.stopping.over(spec.settings.evaluations), arms
        self._first, self._last = spec.settings.evaluate_every, spec.settings.steps
        self._pruner = spec.stopping.pruner

    def reason(self, arm: ArmState, number: int, history: Sequence[Measurement]) -> str | None:
        """Why a trial ends at its newest evaluation; None if it goes on, or is at its end anyway.

        Args:
            arm: Its arm, which knows of this evaluation.
            number: Its number.
            history: All its evaluations so far, in order.
        """
        step = history[-1].step
        if step >= self._last:
            return None
        if reason := reason_to_stop(history, self._rule):
            return reason
        # What compares trials changes as others end. While a trial that was cut off hands out its history
        # again, earlier evaluations are not asked about: they were judged, or will be by the newest.
        if not arm.ledger.is_newest(number, step):
            return None
        if reason := self._ahead(arm, number, history):
            return reason
        if self._pruner and arm.ledger.should_prune(number):
            return f"{self._pruner.name} stopped it at step {step}"
        return None

    def early(
        self, arm: ArmState, number: int, history: Sequence[Measurement], levels: Levels
    ) -> str | None:
        """Why a trial ends at an early evaluation; None if it goes on.

        Only what looks ahead judges these. A trial whose early evaluations rise or collapse may have been
        better than any before, and has no score yet.

        Args:
            arm: Its arm.
            number: Its number.
            history: Its early evaluations so far, in order.
            levels: What the study's scores can be seen against.
        """
        if not arm.ledger.is_newest(number, history[-1].step):
            return None
        early = [curve for state in self._arms.values() for curve in state.early.values()]
        return self._ahead(arm, number, history, Early(early, levels))

    def _ahead(
        self,
        arm: ArmState,
        number: int,
        history: Sequence[Measurement],
        early: Early | None = None,
    ) -> str | None:
        if arm.best is None:
            return None
        whole = [curve for state in self._arms.values() for curve in state.whole.values()]
        left = (self._last - history[-1].step) / (self._last - self._first)
        stake = Stake(left, number + 1, max(arm.arm.trials, number + 1))
        return reason_to_give_up(history, self._rule, whole, arm.best, stake, early)
