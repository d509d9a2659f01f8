"""The difference of two finalists over fresh seeds, and what it says of their arms."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from study.results.difference import Finding, finding, listed
from study.results.levels import NothingLearnt
from study.results.looks import level_of_look

WELCH = "Welch's t interval of the difference of means over seeds"
RANKS = "rank test (Mann-Whitney) over all seeds, those without a score last; without an interval of means"
SAME = "the two finalists are one setting, and their runs the same"
CHOSEN = ", over the seeds that had no part in choosing the finalist"
"""What the certainty of a confirmation rests on."""

AT_STEP = "at the step at which the search's trial had its lowest score"
LOWEST = "at each run's lowest evaluation"
"""Where runs are read."""


@dataclass(frozen=True, kw_only=True)
class SeedDifference:
    """The best finalist of a later arm against that of the first.

    Attributes:
        arms: The study's first arm, and the one that is compared with it; None if there is only one.
        finding: What it comes to.
        numbers: The trials that the two finalists were.
        seeds: Runs of each that are compared.
        without: Those of them that have no score.
        means: Mean of each, or median if a run has no score; None if that is not finite.
        absolute: The second's minus the first's; None if one is not finite.
        interval: Interval of ``absolute`` at ``level``; None for fewer than two scores on a side, or a run
            without.
        p_value: Of the rank test over all runs, two-sided; None without runs.
        lower: Share of pairs of runs in which the second's is lower.
        method: What the certainty rests on.
        nothing: Why the two are not compared, if a finalist has learnt nothing yet.
        read: Where each run is read.
        steps: The steps at which they are read; None at each run's lowest evaluation.
        room: The part by which the best of each arm may score lower than its finalist, as far as the search
            tells; None if that is not known.
        look: Which look at the runs this is, from 1; the more often, the surer it must tell.
        kept: What an earlier look at these two finalists has found, where this one alone could not tell: all
            looks together err seldom, so what one of them has found stays found.
        lowest: The same finalists at each run's lowest evaluation, which flatters; None if that is ``read``.
        trained: Generator updates of the runs; None if they are as long as the search's.
        same: Whether the two are one setting with the same runs, so that there is no difference.
    """

    arms: tuple[str, str] | None
    finding: Finding = Finding.NONE
    numbers: tuple[int, int] | None = None
    seeds: tuple[int, int] = (0, 0)
    without: tuple[int, int] = (0, 0)
    means: tuple[float | None, float | None] = (None, None)
    absolute: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    lower: float | None = None
    method: str = WELCH
    nothing: NothingLearnt | None = None
    read: str = LOWEST
    steps: tuple[int, int] | None = None
    room: tuple[float, float] | None = None
    look: int = 1
    kept: SeedDifference | None = None
    lowest: SeedDifference | None = None
    trained: int | None = None
    same: bool = False

    def keeping(self, earlier: SeedDifference) -> SeedDifference:
        """The same with what an earlier look has found, if this one cannot tell and points to no other."""
        signs = {Finding.LOWER: -1, Finding.HIGHER: 1}
        sign = signs.get(earlier.finding)
        same = (self.arms, self.numbers, self.steps) == (
            earlier.arms,
            earlier.numbers,
            earlier.steps,
        )
        if self.finding is not Finding.OPEN or sign is None or not same:
            return self
        if self.absolute is not None and self.absolute * sign < 0:
            return self
        return replace(self, finding=earlier.finding, kept=earlier)

    def with_room(self, room: tuple[float, float]) -> SeedDifference:
        """The same, with the room that the search leaves below each finalist."""
        kept = self.kept and replace(self.kept, room=room)
        return replace(self, room=room, kept=kept)

    @property
    def level(self) -> float:
        """Coverage of its intervals; by its complement it tells."""
        return level_of_look(self.look)

    @property
    def relative(self) -> float | None:
        """``absolute`` over the first's mean, or None if that is not positive."""
        base = self.means[0]
        return self.absolute / base if self.absolute is not None and base and base > 0 else None

    @property
    def relative_interval(self) -> tuple[float, float] | None:
        """``interval`` over the first's mean, or None if that is not positive."""
        base = self.means[0]
        if self.interval is None or not base or base <= 0:
            return None
        return self.interval[0] / base, self.interval[1] / base

    @property
    def arms_interval(self) -> tuple[float, float] | None:
        """``relative_interval``, widened by ``room``: of the difference of the arms' best settings.

        Its upper end is infinite if the first arm may hide any lower score (games come down to 1e-120).
        """
        if self.relative_interval is None or self.room is None:
            return None
        (low, high), (one, two) = self.relative_interval, self.room
        return (1 + low) * (1 - two) - 1, (1 + high) / (1 - one) - 1 if one < 1 else math.inf

    @property
    def arms_finding(self) -> Finding:
        """What it comes to for the arms; that of the finalists if it is not known what the arms may hide."""
        interval, relative = self.arms_interval, self.relative
        if interval is None or relative is None or self.finding is Finding.NONE:
            return self.finding
        now = finding(relative, interval)
        return self.kept.arms_finding if self.kept and now is Finding.OPEN else now

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        known = asdict(self)
        del known["nothing"]
        return known | {
            "arms": None if self.arms is None else list(self.arms),
            "finding": str(self.finding),
            "numbers": listed(self.numbers),
            "seeds": list(self.seeds),
            "without": list(self.without),
            "means": list(self.means),
            "interval": listed(self.interval),
            "level": self.level,
            "unlearnt": [] if self.nothing is None else list(self.nothing.arms),
            "relative": self.relative,
            "relative_interval": listed(self.relative_interval),
            "steps": listed(self.steps),
            "room": listed(self.room),
            "arms_interval": listed(self.arms_interval),
            "arms_finding": str(self.arms_finding),
            "kept": None if self.kept is None else self.kept.to_json(),
            "lowest": None if self.lowest is None else self.lowest.to_json(),
        }
