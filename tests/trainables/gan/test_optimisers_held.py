"""Rates and coefficients that lie on the trial's device move parameters as plain numbers do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.schedules import Rate, generator_rate
from trainables.settings.optimisation import OptimiserSettings, ScheduleSettings

SHAPES = [(3, 2, 4, 4), (5,), (2, 3)]
HEAVY_BALL = {"name": "heavy_ball", "memory": "polynomial", "r": 2.0}


def falling(rate: float = 0.1, updates: int = 8) -> Rate:
    return generator_rate(rate, ScheduleSettings(name="cosine"), updates)


def made(fields: dict[str, Any], rate: Rate) -> PlayerOptimiser:
    torch.manual_seed(0)
    places = [torch.randn(shape, dtype=torch.float64) for shape in SHAPES]
    return PlayerOptimiser(places, OptimiserSettings(**fields), rate)


def gradients(n: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize(
    ("fields", "rounding"),
    [
        # Torch's own kernels take a rate as float32.
        ({"name": "adam", "beta1": 0.5}, 1e-6),
        ({"name": "sgd", "beta1": 0.9}, 1e-6),
        (HEAVY_BALL, 1e-12),
        ({"name": "heavy_ball", "memory": "exponential", "r": 2.0}, 1e-12),
    ],
)
@pytest.mark.parametrize("first", [1, 3])
def test_held_numbers_move_parameters_as_plain_ones_do(
    fields: dict[str, Any], rounding: float, first: int
) -> None:
    """Also where they are held only after updates have been made, as after a checkpoint was loaded."""
    held, plain = made(fields, falling()), made(fields, falling())
    for n in range(1, 9):
        if n == first:
            held.hold("cpu")
        for optimiser in (held, plain):
            optimiser.schedule(n)
            optimiser.step(gradients(n))
    for one, other in zip(held.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(one, other, rtol=rounding, atol=rounding)
    begun = made(fields, falling()).parameters
    assert not any(
        torch.equal(one, other) for one, other in zip(held.parameters, begun, strict=True)
    )


def numbers(optimiser: PlayerOptimiser) -> dict[str, Any]:
    (group,) = optimiser.param_groups
    betas = dict(zip(("beta1", "beta2"), group.get("betas", ()), strict=False))
    return {"lr": group["lr"], **betas}


@pytest.mark.parametrize(
    ("fields", "names", "dtype"),
    [
        ({"name": "adam"}, {"lr"}, torch.float32),
        ({"name": "sgd"}, {"lr"}, torch.float32),
        (HEAVY_BALL, {"lr", "beta1", "beta2"}, torch.float64),
    ],
)
def test_what_changes_is_one_number_on_the_device(
    fields: dict[str, Any], names: set[str], dtype: torch.dtype
) -> None:
    optimiser = made(fields, falling())
    optimiser.hold("cpu")
    optimiser.schedule(1)
    first = numbers(optimiser)
    optimiser.schedule(5)
    second = numbers(optimiser)
    expected = made(fields, falling())
    expected.schedule(5)
    for name, value in numbers(expected).items():
        assert (second[name] is first[name]) == (name in names) or not isinstance(value, Tensor)
        assert isinstance(second[name], Tensor) == (name in names)
        if name in names:
            assert (second[name].dtype, second[name].shape) == (dtype, ())
            assert second[name].item() == pytest.approx(value, rel=1e-6)


def test_numbers_lie_on_the_device_that_is_named() -> None:
    optimiser = made(HEAVY_BALL, falling())
    optimiser.hold("meta")
    optimiser.schedule(2)
    assert {value.device.type for value in numbers(optimiser).values()} == {"meta"}
    (group,) = optimiser.param_groups
    assert group["beta2_product"].device.type == "meta"


def test_a_rate_that_stays_is_a_plain_number() -> None:
    optimiser = made({"name": "adam"}, generator_rate(0.1, ScheduleSettings(), 8))
    optimiser.hold("meta")
    optimiser.schedule(3)
    assert numbers(optimiser)["lr"] == 0.1
