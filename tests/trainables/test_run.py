"""A trial as a worker runs it: in turns, from its folder, through crashes and a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trials import small_config, without_clocks

from trainables import checkpoint
from trainables.assignment import Assignment, Turn
from trainables.folder import MEASUREMENTS, Folder, read_measurements
from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters, State, Trial
from trainables.run import TrialRun


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    """A saddle that hands out one evaluation a turn and is checkpointed after every turn."""
    return Assignment(
        identity="study/two_timescale/3",
        trial={**small_config("saddle", tmp_path), "seconds_per_step": 0.0},
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=2),
        seed=5,
        folder=str(tmp_path / "trial"),
        cache=str(tmp_path / "cache"),
        checkpoint_seconds=0,
        turn_seconds=60,
    )


class OneAtATime:
    """A trial that takes long for an evaluation, without taking it: the clock of the run is moved."""

    def __init__(self, inner: Trial, tick: Callable[[], None]) -> None:
        self.inner = inner
        self.tick = tick
        self.advanced = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        self.advanced += 1
        self.tick()
        return self.inner.advance(pause)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Assignment], TrialRun]:
    """Makes runs on a clock on which every evaluation takes a second."""
    now = [0.0]
    monkeypatch.setattr("trainables.run.time.monotonic", lambda: now[0])

    def tick() -> None:
        now[0] += 1.0

    def build(data: Mapping[str, Any], parameters: Parameters, context: Context) -> Trial:
        trial: Trial = OneAtATime(build_trial(data, parameters, context), tick)
        return trial

    return lambda assignment: TrialRun(assignment, build=build)


def finish(run: TrialRun) -> list[Turn]:
    turns = []
    while not turns or not turns[-1].finished:
        turns.append(run.turn())
    return turns


def scores(turns: list[Turn]) -> list[tuple[int, float]]:
    return [(m.step, m.score) for turn in turns for m in turn.measurements]


def advanced(run: TrialRun) -> int:
    assert isinstance(run.trial, OneAtATime)
    return run.trial.advanced


def test_every_turn_brings_an_evaluation(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    turns = finish(runs(assignment))
    assert [len(turn.measurements) for turn in turns] == [1, 1, 1]
    assert [(turn.step, turn.steps, turn.finished) for turn in turns] == [
        (300, 900, False),
        (600, 900, False),
        (900, 900, True),
    ]


def test_a_trial_that_costs_nothing_is_one_turn(assignment: Assignment) -> None:
    (turn,) = finish(TrialRun(assignment))
    assert [m.step for m in turn.measurements] == [300, 600, 900]


def test_a_turn_ends_when_its_time_is_over_and_the_next_goes_on(assignment: Assignment) -> None:
    slow = {**assignment.trial, "steps": 2, "evaluate_every": 1, "seconds_per_step": 0.15}
    run = TrialRun(replace(assignment, trial=slow, turn_seconds=0.01))
    turns = finish(run)
    assert len(turns) > 2
    assert [step for step, _ in scores(turns)] == [1, 2]
    assert any(not turn.measurements for turn in turns)


@pytest.mark.parametrize("cut_after", [1, 2])
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(
    assignment: Assignment,
    tmp_path: Path,
    runs: Callable[[Assignment], TrialRun],
    cut_after: int,
) -> None:
    whole = runs(replace(assignment, folder=str(tmp_path / "whole")))
    expected = finish(whole)
    cut = runs(assignment)
    for _ in range(cut_after):
        cut.turn()
    continued = runs(assignment)
    turns = finish(continued)
    assert without_clocks([m for t in turns for m in t.measurements]) == without_clocks(
        [m for t in expected for m in t.measurements]
    )
    assert without_clocks(continued.trial.save()) == without_clocks(whole.trial.save())


def test_the_first_turn_after_a_restore_trains_nothing_and_hands_out_the_history(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    cut = runs(assignment)
    history = [m for _ in range(2) for m in cut.turn().measurements]
    again = runs(assignment)
    turn = again.turn()
    assert advanced(again) == 0
    assert list(turn.measurements) == history
    assert not turn.finished
    again.turn()
    assert advanced(again) == 1


def test_without_a_checkpoint_the_trial_starts_anew(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    rare = replace(assignment, checkpoint_seconds=1e9)
    first = runs(rare)
    expected = scores([first.turn(), first.turn()])
    again = runs(rare)
    assert again.trial.step == 0
    assert scores(finish(again))[:2] == expected


def test_checkpoints_come_in_their_time(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    run = runs(replace(assignment, checkpoint_seconds=1.5))
    written = []
    for _ in range(2):
        run.turn()
        written.append(len(checkpoint.names(Folder(assignment.folder))))
    assert written == [0, 1]


def test_a_checkpoint_is_not_written_twice(assignment: Assignment) -> None:
    slow = {**assignment.trial, "seconds_per_step": 1e-5}
    run = TrialRun(replace(assignment, trial=slow, checkpoint_seconds=1e9, turn_seconds=0.001))
    run.turn()
    run.checkpoint()
    (name,) = checkpoint.names(Folder(assignment.folder))
    when = Path(assignment.folder, name).stat().st_mtime_ns
    run.checkpoint()
    assert Path(assignment.folder, name).stat().st_mtime_ns == when


def test_a_torn_checkpoint_is_said_and_the_one_before_is_used(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    run = runs(assignment)
    expected = scores([run.turn(), run.turn()])
    newest = Path(assignment.folder, checkpoint.names(Folder(assignment.folder))[0])
    newest.write_bytes(newest.read_bytes()[:-7])
    again = runs(assignment)
    assert again.trial.step == 300
    turn = again.turn()
    assert "is torn" in turn.notes[0]
    assert "the one before it is used" in turn.notes[0]
    assert again.turn().notes == ()
    assert scores([turn]) == expected[:1]


def test_if_no_checkpoint_can_be_used_the_trial_starts_anew_and_says_so(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    run = runs(assignment)
    run.turn()
    run.turn()
    for name in checkpoint.names(Folder(assignment.folder)):
        Path(assignment.folder, name).write_bytes(b"")
    again = runs(assignment)
    assert again.trial.step == 0
    assert len(again.turn().notes) == 2


def test_a_trial_whose_checkpoints_are_gone_says_that_it_starts_anew(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    assert runs(assignment).turn().notes == ()
    for name in checkpoint.names(Folder(assignment.folder)):
        Path(assignment.folder, name).unlink()
    again = runs(assignment)
    assert again.trial.step == 0
    assert again.turn().notes == ("it has no checkpoint any more and starts anew",)


@pytest.mark.parametrize("broken", ["trial", "history", "diverged", "seconds"])
def test_a_state_that_cannot_be_continued_is_passed_over(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun], broken: str
) -> None:
    """Its digest is right and every key is there, but a part of it is not what it should be."""
    run = runs(assignment)
    expected = scores([run.turn(), run.turn()])
    folder = Folder(assignment.folder)
    state = checkpoint.load(folder, checkpoint.names(folder)[0])
    checkpoint.save(folder, run.trial.step + 1, {**state, broken: {"x": ["y"]}})
    again = runs(assignment)
    assert again.trial.step == run.trial.step
    turn = again.turn()
    assert "a checkpoint cannot be continued (" in turn.notes[0]
    assert scores([turn]) == expected


class ShortOnce:
    """Builds trials, of which the first cannot be built, or cannot take in a checkpoint."""

    def __init__(self, when: str, error: Exception) -> None:
        self.when = when
        self.errors = [error]

    def __call__(self, trial: Mapping[str, Any], parameters: Parameters, context: Context) -> Trial:
        if self.when == "building":
            self._fail()
        made = build_trial(trial, parameters, context)
        if self.errors:
            made.load = self._fail  # type: ignore[method-assign]
        return made

    def _fail(self, state: State | None = None) -> None:
        if self.errors:
            raise self.errors.pop()


@pytest.mark.parametrize("when", ["building", "loading"])
@pytest.mark.parametrize("error", [MemoryError(), OSError("stale"), torch.OutOfMemoryError()])
def test_a_shortage_while_a_trial_is_restored_costs_no_checkpoint(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun], when: str, error: Exception
) -> None:
    """It fails, so that it is tried again, and then it goes on from where it was."""
    run = runs(assignment)
    expected = scores([run.turn(), run.turn()])
    with pytest.raises(type(error)):
        TrialRun(assignment, build=ShortOnce(when, error))
    again = runs(assignment)
    assert again.trial.step == run.trial.step
    turn = again.turn()
    assert turn.notes == ()
    assert scores([turn]) == expected


def test_checkpoints_of_another_trial_are_not_touched(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    run = runs(assignment)
    run.turn()
    with pytest.raises(ValueError, match=r"are of study/two_timescale/3, not of study/other/0"):
        runs(replace(assignment, identity="study/other/0"))


def test_a_checkpoint_of_other_learning_rates_is_refused(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    runs(assignment).turn()
    with pytest.raises(ValueError, match="of another trial"):
        runs(replace(assignment, parameters=replace(assignment.parameters, b=9e-3)))


class FullDisk:
    """A disk that is full until somebody makes room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        for name in ("write", "append"):
            monkeypatch.setattr(Folder, name, self._guarded(getattr(Folder, name)))

    def _guarded(self, real: Callable[..., None]) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(*arguments)

        return guarded


def test_a_full_disk_costs_the_checkpoint_and_not_the_trial(
    assignment: Assignment,
    runs: Callable[[Assignment], TrialRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = FullDisk(monkeypatch)
    run = runs(assignment)
    first = run.turn()
    assert "no checkpoint was written at step 300: [Errno 28] No space left" in first.notes[-1]
    disk.full = False
    second = run.turn()
    assert not second.notes
    assert checkpoint.names(Folder(assignment.folder))
    # The evaluation that could not be written was kept in mind.
    written = read_measurements(assignment.folder)
    assert [m.step for m in written] == [300, 600]


def test_a_state_that_cannot_be_kept_is_told_of_once(
    assignment: Assignment,
    runs: Callable[[Assignment], TrialRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = runs(assignment)
    save = run.trial.save
    monkeypatch.setattr(run.trial, "save", lambda: {**save(), "folder": Path("x")}, raising=False)
    turns = finish(run)
    (note,) = (note for turn in turns for note in turn.notes)
    assert note.startswith(
        "no checkpoint can be written, and cut off it would start anew: the trial's"
    )
    assert "pathlib.PosixPath" in note
    assert len(turns) == 3
    assert checkpoint.names(Folder(assignment.folder)) == []


def test_a_trial_whose_score_is_not_finite_has_diverged(
    assignment: Assignment,
    runs: Callable[[Assignment], TrialRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = runs(assignment)
    run.turn()
    lost = Measurement(step=600, score=float("nan"))
    monkeypatch.setattr(run.trial, "advance", lambda _pause: lost, raising=False)
    last = run.turn()
    assert last.diverged is not None
    assert (last.diverged.step, last.diverged.reason) == (600, "the score is nan")
    assert last.finished
    assert [m.step for m in read_measurements(assignment.folder)] == [300]


def test_an_artifact_that_is_not_bytes_is_refused(
    assignment: Assignment,
    runs: Callable[[Assignment], TrialRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = runs(assignment)
    monkeypatch.setattr(run.trial, "artifacts", lambda: {"table.txt": "text"}, raising=False)
    with pytest.raises(
        ValueError, match=r"the trial's artifact table\.txt is 'text'; make it bytes"
    ):
        run.turn()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (300, "evaluated step 300 after step 300; its step must rise"),
        (0, "evaluated step 0 after step 300"),
        (901, "evaluated step 901 of 900; it must be finished at its last step"),
    ],
)
def test_a_trial_that_would_never_end_is_refused(
    assignment: Assignment,
    runs: Callable[[Assignment], TrialRun],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    said: str,
) -> None:
    run = runs(assignment)
    run.turn()
    found = Measurement(step=step, score=1.0)
    monkeypatch.setattr(run.trial, "advance", lambda _pause: found, raising=False)
    with pytest.raises(ValueError, match=said):
        run.turn()
    assert [m.step for m in read_measurements(assignment.folder)] == [300]


def test_measurements_are_kept_line_by_line(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    turns = finish(runs(assignment))
    kept = read_measurements(assignment.folder)
    assert kept == [m for turn in turns for m in turn.measurements]
    assert len(Path(assignment.folder, MEASUREMENTS).read_bytes().splitlines()) == 3


def test_a_torn_last_line_is_left_out(
    assignment: Assignment, runs: Callable[[Assignment], TrialRun]
) -> None:
    finish(runs(assignment))
    file = Path(assignment.folder, MEASUREMENTS)
    file.write_bytes(file.read_bytes()[:-5])
    assert [m.step for m in read_measurements(assignment.folder)] == [300, 600]


@pytest.mark.parametrize("scores", [(5.0, 4.0), (4.0, 5.0)])
def test_of_two_lines_of_one_step_the_later_counts(
    tmp_path: Path, scores: tuple[float, float]
) -> None:
    """A trial that is taken up again computes what came after its checkpoint once more."""
    folder = Folder(str(tmp_path))
    for step, score in ((10, 9.0), (20, scores[0]), (30, 3.0), (20, scores[1])):
        line = b'{"step": %d, "score": %g, "time": 3.0}\n' % (step, score)
        folder.append(MEASUREMENTS, line)
    found = [(m.step, m.score) for m in read_measurements(str(tmp_path))]
    assert found == [(10, 9.0), (20, scores[1]), (30, 3.0)]


def test_a_folder_without_measurements_has_none(tmp_path: Path) -> None:
    assert read_measurements(str(tmp_path / "none")) == []


class Diverging:
    """A trial that has one evaluation and then diverges."""

    score_name = "x"

    def __init__(self) -> None:
        self.step = 0
        self.finished = False

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        self.step += 1
        if self.step == 2:
            self.finished = True
            return Diverged(step=1, reason="the loss is nan")
        return Measurement(step=self.step, score=1.0)

    def save(self) -> State:
        return {"step": self.step}

    def load(self, state: State) -> None:
        self.step = state["step"]

    def artifacts(self) -> Mapping[str, bytes]:
        return {"samples.txt": f"at {self.step}".encode()}


def test_a_trial_that_diverges_is_finished_and_its_files_are_kept(assignment: Assignment) -> None:
    run = TrialRun(assignment, build=lambda *_: Diverging())
    (turn,) = finish(run)
    assert turn.diverged is not None
    assert (turn.diverged.step, turn.diverged.reason) == (1, "the loss is nan")
    assert scores([turn]) == [(1, 1.0)]
    assert Folder(assignment.folder).read("samples/samples-00000001.txt") == b"at 1"


def test_turns_and_assignments_survive_the_way_to_the_driver(assignment: Assignment) -> None:
    run = TrialRun(assignment, build=lambda *_: Diverging())
    for turn in finish(run):
        assert Turn.from_json(turn.to_json()) == turn
    assert Assignment.from_json(assignment.to_json()) == assignment


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [pytest.param("checkpointing", marks=pytest.mark.exhaustive), "checkpointed"]
)
def test_a_worker_that_dies_at_its_checkpoint_leaves_a_folder_to_go_on_from(
    assignment: Assignment, tmp_path: Path, point: str
) -> None:
    whole = TrialRun(replace(assignment, folder=str(tmp_path / "whole")))
    expected = scores(finish(whole))
    slow = {**assignment.trial, "seconds_per_step": 1e-3}
    code = (
        "from trainables.assignment import Assignment\n"
        "from trainables.run import TrialRun\n"
        f"run = TrialRun(Assignment.from_json({replace(assignment, trial=slow).to_json()!r}))\n"
        "while not run.turn().finished: pass"
    )
    died = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"TTUR_FAULT": f"{point}:2"}, check=False
    )
    assert died.returncode == -signal.SIGKILL
    steps = [int(name.split("-")[1]) for name in checkpoint.names(Folder(assignment.folder))]
    assert steps == ([300] if point == "checkpointing" else [600, 300])
    continued = TrialRun(replace(assignment, trial=slow))
    assert continued.trial.step == steps[0]
    assert scores(finish(continued)) == expected


def test_a_point_that_is_not_known_is_refused_when_one_is_armed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from study.ground import faults as driver
    from trainables import faults as worker

    for module in (driver, worker):
        module.point("nowhere")
    monkeypatch.setenv("TTUR_FAULT", "told")
    for module in (driver, worker):
        with pytest.raises(ValueError, match="'nowhere' is not a fault point"):
            module.point("nowhere")


@pytest.mark.parametrize("kind", [pytest.param("gan", marks=pytest.mark.slow), "saddle"])
def test_a_turn_gets_on_however_short_it_is(tmp_path: Path, kind: str) -> None:
    given = Assignment(
        identity="study/arm/0",
        trial=small_config(kind, tmp_path),
        parameters=Parameters(b=1e-3, a=1e-3, d_steps=1),
        seed=0,
        folder=str(tmp_path / "trial"),
        cache=str(tmp_path / "cache"),
        turn_seconds=0,
    )
    run = TrialRun(given)
    steps = []
    while not run.finished:
        steps.append(run.turn().step)
        assert len(steps) < 20, "it hands back turn after turn and trains nothing"
    assert steps[-1] == given.trial["steps"]
