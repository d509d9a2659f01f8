"""Values of distributions by their share, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.shares import share_of, value_at, values_of


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (CategoricalDistribution(("a", "b", 3)), {0.0: "a", 0.33: "a", 0.34: "b", 0.99: 3}),
        (IntDistribution(3, 9, step=2), {0.0: 3, 0.24: 3, 0.25: 5, 0.5: 7, 0.75: 9, 0.99: 9}),
        (IntDistribution(-1, 1), {0.0: -1, 0.33: -1, 0.34: 0, 0.66: 0, 0.67: 1, 0.99: 1}),
        # From 0.5 to 4.5 by the logarithm: 0.5 * 9 ** share.
        (
            IntDistribution(1, 4, log=True),
            {0.0: 1, 0.49: 1, 0.51: 2, 0.73: 2, 0.74: 3, 0.88: 3, 0.89: 4, 0.999: 4, 1.0: 4},
        ),
        (IntDistribution(3, 5, log=True), {0.0: 3, 0.42: 3, 0.43: 4, 0.74: 4, 0.75: 5, 1.0: 5}),
        (
            FloatDistribution(-2.0, 4.0, step=1.5),
            {0.0: -2.0, 0.19: -2.0, 0.2: -0.5, 0.4: 1.0, 0.6: 2.5, 0.8: 4.0, 0.99: 4.0},
        ),
        (FloatDistribution(-2.0, 3.0), {0.0: -2.0, 0.3: -0.5, 0.9: 2.5}),
        (FloatDistribution(1e-4, 1e-2, log=True), {0.0: 1e-4, 0.25: 10**-3.5, 0.75: 10**-2.5}),
    ],
)
def test_the_value_at_a_share(distribution: BaseDistribution, expected: dict[float, Any]) -> None:
    at = values_of(distribution)
    for share, value in expected.items():
        for found in (at(share), value_at(distribution, share)):
            assert found == (pytest.approx(value) if isinstance(value, float) else value)
            assert type(found) is type(value)


def test_rounding_leads_out_of_no_range() -> None:
    ends = np.random.default_rng(0).uniform(1e-5, 10, size=(300, 2))
    beyond = 0
    for low, high in np.sort(ends).tolist():
        ratio = high / low
        beyond += low * ratio**1.0 > high
        assert values_of(FloatDistribution(low, high, log=True))(1.0) <= high
        assert values_of(FloatDistribution(low, high))(1.0) <= high
    assert beyond


def test_where_a_number_lies_in_its_range() -> None:
    assert share_of(FloatDistribution(-2.0, 3.0), -0.5) == pytest.approx(0.3)
    assert share_of(FloatDistribution(1e-4, 1e-2, log=True), 10**-3.5) == pytest.approx(0.25)
    assert share_of(IntDistribution(2, 6), 3) == 0.25
    assert share_of(IntDistribution(2, 32, log=True), 4) == pytest.approx(0.25)
    assert share_of(FloatDistribution(4.0, 4.0), 4.0) == 0.5


def test_another_kind_of_distribution_is_refused() -> None:
    other: Any = object()
    with pytest.raises(
        TypeError, match=r"^object is not a kind of distribution that is known here"
    ):
        values_of(other)
