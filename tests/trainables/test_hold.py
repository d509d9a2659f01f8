"""A test can hold trials at a step: they stay there with a checkpoint, and go on when it lets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.trials import without_clocks

from trainables import checkpoint
from trainables.assignment import Assignment
from trainables.faults import held
from trainables.folder import Folder
from trainables.protocol import Parameters
from trainables.run import TrialRun


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that holds trials; it is not there yet."""
    monkeypatch.setenv("TTUR_HOLD", str(tmp_path / "hold"))
    return tmp_path / "hold"


def run_of(folder: Path, checkpoint_seconds: float) -> TrialRun:
    """A saddle of four evaluations that costs nothing."""
    return TrialRun(
        Assignment(
            identity="study/arm/0",
            trial={"kind": "saddle", "steps": 40, "evaluate_every": 10},
            parameters=Parameters(b=2e-3, a=1e-3, d_steps=1),
            seed=5,
            folder=str(folder),
            cache=str(folder),
            checkpoint_seconds=checkpoint_seconds,
        )
    )


def kept(run: TrialRun) -> list[int]:
    names = checkpoint.names(Folder(run.assignment.folder))
    return [int(name.split("-")[1]) for name in names]


@pytest.mark.parametrize("checkpoint_seconds", [0, 3600])
def test_a_held_trial_stays_at_the_step_with_a_checkpoint_until_it_may_go_on(
    hold: Path, tmp_path: Path, checkpoint_seconds: float
) -> None:
    run = run_of(tmp_path / "held", checkpoint_seconds)
    hold.write_text("20")
    turns = [run.turn() for _ in range(3)]
    assert [[m.step for m in turn.measurements] for turn in turns] == [[10, 20], [], []]
    assert {(turn.step, turn.finished, turn.notes) for turn in turns} == {(20, False, ())}
    assert kept(run) == [20]

    hold.write_text("30")
    assert [m.step for m in run.turn().measurements] == [30]
    assert kept(run) == [30, 20]

    hold.unlink()
    last = run.turn()
    assert last.finished
    assert [m.step for m in last.measurements] == [40]
    free = run_of(tmp_path / "free", checkpoint_seconds)
    free.turn()
    assert without_clocks(run.history) == without_clocks(free.history)


def test_a_trial_taken_up_at_the_step_is_held_there_too(hold: Path, tmp_path: Path) -> None:
    hold.write_text("10")
    run_of(tmp_path / "trial", 0).turn()
    again = run_of(tmp_path / "trial", 0)
    assert [m.step for m in again.turn().measurements] == [10], "its history"
    assert again.turn().measurements == ()
    assert again.trial.step == 10


def test_a_hold_at_the_last_step_holds_nothing(hold: Path, tmp_path: Path) -> None:
    hold.write_text("40")
    assert run_of(tmp_path / "trial", 0).turn().finished


def test_nothing_is_held_without_the_variable(hold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold.write_text("10")
    assert [held(step) for step in (9, 10, 11)] == [False, True, True]
    monkeypatch.delenv("TTUR_HOLD")
    assert not held(11)
