"""The judge of a launch: asks every rule that a spec has whether a trial ends at its newest evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.search.ahead import reason_to_give_up
from study.search.arm import ArmState
from study.search.stopping import reason_to_stop
from study.spec.model import Spec
from trainables.protocol import Measurement


class Judge:
    """All rules of one spec.

    Args:
        spec: The study.
        arms: Its arms, as far as they are.
    """

    def __init__(self, spec: Spec, arms: Mapping[str, ArmState]) -> None:
        self._rule, self._arms = spec.stopping.over(spec.settings.evaluations), arms
        self._last = spec.settings.steps
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
        whole = [curve for state in self._arms.values() for curve in state.whole.values()]
        if arm.best and (reason := reason_to_give_up(history, self._rule, whole, arm.best)):
            return reason
        if self._pruner and arm.ledger.should_prune(number):
            return f"{self._pruner.name} stopped it at step {step}"
        return None
