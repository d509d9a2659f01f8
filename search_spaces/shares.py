"""Values of a distribution by their share of its range, from 0 to 1, by the logarithm where it has one."""

from __future__ import annotations

import math
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
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[int(share * len(distribution.choices))]
        case IntDistribution(low=low, high=high, step=step, log=log):
            if log:
                wide = _between(low - 0.5, high + 0.5, share, log)
                return min(max(round(wide), low), high)
            return low + step * int(share * ((high - low) // step + 1))
        case FloatDistribution(low=low, high=high, step=step, log=log):
            if step is not None:
                return low + step * int(share * (round((high - low) / step) + 1))
            return _between(low, high, share, log)
    raise TypeError(
        f"{type(distribution).__name__} is not a kind of distribution that is known here"
    )


def _between(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return float(min(max(low * (high / low) ** share, low), high))
    return min(max(low + (high - low) * share, low), high)


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
