"""One arm of a study during a launch: how far it is, what is left of it, its best score."""

from __future__ import annotations

import heapq
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search_spaces.space import SearchSpace
from study.record.trials import ArmLedger, Entry
from study.spec.model import Arm
from study.trial import Outcome
from trainables.protocol import Measurement

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

    def note(self, score: float, number: int) -> None:
        """Takes in one score."""
        if math.isfinite(score) and (self.best is None or score < self.best[0]):
            self.best = (score, number)

    def take_in(self, entries: Sequence[Entry]) -> None:
        """Takes in every score that the record has."""
        for entry in entries:
            for score in entry.counted.values():
                self.note(score, entry.number)

    def look_for_best(self) -> None:
        """Looks for the lowest score anew: the one that was it has been replaced."""
        self.best = None
        self.take_in(self.ledger.entries())

    def lowest(self, count: int) -> set[int]:
        """The numbers of the trials with the lowest scores; of equals those with the lower numbers."""
        scored = ((score, n) for n, score in self.results.items() if math.isfinite(score))
        return {number for _, number in heapq.nsmallest(count, scored)}

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
    entries = ledger.entries()
    counts: dict[Outcome, int] = {}
    for entry in entries:
        if entry.outcome is not None:
            counts[entry.outcome] = counts.get(entry.outcome, 0) + 1
    state = ArmState(
        name=name,
        arm=arm,
        space=space,
        ledger=ledger,
        asked=len(entries),
        points=ledger.untried(arm.points),
        interrupted=deque(entry.number for entry in entries if entry.outcome is None),
        ended=[e.number for e in entries if e.outcome is not None],
        unpublished=[e.number for e in entries if e.outcome is not None and not e.published],
        counts=counts,
        any_ran=any(entry.scores for entry in entries),
        last_end=max((e.ended for e in entries if e.ended is not None), default=None),
    )
    state.take_in(entries)
    for entry in entries:
        if entry.outcome not in (None, Outcome.FAILED):
            state.results[entry.number] = min(entry.counted.values(), default=math.inf)
    _say_what_is_left_out(state)
    return state


def _say_what_is_left_out(state: ArmState) -> None:
    beyond = len(state.points) - max(0, state.arm.trials - state.asked)
    if beyond > 0:
        logger.warning(
            "arms.%s: %d of its points are not tried, as its budget is %d trials; raise arms.%s.trials",
            state.name,
            beyond,
            state.arm.trials,
            state.name,
        )
    strangers = state.ledger.strangers()
    if strangers:
        logger.warning(
            "arms.%s: the search learns from %d trials that another program added to the record; they are "
            "not counted as trials of the study, and not shown in MLflow",
            state.name,
            strangers,
        )


def bare(entry: Entry) -> tuple[Measurement, ...]:
    """The scores that the record has, for a trial whose folder is gone."""
    time_taken = entry.ended or entry.started
    return tuple(
        Measurement(step=step, score=score, time=time_taken)
        for step, score in sorted(entry.scores.items())
    )
