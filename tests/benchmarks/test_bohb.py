"""Syne Tune's BOHB in replays: its suggestions reach the trials, and every evaluation reaches it once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from benchmarks import recorded
from benchmarks.bohb import SCORE, STEP, Bohb
from benchmarks.replay import replay, spec_for
from study.trial import Outcome

pytest.importorskip("syne_tune", reason="BOHB is measured where syne-tune is installed")


class Listening(Bohb):
    """Writes down what its schedulers are told and say."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.heard: dict[tuple[str, int], list[tuple[int, float]]] = {}
        self.suggested: dict[tuple[str, int], dict[str, float]] = {}
        for name, scheduler in self._schedulers.items():
            scheduler.on_trial_result = self._heard(name, scheduler.on_trial_result)

    def _heard(self, name: str, told: Any) -> Any:
        def listened(trial: Any, result: dict[str, Any]) -> Any:
            arm = name.removeprefix("replay/")
            self.heard.setdefault((arm, trial.trial_id), []).append((result[STEP], result[SCORE]))
            self.suggested[arm, trial.trial_id] = trial.config
            return told(trial, result)

        return listened


@pytest.mark.filterwarnings("ignore")
def test_every_evaluation_is_told_once_and_stopped_trials_are_those_that_it_stops() -> None:
    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    curves = recorded.load("wgan_gp")
    changes = ["search.sampler=random", "stopping={rule: none, pruner: {name: asha}}"]
    spec = spec_for(curves, 9, changes, seed=2)
    both = Listening(spec, curves.steps)
    study = replay(curves, spec, pruner=both, sampler=both)
    assert len(study.trials) == 18
    outcomes = {trial.record.outcome for trial in study.trials}
    assert outcomes == {Outcome.STOPPED, Outcome.COMPLETE}
    for record in (trial.record for trial in study.trials):
        told = both.heard[record.arm, record.number]
        seen = [(curves.steps.index(m.step) + 1, m.score) for m in record.measurements]
        assert told == seen
        suggested = both.suggested[record.arm, record.number]
        assert record.d_steps == suggested["d_steps"]
        for name, rate in (("b", record.b), ("a", record.a)):
            if name in suggested:
                assert abs(rate / 10 ** (suggested[name] / 2.302585092994046) - 1) < 1e-9
