"""The conductor with a fake engine: cut off at any moment, again and again, nothing is lost or doubled."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.study import empty_record, saddle_spec, trial_of

from study.places.locations import Places
from study.record import trials as arm_module
from study.record.database import Ledger
from study.record.trials import ArmLedger
from study.search import conductor as conductor_module
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.trial import Outcome, TrialRecord
from trainables.assignment import Assignment, Turn
from trainables.protocol import Diverged, Measurement, Parameters


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(empty_record(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        record="", tracking="", artifacts=None, checkpoints=str(tmp_path / "c"), cache=str(tmp_path)
    )


def spec_of(trials: int = 3, **parts: Any) -> Spec:
    return Spec.model_validate(saddle_spec(trials=trials, **parts))


class Killed(BaseException):
    """Stands for SIGKILL of the driver."""


@dataclass
class Worlds:
    """What a killed driver leaves on disk: how far each trial was at its last checkpoint."""

    checkpoints: dict[str, int] = field(default_factory=dict)
    trained: Counter[tuple[str, int]] = field(default_factory=Counter)


@dataclass
class Worker:
    """Plays one trial: 4 evaluations, after a restart all earlier ones at once."""

    assignment: Assignment
    worlds: Worlds
    step: int = 0
    handed_out: int = 0

    def __post_init__(self) -> None:
        self.step = self.worlds.checkpoints.get(self.assignment.identity, 0)

    def turn(self) -> Turn:
        if self.handed_out == self.step:
            self.step += 10
            self.worlds.trained[self.assignment.identity, self.step] += 1
        new = tuple(
            Measurement(step=step, score=self.score(step), time=random.random())
            for step in range(self.handed_out + 10, self.step + 10, 10)
        )
        self.handed_out = self.step
        return Turn(step=self.step, steps=40, measurements=new, finished=self.step >= 40)

    def score(self, step: int) -> float:
        return 1000 * self.assignment.parameters.b + 1 / step


class Engine:
    """Runs two trials at a time in a random order, and dies when it is told to."""

    def __init__(self, conductor: Conductor, worlds: Worlds, chance: random.Random) -> None:
        self.conductor = conductor
        self.worlds = worlds
        self.chance = chance
        self.running: list[Worker] = []

    def run(self) -> None:
        while True:
            while len(self.running) < 2 and (assignment := self.conductor.next()):
                self.running.append(Worker(assignment, self.worlds))
            if not self.running:
                return
            worker = self.chance.choice(self.running)
            identity = worker.assignment.identity
            turn = worker.turn()
            if self.chance.random() < 0.5:
                self.worlds.checkpoints[identity] = worker.step
            if self.conductor.turn(identity, turn):
                self.running.remove(worker)


def ended_counts(record: Ledger, spec: Spec) -> dict[str, Counter[str]]:
    return {
        name: Counter(str(entry.outcome) for entry in record.arm(spec.name, name).trials())
        for name in spec.arms
    }


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_cut_off_anywhere_again_and_again_it_runs_exactly_its_budget(
    record: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    spec = spec_of(trials=4)
    worlds = Worlds()
    samples: dict[str, Parameters] = {}
    until_death = [0]

    def maybe_die(_: str) -> None:
        until_death[0] -= 1
        if until_death[0] == 0:
            raise Killed

    for module in (conductor_module, arm_module):
        monkeypatch.setattr(module, "point", maybe_die)
    deaths = 0
    while True:
        until_death[0] = chance.randint(1, 40)
        conductor = Conductor(spec, record, places)
        try:
            Engine(conductor, worlds, chance).run()
            break
        except Killed:
            deaths += 1
        for name in spec.arms:
            for entry in record.arm(spec.name, name).trials():
                key = f"{name}/{entry.number}"
                assert samples.setdefault(key, entry.parameters) == entry.parameters
    assert deaths > 0
    assert ended_counts(record, spec) == {name: {"complete": 4} for name in spec.arms}
    for name in spec.arms:
        for entry in record.arm(spec.name, name).trials():
            assert sorted(scores(entry)) == [10, 20, 30, 40]
            assert entry.end_step == 40
    assert Conductor(spec, record, places).next() is None


def test_the_objective_in_the_record_is_the_lowest_score(record: Ledger, places: Places) -> None:
    spec = spec_of()
    Engine(Conductor(spec, record, places), Worlds(), random.Random(0)).run()
    for name in spec.arms:
        for trial in record.arm(spec.name, name)._study.get_trials():
            assert trial.value == min(trial.intermediate_values.values())


def test_the_arms_advance_in_proportion(record: Ledger, places: Places) -> None:
    data = saddle_spec(trials=4)
    data["arms"]["two_timescale"]["trials"] = 12
    conductor = Conductor(Spec.model_validate(data), record, places)
    handed = []
    while assignment := conductor.next():
        handed.append(assignment.identity.split("/")[1])
        shares = {
            name: handed.count(name) / state.arm.trials for name, state in conductor.arms.items()
        }
        assert max(shares.values()) - min(shares.values()) <= 1 / 4
    assert Counter(handed) == {"one_timescale": 4, "two_timescale": 12}
    assert conductor.unfinished == 16


def test_cut_off_trials_come_before_new_ones(record: Ledger, places: Places) -> None:
    spec = spec_of()
    first = Conductor(spec, record, places)
    cut_off = [first.next() for _ in range(3)]
    again = Conductor(spec, record, places)
    assert again.left == 6
    taken_up = [again.next() for _ in range(3)]
    assert {a.identity for a in taken_up if a} == {a.identity for a in cut_off if a}
    assert [(a.parameters, a.seed) for a in taken_up if a] == [
        (a.parameters, a.seed) for a in cut_off if a
    ]


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "cmaes", "joint"])
def test_a_trial_that_is_half_asked_again_and_again_shares_no_random_value(
    record: Ledger, places: Places, sampler: str
) -> None:
    spec = spec_of(search={"sampler": sampler})
    alone = {"two_timescale": spec.arms["two_timescale"]}
    spec = spec.model_copy(update={"arms": alone})
    deaths = [
        (arm_module, "point", lambda name: name == "asked"),  # it has no value at all
        (arm_module, "suggested", lambda _trial, name, _: name == "a"),  # it has b
        (conductor_module, "point", lambda name: name == "assigned"),  # it has everything
    ]
    for module, name, here in deaths:
        with pytest.MonkeyPatch.context() as patched:
            before = getattr(module, name)

            def maybe_die(*arguments: Any, here: Any = here, before: Any = before) -> Any:
                if here(*arguments):
                    raise Killed
                return before(*arguments)

            patched.setattr(module, name, maybe_die)
            with pytest.raises(Killed):
                Conductor(spec, record, places).next()
    last = Conductor(spec, record, places)
    tried = [assignment.parameters for assignment in iter(last.next, None)]
    rates = [rate for parameters in tried for rate in (parameters.b, parameters.a)]
    assert len(rates) == 6
    assert len(set(rates)) == 6, f"values of one range are drawn with one seed: {rates}"


def test_the_same_number_has_the_same_seed_in_every_arm(record: Ledger, places: Places) -> None:
    conductor = Conductor(spec_of(), record, places)
    seeds: dict[str, set[int]] = {}
    while assignment := conductor.next():
        seeds.setdefault(assignment.identity.split("/")[2], set()).add(assignment.seed)
    assert [len(found) for found in seeds.values()] == [1, 1, 1]
    assert len(set.union(*seeds.values())) == 3


def test_points_are_tried_first_then_the_sampler(record: Ledger, places: Places) -> None:
    data = saddle_spec()
    points = [{"b": 1e-3, "a": 2e-3, "d_steps": 2}, {"b": 5e-3}]
    data["arms"] = {"two": {**data["arms"]["two_timescale"], "points": points}}
    spec = Spec.model_validate(data)
    first = Conductor(spec, record, places).next()
    assert first is not None
    assert first.parameters == Parameters(b=1e-3, a=2e-3, d_steps=2)
    again = Conductor(spec, record, places)
    taken_up, second, third = again.next(), again.next(), again.next()
    assert taken_up == first
    assert second is not None
    assert second.parameters.b == 5e-3
    assert third is not None
    assert third.parameters.b not in (1e-3, 5e-3)


def finish(conductor: Conductor, identity: str, *turns: Turn) -> list[bool]:
    return [conductor.turn(identity, turn) for turn in turns]


def turn(*scores: float, first: int = 10, **changes: Any) -> Turn:
    measured = tuple(
        Measurement(step=first + 10 * i, score=score) for i, score in enumerate(scores)
    )
    step = measured[-1].step if measured else first
    return Turn(**{"step": step, "steps": 100, "measurements": measured, **changes})


def begun(conductor: Conductor) -> str:
    assignment = conductor.next()
    assert assignment is not None
    return assignment.identity


def scores(trial: TrialRecord) -> dict[int, float]:
    return {m.step: m.score for m in trial.measurements}


def only_entry(record: Ledger, identity: str) -> Any:
    _, arm, number = identity.split("/")
    return record.arm("little", arm).trial(int(number))


def test_evaluations_after_the_one_at_which_a_trial_stops_do_not_count(
    record: Ledger, places: Places
) -> None:
    spec = spec_of(stopping={"rule": "rising", "warmup": 0, "patience": 2})
    conductor = Conductor(spec, record, places)
    identity = begun(conductor)
    assert finish(conductor, identity, turn(5.0, 6.0, 7.0, 1.0)) == [True]
    entry = only_entry(record, identity)
    assert (entry.outcome, entry.end_step) == (Outcome.STOPPED, 30)
    assert scores(entry) == {10: 5.0, 20: 6.0, 30: 7.0}
    assert entry.reason == "the score rose: 2 evaluations in a row lie above 5 of step 10"
    assert [m.score for m in trial_of(conductor, identity).measurements] == [5.0, 6.0, 7.0]


def test_a_restart_does_not_change_where_a_trial_stops(record: Ledger, places: Places) -> None:
    spec = spec_of(stopping={"rule": "rising", "warmup": 0, "patience": 2})
    first = Conductor(spec, record, places)
    identity = begun(first)
    assert finish(first, identity, turn(5.0, 6.0)) == [False]
    again = Conductor(spec, record, places)
    assert begun(again) == identity
    assert finish(again, identity, turn(5.0, 6.0), turn(7.0, first=30)) == [False, True]
    assert only_entry(record, identity).end_step == 30


def test_evaluations_that_come_twice_count_once(record: Ledger, places: Places) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    finish(conductor, identity, turn(5.0, 4.0), turn(5.0, 4.0, 3.0))
    assert [m.score for m in trial_of(conductor, identity).measurements] == [5.0, 4.0, 3.0]


@pytest.mark.parametrize(("first", "again"), [(5.0, 4.0), (4.0, 5.0)])
def test_of_two_evaluations_at_one_step_the_later_counts_everywhere(
    record: Ledger, places: Places, first: float, again: float
) -> None:
    """A worker that was lost is replaced by one that goes on from step 10: step 20 is computed again."""
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    history = turn(9.0)
    finish(conductor, identity, history, turn(first, 3.5, first=20), history, turn(again, first=20))
    arm = conductor.arms[identity.split("/")[1]]
    assert arm.best == (3.5, 0)  # step 30 is in the record until it is computed again
    assert [m.score for m in trial_of(conductor, identity).measurements] == [9.0, again]
    finish(conductor, identity, turn(6.0, first=30, finished=True))
    entry = only_entry(record, identity)
    assert scores(entry) == {10: 9.0, 20: again, 30: 6.0}
    assert [m.score for m in trial_of(conductor, identity).measurements] == [9.0, again, 6.0]
    assert record.arm("little", arm.name)._study.trials[0].value == again
    assert arm.best == (again, 0)


def test_a_trial_that_ends_earlier_than_before_it_was_cut_off_has_no_later_scores(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    ending = Diverged(step=25, reason="the loss of D is nan at step 25")
    finish(conductor, identity, turn(5.0, 4.0, 3.0), turn(4.5, first=20))
    finish(conductor, identity, turn(first=25, diverged=ending))
    assert [m.score for m in trial_of(conductor, identity).measurements] == [5.0, 4.5]
    arm = identity.split("/")[1]
    assert record.arm("little", arm)._study.trials[0].value == 4.5
    assert scores(only_entry(record, identity)) == {10: 5.0, 20: 4.5}


def test_a_trial_that_diverged_has_its_best_score_or_none(record: Ledger, places: Places) -> None:
    conductor = Conductor(spec_of(), record, places)
    ending = Diverged(step=17, reason="the loss of D is nan at step 17")
    scored, bare = begun(conductor), begun(conductor)
    assert finish(conductor, scored, turn(5.0), turn(first=17, diverged=ending)) == [False, True]
    assert finish(conductor, bare, turn(first=7, diverged=ending)) == [True]
    entry = only_entry(record, scored)
    assert (entry.outcome, entry.reason) == (Outcome.DIVERGED, ending.reason)
    values = {name: record.arm("little", name)._study.trials[0].value for name in conductor.arms}
    assert sorted(values.values(), key=str) == sorted([5.0, math.inf], key=str)


def test_a_trial_that_cannot_be_run_is_failed_with_its_error(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    finish(conductor, identity, turn(5.0))
    conductor.failed(identity, "OSError: the disk is gone")
    assert only_entry(record, identity).outcome is None  # nobody knows yet whose fault it is
    finish(conductor, begun(conductor), turn(5.0, finished=True))
    entry = only_entry(record, identity)
    assert (entry.outcome, entry.reason) == (Outcome.FAILED, "OSError: the disk is gone")
    assert (entry.end_step, scores(entry)) == (10, {10: 5.0})
    assert conductor.turn(identity, turn(4.0, first=20))  # a late result of it changes nothing
    assert scores(only_entry(record, identity)) == {10: 5.0}


def fail(conductor: Conductor, trials: int) -> list[str]:
    """Begins so many trials, which all fail."""
    identities = [begun(conductor) for _ in range(trials)]
    for identity in identities:
        conductor.failed(identity, f"OSError: no cache for {identity}")
    return identities


def limited(longest: int | None, trials: int = 3) -> Spec:
    return spec_of(trials=trials, resources={"stop_after_failures": longest})


def test_too_many_failures_in_a_row_end_the_launch_and_use_nothing_up(
    record: Ledger, places: Places
) -> None:
    spec = limited(3)
    conductor = Conductor(spec, record, places)
    identities = fail(conductor, 3)
    assert conductor.next() is None
    assert conductor.stopping == "3 trials in a row failed"
    assert conductor.fault == f"OSError: no cache for {identities[-1]}"
    assert conductor.ended == 0
    assert conductor.unfinished == 6
    again = Conductor(spec, record, places)
    assert again.unfinished == 6
    assert {begun(again) for _ in range(3)} == set(identities)
    Engine(again, Worlds(), random.Random(0)).run()


@pytest.mark.parametrize("outcome", ["complete", "diverged"])
def test_a_trial_that_ends_well_between_failures_ends_the_row(
    record: Ledger, places: Places, outcome: str
) -> None:
    conductor = Conductor(limited(2), record, places)
    fail(conductor, 1)
    well = (
        turn(5.0, finished=True)
        if outcome == "complete"
        else turn(diverged=Diverged(step=9, reason="nan"))
    )
    finish(conductor, begun(conductor), well)
    fail(conductor, 1)
    assert not conductor.stopping
    conductor.settle()
    assert not conductor.fault
    assert conductor.ended == 3


def test_an_evaluation_does_not_end_a_row_of_failures(record: Ledger, places: Places) -> None:
    """A disk that is full when the first checkpoint is due fails every trial after an evaluation."""
    conductor = Conductor(limited(2), record, places)
    for _ in range(2):
        identity = begun(conductor)
        finish(conductor, identity, turn(5.0))
        conductor.failed(identity, "OSError: full")
    assert conductor.fault == "OSError: full"


def test_a_study_of_which_nothing_ever_ran_is_not_used_up_by_fewer_failures(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(limited(50), record, places)
    identities = fail(conductor, 6)
    assert conductor.next() is None
    assert not conductor.stopping
    conductor.settle()
    assert (conductor.stopping, conductor.ended) == ("every trial failed", 0)
    assert conductor.unfinished == 6
    assert conductor.fault == f"OSError: no cache for {identities[-1]}"


def test_failures_count_where_an_earlier_launch_had_a_trial_that_ended_well(
    record: Ledger, places: Places
) -> None:
    first = Conductor(limited(50), record, places)
    finish(first, begun(first), turn(5.0, finished=True))
    again = Conductor(limited(50), record, places)
    fail(again, 5)
    again.settle()
    assert not again.fault
    assert again.ended == 6


def test_failures_end_no_launch_where_the_spec_says_so(record: Ledger, places: Places) -> None:
    conductor = Conductor(limited(None), record, places)
    fail(conductor, 6)
    conductor.settle()
    assert not conductor.stopping
    assert conductor.ended == 6


def test_failed_trials_are_run_again_as_the_same_trials(record: Ledger, places: Places) -> None:
    spec = limited(None)
    first = Conductor(spec, record, places)
    finish(first, begun(first), turn(5.0, finished=True))
    identities = fail(first, 5)
    for identity in identities:
        first.keep_run(trial_of(first, identity), f"run of {identity}")
    samples = {identity: only_entry(record, identity).parameters for identity in identities}
    assert sum(record.reopen_failed("little", arm) for arm in spec.arms) == 5
    assert sum(record.reopen_failed("little", arm) for arm in spec.arms) == 0
    again = Conductor(spec, record, places)
    assert (again.ended, again.unfinished) == (1, 5)
    for _ in identities:
        identity = begun(again)
        assert only_entry(record, identity).mlflow_run_id == f"run of {identity}"
        finish(again, identity, turn(4.0, finished=True))
    for identity in identities:
        entry = only_entry(record, identity)
        assert entry.parameters == samples[identity]
        assert (entry.outcome, entry.reason) == (Outcome.COMPLETE, None)
        assert not entry.published, "its new end is not in MLflow"
    assert again.next() is None


def test_a_spec_of_which_no_trial_can_be_built_ends_the_launch_and_uses_nothing_up(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    conductor.refused(identity, "data.path is 'x', but nothing is there")
    conductor.failed(identity, "ValueError: data.path is 'x', but nothing is there")
    assert conductor.refusal == "data.path is 'x', but nothing is there"
    assert conductor.stopping == "its trials cannot be built"
    assert conductor.next() is None
    assert only_entry(record, identity).outcome is None


def test_one_trial_that_cannot_be_built_ends_no_launch_in_which_others_run(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    finish(conductor, begun(conductor), turn(5.0))
    conductor.refused(begun(conductor), "this node has no data")
    again = Conductor(spec_of(), record, places)  # the record knows that one of them ran
    again.refused(begun(again), "this node has no data")
    assert not conductor.refusal
    assert not conductor.stopping
    assert not again.refusal
    assert not again.stopping


def test_a_sampled_setting_that_cannot_be_built_ends_no_launch(
    record: Ledger, places: Places
) -> None:
    arms = spec_of().model_dump(mode="json")["arms"]
    for arm in arms.values():
        arm["further"] = {"noise": {"choices": [0.0, 1.0]}}
    conductor = Conductor(spec_of(arms=arms), record, places)
    conductor.refused(begun(conductor), "noise cannot be 0")
    assert not conductor.refusal


def test_an_interrupted_launch_hands_out_nothing_and_fails_nothing(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    conductor.interrupt("terminated")
    conductor.interrupt("interrupted")
    assert conductor.stopping == "terminated"
    assert conductor.next() is None
    conductor.failed(identity, "the actor was ended")
    assert only_entry(record, identity).outcome is None
    assert conductor.unfinished == 6


@pytest.mark.slow
def test_a_pruner_stops_a_trial_and_is_named(record: Ledger, places: Places) -> None:
    stopping = {"rule": "none", "pruner": {"name": "asha", "reduction_factor": 2}}
    conductor = Conductor(spec_of(trials=8, stopping=stopping), record, places)
    reasons = []
    for score in range(1, 9):
        for _ in conductor.arms:
            identity = begun(conductor)
            finish(
                conductor, identity, turn(float(score)), turn(float(score), first=20, finished=True)
            )
            reasons.append(only_entry(record, identity).reason)
    assert "asha stopped it at step 10" in reasons
    assert None in reasons


def test_a_pruner_judges_a_history_that_is_handed_out_again_by_its_end_only(
    record: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the report of step 30 and its judgement: step 10 must not be judged in its place."""
    stopping = {"rule": "none", "pruner": {"name": "asha", "reduction_factor": 2}}
    first = Conductor(spec_of(trials=1, stopping=stopping), record, places)
    identity = begun(first)
    live = first._live[identity]
    for step, score in ((10, 4.0), (20, 3.0), (30, 5.0)):
        live.arm.ledger.report(0, Measurement(step=step, score=score))
    again = Conductor(spec_of(trials=1, stopping=stopping), record, places)
    assert begun(again) == identity
    monkeypatch.setattr(again._live[identity].arm.ledger._open[0], "should_prune", lambda: True)
    finish(again, identity, turn(4.0, 3.0, 5.0))
    entry = only_entry(record, identity)
    assert (entry.outcome, entry.end_step) == (Outcome.STOPPED, 30)
    assert entry.reason == "asha stopped it at step 30"


def test_no_rule_ends_a_trial_that_is_at_its_end_as_stopped(record: Ledger, places: Places) -> None:
    stopping = {"rule": "ahead", "warmup": 0, "patience": 1, "pruner": {"name": "median"}}
    conductor = Conductor(spec_of(trials=9, stopping=stopping), record, places)
    for _ in range(12):
        finish(conductor, begun(conductor), turn(4.0, 3.0, 2.0, 1.0, finished=True))
    identity = begun(conductor)
    assert finish(conductor, identity, turn(4.0, 3.0, 2.0)) == [False]
    finish(conductor, identity, turn(9e9, first=40, finished=True))
    assert only_entry(record, identity).outcome is Outcome.COMPLETE


def test_whole_trials_of_both_arms_say_of_a_curve_that_it_would_not_beat_its_arms_best(
    record: Ledger, places: Places
) -> None:
    """Also those that an earlier launch made; each arm has a best of its own."""
    spec = spec_of(trials=9, stopping={"rule": "ahead", "pruner": None})
    first = Conductor(spec, record, places)
    for score in (1.0, 2.0, 1.1, 2.2, 1.2, 1.0, 2.0, 1.1, 2.2, 1.2):
        identity = begun(first)
        score += 50 * ("two_timescale" in identity)
        finish(first, identity, turn(4 * score, 3 * score, 2 * score, score, finished=True))
    again = Conductor(spec, record, places)
    ends = {}
    for _ in range(2):
        identity = begun(again)
        assert finish(again, identity, turn(170.0, 155.0)) == ["one" in identity]
        ends[identity.split("/")[1]] = only_entry(record, identity)
    assert ends["one_timescale"].outcome is Outcome.STOPPED
    assert ends["one_timescale"].reason.startswith("it would not beat 1 of trial 0: its lowest by")
    assert ends["two_timescale"].outcome is None


def ends_of(record: Ledger, places: Places, budget: int, at: int) -> str:
    """What becomes of the seventh trial of an arm with such a budget at an evaluation, and why."""
    spec = spec_of(trials=budget, stopping={"rule": "worth", "chance": 0.1})
    conductor = Conductor(spec, record, places)
    for number in range(12):
        low = (0.9, 1.0, 1.1)[number % 3]
        finish(conductor, begun(conductor), turn(4 * low, 3 * low, 2 * low, low, finished=True))
    identity = begun(conductor)
    finish(conductor, identity, turn(*[4.0, 3.0][: at // 10 - 1], 29.0))
    return str(only_entry(record, identity).reason)


@pytest.mark.parametrize(
    ("budget", "at", "left"), [(7, 10, "1"), (9, 20, "0.67"), (20, 30, "0.33")]
)
def test_what_a_trial_is_worth_depends_on_its_place_in_its_arm_and_the_steps_it_has_left(
    record: Ledger, places: Places, budget: int, at: int, left: str
) -> None:
    reason = ends_of(record, places, budget, at)
    assert f"step {at}, " in reason
    assert f"lowest of {budget} trials" in reason
    assert f"times {left} for the steps left" in reason


def test_a_history_that_is_handed_out_again_is_not_judged_anew_by_what_others_have_done_since(
    record: Ledger, places: Places
) -> None:
    spec = spec_of(trials=9, stopping={"rule": "ahead"})
    first = Conductor(spec, record, places)
    slow = begun(first)
    assert finish(first, slow, turn(900.0, 90.0, 1.5)) == [False]
    for _ in range(12):
        finish(first, begun(first), turn(4.0, 3.0, 2.0, 1.0, finished=True))
    again = Conductor(spec, record, places)
    assert begun(again) == slow
    assert finish(again, slow, turn(900.0)) == [False]
    assert finish(again, slow, turn(90.0, first=20), turn(1.5, first=30)) == [False, False]


@dataclass
class Publisher:
    """Publishes as the real one does, at moments of its own."""

    conductor: Conductor
    told: list[str] = field(default_factory=list)

    def began(self, record: TrialRecord, fresh: bool) -> None:
        self.told.append(f"began {record.identity} {fresh}")

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        self.conductor.keep_run(record, f"run of {record.identity}")
        self.told.append(f"turned {len(record.measurements)}")

    def ended(self, record: TrialRecord) -> None:
        self.conductor.keep_run(record, f"run of {record.identity}")
        self.told.append(f"ended {record.outcome}")


def test_who_publishes_is_told_and_what_it_published_is_kept(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    publisher = Publisher(conductor)
    conductor.observe(publisher)
    identity = begun(conductor)
    finish(conductor, identity, turn(5.0), turn(4.0, first=20, finished=True))
    assert publisher.told == [f"began {identity} True", "turned 1", "turned 2", "ended complete"]
    entry = only_entry(record, identity)
    assert (entry.mlflow_run_id, entry.published) == (f"run of {identity}", True)
    again = Conductor(spec_of(), record, places)
    assert [state.unpublished for state in again.arms.values()] == [[], []]


def test_a_run_that_is_kept_between_two_looks_takes_no_evaluation_with_it(
    record: Ledger, places: Places
) -> None:
    """The publisher's thread and the conductor never write the same field of a trial."""
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    stale = trial_of(conductor, identity)
    finish(conductor, identity, turn(5.0, 4.0))
    conductor.keep_run(stale, "run1")
    seen = trial_of(conductor, identity)
    assert (seen.mlflow_run_id, [m.score for m in seen.measurements]) == ("run1", [5.0, 4.0])
    finish(conductor, identity, turn(3.0, first=30, finished=True))
    ended = trial_of(conductor, identity)
    assert ended.mlflow_run_id == "run1"
    assert [m.score for m in ended.measurements] == [5.0, 4.0, 3.0]


def test_an_ended_trial_is_read_from_the_record_with_its_scores(
    record: Ledger, places: Places
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    finish(conductor, identity, turn(5.0, 4.0, finished=True))
    seen = trial_of(conductor, identity)
    # Its folder is empty here, so that only the scores are known.
    assert [(m.step, m.score) for m in seen.measurements] == [(10, 5.0), (20, 4.0)]
    assert seen.outcome is Outcome.COMPLETE
    assert seen.ended is not None


def test_a_finished_arm_ends_with_its_last_trial_in_every_launch(
    record: Ledger, places: Places
) -> None:
    spec = spec_of()
    conductor = Conductor(spec, record, places)
    Engine(conductor, Worlds(), random.Random(3)).run()
    ends = {name: state.last_end for name, state in conductor.arms.items()}
    again = Conductor(spec, record, places)
    assert {name: state.last_end for name, state in again.arms.items()} == ends
    assert all(state.finished for state in again.arms.values())


def test_what_went_wrong_in_a_worker_is_said(
    record: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    conductor = Conductor(spec_of(), record, places)
    identity = begun(conductor)
    finish(conductor, identity, turn(5.0, notes=("the disk is full",)))
    assert f"{identity}: the disk is full" in caplog.text


def test_an_unknown_trial_is_told_to_stop(record: Ledger, places: Places) -> None:
    conductor = Conductor(spec_of(), record, places)
    assert conductor.turn("little/one_timescale/7", turn(1.0))


def test_a_record_is_not_changed_by_opening_a_finished_study(
    record: Ledger, places: Places
) -> None:
    spec = spec_of()
    Engine(Conductor(spec, record, places), Worlds(), random.Random(1)).run()

    def rows() -> list[list[tuple[Any, ...]]]:
        found: list[ArmLedger] = [record.arm(spec.name, name) for name in spec.arms]
        return [[tuple(vars(entry).items()) for entry in arm.trials()] for arm in found]

    before = rows()
    assert Conductor(spec, record, places).next() is None
    assert rows() == before
