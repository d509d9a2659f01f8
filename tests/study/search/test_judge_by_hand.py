"""The judge of all rules: what it asks of whom, on records in memory, against chances worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.pruners import BasePruner, NopPruner, ThresholdPruner
from optuna.samplers import RandomSampler
from scipy import stats
from support.study import ARMS, saddle_spec

from study.record.connection import Patience
from study.record.trials import ArmLedger
from study.search.arm import ArmState, arm_state
from study.search.stopping import Judge
from study.spec.model import Spec
from trainables.protocol import Measurement

MINE, OTHER = ARMS
WHOLE: dict[str, list[list[float]]] = {
    MINE: [[90.0, 40.0, 12.0, 15.0], [55.0, 60.0, 20.0, 9.0], [30.0, 21.0, 8.0, 7.5]],
    OTHER: [[200.0, 90.0, 70.0, 31.0], [16.0, 8.0, 6.0, 7.0], [44.0, 41.0, 39.0, 11.0]],
}
"""Scores of whole trials at steps 10, 20, 30 and 40."""


def history(*scores: float) -> list[Measurement]:
    return [Measurement(step=10 * (i + 1), score=score) for i, score in enumerate(scores)]


def arms_of(spec: Spec, pruner: BasePruner | None = None) -> dict[str, ArmState]:
    states = {}
    for name, arm in spec.arms.items():
        study = optuna.create_study(sampler=RandomSampler(seed=0), pruner=pruner or NopPruner())
        states[name] = arm_state(name, arm, ArmLedger(study, Patience()))
    return states


def judged(
    stopping: dict[str, Any],
    past: list[Measurement],
    *,
    number: int = 0,
    trials: int = 3,
    recorded: list[Measurement] | None = None,
    pruner: BasePruner | None = None,
    best: tuple[float, int] | None = None,
    whole: dict[str, list[list[float]]] | None = None,
    **parts: Any,
) -> str | None:
    """What the judge says of a trial of the first arm, whose evaluations the record has."""
    spec = Spec.model_validate(saddle_spec(trials=trials, stopping=stopping, **parts))
    arms = arms_of(spec, pruner)
    mine = arms[MINE]
    for _ in range(number + 1):
        mine.ledger.ask(mine.space)
    for measurement in recorded or past:
        mine.ledger.report(number, measurement)
    mine.best = best
    for name, curves in (whole or {}).items():
        arms[name].whole = {
            100 + i: {10 * (j + 1): score for j, score in enumerate(curve)}
            for i, curve in enumerate(curves)
        }
    return Judge(spec, arms).reason(mine, number, past)


def chance(now: float, target: float, step: int) -> float:
    """That a trial ends below a target, as the whole trials of both arms gained after this step."""
    gained = []
    for curve in [*WHOLE[MINE], *WHOLE[OTHER]]:
        gained.append(math.log(min(curve) / min(curve[: step // 10])))
    n = len(gained)
    mean = sum(gained) / n
    squares = sum((each - mean) ** 2 for each in gained)
    prior = 0.25 * (1 - step / 40) ** 2
    freedom = 2 + n - 1
    scale = math.sqrt((2 * prior + squares) / freedom * (1 + 1 / n))
    return float(stats.t(freedom, loc=mean, scale=scale).cdf(math.log(target / now)))


@pytest.mark.parametrize(
    ("number", "trials", "place"),
    [(2, 5, 3 / 5), (0, 8, 1 / 8), (4, 5, 1.0), (4, 2, 1.0)],
)
@pytest.mark.parametrize("step", [10, 20, 30])
def test_what_is_not_worth_the_steps_left_is_given_up(
    number: int, trials: int, place: float, step: int
) -> None:
    """Left are of the 30 steps after the first evaluation; a budget that was exceeded is what there is."""
    past = history(*(60.0 + i for i in range(step // 10)))
    share = {10: 1.0, 20: 2 / 3, 30: 1 / 3}[step]
    limit = chance(60.0, 7.5, step) * place / share
    for factor, stops in ((1.001, True), (0.999, False)):
        said = judged(
            {"rule": "worth", "chance": limit * factor, "patience": 9},
            past,
            number=number,
            trials=trials,
            best=(7.5, 1),
            whole=WHOLE,
        )
        assert (said is not None) == stops
        if said:
            assert said.startswith(
                f"it would not beat 7.5 of trial 1: its lowest by step {step}, 60,"
            )
            assert f"lowest of {max(trials, number + 1)} trials" in said


def given_up(past: list[Measurement], **more: Any) -> str | None:
    rule = {"rule": "worth", "chance": 0.99, "patience": 9}
    return judged(rule, past, best=(7.5, 1), whole=WHOLE, **more)


def test_nothing_is_given_up_before_there_is_a_best() -> None:
    assert given_up(history(60.0, 61.0))
    rule = {"rule": "worth", "chance": 0.99, "patience": 9}
    assert judged(rule, history(60.0, 61.0), best=None, whole=WHOLE) is None


def test_what_is_handed_out_again_is_not_compared_with_others_before_its_newest_evaluation() -> (
    None
):
    recorded = history(60.0, 61.0, 62.0)
    assert given_up(recorded[:2], recorded=recorded, number=1) is None
    assert given_up(recorded, recorded=recorded, number=1)
    # What its own history says is the same each time, and so is asked each time.
    recorded = history(60.0, 601.0, 62.0)
    said = given_up(recorded[:2], recorded=recorded, number=1)
    assert (
        said == "the score collapsed: 601 at step 20 is more than 10 times the best, 60 at step 10"
    )


def test_no_trial_is_stopped_at_its_end() -> None:
    rising = {"rule": "rising"}
    for scores in ([5.0, 6.0, 7.0], [5.0, 4.0, 6.0, 41.0]):
        past = history(*scores)
        assert (judged(rising, past) is None) == (len(past) == 4)
        assert judged(rising, past, trial={"kind": "saddle", "steps": 50, "evaluate_every": 10})
    assert given_up(history(60.0, 61.0, 62.0, 63.0)) is None


def test_a_rule_s_patience_is_for_as_many_evaluations_as_a_trial_has() -> None:
    """Of 4 two in a row, of 20 four, and none in the first four of these."""
    longer = {"trial": {"kind": "saddle", "steps": 200, "evaluate_every": 10}}
    assert judged({"rule": "rising"}, history(5.0, 6.0, 7.0)) == (
        "the score rose: 2 evaluations in a row lie above 5 of step 10"
    )
    assert judged({"rule": "rising"}, history(5.0, 6.0, 7.0, 8.0), **longer) is None
    assert judged({"rule": "rising"}, history(5.0, 6.0, 7.0, 8.0, 9.0), **longer) == (
        "the score rose: 4 evaluations in a row lie above 5 of step 10"
    )


def test_a_pruner_is_asked_if_the_spec_has_one() -> None:
    pruning = {"rule": "none", "pruner": {"name": "median"}}
    strict = ThresholdPruner(upper=8.0)
    past = history(5.0, 9.0)
    assert judged(pruning, past, number=1, pruner=strict) == "median stopped it at step 20"
    assert judged(pruning, history(9.0, 5.0), pruner=strict) is None
    assert judged({"rule": "none"}, past, pruner=strict) is None
