"""The values that pass out of a trial: their bounds, their JSON, and there and back."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from trainables.protocol import Measurement, Parameters


@pytest.mark.parametrize("name", ["b", "a"])
@pytest.mark.parametrize("value", [0.0, -1e-9, math.inf, -math.inf, math.nan])
def test_a_learning_rate_is_finite_and_above_0(name: str, value: float) -> None:
    known: dict[str, Any] = {"b": 1e-3, "a": 1e-3, "d_steps": 1, name: value}
    with pytest.raises(ValueError, match=f"^{name} is .*; a learning rate must be finite and > 0$"):
        Parameters(**known)


@pytest.mark.parametrize("value", [0, -1, 0.5, 1.5])
def test_steps_of_d_are_a_whole_number_of_1_or_more(value: float) -> None:
    with pytest.raises(ValueError, match=r"^d_steps is .*; it must be a whole number >= 1$"):
        Parameters(b=5e-324, a=1e308, d_steps=value)  # type: ignore[arg-type]
    assert Parameters(b=5e-324, a=1e308, d_steps=1).d_steps == 1


def test_parameters_are_one_flat_mapping_and_back() -> None:
    flat = {"b": 2e-3, "a": 1e-3, "d_steps": 3, "loss": "hinge", "regulariser.weight": 10.0}
    made = Parameters.of(flat)
    further = {"loss": "hinge", "regulariser.weight": 10.0}
    assert made == Parameters(b=2e-3, a=1e-3, d_steps=3, further=further)
    assert json.loads(json.dumps(made.to_json())) == flat
    derived = Parameters.of({"d_steps": 3.0, "a": 1, "b": 2})
    assert derived == Parameters(b=2.0, a=1.0, d_steps=3)
    kinds = [type(value) for value in (derived.b, derived.a, derived.d_steps)]
    assert kinds == [float, float, int]
    apart = {"b": 2e-3, "a": 1e-3, "d_steps": 3, "further": further}
    assert Parameters.of(apart) == made
    assert Parameters.of({"b": 2, "a": 1, "d_steps": 3, "further": None}) == derived
    with pytest.raises(ValueError, match=r"d_steps is 2\.5; it must be a whole number"):
        Parameters.of({"b": 2, "a": 1, "d_steps": 2.5})


def test_a_measurement_is_plain_values_and_back() -> None:
    made = Measurement(step=7, score=1.5, noise=0.1, metrics={"fid": 2.0}, seconds=3.0, time=4.0)
    plain = json.loads(json.dumps(made.to_json()))
    assert plain == {
        "step": 7,
        "score": 1.5,
        "noise": 0.1,
        "metrics": {"fid": 2.0},
        "seconds": 3.0,
        "time": 4.0,
    }
    assert Measurement.from_json(plain) == made


def test_a_measurement_that_says_little_was_taken_now() -> None:
    before = time.time()
    made = Measurement(step=1, score=2.0)
    assert before <= made.time <= time.time()
    assert (made.noise, made.metrics, made.seconds) == (0.0, {}, 0.0)
