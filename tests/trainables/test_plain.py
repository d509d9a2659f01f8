from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from trainables.folder import line_of
from trainables.plain import taken
from trainables.protocol import Diverged, Measurement


@pytest.mark.parametrize(
    ("score", "plain"),
    [
        (0.5, 0.5),
        (3, 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(2.5), 2.5),
        (np.int64(4), 4.0),
        (np.array(1.5), 1.5),
        (torch.tensor(0.25), 0.25),
        (torch.tensor(0.75, requires_grad=True), 0.75),
        (np.longdouble(0.5), 0.5),
        (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
    ],
)
def test_an_evaluation_comes_out_in_plain_numbers(score: Any, plain: float) -> None:
    given = Measurement(
        step=np.int64(7),  # type: ignore[arg-type]
        score=score,
        noise=score,
        metrics={"loss": score, "flag": True},
        seconds=2.0,
        time=3.0,
    )
    made = taken(given)
    assert made == Measurement(
        step=7,
        score=plain,
        noise=plain,
        metrics={"loss": plain, "flag": 1.0},
        seconds=2.0,
        time=3.0,
    )
    assert isinstance(made, Measurement)
    values = [made.step, made.score, made.noise, *made.metrics.values()]
    assert {type(value) for value in values} <= {int, float}
    assert json.loads(line_of(made))["score"] == plain


@pytest.mark.parametrize(
    "score", [math.nan, math.inf, -math.inf, np.float32("nan"), torch.tensor(math.inf)]
)
def test_a_score_that_is_not_finite_is_divergence(score: Any) -> None:
    made = taken(Measurement(step=5, score=score))
    assert isinstance(made, Diverged)
    assert made.step == 5
    assert made.reason == f"the score is {float(score)}"


def test_a_divergence_has_a_plain_step() -> None:
    made = taken(Diverged(step=np.int32(9), reason="a loss is nan", time=1.0))  # type: ignore[arg-type]
    assert made == Diverged(step=9, reason="a loss is nan", time=1.0)
    assert type(made.step) is int


def test_a_noise_that_is_not_finite_is_unknown_and_a_metric_stays() -> None:
    made = taken(Measurement(step=1, score=1.0, noise=math.nan, metrics={"x": math.inf}))
    assert made == Measurement(
        step=1, score=1.0, noise=0.0, metrics={"x": math.inf}, time=made.time
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Measurement(step=1, score="0.5"), "the trial's score is '0.5'; make it a number"),  # type: ignore[arg-type]
        (Measurement(step=1, score=None), "the trial's score is None; make it a number"),  # type: ignore[arg-type]
        (
            Measurement(step=1, score=torch.zeros(2)),  # type: ignore[arg-type]
            r"the trial's score is tensor\(\[0., 0.\]\); make it a number",
        ),
        (
            Measurement(step=1, score=1.0, metrics={"loss": [1.0]}),  # type: ignore[dict-item]
            r"the trial's metric loss is \[1.0\]; make it a number",
        ),
        (
            Measurement(step=1, score=np.ones(1)),  # type: ignore[arg-type]
            r"the trial's score is array\(\[1.\]\); make it a number",
        ),
        (
            Measurement(step=1, score=1.0, noise="x"),  # type: ignore[arg-type]
            "the trial's noise is 'x'; make it a number",
        ),
        (Measurement(step=1, score=1.0, noise=-0.5), "noise is -0.5; make it a standard deviation"),
        (Measurement(step=1.5, score=1.0), "step is 1.5; make it the whole number of steps"),  # type: ignore[arg-type]
        (0.5, "advance returned 0.5; make it return a Measurement, Diverged or None"),
        ({"score": 0.5}, "advance returned {'score': 0.5}; make it return"),
    ],
)
def test_what_is_no_evaluation_is_refused_in_a_sentence(event: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        taken(event)
