"""A table of a study's trials gives the answer of the study, but for what a table does not hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.mlflow import new_store, record, tracking

import study
from study.tracking.ownership import Owner
from study.tracking.writer import Tracking
from study.trial import ONE, TWO, Outcome, TrialRecord
from trainables.protocol import Parameters


def searched() -> list[TrialRecord]:
    """Eight trials an arm in every state, whose lowest scores are not their last ones."""
    draw, made = np.random.default_rng(5), []
    for arm in (ONE, TWO):
        for number in range(8):
            b, a = 10 ** draw.uniform(-4, -2, 2)
            scores = list(draw.uniform(3, 9, 4))[: 1 + number % 4]
            outcome = (Outcome.STOPPED, Outcome.DIVERGED, Outcome.COMPLETE)[number % 3]
            trial = record(arm, number, scores=scores, outcome=outcome, reason="so")
            sampled = Parameters(b=b, a=b if arm == ONE else a, d_steps=2)
            made.append(replace(trial, parameters=sampled, started=1e9 + number))
    made.append(replace(record(TWO, 8, scores=[2.0]), parameters=made[-1].parameters))
    made.append(replace(record(TWO, 9, outcome=Outcome.FAILED), parameters=made[-1].parameters))
    return made


def fresh() -> list[TrialRecord]:
    """Runs of a trial of each arm from four seeds."""
    draw, made = np.random.default_rng(6), []
    for arm, number in ((ONE, 2), (TWO, 2)):
        sampled = next(t.parameters for t in searched() if (t.arm, t.number) == (arm, number))
        for seed in range(4):
            scores = list(draw.uniform(3, 6, 3))
            run = record(f"{arm}-{number}", seed, scores=scores, outcome=Outcome.COMPLETE)
            made.append(replace(run, study="study.confirm", parameters=sampled))
    return made


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    found = new_store(folder)
    writer = tracking(found, folder)
    for each in searched():
        writer.publish(each, fresh=True)
    again = Tracking(found, str(folder / "again"), Owner(study="study.confirm", record="r1"))
    for each in fresh():
        again.publish(each, fresh=True)
    return found


def test_a_table_gives_the_answer_of_the_study(uri: str, tmp_path: Path) -> None:
    frame = study.trials("study", tracking=uri)
    asked = study.compare("study", tracking=uri)
    told = study.compare_table(frame)
    assert told.efforts == asked.efforts
    steps = [each.steps for effort in told.efforts for each in effort.reached if each]
    assert steps
    assert None not in steps
    assert told.arms.keys() == asked.arms.keys()
    # The surface of the study knows its fresh seeds, too.
    both = pd.concat([frame, study.trials("study.confirm", tracking=uri)])
    frame.to_csv(tmp_path / "trials.csv", index=False)
    read = study.compare_table(pd.read_csv(tmp_path / "trials.csv"))
    assert read.efforts == asked.efforts
    whole = study.compare_table(both)
    assert replace(whole, confirmation=None) == replace(asked, confirmation=None)
    kept = [key for key in asked.to_json() if key not in ("confirmation", "verdicts")]
    one, two = (json.dumps({k: each.to_json()[k] for k in kept}) for each in (whole, asked))
    assert one == two
    assert asked.confirmation is not None
    assert whole.confirmation is not None
    assert [f.runs for f in whole.confirmation.finalists] == [
        f.runs for f in asked.confirmation.finalists
    ]
