"""A search space of one's own: `space: my_space:slower_generator`."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution, FloatDistribution

from search_spaces import SearchSpace


def slower_generator(*, b: tuple[float, float], times: tuple[float, float]) -> SearchSpace:
    """The discriminator's rate b, and how many times slower the generator learns: a = b / times.

    Args:
        b: Lowest and highest b.
        times: Lowest and highest ratio b / a.
    """
    return SearchSpace(
        distributions={
            "b": FloatDistribution(*b, log=True),
            "times": FloatDistribution(*times, log=True),
            "d_steps": CategoricalDistribution((1, 2)),
        },
        # Each parameter of a trial is a product of powers of what is sampled.
        derived={"b": {"b": 1}, "a": {"b": 1, "times": -1}, "d_steps": {"d_steps": 1}},
    )
