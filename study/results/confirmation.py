"""The comparison of a confirmation: every finalist's mean over seeds, and how sure the difference is.

Pure functions of the trials of a study ``NAME.confirm`` (see driver/confirm.py). Every seed counts: a run
without a score is worse than any with one. Where an arm has several finalists, some of their seeds choose
among them and the others are compared: whoever chose would flatter his choice.

A run is read at the step at which the search's trial had its lowest score: it is fixed before the run begins.
The lowest of a run's own evaluations flatters, the more so the noisier they are; it is told beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from study.results.difference import Finding, finding
from study.results.levels import Judged, NothingLearnt, nothing_learnt
from study.results.looks import level_of_look, place_of_look, runs_of_look
from study.results.retrained import Finalist, Steps, finalist_of
from study.results.seed_difference import (
    AT_STEP,
    CHOSEN,
    LOWEST,
    RANKS,
    SAME,
    WELCH,
    SeedDifference,
)
from study.results.seeds import Runs, chosen, compared, variance, worth
from study.trial import TrialRecord, by_convention, compared_order
from trainables.levels import lowest


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Every finalist, and the best one of each later arm against that of the first.

    Attributes:
        study: The study that was confirmed.
        score_name: Protocol of the scores.
        finalists: By arm, then by mean score.
        differences: Each later arm against the first; empty if there is only one.
        steps: Generator updates of its trials; None if they are as long as the search's.
        look: Which look at its runs this is, from 1.
        rows: The trials that it was made of, with as much of their evaluations as was known.
    """

    study: str
    score_name: str
    finalists: tuple[Finalist, ...]
    differences: tuple[SeedDifference, ...]
    steps: int | None = None
    look: int = 1
    rows: tuple[TrialRecord, ...] = field(default=(), repr=False, compare=False)

    @property
    def difference(self) -> SeedDifference:
        """The second arm against the first."""
        return self.differences[0] if self.differences else SeedDifference(arms=None)

    @property
    def numbers(self) -> dict[str, int]:
        """The finalist of each arm that is compared, by the number of the trial that it was."""
        found: dict[str, int] = {}
        for each in self.differences:
            if each.arms and each.numbers:
                found |= zip(each.arms, each.numbers, strict=True)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": self.study,
            "score_name": self.score_name,
            "steps": self.steps,
            "look": self.look,
            "finalists": [finalist.to_json() for finalist in self.finalists],
            "difference": self.difference.to_json(),
            "differences": [difference.to_json() for difference in self.differences],
        }


def confirmation(
    study: str,
    rows: Sequence[TrialRecord],
    arms: Sequence[str] = (),
    steps: Steps | None = None,
    looked: Sequence[int] = (),
) -> Confirmation | None:
    """Summarises the rows of a confirming study; None without a row that has ended.

    Args:
        study: The study that was confirmed.
        rows: The rows of its confirming study.
        arms: The arms of the study that was confirmed, in the order in which they are compared; others
            follow by convention.
        steps: Where the runs of each finalist are read; the rows must have all their evaluations then. Where
            a finalist's is not known, those of its pair are read at their lowest.
        looked: How many rows there were each time that the confirming study had come to its end.
    """
    found = _at_look(study, rows, arms, steps, place_of_look(looked, len(rows)))
    if found is None:
        return None
    started = [row.started for row in rows]
    for place, runs in enumerate(sorted({runs for runs in looked if 0 < runs < len(rows)}), 1):
        there = runs_of_look(started, runs)
        before = there and _at_look(study, [rows[i] for i in there], arms, steps, place)
        for earlier in before.differences if before else ():
            kept = tuple(each.keeping(earlier) for each in found.differences)
            found = replace(found, differences=kept)
    return found


def _at_look(
    study: str,
    rows: Sequence[TrialRecord],
    arms: Sequence[str],
    steps: Steps | None,
    look: int,
) -> Confirmation | None:
    """What these runs say alone."""
    ended = [row for row in rows if row.outcome is not None]
    if not ended:
        return None
    groups: dict[str, list[TrialRecord]] = {}
    for row in ended:
        groups.setdefault(row.arm, []).append(row)
    finalists = [finalist_of(name, group, steps or {}) for name, group in groups.items()]
    have = {finalist.arm for finalist in finalists}
    order = [arm for arm in compared_order([*arms, *by_convention(have)]) if arm in have]
    finalists.sort(key=lambda f: (order.index(f.arm), math.isnan(f.mean), f.mean, f.number))
    return Confirmation(
        study=study,
        score_name=ended[0].score_name,
        finalists=tuple(finalists),
        differences=tuple(_difference(finalists, (order[0], arm), look) for arm in order[1:]),
        look=look,
        rows=tuple(rows),
    )


def place_of_best(finalists: Sequence[Finalist], choosing: int) -> int:
    """Which of an arm's finalists its first seeds choose.

    Args:
        finalists: Those of one arm.
        choosing: So many seeds choose.
    """
    at_lowest = _at_lowest(finalists)
    return min(range(len(finalists)), key=lambda i: worth(finalists[i].read(at_lowest)[:choosing]))


def _at_lowest(finalists: Sequence[Finalist]) -> bool:
    """Whether runs are read at their lowest, because it is not known at which step the search read them."""
    return any(finalist.step is None for finalist in finalists)


def _difference(finalists: Sequence[Finalist], arms: tuple[str, str], look: int) -> SeedDifference:
    mine = [[f for f in finalists if f.arm == arm] for arm in arms]
    at_lowest = _at_lowest([*mine[0], *mine[1]])
    one, two = (_Tested(each, *chosen([f.read(at_lowest) for f in each])) for each in mine)
    made = _compared(arms, (one, two), look, at_lowest)
    if at_lowest:
        return made
    return replace(made, lowest=_compared(arms, (one, two), look, at_lowest=True))


@dataclass(frozen=True)
class _Tested:
    """Which finalist of an arm is compared, and how many of its first seeds chose it."""

    finalists: Sequence[Finalist]
    place: int
    choosing: int

    @property
    def finalist(self) -> Finalist:
        return self.finalists[self.place]

    def runs(self, at_lowest: bool) -> list[float]:
        """Its runs that are compared."""
        return self.finalist.read(at_lowest)[self.choosing :]

    def variance(self, at_lowest: bool) -> tuple[float, int]:
        """Its variance over seeds, and the degrees of freedom of that."""
        return variance([each.read(at_lowest) for each in self.finalists], self.place)


def _compared(
    arms: tuple[str, str], tested: tuple[_Tested, _Tested], look: int, at_lowest: bool
) -> SeedDifference:
    one, two = tested
    first, second = one.runs(at_lowest), two.runs(at_lowest)
    variances = one.variance(at_lowest), two.variance(at_lowest)
    found = compared(first, second, variances, level_of_look(look))
    lost = tuple(sum(map(math.isinf, each)) for each in (first, second))
    middle = statistics.median if any(lost) else statistics.fmean
    means = [middle(each) for each in (first, second)]
    several = max(len(each.finalists) for each in tested) > 1
    steps = one.finalist.step, two.finalist.step
    made = SeedDifference(
        arms=arms,
        numbers=(one.finalist.number, two.finalist.number),
        seeds=(len(first), len(second)),
        without=(lost[0], lost[1]),
        means=(_finite(means[0]), _finite(means[1])),
        absolute=found.absolute,
        interval=found.interval,
        p_value=found.p_value,
        lower=found.lower,
        method=(RANKS if any(lost) else WELCH) + (CHOSEN if several else ""),
        look=look,
        read=LOWEST if at_lowest else AT_STEP,
        steps=None if at_lowest else (steps[0] or 0, steps[1] or 0),
    )
    nothing = _nothing(arms, (one.finalist, two.finalist), (first, second))
    if nothing is not None:
        return replace(made, nothing=nothing)
    if _same(one.finalist, two.finalist) and None not in made.means:
        known = replace(made, absolute=0.0, interval=(0.0, 0.0), p_value=1.0, lower=0.5)
        return replace(known, finding=Finding.EQUAL, same=True, method=SAME)
    return replace(made, finding=_finding(made))


def _same(one: Finalist, two: Finalist) -> bool:
    """Whether two finalists are one setting (a corner of both arms, say), and so their runs the same runs."""
    return one.parameters == two.parameters and one.runs == two.runs


def _nothing(
    arms: tuple[str, str], finalists: tuple[Finalist, Finalist], runs: tuple[Runs, Runs]
) -> NothingLearnt | None:
    """Why two finalists are not compared, if one has learnt nothing yet."""
    judged = []
    for arm, finalist, each in zip(arms, finalists, runs, strict=True):
        scores = [score for score in each if math.isfinite(score)]
        if scores:
            judged.append(Judged(arm, finalist, scores))
    return nothing_learnt(judged, lowest([finalist.levels for finalist in finalists]))


def _finding(found: SeedDifference) -> Finding:
    """What the runs of two finalists come to."""
    if found.interval is not None:
        relative, interval = found.relative, found.relative_interval
        if relative is not None and interval is not None:
            return finding(relative, interval)
        low, high = found.interval
        return Finding.LOWER if high < 0 else Finding.HIGHER if low > 0 else Finding.OPEN
    if found.p_value is None or found.lower is None or not any(found.without):
        return Finding.NONE
    if found.p_value > 1 - found.level:
        return Finding.OPEN
    return Finding.LOWER if found.lower > 0.5 else Finding.HIGHER


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
