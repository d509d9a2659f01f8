"""The verdict of a confirmation: every finalist's mean over seeds, and how sure the difference is.

Pure functions of the trials of a study ``NAME.confirm`` (see driver/confirm.py). Every seed counts: a run
without a score is worse than any with one. Where an arm has several finalists, the first half of their
seeds chooses among them and the other half is compared: whoever chose would flatter his choice.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from study.results.difference import LEVEL, Finding, finding
from study.results.levels import Judged, NothingLearnt, nothing_learnt
from study.results.seeds import Runs, chosen, compared, variance
from study.trial import CONFIRMING, TrialRecord, by_convention, compared_order
from trainables.levels import UNKNOWN, Levels, lowest

SUFFIX = CONFIRMING
"""What the name of a confirming study ends with."""


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """One configuration over its seeds.

    Attributes:
        arm: The arm of the study that it comes from.
        number: The trial that it was.
        b: Learning rate of the discriminator.
        a: Learning rate of the generator.
        d_steps: Discriminator updates per generator update.
        scores: Lowest score of each seed's run, sorted; runs without a score are left out.
        without: Runs that ended without a score (they diverged, or failed).
        runs: The lowest score of each seed's run in the order of the seeds; None for one without.
        noise: Largest standard deviation of a run's score over redrawn samples.
        levels: What its scores can be seen against.
    """

    arm: str
    number: int
    b: float
    a: float
    d_steps: int
    scores: tuple[float, ...]
    without: int
    runs: tuple[float | None, ...] = ()
    noise: float = 0.0
    levels: Levels = UNKNOWN

    @property
    def mean(self) -> float:
        """Mean score, NaN without scores."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the mean; None for fewer than two scores."""
        if len(self.scores) < 2:
            return None
        from scipy import stats

        spread = statistics.stdev(self.scores) / math.sqrt(len(self.scores))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, len(self.scores) - 1)) * spread
        return self.mean - half, self.mean + half

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        interval = self.interval
        return asdict(self) | {
            "scores": list(self.scores),
            "runs": list(self.runs),
            "mean": self.mean if self.scores else None,
            "interval": None if interval is None else list(interval),
            "levels": self.levels.to_json(),
            "share": self.levels.share(self.mean) if self.scores else None,
        }


WELCH = "Welch's t interval of the difference of means over seeds"
RANKS = "rank test (Mann-Whitney) over all seeds, those without a score last; without an interval of means"
CHOSEN = ", over the seeds that had no part in choosing the finalist"
"""What the certainty of a confirmation rests on."""


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
        interval: 95 % interval of ``absolute``; None for fewer than two scores on a side or a run without.
        p_value: Of the rank test over all runs, two-sided; None without runs.
        lower: Share of pairs of runs in which the second's is lower.
        method: What the certainty rests on.
        nothing: Why the two are not compared, if a finalist has learnt nothing yet.
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        known = asdict(self)
        del known["nothing"]
        return known | {
            "arms": None if self.arms is None else list(self.arms),
            "finding": str(self.finding),
            "numbers": None if self.numbers is None else list(self.numbers),
            "seeds": list(self.seeds),
            "without": list(self.without),
            "means": list(self.means),
            "interval": None if self.interval is None else list(self.interval),
            "level": LEVEL,
            "unlearnt": [] if self.nothing is None else list(self.nothing.arms),
        }


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Every finalist, and the best one of each later arm against that of the first.

    Attributes:
        study: The study that was confirmed.
        score_name: Protocol of the scores.
        finalists: By arm, then by mean score.
        differences: Each later arm against the first; empty if there is only one.
    """

    study: str
    score_name: str
    finalists: tuple[Finalist, ...]
    differences: tuple[SeedDifference, ...]

    @property
    def difference(self) -> SeedDifference:
        """The second arm against the first."""
        return self.differences[0] if self.differences else SeedDifference(arms=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": self.study,
            "score_name": self.score_name,
            "finalists": [finalist.to_json() for finalist in self.finalists],
            "difference": self.difference.to_json(),
            "differences": [difference.to_json() for difference in self.differences],
        }


def confirmation(
    study: str, rows: Sequence[TrialRecord], arms: Sequence[str] = ()
) -> Confirmation | None:
    """Summarises the rows of a confirming study; None without a row that has ended.

    Args:
        study: The study that was confirmed.
        rows: The rows of its confirming study.
        arms: The arms of the study that was confirmed, in the order in which they are compared; others
            follow by convention.
    """
    ended = [row for row in rows if row.outcome is not None]
    if not ended:
        return None
    groups: dict[str, list[TrialRecord]] = {}
    for row in ended:
        groups.setdefault(row.arm, []).append(row)
    finalists = [_finalist(name, group) for name, group in groups.items()]
    have = {finalist.arm for finalist in finalists}
    order = [arm for arm in compared_order([*arms, *by_convention(have)]) if arm in have]
    finalists.sort(key=lambda f: (order.index(f.arm), math.isnan(f.mean), f.mean, f.number))
    return Confirmation(
        study=study,
        score_name=ended[0].score_name,
        finalists=tuple(finalists),
        differences=tuple(_difference(finalists, (order[0], arm)) for arm in order[1:]),
    )


def _finalist(name: str, rows: Sequence[TrialRecord]) -> Finalist:
    arm, _, number = name.rpartition("-")
    rows = sorted(rows, key=lambda row: row.number)
    runs = tuple(row.score if row.counts else None for row in rows)
    scores = sorted(score for score in runs if score is not None)
    return Finalist(
        arm=arm,
        number=int(number),
        b=rows[0].b,
        a=rows[0].a,
        d_steps=rows[0].d_steps,
        scores=tuple(scores),
        without=len(rows) - len(scores),
        runs=runs,
        noise=max((row.noise for row in rows), default=0.0),
        levels=lowest([row.levels for row in rows]),
    )


def _difference(finalists: Sequence[Finalist], arms: tuple[str, str]) -> SeedDifference:
    mine = [[f for f in finalists if f.arm == arm] for arm in arms]
    runs = [[[math.inf if r is None else r for r in f.runs] for f in each] for each in mine]
    (place, first), (other, second) = (chosen(each) for each in runs)
    found = compared(first, second, (variance(runs[0], place), variance(runs[1], other)))
    lost = tuple(sum(map(math.isinf, each)) for each in (first, second))
    middle = statistics.median if any(lost) else statistics.fmean
    means = [middle(each) for each in (first, second)]
    made = SeedDifference(
        arms=arms,
        numbers=(mine[0][place].number, mine[1][other].number),
        seeds=(len(first), len(second)),
        without=(lost[0], lost[1]),
        means=(_finite(means[0]), _finite(means[1])),
        absolute=found.absolute,
        interval=found.interval,
        p_value=found.p_value,
        lower=found.lower,
        method=(RANKS if any(lost) else WELCH) + (CHOSEN if max(map(len, mine)) > 1 else ""),
    )
    finalists = (mine[0][place], mine[1][other])
    nothing = _nothing(arms, finalists, (first, second))
    return replace(made, finding=Finding.NONE if nothing else _finding(made), nothing=nothing)


def _nothing(
    arms: tuple[str, str], finalists: tuple[Finalist, Finalist], runs: tuple[Runs, Runs]
) -> NothingLearnt | None:
    """Why two finalists are not compared, if one has learnt nothing yet."""
    judged = []
    for arm, finalist, each in zip(arms, finalists, runs, strict=True):
        scores = [score for score in each if math.isfinite(score)]
        if scores:
            judged.append(
                Judged(
                    name=f"{arm}'s #{finalist.number}",
                    arm=arm,
                    score=statistics.fmean(scores),
                    noise=finalist.noise,
                    spread=statistics.stdev(scores) if len(scores) > 1 else 0.0,
                )
            )
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
    if found.p_value > 1 - LEVEL:
        return Finding.OPEN
    return Finding.LOWER if found.lower > 0.5 else Finding.HIGHER


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
