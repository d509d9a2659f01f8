"""The difference of two arms' best settings, as a surface of all their trials has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.counting import counted
from trainables.protocol import ParameterValue

if TYPE_CHECKING:
    from study.results.levels import NothingLearnt
    from study.surface.observations import Array
    from study.surface.surface import Surface

LEVEL = 0.95
"""Coverage of every interval."""

MARGIN = 0.02
"""Practical equivalence: best scores that differ by less than this part are called equal."""

FOUND_TAIL, HIDDEN_TAIL = 0.05, 0.025
"""Probability that is left out at each end of an interval: of the difference of the settings found, and of
that of the optima, wherever these are. The interval spans both; what it covers is measured (benchmarks)."""

MOST = 300.0
"""The largest logarithm of a ratio that is told; games have scores of 1e-120 beside those of 1."""

GAINS = (0.0, 0.05, 0.1)
"""Parts by which the second arm may be lower, whose probabilities are told."""

SURFACE = (
    "95 % interval from the posterior of one surface for all trials{fresh}: a Gaussian process on the "
    "logarithm of the score over {axes}, its hyperparameters averaged. The estimate and the probabilities "
    "are of the two settings at which the surface is lowest{tried}; the interval also covers what each "
    "arm may hide where little was tried. A difference below {margin:.0%} counts as none"
)
"""What an interval is."""

TRIED = ", of those that were tried, since trials diverged"
"""What is added where the surface falls up to an edge that it does not know."""

FORECAST = "; {stopped} taken at what whole trials would have come to"
"""What is added where trials were stopped."""

APART = "; trials with other further parameters are told apart"
"""What is added where arms differ in what they sample."""


class Finding(StrEnum):
    """What a comparison of two arms came to."""

    LOWER = "lower"
    """The second arm's best setting has a lower score."""
    HIGHER = "higher"
    """It has a higher one."""
    EQUAL = "equal"
    """The two differ by less than the margin."""
    OPEN = "open"
    """The trials cannot tell."""
    NONE = "none"
    """There is nothing to tell it from: too few trials, no scores, scores that are not positive."""


@dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """How an arm compares with the first one of its study; negative is lower, which is better.

    Attributes:
        arms: The study's first arm and the one that is compared with it, called the second here.
        method: One sentence on what the interval means, or why there is none.
        finding: What it comes to.
        absolute: Score at the second's best setting minus that at the first's: the surface's, or, without
            one, of the lowest scores seen; None if an arm has no score.
        relative: ``absolute`` over the first's, or None if that is not positive.
        interval: 95 % interval of the difference of the best scores, or None without a surface.
        relative_interval: The same as a part of the first's score.
        probability: That the second's best setting has the lower score; None without a surface.
        gains: Probability that it is lower by more than such a part, by the part in percent.
        noise: Standard deviation of the difference of the lowest scores seen from the scores' own sampling
            noise; 0 if unknown.
        seen: Lowest score of the second minus lowest score of the first, or None if one has none.
        trials: Trials of the two arms that count.
        repeats: Runs of a confirmation that the surface knows as well, of settings of the two.
        scores: Expected scores at the best settings of the first and the second; None without a surface.
        margin: Part below which a difference counts as none.
        next_arm: The arm whose next trial would tell most.
        next_setting: The parameters of that trial.
        nothing: Why the two are not compared, if an arm has learnt nothing yet.
        few: Why the study is too small for an answer, whatever its numbers are; empty if it is not.
    """

    arms: tuple[str, str]
    method: str
    finding: Finding = Finding.NONE
    absolute: float | None = None
    relative: float | None = None
    interval: tuple[float, float] | None = None
    relative_interval: tuple[float, float] | None = None
    probability: float | None = None
    gains: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.0
    seen: float | None = None
    trials: int = 0
    repeats: int = 0
    scores: tuple[float, float] | None = None
    margin: float = MARGIN
    next_arm: str | None = None
    next_setting: Mapping[str, ParameterValue] | None = None
    nothing: NothingLearnt | None = None
    few: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "arms": list(self.arms),
            "absolute": self.absolute,
            "relative": self.relative,
            "interval": listed(self.interval),
            "level": LEVEL,
            "probability": self.probability,
            "noise": self.noise,
            "method": self.method,
            "finding": str(self.finding),
            "relative_interval": listed(self.relative_interval),
            "gains": dict(self.gains),
            "seen": self.seen,
            "trials": self.trials,
            "repeats": self.repeats,
            "scores": listed(self.scores),
            "margin": self.margin,
            "next": None
            if self.next_setting is None
            else {"arm": self.next_arm, "setting": dict(self.next_setting)},
            "more": None,  # a number of trials once, which simulated studies did not bear out
            "unlearnt": [] if self.nothing is None else list(self.nothing.arms),
            "few": self.few,
        }


def difference(surface: Surface, arms: tuple[str, str]) -> ArmDifference:
    """The difference of two arms' best settings by a surface.

    Args:
        surface: Of their trials, and perhaps those of further arms.
        arms: The first and the second.
    """
    logs = [surface.draws[:, surface.found(arm)] for arm in arms]
    one, two = map(np.exp, logs)
    best = [surface.optima(arm) for arm in arms]
    best_one, best_two = map(np.exp, best)
    # By logarithms: those of games come down to where a score itself is rounded to 0.
    parts = _relative(*logs)
    axes = ", ".join(axis.name for axis in surface.plane.axes) or "no parameter"
    repeats = sum(row.arm in arms for row in surface.repeats)
    fresh = " and their finalists' fresh seeds" if repeats else ""
    tried = "" if surface.known.all() else TRIED
    relative = _interval(parts, _relative(*best))
    absolute, centre = float(np.median(two - one)), float(np.median(one))
    return ArmDifference(
        arms=arms,
        method=SURFACE.format(axes=axes, margin=MARGIN, fresh=fresh, tried=tried)
        + _forecast(sum(row.arm in arms for row in surface.forecast))
        + ("" if surface.common else APART),
        finding=finding(float(np.median(parts)), relative),
        absolute=absolute,
        relative=float(np.median(parts)),
        interval=_interval(two - one, best_two - best_one),
        relative_interval=relative,
        probability=float((parts < 0).mean() + (parts == 0).mean() / 2),
        gains={f"{gain * 100:g}": float((parts < -gain).mean()) for gain in GAINS},
        scores=(centre, float(np.median(two))),
        repeats=repeats,
    )


def _forecast(stopped: int) -> str:
    return FORECAST.format(stopped=counted(stopped, "stopped trials")) if stopped else ""


def finding(relative: float, interval: tuple[float, float]) -> Finding:
    """What a difference and its interval, as parts of the first arm's score, come to."""
    low, high = interval
    if max(abs(low), abs(high)) <= MARGIN:
        return Finding.EQUAL
    if (low <= 0 <= high) or abs(relative) <= MARGIN:
        return Finding.OPEN
    return Finding.LOWER if relative < 0 else Finding.HIGHER


def _relative(one: Array, two: Array) -> Array:
    """The difference of scores over the first, from their logarithms."""
    part: Array = np.expm1(np.minimum(two - one, MOST))
    return part


def _interval(found: Array, optima: Array) -> tuple[float, float]:
    """From the lowest to the highest end of the two intervals."""
    ends = [
        np.quantile(draws, (tail, 1 - tail))
        for draws, tail in ((found, FOUND_TAIL), (optima, HIDDEN_TAIL))
    ]
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def listed(pair: tuple[float, float] | None) -> list[float] | None:
    """Two numbers as JSON has them; None if there are none, or one is not finite."""
    return None if pair is None or not all(map(math.isfinite, pair)) else list(pair)
