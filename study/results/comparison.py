"""The question a study asks: how much better is the best of one arm than the best of another?

Pure functions of a table of trials; the same table always gives the same answer. The error bars here say
how much the difference could vary had the searches drawn other trials. Whether the settings themselves
differ, over new seeds, is what a confirmation says (confirmation.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.results.resampling import Difference, best_of, difference
from study.trial import Outcome, TrialRecord, by_convention, compared_order, ranked

LEVEL = 0.95
"""Coverage of every interval."""

RESAMPLED = (
    "bootstrap over trials, exact: 95 % of what searches of as many trials, drawn with replacement "
    "from those made, would have found. It says how much luck in sampling may matter, not how the "
    "best settings differ from seed to seed; it takes trials as independent draws, which an adaptive "
    "sampler's are not; and best scores, having been chosen for being low, are optimistic"
)

FEWEST = 3
"""Trials an arm must have for an interval: resampling fewer would show next to no spread."""


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """What one arm found.

    Attributes:
        trials: Trials that ended, failed ones included.
        outcomes: How many ended in each way, and ``unfinished``.
        best: The trial with the lowest score, or None if none has a score.
        curve: Lowest score so far after each trial that ended, by number; None before the first.
    """

    trials: int
    outcomes: Mapping[str, int]
    best: TrialRecord | None
    curve: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "trials": self.trials,
            "best": None if self.best is None else self.best.to_json(),
            "curve": list(self.curve),
            "outcomes": dict(self.outcomes),
        }


@dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """How an arm compares with the first one of its study; negative is lower, which is better.

    Attributes:
        arms: The study's first arm and the one that is compared with it, called the second here.
        absolute: Best score of the second minus best score of the first, or None if one has none.
        relative: ``absolute`` over the first's best score, or None if that is not positive.
        interval: 95 % interval of the absolute difference, or None if it is not defined.
        probability: Share of resampled searches in which the second arm's best is the lower one.
        noise: Standard deviation of the difference from the scores' own sampling noise; 0 if unknown.
        method: One sentence on what the interval means.
    """

    arms: tuple[str, str]
    method: str
    absolute: float | None = None
    relative: float | None = None
    interval: tuple[float, float] | None = None
    probability: float | None = None
    noise: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "arms": list(self.arms),
            "absolute": self.absolute,
            "relative": self.relative,
            "interval": None if self.interval is None else list(self.interval),
            "level": LEVEL,
            "probability": self.probability,
            "noise": self.noise,
            "method": self.method,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arms of a study side by side.

    Attributes:
        study: Name of the study.
        score_name: Protocol of all its scores, or None while it has no trial.
        arms: Summary of each arm by name, in the order of the spec; if the study has a one-timescale
            and a two-timescale arm, these come first.
        differences: Each later arm against the first; empty for a study of one arm.
    """

    study: str
    score_name: str | None
    arms: Mapping[str, ArmSummary]
    differences: tuple[ArmDifference, ...]

    @property
    def difference(self) -> ArmDifference | None:
        """The second arm against the first, or None for a study of one arm."""
        return self.differences[0] if self.differences else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": self.study,
            "score_name": self.score_name,
            "arms": {name: summary.to_json() for name, summary in self.arms.items()},
            "difference": None if self.difference is None else self.difference.to_json(),
            "differences": [difference.to_json() for difference in self.differences],
        }


def compare(study: str, rows: Sequence[TrialRecord], arms: Sequence[str] = ()) -> Comparison:
    """Compares each arm of a study with the first one.

    Args:
        study: Name of the study.
        rows: Its trials, in any order, ended or not.
        arms: Names of its arms in the order of the spec, those without a trial included; arms that
            only the trials name follow by convention (one_timescale, two_timescale, the others).

    Raises:
        ValueError: The scores were taken by different protocols.
    """
    names = sorted({row.score_name for row in rows})
    if len(names) > 1:
        raise ValueError(
            f"study {study!r} has scores of different protocols ({', '.join(names)}), which must not "
            "be compared; give each protocol a study of its own"
        )
    order = compared_order([*arms, *by_convention({row.arm for row in rows})])
    grouped: dict[str, list[TrialRecord]] = {arm: [] for arm in order}
    for row in rows:
        grouped[row.arm].append(row)
    return Comparison(
        study=study,
        score_name=names[0] if names else None,
        arms={arm: summarise(found) for arm, found in grouped.items()},
        differences=tuple(
            arm_difference((order[0], arm), grouped[order[0]], grouped[arm]) for arm in order[1:]
        ),
    )


def summarise(rows: Sequence[TrialRecord]) -> ArmSummary:
    """What one arm found.

    Args:
        rows: Trials of one arm, in any order, ended or not.
    """
    ended = sorted((row for row in rows if row.outcome is not None), key=lambda row: row.number)
    best = ranked(ended)
    outcomes = Counter(str(row.outcome) for row in ended)
    counts = {str(outcome): outcomes[str(outcome)] for outcome in Outcome}
    return ArmSummary(
        trials=len(ended),
        outcomes=counts | {"unfinished": len(rows) - len(ended)},
        best=best[0] if best else None,
        curve=_curve(ended),
    )


def arm_difference(
    arms: tuple[str, str], first: Sequence[TrialRecord], second: Sequence[TrialRecord]
) -> ArmDifference:
    """The best of the second arm against the best of the first, with an interval by resampling.

    Args:
        arms: Names of the two.
        first: Trials of the first arm.
        second: Trials of the second arm.
    """
    one, two = ranked(first), ranked(second)
    if not one or not two:
        missing = arms[1] if one else arms[0]
        nothing = f"no trial of {missing} has ended with a score"
        return ArmDifference(arms=arms, method=nothing)
    base, other = one[0].objective, two[0].objective
    spread = _spread(first, second)
    tail = (1 - LEVEL) / 2
    return ArmDifference(
        arms=arms,
        absolute=other - base,
        relative=(other - base) / base if base > 0 else None,
        interval=None if spread is None else (spread.quantile(tail), spread.quantile(1 - tail)),
        probability=None if spread is None else spread.below_zero,
        noise=math.hypot(one[0].noise, two[0].noise),
        method=f"none: an arm has fewer than {FEWEST} trials" if spread is None else RESAMPLED,
    )


def _spread(first: Sequence[TrialRecord], second: Sequence[TrialRecord]) -> Difference | None:
    """The resampled difference of the bests, or None with too few trials to resample."""
    one, two = ([row.objective for row in rows if row.counts] for rows in (first, second))
    if min(len(one), len(two)) < FEWEST:
        return None
    return difference(best_of(one, len(one)), best_of(two, len(two)))


def _curve(ended: Sequence[TrialRecord]) -> tuple[float | None, ...]:
    """Lowest score so far; a trial that failed or has no score repeats the value before it."""
    curve: list[float | None] = []
    lowest = math.inf
    for row in ended:
        lowest = min(lowest, row.objective if row.counts else math.inf)
        curve.append(lowest if math.isfinite(lowest) else None)
    return tuple(curve)
