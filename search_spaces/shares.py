"""Values of a distribution by their share of its range, from 0 to 1, by the logarithm where it has one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)


def value_at(distribution: BaseDistribution, share: float) -> Any:
    """The value of a distribution at a share of its range, from 0 to below 1.

    Examples:
        >>> value_at(FloatDistribution(1e-4, 1e-2, log=True), 0.5)
        0.001
    """
    return values_of(distribution)(share)


def values_of(distribution: BaseDistribution) -> Callable[[float], Any]:
    """The function that gives the value at a share: of many shares it is asked for once.

    Examples:
        >>> [values_of(IntDistribution(1, 4))(share) for share in (0.0, 0.3, 0.9)]
        [1, 2, 4]
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            return lambda share: choices[int(share * len(choices))]
        case IntDistribution(low=low, high=high, log=True):
            wide = _between(low - 0.5, high + 0.5, log=True)
            return lambda share: min(max(round(wide(share)), low), high)
        case IntDistribution(low=low, high=high, step=step):
            return lambda share: low + step * int(share * ((high - low) // step + 1))
        case FloatDistribution(low=low, high=high, step=float(step)):
            return lambda share: low + step * int(share * (round((high - low) / step) + 1))
        case FloatDistribution(low=low, high=high, log=log):
            return _between(low, high, log=log)
    raise TypeError(
        f"{type(distribution).__name__} is not a kind of distribution that is known here"
    )


def _between(low: float, high: float, *, log: bool) -> Callable[[float], float]:
    if log:
        ratio = high / low
        return lambda share: float(min(max(low * ratio**share, low), high))
    return lambda share: min(max(low + (high - low) * share, low), high)


def share_of(distribution: BaseDistribution, value: float) -> float:
    """Where a number lies in the range of its distribution, from 0 to 1; in the middle of a range of one.

    Examples:
        >>> share_of(FloatDistribution(0.0, 4.0), 1.0)
        0.25
    """
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if high == low:
        return 0.5
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
