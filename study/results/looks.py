"""Looking again: how surely a confirmation must tell, the more often its seeds have been looked at.

Whoever adds seeds whenever the answer does not please, and tests each time as if it were the first, finds a
difference sooner or later where there is none. So the looks share one error: all together call equal settings
different in at most 5 %, however many there are and however many seeds each brings (Bonferroni's inequality;
alpha spending as of Lan and DeMets, 1983, without a number of looks to come). Most people look once, so the
first has most of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from study.results.difference import LEVEL

FIRST = 0.04
"""Error that the first look may make; those after it share what is left of 5 %: the k-th a part of
1 / (k (k - 1)), which come to 1 in all."""


def place_of_look(earlier: Iterable[int], runs: int) -> int:
    """Which look at the runs of a confirmation this is, from 1.

    Args:
        earlier: How many runs there were each time that a confirmation came to its end.
        runs: How many there are.

    Examples:
        >>> place_of_look([], 12), place_of_look([12], 20), place_of_look([12, 20], 20)
        (1, 2, 2)
    """
    return 1 + sum(before < runs for before in set(earlier))


def runs_of_look(started: Sequence[float], runs: int) -> list[int] | None:
    """Which runs there were when a confirmation had come to its end with so many.

    All of a look have ended before the first one of the next is asked for.

    Args:
        started: When each run that there is now was asked for.
        runs: How many there were, fewer than now.

    Returns:
        Their places; None if that cannot be told, because one that was there and one that came later have
        the same time.

    Examples:
        >>> runs_of_look([5.0, 1.0, 4.0, 2.0], 2), runs_of_look([0.0, 0.0], 1)
        ([1, 3], None)
    """
    order = sorted(range(len(started)), key=started.__getitem__)
    if started[order[runs - 1]] == started[order[runs]]:
        return None
    return sorted(order[:runs])


def level_of_look(look: int) -> float:
    """Coverage of the intervals of a look, by which it also tells.

    Args:
        look: Which it is, from 1.

    Examples:
        >>> [round(level_of_look(look), 4) for look in (1, 2, 3)]
        [0.96, 0.995, 0.9983]
        >>> round(sum(1 - level_of_look(look) for look in range(1, 1001)), 4)
        0.05
    """
    return 1 - (FIRST if look == 1 else (1 - LEVEL - FIRST) / (look * (look - 1)))


def seeds_to_halve(seeds: int, look: int) -> int:
    """How many more seeds for each setting would about halve the interval, at the level of the next look.

    Args:
        seeds: How many each has, at least 1.
        look: Which look they were seen in.

    Examples:
        >>> seeds_to_halve(4, 1), seeds_to_halve(8, 2)
        (17, 24)
    """
    wanted = _half(seeds, look) / 2
    more = 1
    while _half(seeds + more, look + 1) > wanted:
        more += 1
    return more


def _half(seeds: int, look: int) -> float:
    """Half of the interval of a difference, as a part of the runs' spread over the root of two."""
    from scipy import stats

    quantile = float(stats.t.ppf(0.5 + level_of_look(look) / 2, max(1, 2 * (seeds - 1))))
    return quantile / math.sqrt(seeds)
