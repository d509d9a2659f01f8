"""The search spaces: what may vary in a study, over (b, a), d_steps and further parameters."""

from search_spaces.build import RECIPES, build_space, one_timescale, rate_and_ratio, two_timescale
from search_spaces.distributions import Value
from search_spaces.published import PublishedPoint, points
from search_spaces.space import Powers, Sample, SearchSpace

__all__ = [
    "RECIPES",
    "Powers",
    "PublishedPoint",
    "Sample",
    "SearchSpace",
    "Value",
    "build_space",
    "one_timescale",
    "points",
    "rate_and_ratio",
    "two_timescale",
]
