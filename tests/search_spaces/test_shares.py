from __future__ import annotations

import doctest

import numpy as np
import pytest
from optuna.distributions import (
    FloatDistribution,
    IntDistribution,
)

from search_spaces import shares
from search_spaces.shares import share_of, value_at


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(1e-4, 1e-2, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        FloatDistribution(-2.0, 3.0),
        IntDistribution(1, 64, log=True),
        IntDistribution(3, 9, step=2),
    ],
)
def test_every_share_of_a_range_is_a_value_of_it(
    distribution: FloatDistribution | IntDistribution,
) -> None:
    values = [value_at(distribution, share) for share in np.linspace(0, 1, 200, endpoint=False)]
    assert all(distribution._contains(distribution.to_internal_repr(v)) for v in values)
    assert values == sorted(values)
    assert values[0] == distribution.low
    assert all(0 <= share_of(distribution, value) <= 1 for value in values)


def test_its_examples_hold() -> None:
    assert doctest.testmod(shares) == (0, 3)
