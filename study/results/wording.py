"""Numbers in words: parts as percent, intervals, probabilities."""

from __future__ import annotations

import math

UNIT = " %"

TIMES = 10.0
"""A part from which on it is said as a multiple: 1,200 % higher is 12 times higher."""


def span(interval: tuple[float, float]) -> str:
    """An interval in words: 5 to 30 % lower, or 5 % lower to 2 % higher."""
    low, high = interval
    if high <= 0:
        return f"{percent(-high).removesuffix(UNIT)} to {percent(-low)} lower"
    if low >= 0:
        first = percent(low) if high >= TIMES > low else percent(low).removesuffix(UNIT)
        return f"{first} to {percent(high)} higher"
    return f"{percent(-low)} lower to {percent(high)} higher"


def scored(score: float) -> str:
    """A score with four significant digits, zeros too, so that 7.000 beside 4.751 does not look less exact.

    >>> scored(7.0), scored(3239.4)
    ('7.000', '3239')
    """
    return f"{score:#.4g}".removesuffix(".")


def percent(part: float) -> str:
    """A part of one as percent: 12 %, 1.2 %, 0.04 %, under 0.01 %; from ten on as 12 times."""
    if math.isinf(part):
        return "any number of times"
    if part >= TIMES:
        return f"{part:.2g} times"
    value = part * 100 + 0.0  # -0.0 is 0, not -0
    if 0 < value < 0.005:
        return f"under 0.01{UNIT}"
    digits = 0 if value >= 9.95 else 1
    return f"{value:.{digits}f}{UNIT}" if value >= 0.095 else f"{value:.1g}{UNIT}"


def sure(probability: float) -> str:
    """A probability as percent; a finite number of draws never makes one certain."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability <= 0.005 else f"{probability * 100:.0f} %"


def ordinal(place: int) -> str:
    """A place in a row, from 1.

    >>> [ordinal(place) for place in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    teen = place % 100 in (11, 12, 13)
    return f"{place}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"
