"""A moving average whose weight changes lies on the device of the trial, and weighs what is asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainables.gan.average import MovingAverage
from trainables.gan.foreach import move_towards
from trainables.gan.schedules import average_decay
from trainables.kinds import parse_settings
from trainables.settings.adversarial import AdversarialSettings


def settings_of(**further: Any) -> AdversarialSettings:
    fields = {"kind": "gan", "data": "digits", "steps": 9, "evaluate_every": 3, "networks": "dcgan"}
    made = parse_settings({**fields, **further})
    assert isinstance(made, AdversarialSettings)
    return made


def linear(value: float) -> nn.Linear:
    layer = nn.Linear(2, 3)
    for weight in layer.parameters():
        nn.init.constant_(weight, value)
    return layer


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(
    ("further", "n", "weight"),
    [
        ({"ema": 0.75}, 5, 0.25),
        ({"ema": 0.75, "ema_start": 3}, 3, 1.0),
        ({"ema": 0.75, "ema_start": 3}, 4, 0.25),
        # After 1 update a half-life of 4 updates, which is shorter than that of 0.9.
        ({"ema": 0.9, "ema_ramp": 4}, 2, 1 - 0.5 ** (1 / 4)),
        ({"ema": 0.9, "ema_ramp": 4}, 500, 0.1),
        ({"ema": 0.9, "ema_ramp": 2}, 1, 1.0),
        ({"ema": 0.9, "ema_ramp": 2}, 4, 1 - 0.5 ** (1 / 6)),
        ({"ema": 0.9, "ema_ramp": 2, "ema_start": 3}, 6, 1 - 0.5 ** (1 / 4)),
    ],
)
def test_an_average_moves_by_its_weight(
    further: dict[str, Any], n: int, weight: float, held: bool
) -> None:
    generator = linear(1.0)
    average = MovingAverage(generator, settings_of(**further))
    if held:
        average.hold("cpu")
    for value in generator.parameters():
        nn.init.constant_(value, 5.0)

    average.schedule(n)
    average.follow()

    for value in average.network.parameters():
        torch.testing.assert_close(value, torch.full_like(value, 1 + weight * 4))


def test_an_average_that_was_not_told_the_update_stays() -> None:
    generator = linear(1.0)
    average = MovingAverage(generator, settings_of(ema=0.75))
    nn.init.constant_(generator.weight, 5.0)
    average.follow()
    assert average.network.get_parameter("weight").eq(1.0).all()


@pytest.mark.parametrize(
    ("further", "changes"),
    [
        ({}, False),
        ({"ema_start": 3}, True),
        ({"ema_ramp": 4}, True),
        ({"ema_ramp": 4, "ema_start": 3}, True),
    ],
)
def test_a_weight_that_changes_is_one_number_on_the_device(
    further: dict[str, Any], changes: bool
) -> None:
    """A recorded step finds it there, in double precision, at one address from step to step."""
    average = MovingAverage(linear(1.0), settings_of(ema=0.75, **further))
    average.hold("meta")
    average.schedule(1)
    first = average._weight
    average.schedule(2)
    assert (average._weight is first) == changes
    assert isinstance(first, torch.Tensor) == changes
    if isinstance(first, torch.Tensor):
        assert (first.device.type, first.dtype, first.shape) == ("meta", torch.float64, ())


@pytest.mark.parametrize("on_a_device", [False, True])
def test_values_of_several_kinds_move_towards_their_ends(on_a_device: bool) -> None:
    torch.manual_seed(0)
    shapes = [(3, 2, 4, 4), (5,), (), (2, 3)]
    kinds = [torch.float32, torch.float64, torch.float32, torch.bfloat16]
    values = [torch.randn(shape).to(kind) for shape, kind in zip(shapes, kinds, strict=True)]
    ends = [torch.randn_like(value) for value in values]
    before, given = [value.clone().double() for value in values], [end.clone() for end in ends]

    weight = 0.3
    move_towards(values, ends, torch.tensor(weight, dtype=torch.float64) if on_a_device else weight)

    for value, start, end, kind in zip(values, before, given, kinds, strict=True):
        assert value.dtype == kind
        rounding = 1e-2 if kind == torch.bfloat16 else 1e-6
        torch.testing.assert_close(
            value.double(), start + 0.3 * (end.double() - start), rtol=rounding, atol=rounding
        )
    assert all(torch.equal(end, kept) for end, kept in zip(ends, given, strict=True))


def test_averaging_begins_with_the_first_update_unless_told_otherwise() -> None:
    assert average_decay(1, 0.9) == 0.9
