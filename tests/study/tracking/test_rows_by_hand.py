"""A run's newest values as a row, each in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from study.tracking.rows import row_of
from study.tracking.tables import RunFacts
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

RUN = RunFacts(
    run_id="abc",
    started=100.0,
    artifacts="s3://bucket",
    tags={
        "study": "faces",
        "arm": "two",
        "number": "7",
        "seed": "12",
        "score_name": "fd_1k",
        "outcome": "stopped",
        "reason": "it rose",
        "end_step": "45",
    },
    params={"b": "0.002", "a": "0.001", "d_steps": "2", "loss": "hinge", "ema": "null"},
    metrics={
        "b": 0.002,
        "a": 0.001,
        "d_steps": 2.0,
        "best_score": 5.0,
        "best_step": 20.0,
        "best_score_noise": 0.25,
        "score": 6.0,
        "noise": 0.75,
        "seconds": 9.0,
        "score_floor": 1.0,
        "score_ceiling": 40.0,
        "d_loss": 3.0,
        "early_score": 70.0,
        "early_noise": 4.0,
    },
    steps={"score": 40, "seconds": 40, "early_score": 10},
)
BEST = Measurement(
    step=20,
    score=5.0,
    noise=0.25,
    metrics={"score_floor": 1.0, "score_ceiling": 40.0},
    seconds=9.0,
    time=0.0,
)
NEWEST = Measurement(step=40, score=6.0, seconds=9.0, time=0.0)
ROW = TrialRecord(
    study="faces",
    arm="two",
    number=7,
    parameters=Parameters(b=0.002, a=0.001, d_steps=2, further={"loss": "hinge", "ema": None}),
    score_name="fd_1k",
    seed=12,
    outcome=Outcome.STOPPED,
    reason="it rose",
    end_step=45,
    measurements=(BEST, NEWEST),
    early=(Measurement(step=10, score=70.0, seconds=9.0, time=0.0, early=True),),
    started=100.0,
    mlflow_run_id="abc",
)


def run(**changes: Any) -> RunFacts:
    """The run with other values; None: without them."""
    made = {}
    for part in ("tags", "metrics", "steps"):
        known = {**getattr(RUN, part), **changes.get(part, {})}
        made[part] = {name: value for name, value in known.items() if value is not None}
    return replace(RUN, **made)


def test_all_of_a_run_is_in_its_row() -> None:
    assert row_of(RUN) == ROW


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tags": {"outcome": "complete"}}, {"outcome": Outcome.COMPLETE, "measurements": (BEST,)}),
        (
            {"tags": {"outcome": None, "reason": None, "end_step": None}},
            {"outcome": None, "reason": None, "end_step": None, "measurements": (BEST,)},
        ),
        ({"tags": {"end_step": None}}, {"end_step": 40}),
        ({"tags": {"end_step": None}, "steps": {"seconds": None}}, {"end_step": None}),
        (
            {"metrics": {"best_score_noise": None}},
            {"measurements": (replace(BEST, noise=0.75), NEWEST)},
        ),
        ({"metrics": {"score": None}}, {"measurements": (BEST,)}),
        ({"steps": {"score": None}}, {"measurements": (BEST,)}),
        ({"steps": {"score": 20}}, {"measurements": (BEST,)}),
        ({"steps": {"score": 21}}, {"measurements": (BEST, replace(NEWEST, step=21))}),
        ({"metrics": {"early_score": None}}, {"early": ()}),
        ({"steps": {"early_score": None}}, {"early": ()}),
        ({"metrics": {"best_score": None}}, {"measurements": ()}),
    ],
)
def test_what_a_run_lacks_is_not_known(changes: Any, expected: Any) -> None:
    assert row_of(run(**changes)) == replace(ROW, **expected)
