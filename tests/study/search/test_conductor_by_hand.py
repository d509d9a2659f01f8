"""What a launch hands out, takes in, tells and writes, case by case, on a record in memory."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from support.study import ARMS, saddle_spec

from study.places.locations import Places
from study.record.connection import Patience
from study.record.trials import ArmLedger
from study.search import conductor as conductor_module
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.trial import Outcome, TrialRecord
from trainables.assignment import Turn
from trainables.folder import ERROR, write_error
from trainables.levels import Levels
from trainables.protocol import Diverged, Measurement

ONE, TWO = ARMS
FIRST = f"little/{ONE}/0"


@dataclass
class Memory:
    """A record: an Optuna study for each arm, as the database has them, and what is written beside."""

    known: dict[str, Levels] = field(default_factory=lambda: {"little": Levels()})
    studies: dict[str, optuna.Study] = field(default_factory=dict)
    slots: list[tuple[str, int]] = field(default_factory=list)
    levels_kept: list[tuple[str, Levels]] = field(default_factory=list)
    runs: list[tuple[str, int, str, bool]] = field(default_factory=list)

    def arm(self, study: str, arm: str) -> ArmLedger:
        name = f"{study}/{arm}"
        if name not in self.studies:
            self.studies[name] = optuna.create_study(study_name=name)
        return Arm(self.studies[name], self)

    def levels(self, study: str) -> Levels:
        return self.known[study]

    def keep_levels(self, study: str, levels: Levels) -> None:
        self.levels_kept.append((study, levels))

    def keep_slots(self, study: str, slots: int) -> None:
        self.slots.append((study, slots))

    def end(self, arm: str, number: int = 0) -> tuple[Any, ...]:
        """How a trial ended: its value, outcome, last step and reason."""
        trial = self.studies[f"little/{arm}"].trials[number]
        value = trial.value if trial.state.is_finished() else "none yet"
        return (value, *(trial.user_attrs.get(key) for key in ("outcome", "end_step", "reason")))


class Arm(ArmLedger):
    """Its trials; that a run is kept of one that has ended is SQL, which memory has not."""

    def __init__(self, study: optuna.Study, memory: Memory) -> None:
        super().__init__(study, Patience())
        self._name, self._memory = study.study_name, memory

    def set_run(self, number: int, run_id: str, published: bool) -> None:
        self._memory.runs.append((self._name, number, run_id, published))


@dataclass
class Ear:
    """Notes what it is told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def began(self, record: TrialRecord, fresh: bool) -> None:
        self.told.append(("began", record, fresh))

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        self.told.append(("turned", record, turn))

    def failed(self, record: TrialRecord, error: str) -> None:
        self.told.append(("failed", record, error))

    def ended(self, record: TrialRecord) -> None:
        self.told.append(("ended", record))

    def end(self, identity: str) -> TrialRecord:
        (found,) = (t[1] for t in self.told if t[0] == "ended" and t[1].identity == identity)
        assert isinstance(found, TrialRecord)
        return found


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(record="", tracking="", artifacts=None, checkpoints=f"{tmp_path}/c", cache="/k")


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def ear() -> Ear:
    return Ear()


def launch(memory: Memory, places: Places, ear: Ear | None = None, **parts: Any) -> Conductor:
    conductor = Conductor(Spec.model_validate(saddle_spec(**parts)), memory, places)  # type: ignore[arg-type]
    if ear:
        conductor.observe(ear)
    return conductor


def limited(longest: int | None) -> dict[str, Any]:
    return {"resources": {"stop_after_failures": longest}}


def begun(conductor: Conductor) -> str:
    assignment = conductor.next()
    assert assignment is not None
    return assignment.identity


def measured(*scores: float, first: int = 10, **metrics: float) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(step=first + 10 * i, score=score, metrics=metrics, time=1.0)
        for i, score in enumerate(scores)
    )


def turn(*scores: float, first: int = 10, step: int = 0, **changes: Any) -> Turn:
    return Turn(step=step, steps=40, measurements=measured(*scores, first=first), **changes)


def seed_of(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) // 2


def test_a_launch_of_which_nothing_ran_yet_and_its_first_trial(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places)
    assert conductor.begun is False
    assert (conductor.stopping, conductor.refusal, conductor.fault) == ("", "", "")
    assert (conductor.left, conductor.ended, conductor.unfinished) == (6, 0, 6)
    assert conductor.live == []
    assert conductor.spec.name == "little"
    assert [state.name for state in conductor.arms.values()] == [ONE, TWO]
    conductor.room(4)
    assert memory.slots == [("little", 4)]
    assignment = conductor.next()
    assert conductor.begun is True
    assert assignment is not None
    assert (assignment.identity, assignment.seed) == (FIRST, seed_of("1/0"))
    assert (assignment.folder, assignment.cache) == (f"{places.checkpoints}/{FIRST}0000", "/k")
    assert [record.identity for record in conductor.live] == [FIRST]
    assert conductor.live[0].parameters == assignment.parameters
    assert (conductor.left, conductor.ended, conductor.unfinished) == (5, 0, 6)


def test_each_arm_is_searched_with_a_seed_of_its_own_that_says_how_far_it_is(
    memory: Memory, places: Places
) -> None:
    for asked in (0, 1):
        conductor = launch(memory, places)
        for arm in (ONE, TWO):
            for _ in range(asked):
                begun(conductor)  # the one that was cut off
            space = dict(conductor.arms[arm].space.distributions)
            sampler = RandomSampler(seed=seed_of(f"1/{arm}/{asked}"))
            expected = optuna.create_study(sampler=sampler).ask(space).params
            if not asked:
                begun(conductor)
            else:
                conductor.arms[arm].ledger.ask(conductor.arms[arm].space)
            assert memory.studies[f"little/{arm}"].trials[-1].params == expected


def test_the_joint_sampler_of_an_arm_is_shown_the_trials_of_the_others(
    memory: Memory, places: Places
) -> None:
    arms = saddle_spec()["arms"]
    arms["three"] = arms[TWO]
    conductor = launch(memory, places, arms=arms, search={"sampler": "joint"})
    for _ in range(6):
        begun(conductor)
    for arm, state in conductor.arms.items():
        seen = state.ledger.sampler._others()  # type: ignore[attr-defined]
        expected = [t for name in conductor.arms if name != arm for t in trials(memory, name)]
        assert [trial.params for trial in seen] == expected
        assert len(seen) == 4


def trials(memory: Memory, arm: str) -> list[dict[str, Any]]:
    return [trial.params for trial in memory.studies[f"little/{arm}"].trials]


def test_the_pruner_of_the_spec_judges_in_every_arm(memory: Memory, places: Places) -> None:
    pruner = {"name": "asha", "min_evaluations": 2, "reduction_factor": 2}
    conductor = launch(memory, places, stopping={"pruner": pruner})
    for score in (1.0, 9.0):
        for _ in ARMS:
            conductor.turn(begun(conductor), turn(score, score))
    for arm in ARMS:
        assert memory.end(arm, 0)[0] == "none yet"
        assert memory.end(arm, 1)[1:] == ("stopped", 20, "asha stopped it at step 20")


def test_the_arm_that_is_least_far_is_served_until_the_budget_is_handed_out(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places)
    handed = [begun(conductor) for _ in range(6)]
    assert handed == [f"little/{arm}/{number}" for number in range(3) for arm in ARMS]
    assert [state.asked for state in conductor.arms.values()] == [3, 3]
    assert conductor.next() is None
    assert conductor.stopping == ""


def test_nothing_is_handed_out_of_a_launch_that_ends(memory: Memory, places: Places) -> None:
    conductor = launch(memory, places)
    conductor.interrupt("terminated")
    conductor.interrupt("interrupted")
    assert conductor.next() is None
    assert conductor.stopping == "terminated"
    assert conductor.begun is False


def test_points_of_the_spec_are_tried_first(memory: Memory, places: Places) -> None:
    arms = saddle_spec()["arms"]
    arms[TWO]["points"] = [{"b": 1e-3, "a": 2e-3, "d_steps": 2}]
    conductor = launch(memory, places, arms={TWO: arms[TWO]})
    assignment = conductor.next()
    assert assignment is not None
    assert assignment.parameters.to_json() == {"b": 1e-3, "a": 2e-3, "d_steps": 2}


def test_a_trial_that_was_cut_off_is_the_same_one_and_tells_its_evaluations_anew(
    memory: Memory, places: Places, ear: Ear
) -> None:
    first = launch(memory, places)
    identity = begun(first)
    first.turn(identity, turn(5.0, 4.0))
    before = first.live[0]
    write_error(before.folder, "the last failure")
    again = launch(memory, places, ear)
    later = Ear()
    again.observe(later)
    assert begun(again) == identity
    kind, record, fresh = ear.told[0]
    assert (kind, fresh) == ("began", False)
    assert fresh is False
    assert (record.parameters, record.seed) == (before.parameters, before.seed)
    assert record.measurements == ()
    assert not (Path(before.folder) / ERROR).exists()
    assert begun(again) == f"little/{TWO}/0"
    assert [(told[0], told[2]) for told in ear.told] == [("began", False), ("began", True)]
    assert later.told == ear.told


def test_what_is_in_the_folder_of_a_new_trial_is_left_there(memory: Memory, places: Places) -> None:
    folder = f"{places.checkpoints}/{FIRST}0000"
    write_error(folder, "of a study of the same name")
    begun(launch(memory, places))
    assert (Path(folder) / ERROR).exists()


def test_a_traceback_that_cannot_be_removed_or_written_stops_nothing(
    memory: Memory, places: Places, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError

    begun(launch(memory, places))
    monkeypatch.setattr(conductor_module, "remove_error", refuse)
    monkeypatch.setattr(conductor_module, "write_error", refuse)
    conductor = launch(memory, places, ear, **limited(None))
    assert begun(conductor) == FIRST
    conductor.failed(FIRST, "OSError: full")
    assert memory.end(ONE)[1:] == ("failed", 0, "OSError: full")


def test_the_moments_at_which_a_launch_can_be_killed(
    memory: Memory, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names are what the tests that kill a launch set in its environment."""
    passed: list[str] = []
    monkeypatch.setattr(conductor_module, "point", passed.append)
    conductor = launch(memory, places)
    identity = begun(conductor)
    conductor.turn(identity, turn(5.0))
    conductor.keep_run(conductor.live[0], "run")
    assert passed == ["assigned", "result", "reported", "run-stored"]


def test_a_turn_is_told_and_a_trial_that_is_not_running_is_to_stop(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear)
    assert conductor.turn("little/one_timescale/7", turn(5.0)) is True
    assert ear.told == []
    identity = begun(conductor)
    came = turn(5.0, 4.0)
    assert conductor.turn(identity, came) is False
    kind, record, told = ear.told[-1]
    assert (kind, told) == ("turned", came)
    assert record.identity == identity
    assert record.measurements == came.measurements == conductor.live[0].measurements
    assert memory.studies[f"little/{ONE}"].trials[0].intermediate_values == {10: 5.0, 20: 4.0}


def ends(conductor: Conductor, identity: str, outcome: str) -> tuple[float, str | None, int]:
    """Ends a trial after scores 5, 4, 6; returns its objective, reason and last step."""
    if outcome == "complete":
        assert conductor.turn(identity, turn(5.0, 4.0, 6.0, step=40, finished=True)) is True
        return 4.0, None, 40
    if outcome == "diverged":
        why = Diverged(step=37, reason="the loss of D is nan at step 37")
        assert conductor.turn(identity, turn(5.0, 4.0, 6.0, step=38, diverged=why)) is True
        return 4.0, why.reason, 37
    if outcome == "failed":
        conductor.turn(identity, turn(5.0, 4.0, 6.0, step=39))
        conductor.failed(identity, "OSError: full")
        return 4.0, "OSError: full", 30
    assert conductor.turn(identity, turn(5.0, 4.0, 6.0, 1.0, step=40, finished=True)) is True
    return 4.0, "the score rose: 1 evaluations in a row lie above 4 of step 20", 30


@pytest.mark.parametrize("outcome", ["complete", "diverged", "failed", "stopped"])
def test_how_a_trial_ends_is_written_told_and_counted(
    memory: Memory, places: Places, ear: Ear, outcome: str
) -> None:
    rule = {"rule": "rising" if outcome == "stopped" else "none", "warmup": 0, "patience": 1}
    conductor = launch(memory, places, ear, stopping=rule, **limited(None))
    for count in (1, 2):
        identity = begun(conductor)
        begun(conductor)  # the other arm's
        objective, reason, step = ends(conductor, identity, outcome)
        record, arm = ear.end(identity), conductor.arms[ONE]
        assert (record.outcome, record.reason, record.end_step) == (outcome, reason, step)
        assert record.measurements == measured(5.0, 4.0, 6.0)
        trial = memory.studies[f"little/{ONE}"].trials[count - 1]
        assert trial.datetime_complete is not None
        assert record.ended == arm.last_end == trial.datetime_complete.timestamp()
        value = None if outcome == "failed" else objective
        assert memory.end(ONE, count - 1) == (value, outcome, step, reason)
        assert arm.counts == {outcome: count}
        assert (conductor.ended, conductor.unfinished) == (count, 6 - count)
        assert [live.arm for live in conductor.live] == [TWO] * count
    assert arm.results == ({} if outcome == "failed" else {0: 4.0, 1: 4.0})
    curve = {10: 5.0, 20: 4.0, 30: 6.0}
    assert arm.whole == ({0: curve, 1: curve} if outcome == "complete" else {})


def test_a_trial_that_ends_without_a_score_has_an_infinite_objective(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear)
    conductor.turn(begun(conductor), turn(diverged=Diverged(step=3, reason="nan")))
    assert memory.end(ONE) == (math.inf, "diverged", 3, "nan")
    assert conductor.arms[ONE].results == {0: math.inf}
    assert ear.end(FIRST).measurements == ()


def test_an_evaluation_that_is_computed_again_takes_the_place_of_the_first_and_of_what_followed(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places)
    begun(conductor)
    other = begun(conductor)
    identity = begun(conductor)
    assert identity == f"little/{ONE}/1"
    conductor.turn(other, turn(1.0))
    conductor.turn(identity, turn(9.0, 3.0, 8.0))
    arm = conductor.arms[ONE]
    assert arm.best == (3.0, 1)
    conductor.turn(identity, turn(9.0, 7.0))
    (live,) = (live for live in conductor.live if live.identity == identity)
    assert live.measurements == measured(9.0, 7.0)
    assert arm.best == (7.0, 1)
    conductor.turn(identity, turn(6.0, first=30))
    assert arm.best == (6.0, 1)


def test_the_lowest_levels_of_a_study_are_kept_once_each(memory: Memory, places: Places) -> None:
    memory.known["little"] = Levels(floor=2.0, ceiling=90.0)
    conductor = launch(memory, places)
    identity = begun(conductor)
    steps = iter(range(10, 90, 10))

    def tell(**metrics: float) -> None:
        step = next(steps)
        came = measured(5.0, first=step, **metrics)
        conductor.turn(identity, Turn(step=step, steps=40, measurements=came))

    tell()
    tell(score_floor=2.0, score_ceiling=90.0)
    tell(score_ceiling=95.0)
    assert memory.levels_kept == []
    tell(score_floor=2.5, score_ceiling=80.0)
    tell(score_ceiling=80.0)
    tell(score_floor=1.0)
    lower = Levels(floor=2.0, ceiling=80.0)
    lowest = Levels(floor=1.0, ceiling=80.0)
    assert memory.levels_kept == [("little", lower), ("little", lowest)]


def test_a_spec_of_which_no_trial_can_be_built_ends_the_launch(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places)
    identities = [begun(conductor), begun(conductor)]
    conductor.refused("little/one_timescale/9", "nobody's")
    assert conductor.refusal == ""
    for identity, sentence in zip(identities, ("no data", "no data either"), strict=True):
        conductor.refused(identity, sentence)
        assert conductor.refusal == "no data"
        assert conductor.stopping == "its trials cannot be built"


def test_what_runs_can_be_built(memory: Memory, places: Places) -> None:
    conductor = launch(memory, places)
    assert conductor.turn(begun(conductor), turn()) is False  # a turn without an evaluation
    conductor.refused(begun(conductor), "this node has no data")
    assert conductor.refusal == ""
    first = launch(memory, places)
    first.turn(begun(first), turn(5.0))
    again = launch(memory, places)  # the record has an evaluation, of the first arm alone
    again.refused(begun(again), "this node has no data")
    assert again.refusal == ""


def test_a_sampled_setting_that_cannot_be_built_ends_no_launch(
    memory: Memory, places: Places
) -> None:
    arms = saddle_spec()["arms"]
    for arm in arms.values():
        arm["further"] = {"noise": {"choices": [0.0, 1.0]}}
    conductor = launch(memory, places, arms=arms)
    conductor.refused(begun(conductor), "noise cannot be 0")
    assert conductor.refusal == ""


def test_a_failure_waits_until_another_trial_ends_well(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear, **limited(3))
    failed, other = begun(conductor), begun(conductor)
    conductor.failed("little/one_timescale/9", "nobody's")
    assert ear.told[2:] == []
    conductor.failed(failed, "OSError: full", "Traceback: full")
    kind, record, error = ear.told[-1]
    assert (kind, record.identity, error) == ("failed", failed, "OSError: full")
    assert (Path(record.folder) / ERROR).read_text() == "Traceback: full"
    assert memory.end(ONE)[0] == "none yet"
    assert (conductor.ended, conductor.unfinished, len(conductor.live)) == (0, 6, 1)
    conductor.turn(other, turn(5.0, step=40, finished=True))
    assert memory.end(ONE) == (None, "failed", 0, "OSError: full")
    assert (conductor.ended, conductor.unfinished) == (2, 4)
    assert conductor.stopping == ""


def test_of_a_failure_without_a_traceback_the_error_is_kept(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear)
    conductor.failed(begun(conductor), "OSError: full")
    assert (Path(ear.told[-1][1].folder) / ERROR).read_text() == "OSError: full"


def fail(conductor: Conductor, count: int) -> None:
    for number in range(count):
        conductor.failed(begun(conductor), f"OSError: number {number}")


def test_as_many_failures_in_a_row_as_the_spec_says_end_the_launch(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places, **limited(4))
    fail(conductor, 3)
    assert (conductor.stopping, conductor.fault) == ("", "")
    fail(conductor, 1)
    assert conductor.stopping == "4 trials in a row failed"
    assert conductor.fault == "OSError: number 0"
    assert (conductor.ended, conductor.unfinished) == (0, 6)
    assert conductor.next() is None


def test_where_every_trial_failed_none_is_used_up(memory: Memory, places: Places) -> None:
    first = launch(memory, places, **limited(None))
    fail(first, 1)
    conductor = launch(memory, places, **limited(50))
    conductor.settle()
    assert conductor.stopping == ""
    fail(conductor, 4)
    conductor.settle()
    assert conductor.stopping == "every trial failed"
    assert conductor.fault == "OSError: number 3"
    assert (conductor.ended, conductor.unfinished) == (1, 5)


def test_failures_count_where_any_trial_ever_ended_well(memory: Memory, places: Places) -> None:
    first = launch(memory, places)
    first.turn(begun(first), turn(5.0, step=40, finished=True))
    conductor = launch(memory, places, **limited(50))
    fail(conductor, 2)
    conductor.settle()
    assert (conductor.stopping, conductor.fault) == ("", "")
    assert (conductor.ended, conductor.unfinished) == (3, 3)


def test_a_launch_that_is_ended_settles_nothing(memory: Memory, places: Places) -> None:
    first = launch(memory, places)
    first.turn(begun(first), turn(5.0, step=40, finished=True))
    conductor = launch(memory, places, **limited(50))
    running = [begun(conductor), begun(conductor)]
    conductor.failed(running[0], "OSError: full")
    conductor.interrupt("terminated")
    conductor.failed(running[1], "the actor was ended")
    conductor.settle()
    assert (conductor.stopping, conductor.fault) == ("terminated", "")
    assert (conductor.ended, conductor.unfinished) == (1, 5)


def test_a_trial_is_read_from_the_record_with_what_the_spec_says_of_all(
    memory: Memory, places: Places
) -> None:
    conductor = launch(memory, places)
    for _ in range(4):
        begun(conductor)
    found = conductor.stored(TWO, 1)
    assert (found.identity, found.seed) == (f"little/{TWO}/1", seed_of("1/1"))
    assert found.folder == f"{places.checkpoints}/little/{TWO}/00001"
    assert found.parameters.b == trials(memory, TWO)[1]["b"]


def test_a_run_is_kept_once_and_with_the_end_of_its_trial_again(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear)
    begun(conductor)
    identity = begun(conductor)
    stale = conductor.live[1]
    for _ in range(2):
        conductor.keep_run(stale, "run")
    assert memory.runs == [(f"little/{TWO}", 0, "run", False)]
    assert [record.mlflow_run_id for record in conductor.live] == [None, "run"]
    conductor.keep_run(stale, "another")
    assert memory.runs[1:] == [(f"little/{TWO}", 0, "another", False)]
    conductor.turn(identity, turn(5.0, step=40, finished=True))
    ended = ear.end(identity)
    assert ended.mlflow_run_id == "another"
    conductor.keep_run(ended, "another", whole=False)  # its files are still to come
    assert memory.runs[2:] == []
    conductor.keep_run(ended, "another")
    conductor.keep_run(ended, "new", whole=False)
    assert memory.runs[2:] == [
        (f"little/{TWO}", 0, "another", True),
        (f"little/{TWO}", 0, "new", False),
    ]


def test_the_run_of_a_trial_that_failed_is_kept_once(
    memory: Memory, places: Places, ear: Ear
) -> None:
    conductor = launch(memory, places, ear)
    failed, other = begun(conductor), begun(conductor)
    stale = conductor.live[0]
    conductor.failed(failed, "OSError: full")
    for _ in range(2):
        conductor.keep_run(stale, "run")
    assert memory.runs == [(f"little/{ONE}", 0, "run", False)]
    conductor.turn(other, turn(5.0, step=40, finished=True))
    assert ear.end(failed).mlflow_run_id == "run"
    assert ear.end(failed).outcome is Outcome.FAILED
