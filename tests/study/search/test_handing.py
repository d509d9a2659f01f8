"""What a worker is told of a trial: what the record has of it, and what the spec says of all."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from support.study import saddle_spec

from study.places.locations import Places
from study.search.handing import Handing, Live
from study.spec.model import Spec
from study.trial import TrialRecord
from trainables.assignment import Assignment
from trainables.protocol import Parameters

RECORD = TrialRecord(
    study="little", arm="two_timescale", number=7, parameters=Parameters(b=0.5, a=0.25, d_steps=3)
)


def spec_of(**parts: Any) -> Spec:
    return Spec.model_validate(saddle_spec(search={"seed": 5}, **parts))


def handing(spec: Spec) -> Handing:
    places = Places(
        record="r", tracking="t", artifacts=None, checkpoints="/c/", cache="/somewhere/cache"
    )
    return Handing(spec, places)


def seed_by_hand(text: str) -> int:
    """The first 31 bits of what SHA-256 makes of it."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) // 2


def test_a_trial_gets_what_the_spec_says_of_all() -> None:
    spec = spec_of()
    whole = handing(spec).completed(RECORD)
    assert whole.parameters == RECORD.parameters
    assert whole.identity == "little/two_timescale/7"
    assert whole.seed == seed_by_hand("5/7")
    assert whole.score_name == "saddle_norm"
    assert whole.folder == "/c/little/two_timescale/00007"
    assert whole.spec_fingerprint == spec.fingerprint


@pytest.mark.parametrize(("keep", "kept"), [("best", True), ("all", True), ("none", False)])
def test_a_worker_is_told_all_that_it_needs(keep: str, kept: bool) -> None:
    spec = spec_of(storage={"keep": keep}, resources={"checkpoint_seconds": 2.5})
    asked = handing(spec)
    told = asked.assignment(asked.completed(RECORD))
    assert told == Assignment(
        identity="little/two_timescale/7",
        trial=spec.trial,
        parameters=RECORD.parameters,
        seed=seed_by_hand("5/7"),
        folder="/c/little/two_timescale/00007",
        cache="/somewhere/cache",
        checkpoint_seconds=2.5,
        keep=kept,
    )


def test_the_run_that_was_published_last_is_known() -> None:
    arm: Any = None
    assert Live(arm, RECORD).known.mlflow_run_id == RECORD.mlflow_run_id is None
    assert Live(arm, RECORD, run_id="new").known.mlflow_run_id == "new"
