"""Two settings over fresh seeds: who is chosen, and how sure the difference is.

A run without a score (it diverged, or failed) is +inf here: worse than any with one. With such runs a mean
says nothing, so all runs are compared by their ranks; without, by Student's t with each arm's own variance.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

ENUMERATED = 20_000
"""Ways to divide the runs among the two up to which all are looked at; of more, the normal limit is taken."""

Runs = Sequence[float]
"""Lowest score of each seed's run, in the order of the seeds; +inf without a score."""


@dataclass(frozen=True, kw_only=True)
class SeedTest:
    """What the runs of two settings say.

    Attributes:
        absolute: Second minus first: of the means, or of the medians if a run has no score; None if that is
            not finite, or there are no runs.
        interval: Student's interval of it; None if a run has no score, or the variances are unknown.
        p_value: Two-sided, of the rank test over all runs; None without runs.
        lower: Share of pairs of runs in which the second's is lower; ties count half.
    """

    absolute: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    lower: float | None


def chosen(runs: Sequence[Runs]) -> tuple[int, int]:
    """Which of an arm's finalists is compared, and how many of its first seeds chose it.

    As many seeds as the finalist with the fewest had choose among those that had more. If all had as many,
    the first half of them chooses.

    Args:
        runs: Runs of each finalist, at least one finalist.

    Returns:
        The place of the finalist, and how many of the first seeds have no part in the comparison.
    """
    if len(runs) == 1:
        return 0, 0
    fewest = min(len(each) for each in runs)
    tested = [place for place, each in enumerate(runs) if len(each) > fewest]
    choosing = fewest if tested else fewest // 2
    place = min(tested or range(len(runs)), key=lambda i: worth(runs[i][:choosing]))
    return place, choosing


def compared(
    first: Runs,
    second: Runs,
    variances: tuple[tuple[float, int], tuple[float, int]],
    level: float,
) -> SeedTest:
    """Compares two settings.

    Args:
        first: Runs of the first.
        second: Runs of the second.
        variances: For each its variance over seeds and the degrees of freedom of that, 0 if unknown.
        level: Coverage of the interval.
    """
    if not first or not second:
        return SeedTest(absolute=None, interval=None, p_value=None, lower=None)
    whole = all(map(math.isfinite, [*first, *second]))
    middle = statistics.fmean if whole else statistics.median
    ends = middle(second), middle(first)
    absolute = ends[0] - ends[1] if all(map(math.isfinite, ends)) else None
    return SeedTest(
        absolute=absolute,
        interval=_student(first, second, variances, level) if whole else None,
        p_value=rank_test(first, second),
        lower=_lower(first, second),
    )


def variance(runs: Sequence[Runs], place: int = 0) -> tuple[float, int]:
    """The variance over seeds of one finalist's runs, pooled over its arm, and its degrees of freedom.

    Scores spread in proportion to their size, so what is pooled is the spread as a part of the mean.

    Args:
        runs: Runs of each finalist of the arm.
        place: The finalist.
    """
    finite = [[score for score in each if math.isfinite(score)] for each in runs]
    freedom = sum(max(0, len(each) - 1) for each in finite)
    if not freedom or not finite[place]:
        return math.nan, 0
    sizes = [abs(statistics.fmean(each)) or 1.0 if each else 1.0 for each in finite]
    squares = sum(
        sum((score - statistics.fmean(each)) ** 2 for score in each) / size**2
        for each, size in zip(finite, sizes, strict=True)
        if each
    )
    return squares / freedom * sizes[place] ** 2, freedom


def rank_test(first: Runs, second: Runs) -> float:
    """Two-sided p-value of Wilcoxon's rank sum (Mann-Whitney), by all ways to divide the runs.

    Args:
        first: At least one run; +inf is the worst, and equal to itself.
        second: At least one run.
    """
    from scipy import stats

    ranks = stats.rankdata([*first, *second])
    n, m = len(first), len(second)
    if math.comb(n + m, m) > ENUMERATED:
        return float(stats.mannwhitneyu(ranks[:n], ranks[n:], method="asymptotic").pvalue)
    expected = m * (n + m + 1) / 2
    seen = abs(float(ranks[n:].sum()) - expected)
    sums = [abs(sum(part) - expected) for part in combinations(ranks.tolist(), m)]
    return float(np.mean([each >= seen - 1e-9 for each in sums]))


def worth(runs: Runs) -> tuple[int, float]:
    """What finalists are ranked by: the fewer runs without a score the better, then the lower their mean."""
    scored = [score for score in runs if math.isfinite(score)]
    return len(runs) - len(scored), statistics.fmean(scored) if scored else math.inf


def _lower(first: Runs, second: Runs) -> float:
    pairs = [(one, two) for one in first for two in second]
    return sum(1.0 if two < one else 0.5 if two == one else 0.0 for one, two in pairs) / len(pairs)


def _student(
    first: Runs,
    second: Runs,
    variances: tuple[tuple[float, int], tuple[float, int]],
    level: float,
) -> tuple[float, float] | None:
    """Welch's interval (1947), each variance with its own degrees of freedom."""
    (v1, f1), (v2, f2) = variances
    if not f1 or not f2:
        return None
    from scipy import stats

    one, two = v1 / len(first), v2 / len(second)
    difference = statistics.fmean(second) - statistics.fmean(first)
    if one + two == 0:
        return difference, difference
    freedom = (one + two) ** 2 / (one**2 / f1 + two**2 / f2)
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * math.sqrt(one + two)
    return difference - half, difference + half
