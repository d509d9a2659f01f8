"""A search space: what is sampled for a trial, and the trial's parameters that follow from it.

A space is data, not code: named Optuna distributions, and for every parameter of the trial the
product of powers of samples that yields it. So a space can be stored with its study, compared with
the space of a later launch, and read back by a program that does not have the user's code.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)

from search_spaces.distributions import Value
from search_spaces.queries import describe, edge_values, holds, is_number, limits, narrowings

Sample = Mapping[str, Value]
"""Values by sampled name, as the sampler returns them."""

Powers = Mapping[str, int]
"""Exponent by sampled name: ``{"b": 1, "ratio": 1}`` is b times ratio, ``{"b": 1}`` is b itself."""

_REQUIRED = ("b", "a", "d_steps")


@dataclass(frozen=True)
class SearchSpace:
    """What may vary in one arm of a study.

    Attributes:
        distributions: An Optuna distribution for every sampled name.
        derived: For every trial parameter (``b``, ``a``, ``d_steps`` and further dotted paths) the
            powers of samples whose product it is. A parameter that is a single sample to the power
            of 1 is passed on as it is and may be of any type.

    Raises:
        ValueError: ``b``, ``a`` or ``d_steps`` is missing; a parameter refers to a name that is not
            sampled; a sampled name is used by no parameter (it would be searched without effect);
            a product over something that is not a positive range; ``b`` or ``a`` that can be other
            than a finite number > 0; ``d_steps`` that can be other than a whole number >= 1.

    Examples:
        The discriminator's rate, and a generator that learns up to 30 times slower:

        >>> from optuna.distributions import FloatDistribution, IntDistribution
        >>> from search_spaces import SearchSpace
        >>> space = SearchSpace(
        ...     distributions={
        ...         "b": FloatDistribution(1e-4, 1e-2, log=True),
        ...         "times": FloatDistribution(1, 30, log=True),
        ...         "d_steps": IntDistribution(1, 2),
        ...     },
        ...     derived={"b": {"b": 1}, "a": {"b": 1, "times": -1}, "d_steps": {"d_steps": 1}},
        ... )
        >>> space.derive({"b": 0.008, "times": 8.0, "d_steps": 1})
        {'b': 0.008, 'a': 0.001, 'd_steps': 1}
        >>> space.violations({"b": 0.1, "times": 8.0, "d_steps": 1})
        ['b is 0.1; it must be a number in [0.0001, 0.01]']
    """

    distributions: Mapping[str, BaseDistribution]
    derived: Mapping[str, Powers]

    def __post_init__(self) -> None:
        # Copies, so that a caller who changes its own mapping does not change the space.
        object.__setattr__(self, "distributions", dict(self.distributions))
        object.__setattr__(self, "derived", {name: dict(p) for name, p in self.derived.items()})
        self._check_names()
        for parameter, powers in self.derived.items():
            if not _is_plain(powers):
                self._check_product(parameter, powers)
        for rate in ("b", "a"):
            self._check_rate(rate)
        self._check_d_steps()

    def derive(self, sample: Sample) -> dict[str, Value]:
        """Returns the trial's parameters for a sample: b, a, d_steps and every further one.

        Args:
            sample: A value for every sampled name, inside its range.

        Raises:
            ValueError: The sample is not of this space; the message says why.
        """
        reasons = self.violations(sample)
        if reasons:
            raise ValueError("; ".join(reasons))
        return self.derive_each([sample])[0]

    def derive_each(self, samples: Iterable[Sample]) -> list[dict[str, Value]]:
        """Returns what :meth:`derive` does for each of some samples, which are taken to be of this space."""
        sources = [(n, p, next(iter(p)) if _is_plain(p) else None) for n, p in self.derived.items()]
        return [
            {n: _product(p, sample) if of is None else sample[of] for n, p, of in sources}
            for sample in samples
        ]

    def contains(self, sample: Sample, *, partial: bool = False) -> bool:
        """Whether a sample is of this space.

        Args:
            sample: Values by sampled name.
            partial: Whether names may be missing (a point whose other values are to be sampled).
        """
        return not self.violations(sample, partial=partial)

    def violations(self, sample: Sample, *, partial: bool = False) -> list[str]:
        """Returns why a sample is not of this space, one sentence each; empty if it is.

        Args:
            sample: Values by sampled name.
            partial: Whether names may be missing.
        """
        known = ", ".join(self.distributions)
        reasons = [
            f"{name} is not sampled by this space; it samples {known}"
            for name in sample
            if name not in self.distributions
        ]
        for name, distribution in self.distributions.items():
            if name in sample and not holds(distribution, sample[name]):
                reasons.append(f"{name} is {sample[name]!r}; it must be {describe(distribution)}")
            elif name not in sample and not partial:
                reasons.append(f"{name} is missing; it must be {describe(distribution)}")
        return reasons

    def bounds(self, parameter: str) -> tuple[float, float]:
        """Returns the lowest and the highest value that a numeric trial parameter can take.

        Args:
            parameter: ``b``, ``a``, ``d_steps`` or a further path.

        Raises:
            ValueError: No such parameter, or its values are not all numbers.
        """
        if parameter not in self.derived:
            raise ValueError(
                f"{parameter} is not a parameter of this space; {', '.join(self.derived)} are"
            )
        low, high = 1.0, 1.0
        for name, power in self.derived[parameter].items():
            ends = sorted(_power(end, power) for end in limits(name, self.distributions[name]))
            low, high = low * ends[0], high * ends[1]
        return low, high

    def corners(self) -> Iterator[dict[str, Value]]:
        """Yields the samples at the edges of the space, to check that a trial accepts them.

        Every combination of choices, each with all ranges at their low and at their high ends; of
        more than 1,000 combinations only so many that every choice occurs.
        """
        ends = {name: edge_values(self.distributions[name]) for name in self.distributions}
        choices = {
            name: values
            for name, values in ends.items()
            if isinstance(self.distributions[name], CategoricalDistribution)
        }
        combinations: Iterable[tuple[Value, ...]] = itertools.product(*choices.values())
        if math.prod(map(len, choices.values())) > 1000:
            turns = range(max(map(len, choices.values())))
            combinations = (tuple(c[i % len(c)] for c in choices.values()) for i in turns)
        for combination in combinations:
            chosen = dict(zip(choices, combination, strict=True))
            for side in (0, -1):
                yield {name: chosen.get(name, values[side]) for name, values in ends.items()}

    def widens(self, other: SearchSpace) -> list[str]:
        """Returns why this space is neither the same as another nor a widening of it.

        A study can be continued in a widened space: every sample of the other is one of this, and
        Optuna accepts the new distributions beside the old ones (it lets a numeric range grow, but
        its kind, its log flag and a list of choices must stay).

        Args:
            other: The space in which the study was begun.

        Returns:
            One sentence for each reason; empty if the study can be continued.
        """
        reasons = [
            f"{name} was not sampled before"
            for name in self.distributions
            if name not in other.distributions
        ]
        for name, before in other.distributions.items():
            if name in self.distributions:
                reasons += narrowings(name, self.distributions[name], before)
            else:
                reasons.append(f"{name} was sampled before and no longer is")
        for name in {**other.derived, **self.derived}:
            if self.derived.get(name) != other.derived.get(name):
                reasons.append(f"{name} is derived differently than before")
        return reasons

    def to_json(self) -> dict[str, Any]:
        """Returns the space as plain JSON values."""
        return {
            "distributions": {
                name: json.loads(distribution_to_json(distribution))
                for name, distribution in self.distributions.items()
            },
            "derived": {name: dict(powers) for name, powers in self.derived.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuilds a space from :meth:`to_json`.

        Raises:
            ValueError: An unknown kind of distribution, or data that makes no valid space.
        """
        return cls(
            distributions={
                name: json_to_distribution(json.dumps(distribution))
                for name, distribution in data["distributions"].items()
            },
            derived=data["derived"],
        )

    def _check_names(self) -> None:
        for parameter in _REQUIRED:
            if parameter not in self.derived:
                raise ValueError(f"the space derives no {parameter}; every trial needs one")
        used = set()
        for parameter, powers in self.derived.items():
            if not powers:
                raise ValueError(
                    f"{parameter} is derived from nothing; name what it is sampled from"
                )
            for name in powers:
                if name not in self.distributions:
                    raise ValueError(f"{parameter} is derived from {name}, which is not sampled")
            used |= set(powers)
        for name in self.distributions:
            if name not in used:
                raise ValueError(
                    f"{name} is sampled but changes no parameter; remove it or derive one"
                )

    def _check_product(self, parameter: str, powers: Powers) -> None:
        for name, power in powers.items():
            if isinstance(power, bool) or not isinstance(power, int) or power == 0:
                raise ValueError(
                    f"{parameter} takes {name} to the power {power!r}; write a whole number, not 0"
                )
            low, _ = limits(name, self.distributions[name])
            if low <= 0:
                raise ValueError(f"{name} can be {low:g}; a factor of {parameter} must be > 0")

    def _check_rate(self, rate: str) -> None:
        low, high = self.bounds(rate)
        if not (low > 0 and math.isfinite(high)):
            raise ValueError(f"{rate} can lie in [{low:g}, {high:g}]; it must be finite and > 0")

    def _check_d_steps(self) -> None:
        powers = self.derived["d_steps"]
        if not _is_plain(powers):
            raise ValueError("d_steps is derived as a product; it must be sampled itself")
        (distribution,) = (self.distributions[name] for name in powers)
        whole = isinstance(distribution, IntDistribution) or (
            isinstance(distribution, CategoricalDistribution)
            and all(is_number(choice, int) for choice in distribution.choices)
        )
        if not whole or self.bounds("d_steps")[0] < 1:
            raise ValueError(
                f"d_steps must be {describe(distribution)}; it may only take whole numbers >= 1"
            )


def _is_plain(powers: Powers) -> bool:
    """Whether a parameter is a sampled value itself."""
    return list(powers.values()) == [1] and not any(isinstance(p, bool) for p in powers.values())


def _product(powers: Powers, sample: Sample) -> float:
    product = 1.0
    for name, power in powers.items():
        product *= _power(sample[name], power)
    return product


def _power(value: Value, power: int) -> float:
    """``value ** power``; infinite, not an error, where a float overflows."""
    try:
        return float(value) ** power  # type: ignore[arg-type]  # limits let only numbers pass
    except OverflowError:
        return math.inf
