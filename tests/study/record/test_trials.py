"""The trials of an arm, in memory and in a database: asked for, refused, taken up, reported, ended."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import NopPruner, ThresholdPruner
from optuna.samplers import GridSampler, RandomSampler
from optuna.trial import TrialState, create_trial
from support.study import empty_record

from search_spaces import build_space
from search_spaces.space import SearchSpace
from study.record import trials as module
from study.record.attributes import REFUSED
from study.record.connection import Patience
from study.record.trials import ArmLedger
from study.search.present import PresentTPE
from study.trial import Outcome
from trainables.protocol import Measurement

SPACE: SearchSpace = build_space("one_timescale", {"b": [1e-4, 1e-2], "d_steps": [1, 2]})
GOOD = {"b": 1e-3, "d_steps": 2}


@pytest.fixture(params=["in memory", "in a database"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    """Of a study in memory every open trial is read to see what waits; a database tells by itself."""
    storage = None if request.param == "in memory" else f"sqlite:///{tmp_path}/kept.db"
    return optuna.create_study(study_name="s/x", sampler=RandomSampler(seed=1), storage=storage)


@pytest.fixture
def arm(kept: optuna.Study) -> ArmLedger:
    return ArmLedger(kept, Patience())


def again(kept: optuna.Study) -> ArmLedger:
    """The same arm as a new driver opens it."""
    return ArmLedger(kept, Patience())


def seen(step: int, score: float) -> Measurement:
    return Measurement(step=step, score=score)


def test_a_trial_is_asked_with_what_is_derived_from_its_sample(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    first, second = arm.ask(SPACE), arm.ask(SPACE)
    assert [first.identity, second.identity] == ["s/x/0", "s/x/1"]
    for made in (first, second):
        sample = kept.trials[made.number].params
        assert set(sample) == {"b", "d_steps"}
        assert made.parameters.to_json() == SPACE.derive(sample)
        assert made.a == made.b
    assert [t.identity for t in arm.trials()] == ["s/x/0", "s/x/1"]
    assert arm.trial(1) == second
    assert arm.asked() == (2,)
    assert arm.half_asked() == []
    assert [t.number for t in arm.frozen()] == [0, 1]


def test_who_proposes_and_prunes_can_be_set(arm: ArmLedger, kept: optuna.Study) -> None:
    sampler, pruner = RandomSampler(seed=3), NopPruner()
    arm.use(sampler, pruner)
    assert (kept.sampler, kept.pruner) == (sampler, pruner)


def test_points_come_after_what_others_enqueued_and_one_is_taken_at_a_time(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    points: deque[Any] = deque([{"b": 2e-3, "d_steps": 1}, {"b": 3e-3}])
    kept.enqueue_trial(GOOD)
    assert arm.ask(SPACE, points).b == 1e-3
    assert len(points) == 2
    assert arm.ask(SPACE, points).b == 2e-3
    assert list(points) == [{"b": 3e-3}]
    assert arm.ask(SPACE, points).b == 3e-3
    assert not points
    assert arm.ask(SPACE, points).b not in (1e-3, 2e-3, 3e-3)


def test_points_that_were_tried_are_not_tried_again(arm: ArmLedger, kept: optuna.Study) -> None:
    twice = {"b": 5e-3, "d_steps": 1}
    points: list[dict[str, Any]] = [GOOD, twice, twice, {"b": 4e-3}]
    assert list(arm.untried(points)) == points
    arm.ask(SPACE, deque([twice]))
    assert list(arm.untried(points)) == [GOOD, twice, {"b": 4e-3}]
    arm.ask(SPACE, deque([{"b": 4e-3}]))  # what was given counts, not what was sampled beside it
    assert list(arm.untried(points)) == [GOOD, twice]
    kept.add_trial(create_trial(params=GOOD, distributions=dict(SPACE.distributions), value=1.0))
    assert list(arm.untried(points)) == [twice]


def test_what_cannot_be_tried_is_refused_in_a_sentence_and_tried_as_a_point_still(
    arm: ArmLedger, kept: optuna.Study, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"b": 5.0, "lr": 1}
    kept.enqueue_trial(wrong)
    kept.enqueue_trial(GOOD)
    assert arm.queue(SPACE) == 1
    refused = kept.trials[0]
    assert refused.state is TrialState.FAIL
    expected = "; ".join(SPACE.violations(wrong, partial=True))
    assert refused.user_attrs[REFUSED] == expected
    (said,) = caplog.records
    assert said.getMessage() == (
        f"a trial of s/x that another program enqueued with {wrong} is not run: {expected}"
    )
    assert arm.queue(SPACE) == 1
    assert len(caplog.records) == 1
    assert list(arm.untried([wrong])) == [wrong]
    assert arm.trials() == []


def test_a_grid_is_given_whole_points_only(arm: ArmLedger, kept: optuna.Study) -> None:
    kept.enqueue_trial({"b": 1e-3})
    assert arm.queue(SPACE) == 1
    arm.use(GridSampler({"b": [1e-3], "d_steps": [1]}), NopPruner())
    assert arm.queue(SPACE) == 0
    assert kept.trials[0].state is TrialState.FAIL
    kept.enqueue_trial({})
    assert arm.queue(SPACE) == 1


def test_a_trial_that_runs_here_or_is_known_is_not_in_the_queue(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    arm.ask(SPACE)
    begun = kept.ask()
    begun.suggest_float(
        "b", 5.0, 6.0, log=True
    )  # another program began it, with what this space does not hold
    assert arm.queue(SPACE) == 0
    states = [t.state for t in kept.trials]
    assert states == [TrialState.RUNNING, TrialState.FAIL]


def test_a_trial_of_an_earlier_launch_is_not_held_against_the_present_space(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    arm.ask(SPACE, deque([GOOD]))
    narrow = build_space("one_timescale", {"b": [5e-3, 1e-2], "d_steps": [1, 2]})
    assert again(kept).queue(narrow) == arm.queue(narrow) == 0
    assert kept.trials[0].state is TrialState.RUNNING


def test_a_trial_that_was_half_asked_is_counted_apart_and_taken_up(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    arm.ask(SPACE)
    half = kept.ask()
    half.suggest_float("b", 1e-4, 1e-2, log=True)
    kept.ask()
    assert arm.half_asked() == [1, 2]
    assert repr(arm.asked()) == "(3, 1, 1, 2, 0)"  # part of a seed, so a whole number
    assert [t.number for t in arm.trials()] == [0]
    other = again(kept)
    made = other.reopen(1, SPACE)
    assert (made.number, made.b) == (1, half.params["b"])
    assert other.half_asked() == [2]
    assert other.asked() == (3, 2, 0)
    assert other.reopen(2, SPACE).number == 2
    assert other.asked() == (3,)


def test_a_half_asked_trial_of_a_grid_gets_a_point_of_it(kept: optuna.Study) -> None:
    kept.ask()
    arm = again(kept)
    arm.use(GridSampler({"b": [3e-3], "d_steps": [2]}), NopPruner())
    made = arm.reopen(0, SPACE)
    assert (made.b, made.d_steps) == (3e-3, 2)


def test_of_two_scores_at_a_step_the_later_is_kept_and_said_to_replace(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    number = arm.ask(SPACE).number
    assert not arm.report(number, seen(10, 3.0))
    assert not arm.report(number, seen(10, 3.0))
    assert arm.report(number, seen(10, 4.0))
    assert not arm.report(number, seen(20, 2.0))
    assert kept.trials[0].intermediate_values == {10: 4.0, 20: 2.0}
    other = again(kept)
    other.reopen(number, SPACE)
    assert not other.report(number, seen(10, 4.0))
    assert other.report(number, seen(20, 1.0))
    assert kept.trials[0].intermediate_values == {10: 4.0, 20: 1.0}


def test_the_pruner_judges_the_newest_evaluation_only(arm: ArmLedger, kept: optuna.Study) -> None:
    arm.use(RandomSampler(seed=0), ThresholdPruner(upper=5.0))
    number = arm.ask(SPACE).number
    arm.report(number, seen(10, 9.0))
    assert arm.is_newest(number, 10)
    assert arm.should_prune(number)
    arm.report(number, seen(20, 1.0))
    assert [arm.is_newest(number, step) for step in (10, 20, 30)] == [False, True, True]
    assert not arm.should_prune(number)
    arm.report(number, seen(30, 9.0))
    assert arm.should_prune(number)
    fine = arm.ask(SPACE).number
    assert arm.is_newest(fine, 10)
    assert not arm.should_prune(fine)
    arm.report(fine, seen(10, 1.0))
    assert not arm.should_prune(fine)


@pytest.mark.parametrize(
    ("outcome", "objective", "reason", "state", "value"),
    [
        (Outcome.COMPLETE, 1.5, None, TrialState.COMPLETE, 1.5),
        (Outcome.STOPPED, 2.0, "the score rose", TrialState.COMPLETE, 2.0),
        (Outcome.DIVERGED, math.inf, "the loss is nan", TrialState.COMPLETE, math.inf),
        (Outcome.FAILED, 1.0, "OSError: no", TrialState.FAIL, None),
    ],
)
def test_an_end_is_kept_with_its_reason(
    arm: ArmLedger,
    kept: optuna.Study,
    outcome: Outcome,
    objective: float,
    reason: str | None,
    state: TrialState,
    value: float | None,
) -> None:
    number = arm.ask(SPACE).number
    arm.report(number, seen(10, 3.0))
    when = arm.end(number, outcome, objective, reason, 25)
    trial = kept.trials[number]
    assert (trial.state, trial.value) == (state, value)
    (known,) = again(kept).trials()
    assert (known.outcome, known.reason, known.end_step) == (outcome, reason, 25)
    assert known.ended == when == trial.datetime_complete.timestamp()  # type: ignore[union-attr]
    assert [(m.step, m.score, m.time) for m in known.measurements] == [(10, 3.0, when)]
    assert ("reason" in trial.user_attrs) == (reason is not None)
    assert arm._open == arm._reported == {}
    with pytest.raises(KeyError):
        arm.end(number, outcome, objective, reason, 25)


def test_an_end_that_is_told_twice_is_one(
    arm: ArmLedger, kept: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is where the record took it in but the answer was lost."""
    real, told = module.tell, []

    def tell(*arguments: Any) -> Any:
        told.extend([real(*arguments), real(*arguments)])
        return told[1]

    monkeypatch.setattr(module, "tell", tell)
    number = arm.ask(SPACE).number
    when = arm.end(number, Outcome.COMPLETE, 1.0, None, 10)
    assert [each.timestamp() for each in told] == [when, when]
    assert kept.trials[number].value == 1.0


def test_a_reason_from_an_end_that_was_not_told_is_taken_back(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    number = arm.ask(SPACE).number
    arm._open[number].set_user_attr("reason", "an old one")
    arm.end(number, Outcome.COMPLETE, 1.0, None, 10)
    assert arm.trial(number).reason is None


def test_a_run_is_kept_and_nothing_is_taken_back(arm: ArmLedger) -> None:
    number = arm.ask(SPACE).number
    arm.set_run(number, "", published=False)
    assert (arm.trial(number).mlflow_run_id, arm.trial(number).published) == (None, False)
    arm.set_run(number, "abc", published=False)
    assert (arm.trial(number).mlflow_run_id, arm.trial(number).published) == ("abc", False)
    arm.set_run(number, "abd", published=True)
    arm.set_run(number, "", published=False)
    assert (arm.trial(number).mlflow_run_id, arm.trial(number).published) == ("abd", True)


def test_the_run_of_a_trial_that_has_ended_is_kept_in_a_database(tmp_path: Path) -> None:
    kept = optuna.create_study(storage=empty_record(tmp_path), study_name="s/x")
    arm = ArmLedger(kept, Patience())
    for number in (0, 1):
        arm.ask(SPACE)
        arm.end(number, Outcome.COMPLETE, 1.0, None, 10)
    arm.set_run(1, "abc", published=True)
    assert [t.mlflow_run_id for t in again(kept).trials()] == [None, "abc"]
    assert [t.published for t in again(kept).trials()] == [False, True]


def test_in_a_database_nothing_waits_where_all_that_has_not_ended_runs_here(tmp_path: Path) -> None:
    kept = optuna.create_study(storage=empty_record(tmp_path), study_name="s/x")
    arm, points = ArmLedger(kept, Patience()), deque([GOOD, {"b": 2e-3, "d_steps": 1}])
    for made in range(2):
        assert arm.queue(SPACE) == 0
        assert arm.ask(SPACE, points).b == (made + 1) / 1000
    assert (arm.queue(SPACE), len(points)) == (0, 0)
    kept.enqueue_trial({"b": 3e-3, "d_steps": 1})
    assert arm.queue(SPACE) == 1
    assert arm.ask(SPACE, deque([GOOD])).b == 3e-3
    assert arm.queue(SPACE) == 0


def test_the_places_at_which_tests_kill_have_their_names(
    arm: ArmLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []
    monkeypatch.setattr(module, "point", passed.append)
    arm.ask(SPACE)
    arm.end(0, Outcome.COMPLETE, 1.0, None, 10)
    assert passed == ["asked", "telling", "told"]


def test_trials_that_another_program_ended_are_strangers(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    distributions = dict(SPACE.distributions)
    for value in (1.0, 2.0):
        kept.add_trial(create_trial(params=GOOD, distributions=distributions, value=value))
    failed = create_trial(params=GOOD, distributions=distributions, state=TrialState.FAIL)
    kept.add_trial(failed)
    kept.enqueue_trial(GOOD)
    arm.ask(SPACE)
    arm.end(3, Outcome.COMPLETE, 1.0, None, 10)
    assert arm.strangers() == 2
    assert (arm.half_asked(), arm.asked()) == ([], (1,))
    assert [t.number for t in arm.trials()] == [3]


def cut_off_once(real: Callable[..., Any], made: bool) -> Callable[..., Any]:
    """A call during the first of which the record goes away, before or after it was done."""
    cut = [True]

    def call(*arguments: Any, **options: Any) -> Any:
        if not cut:
            return real(*arguments, **options)
        cut.clear()
        if made:
            real(*arguments, **options)
        raise optuna.exceptions.StorageInternalError("away")

    return call


@pytest.mark.parametrize("made", [True, False])
def test_an_asking_that_the_record_cut_off_is_found_again(
    arm: ArmLedger, kept: optuna.Study, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """Whether the trial was made before the record went away or not, there is one of it."""
    arm.ask(SPACE)
    monkeypatch.setattr(kept, "ask", cut_off_once(kept.ask, made))
    found = arm.ask(SPACE, deque([GOOD, {"b": 2e-3, "d_steps": 1}]))
    assert (found.number, found.b) == (1, 1e-3)
    assert len(kept.trials) == 2
    assert found.parameters.to_json() == SPACE.derive(kept.trials[1].params)
    assert not arm.report(1, seen(10, 1.0))


@pytest.mark.parametrize("made", [True, False])
def test_a_new_trial_that_the_record_cut_off_is_found_again(
    arm: ArmLedger, kept: optuna.Study, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """Where nothing waits a trial is made without Optuna's own asking."""
    arm.ask(SPACE)
    storage = kept._storage
    monkeypatch.setattr(storage, "create_new_trial", cut_off_once(storage.create_new_trial, made))
    found = arm.ask(SPACE)
    assert (found.number, len(kept.trials), arm.half_asked()) == (1, 2, [])
    assert found.parameters.to_json() == SPACE.derive(kept.trials[1].params)
    assert not arm.report(1, seen(10, 1.0))


def test_an_asking_in_a_database_reads_the_trials_once_and_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TPE asks twice for them, and Optuna a third time; of one asking nothing is left for the next."""
    sampler = PresentTPE(SPACE, seed=1, n_startup_trials=1, constant_liar=True, multivariate=True)
    kept = optuna.create_study(storage=empty_record(tmp_path), study_name="s/x", sampler=sampler)
    arm, seen_by_sampler, reads = ArmLedger(kept, Patience()), [], []
    real = kept._storage.get_all_trials

    def read(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        reads.append([trial.state for trial in found])
        return found

    monkeypatch.setattr(kept._storage, "get_all_trials", read)
    for number in range(4):
        arm.ask(SPACE)
        seen_by_sampler.append(reads.copy())
        reads.clear()
        if number != 2:
            arm.end(number, Outcome.COMPLETE, 1.0 + number, None, 10)
    done, runs = TrialState.COMPLETE, TrialState.RUNNING
    assert seen_by_sampler == [
        [[runs]],
        [[done, runs]],
        [[done] * 2 + [runs]],
        [[done] * 2 + [runs] * 2],
    ]


def test_all_that_waits_is_counted_also_what_states_nothing(
    arm: ArmLedger, kept: optuna.Study
) -> None:
    kept.enqueue_trial(GOOD)
    kept.add_trial(create_trial(state=TrialState.WAITING))
    assert arm.queue(SPACE) == 2
    kept.ask()
    assert arm.queue(SPACE) == 1


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DIVERGED, Outcome.COMPLETE])
def test_an_end_is_told_to_optuna_without_a_warning(arm: ArmLedger, outcome: Outcome) -> None:
    arm.ask(SPACE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arm.end(0, outcome, 1.0 if outcome is Outcome.COMPLETE else math.inf, None, 10)
