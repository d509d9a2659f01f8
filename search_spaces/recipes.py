"""The search spaces that come with the product, as functions of ranges.

b is the discriminator's learning rate, a the generator's, d_steps the discriminator updates per
generator update (Heusel et al. 2017, Section 1). All ranges of rates are log-uniform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution

from search_spaces.distributions import further_distribution, rate_range, step_choices
from search_spaces.space import Powers, SearchSpace


def one_timescale(
    b: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """Both networks learn at one rate: b is sampled and a = b.

    Args:
        b: Range ``[low, high]`` of the common rate, 0 < low <= high.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> one_timescale([1e-4, 1e-2]).derive({"b": 0.001, "d_steps": 1})
        {'b': 0.001, 'a': 0.001, 'd_steps': 1}
    """
    rates: dict[str, BaseDistribution] = {"b": rate_range("b", b)}
    return _space(rates, {"b": {"b": 1}, "a": {"b": 1}}, d_steps, further)


def two_timescale(
    b: Sequence[float],
    a: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """The networks learn at independent rates; either may be the larger.

    In Table 1 of the paper every DCGAN optimum has b < a and every WGAN-GP optimum b > a, so a
    space that ties the order of the two would exclude half of what the paper found.

    Args:
        b: Range ``[low, high]`` of the discriminator's rate, 0 < low <= high.
        a: Range of the generator's rate.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> space = two_timescale(b=[1e-4, 1e-2], a=[1e-5, 1e-3], d_steps=[1, 5])
        >>> space.derive({"b": 0.001, "a": 0.0002, "d_steps": 5})
        {'b': 0.001, 'a': 0.0002, 'd_steps': 5}
    """
    rates: dict[str, BaseDistribution] = {"b": rate_range("b", b), "a": rate_range("a", a)}
    return _space(rates, {"b": {"b": 1}, "a": {"a": 1}}, d_steps, further)


def rate_and_ratio(
    b: Sequence[float],
    ratio: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """The discriminator's rate and the ratio of the two are sampled: a = b * ratio.

    It is the two-timescale space in coordinates in which "how far apart are the two" is an axis of
    its own. The derived a is what the trial is given and what is recorded.

    Args:
        b: Range ``[low, high]`` of the discriminator's rate, 0 < low <= high.
        ratio: Range of a / b; below 1 the discriminator learns faster.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> space = rate_and_ratio(b=[1e-4, 1e-2], ratio=[0.1, 10])
        >>> space.derive({"b": 0.001, "ratio": 0.5, "d_steps": 1})
        {'b': 0.001, 'a': 0.0005, 'd_steps': 1}
    """
    rates: dict[str, BaseDistribution] = {
        "b": rate_range("b", b),
        "ratio": rate_range("ratio", ratio),
    }
    return _space(rates, {"b": {"b": 1}, "a": {"b": 1, "ratio": 1}}, d_steps, further)


def _space(
    rates: Mapping[str, BaseDistribution],
    derived: Mapping[str, Powers],
    d_steps: Sequence[int],
    further: Mapping[str, Mapping[str, Any]] | None,
) -> SearchSpace:
    distributions = {**rates, "d_steps": step_choices("d_steps", d_steps)}
    if further is not None:
        distributions |= _further(further, taken=distributions)
    paths = [name for name in distributions if name not in rates]
    return SearchSpace(distributions, {**derived, **{path: {path: 1} for path in paths}})


def _further(
    further: Mapping[str, Mapping[str, Any]], taken: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    if not isinstance(further, Mapping):
        raise ValueError(
            f"further is {further!r}; write a mapping from setting to range or choices"
        )
    for path in further:
        if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")):
            raise ValueError(f"further has {path!r}; write a dotted path, as in regulariser.weight")
        if path in ("a", *taken):
            raise ValueError(
                f"further has {path}, which has a place of its own in the arm; move it"
            )
    return {path: further_distribution(f"further.{path}", value) for path, value in further.items()}
