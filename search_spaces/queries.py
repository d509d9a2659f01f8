"""Questions about one Optuna distribution: what it can yield, and whether it widens another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.distributions import Value


def is_number(value: object, kinds: type | tuple[type, ...] = (int, float)) -> bool:
    """Whether a value is a number; True and False are not."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def limits(name: str, distribution: BaseDistribution) -> tuple[float, float]:
    """Returns the lowest and the highest value of a numeric distribution.

    Args:
        name: The sampled name, for the error.
        distribution: Its distribution.

    Raises:
        ValueError: It has choices that are not numbers.
    """
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return distribution.low, distribution.high
    choices: Sequence[Any] = getattr(distribution, "choices", [])
    if not choices or not all(is_number(choice) for choice in choices):
        raise ValueError(f"{name} must be {describe(distribution)}; only numbers have bounds")
    return min(choices), max(choices)


def edge_values(distribution: BaseDistribution) -> list[Value]:
    """Returns every choice, or the low and the high end of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return [distribution.low, distribution.high]
    raise ValueError(f"{type(distribution).__name__} is not a kind of distribution for a space")


def holds(distribution: BaseDistribution, value: Value) -> bool:
    """Whether a distribution can yield a value; unlike Optuna's, it does not convert types."""
    if isinstance(distribution, CategoricalDistribution):
        # 1 == True in Python, but a trial that is given True for 1 is given something else.
        return any(
            value == choice and isinstance(value, bool) == isinstance(choice, bool)
            for choice in distribution.choices
        )
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise ValueError(f"{type(distribution).__name__} is not a kind of distribution for a space")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    if not distribution.low <= value <= distribution.high:
        return False
    return _on_grid(float(value), distribution.low, distribution.step)


def _on_grid(value: float, low: float, step: float | None) -> bool:
    if step is None:
        return True
    count = (value - low) / step
    return abs(count - round(count)) < 1e-8


def describe(distribution: BaseDistribution) -> str:
    """Says what a distribution yields, to end a sentence that begins with "it must be"."""
    if isinstance(distribution, CategoricalDistribution):
        return "one of " + ", ".join(repr(choice) for choice in distribution.choices)
    if isinstance(distribution, FloatDistribution | IntDistribution):
        kind = "a whole number" if isinstance(distribution, IntDistribution) else "a number"
        return f"{kind} in [{distribution.low:g}, {distribution.high:g}]"
    return type(distribution).__name__


def narrowings(name: str, now: BaseDistribution, before: BaseDistribution) -> list[str]:
    """Returns why a distribution is neither the same as, nor a widening of, the one before.

    Args:
        name: The sampled name, for the sentences.
        now: The distribution to be used from now on.
        before: The distribution used so far.
    """
    if type(now) is not type(before):
        return [f"{name} was {describe(before)} before and is {describe(now)} now"]
    if isinstance(now, CategoricalDistribution) and isinstance(before, CategoricalDistribution):
        return (
            []
            if _same_choices(now, before)
            else [f"{name} had the choices {list(before.choices)} and has {list(now.choices)} now"]
        )
    if not isinstance(now, FloatDistribution | IntDistribution) or not isinstance(
        before, FloatDistribution | IntDistribution
    ):
        return [f"{name} is {type(now).__name__}, which cannot be compared"]
    reasons = []
    if now.log != before.log:
        reasons.append(f"{name} had log: {before.log} and has log: {now.log} now")
    if now.step != before.step or not _on_grid(before.low, now.low, now.step):
        reasons.append(f"{name} had other steps before")
    if now.low > before.low or now.high < before.high:
        reasons.append(
            f"{name} is narrowed from [{before.low:g}, {before.high:g}] "
            f"to [{now.low:g}, {now.high:g}]; a range can only be widened"
        )
    return reasons


def _same_choices(now: CategoricalDistribution, before: CategoricalDistribution) -> bool:
    """Equality that tells 1 from True and keeps the order, by which Optuna stores a choice."""
    return [(type(c), c) for c in now.choices] == [(type(c), c) for c in before.choices]
