"""The rates that the paper plots beside its optima."""

import pytest

from search_spaces import points

PLOTTED = {
    ("dcgan", "celeba"): [5e-4, 1e-5, 1e-4],
    ("dcgan", "cifar10"): [1e-4, 2e-4, 5e-4],
    ("dcgan", "svhn"): [5e-5, 1e-5, 1e-4],
    ("dcgan", "lsun"): [5e-5, 1e-5, 1e-4],
    ("wgan-gp", "cifar10"): [1e-4, 5e-4, 7e-4],
    ("wgan-gp", "lsun"): [1e-4, 5e-4, 7e-4],
    ("wgan-gp", "billion-words"): [1e-4],
}


@pytest.mark.parametrize("row", PLOTTED)
def test_plotted_rates_follow_the_optimum_of_one_time_scale(row: tuple[str, str]) -> None:
    every, optima = points(*row, plotted=True), points(*row)
    (optimum,) = optima["one_timescale"]
    assert every["one_timescale"][0] == optimum
    assert [point["b"] for point in every["one_timescale"]] == PLOTTED[row]
    assert {point["d_steps"] for point in every["one_timescale"]} == {optimum["d_steps"]}
    assert every["two_timescale"] == optima["two_timescale"]


def test_nothing_more_is_plotted_of_the_saddle() -> None:
    assert points("saddle", "saddle", plotted=True) == points("saddle", "saddle")
