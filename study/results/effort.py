"""The cost of two arms: whether their budgets are equal, what stopping saved, which was there first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from study.trial import Outcome, TrialRecord, ranked
from trainables.counting import counted


@dataclass(frozen=True, kw_only=True)
class Reached:
    """When an arm had a score as low as the other's lowest.

    Attributes:
        trials: Trials that it had made, by number.
        seconds: Their training and evaluation time.
        steps: Their generator updates up to their last evaluations; None if that is not known of all.
    """

    trials: int
    seconds: float
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What two arms cost.

    Attributes:
        arms: The study's first arm and the one that is compared with it.
        trials: Trials of each that have ended.
        seconds: Their training and evaluation time.
        stopped: How many of them the stopping rule or the pruner ended.
        saved: About the time that this saved: what a whole trial of the arm takes on average, less what was
            taken; None if no trial of the arm was whole.
        reached: When each had a score as low as the other's lowest; None if it never had.
    """

    arms: tuple[str, str]
    trials: tuple[int, int]
    seconds: tuple[float, float]
    stopped: tuple[int, int]
    saved: tuple[float | None, float | None]
    reached: tuple[Reached | None, Reached | None]

    @property
    def equal(self) -> bool:
        """Whether both have had as many trials."""
        return self.trials[0] == self.trials[1]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "arms": list(self.arms),
            "equal": self.equal,
            "trials": list(self.trials),
            "seconds": list(self.seconds),
            "stopped": list(self.stopped),
            "saved_seconds": list(self.saved),
            "reached": [None if each is None else asdict(each) for each in self.reached],
        }

    def __str__(self) -> str:
        """One line of sentences."""
        return " ".join([self._budgets(), *self._stopping(), *self._first()])

    def _budgets(self) -> str:
        (first, second), (one, two) = self.arms, self.trials
        took = "{:.0f} s and {:.0f} s of training".format(*self.seconds)
        if self.equal:
            return f"Both arms had {counted(one, 'trials')} ({took})."
        return f"The budgets are not equal: {first} had {counted(one, 'trials')}, {second} {two} ({took})."

    def _stopping(self) -> list[str]:
        stopped, known = sum(self.stopped), [part for part in self.saved if part is not None]
        if not stopped:
            return []
        saved = f" and saved about {sum(known):.0f} s" if known and sum(known) >= 1 else ""
        return [f"Stopping early ended {stopped} of {counted(sum(self.trials), 'trials')}{saved}."]

    def _first(self) -> list[str]:
        if self.reached == (None, None):
            return []  # an arm without a score: of two with scores the lower one has the other's
        said = []
        pairs = zip(self.arms, self.arms[::-1], self.reached, strict=True)
        for arm, other, when in pairs:
            if when is None:
                said.append(f"{arm} never reached {other}'s lowest score.")
            else:
                steps = "" if when.steps is None else f"{when.steps:,} steps, "
                count = counted(when.trials, "trials")
                said.append(
                    f"{arm} reached {other}'s lowest score after {count} ({steps}{when.seconds:.0f} s)."
                )
        return said


def effort(
    arms: tuple[str, str], first: Sequence[TrialRecord], second: Sequence[TrialRecord]
) -> Effort:
    """What two arms cost.

    Args:
        arms: Their names.
        first: Trials of the first, in any order.
        second: Trials of the second.
    """
    ended = [[row for row in rows if row.outcome is not None] for rows in (first, second)]
    one, two = ended
    return Effort(
        arms=arms,
        trials=(len(one), len(two)),
        seconds=(_seconds(one), _seconds(two)),
        stopped=(_stopped(one), _stopped(two)),
        saved=(_saved(one), _saved(two)),
        reached=(_reached(one, two), _reached(two, one)),
    )


def _seconds(rows: Sequence[TrialRecord]) -> float:
    return sum(row.seconds for row in rows)


def _stopped(rows: Sequence[TrialRecord]) -> int:
    return sum(row.outcome is Outcome.STOPPED for row in rows)


def _saved(rows: Sequence[TrialRecord]) -> float | None:
    whole = [row.seconds for row in rows if row.outcome is Outcome.COMPLETE]
    if not whole:
        return None
    mean = sum(whole) / len(whole)
    return sum(max(0.0, mean - row.seconds) for row in rows if row.outcome is Outcome.STOPPED)


def _reached(mine: Sequence[TrialRecord], other: Sequence[TrialRecord]) -> Reached | None:
    best = ranked(other)
    if not best:
        return None
    made = sorted(mine, key=lambda row: row.number)
    for count, row in enumerate(made, start=1):
        if row.counts and row.objective <= best[0].objective:
            steps = [each.end_step for each in made[:count]]
            known = sum(step for step in steps if step is not None)
            return Reached(
                trials=count,
                seconds=sum(each.seconds for each in made[:count]),
                steps=None if None in steps else known,
            )
    return None
