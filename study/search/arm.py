"""One arm of a study during a launch: how far it is, what is left of it, its best score."""

from __future__ import annotations

import heapq
import logging
import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search_spaces.space import SearchSpace
from study.record.trials import ArmLedger
from study.spec.parts import Arm
from study.trial import Outcome, TrialRecord
from trainables.counting import counted
from trainables.protocol import by_step

logger = logging.getLogger(__name__)


@dataclass
class ArmState:
    """One arm during a launch."""

    name: str
    arm: Arm
    space: SearchSpace
    ledger: ArmLedger
    asked: int
    interrupted: deque[int]
    half_asked: frozenset[int]
    """Those that were cut off before they had all parameters."""
    points: deque[Mapping[str, Any]]
    """The spec's points that were not tried yet."""
    ended: list[int]
    unpublished: list[int]
    counts: dict[Outcome, int] = field(default_factory=dict)
    last_end: float | None = None
    any_ran: bool = False
    """Whether any trial was evaluated in an earlier launch."""
    best: tuple[float, int] | None = None
    """The lowest score so far, in all launches, and the number of its trial."""
    results: dict[int, float] = field(default_factory=dict)
    """The lowest score of every trial that ended and did not fail, by its number; infinity without one."""

    whole: dict[int, dict[int, float]] = field(default_factory=dict)
    """The scores by step of every trial that made all its steps, by its number."""
    early: dict[int, dict[int, float]] = field(default_factory=dict)
    """Their early evaluations."""

    def note(self, score: float, number: int) -> None:
        """Takes in one score."""
        if math.isfinite(score) and (self.best is None or score < self.best[0]):
            self.best = (score, number)

    def take_in(self, trials: Sequence[TrialRecord]) -> None:
        """Takes in the lowest score of each trial."""
        for trial in trials:
            self.note(trial.objective, trial.number)

    def look_for_best(self) -> None:
        """Looks for the lowest score anew: the one that was it has been replaced."""
        self.best = None
        self.take_in(self.ledger.trials())

    def lowest(self, count: int) -> set[int]:
        """The numbers of the trials with the lowest scores; of equals those with the lower numbers."""
        scored = ((score, n) for n, score in self.results.items() if math.isfinite(score))
        return {number for _, number in heapq.nsmallest(count, scored)}

    @property
    def cut_off(self) -> list[int]:
        """The trials that ran, were cut off and have not been taken up again."""
        return [number for number in self.interrupted if number not in self.half_asked]

    @property
    def left(self) -> int:
        """Trials still to be handed out."""
        return len(self.interrupted) + max(0, self.arm.trials - self.asked)

    @property
    def done(self) -> int:
        """Trials that have ended, in all launches."""
        return sum(self.counts.values())

    @property
    def finished(self) -> bool:
        """Whether as many trials have ended as the budget asks for."""
        return self.done >= self.arm.trials

    @property
    def share(self) -> float:
        """Share of the budget that was handed out; the arm with the least is served next."""
        return (self.asked - len(self.interrupted)) / max(1, self.arm.trials)


def arm_state(name: str, arm: Arm, ledger: ArmLedger) -> ArmState:
    """The state of an arm as the record has it."""
    space = arm.build()
    ledger.queue(space)
    trials, half = ledger.trials(), ledger.half_asked()
    ended = [trial for trial in trials if trial.outcome is not None]
    cut_off = [trial.number for trial in trials if trial.outcome is None]
    state = ArmState(
        name=name,
        arm=arm,
        space=space,
        ledger=ledger,
        asked=len(trials) + len(half),
        points=ledger.untried(arm.points),
        interrupted=deque(sorted([*cut_off, *half])),
        half_asked=frozenset(half),
        ended=[trial.number for trial in ended],
        unpublished=[trial.number for trial in ended if not trial.published],
        counts=Counter(trial.outcome for trial in ended if trial.outcome is not None),
        any_ran=any(trial.measurements or trial.early for trial in trials),
        last_end=max((t.ended for t in trials if t.ended is not None), default=None),
        whole={t.number: by_step(t.measurements) for t in ended if t.outcome is Outcome.COMPLETE},
        early={t.number: by_step(t.early) for t in ended if t.outcome is Outcome.COMPLETE},
        results={trial.number: trial.objective for trial in ended if trial.counts},
    )
    state.take_in(trials)
    _say_what_is_left_out(state)
    return state


def _say_what_is_left_out(state: ArmState) -> None:
    beyond = len(state.points) - max(0, state.arm.trials - state.asked)
    if beyond > 0:
        logger.warning(
            "arms.%s: %s not tried, as its budget is %s; raise arms.%s.trials",
            state.name,
            counted(beyond, "points"),
            counted(state.arm.trials, "trials"),
            state.name,
        )
    strangers = state.ledger.strangers()
    if strangers:
        logger.warning(
            "arms.%s: the search learns from %s that another program added to the record; what is "
            "added so is not counted as a trial of the study, and not shown in MLflow",
            state.name,
            counted(strangers, "trials"),
        )
