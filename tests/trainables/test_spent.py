"""What the time of a trial went into, with a clock that only moves where the test moves it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.trials import small_config

from trainables import checkpoint
from trainables.assignment import Assignment
from trainables.gan.adversarial import AdversarialTrial
from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.protocol import Parameters
from trainables.run import TrialRun
from trainables.spent import split

DATA, UPDATE, SCORE, WRITE, BUILD, PAUSE = 0.5, 2.0, 8.0, 32.0, 128.0, 512.0
"""Seconds of each thing that a trial does: sums tell what was counted how often."""
STEPS, EVERY, D_STEPS = 4, 2, 3


class Clock:
    """Two clocks that stand still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.patch = monkeypatch.setattr
        self.patch(time, "monotonic", lambda: self.now)
        self.patch(time, "perf_counter", lambda: self.now)

    def lasting(self, owner: Any, name: str, seconds: float) -> None:
        """Lets what an owner does take so many seconds."""
        done = getattr(owner, name)

        def slow(*arguments: Any, **named: Any) -> Any:
            self.now += seconds
            return done(*arguments, **named)

        self.patch(owner, name, slow)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(monkeypatch)
    clock.lasting(ImageBatches, "next", DATA)
    clock.lasting(GanGame, "step", UPDATE)
    clock.lasting(checkpoint, "save", WRITE)
    return clock


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Callable[[], TrialRun]:
    """Makes a worker's run of one trial, in one folder."""
    given = Assignment(
        identity="s/a/0",
        trial={**small_config("gan", tmp_path), "steps": STEPS, "evaluate_every": EVERY},
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=D_STEPS),
        seed=3,
        folder=str(tmp_path / "run"),
        cache=str(tmp_path / "cache"),
        checkpoint_seconds=0,
        turn_seconds=1e9,
    )

    def build(*arguments: Any) -> Any:
        from trainables.kinds import build_trial

        clock.now += BUILD
        trial = build_trial(*arguments)
        assert isinstance(trial, AdversarialTrial)
        clock.lasting(trial, "_score", SCORE)
        return trial

    return lambda: TrialRun(given, build=build)


def parts(run: TrialRun) -> dict[str, float]:
    return split(run.history[-1].metrics)


def test_every_second_of_a_trial_is_counted_once(run: Callable[[], TrialRun], clock: Clock) -> None:
    began, trial = clock.now, run()
    while not trial.history:
        trial.turn()
    first = {
        "data": EVERY * D_STEPS * DATA,
        "training": EVERY * UPDATE,
        "evaluation": SCORE,
        "checkpoint": 0.0,
        "waiting": BUILD,
    }
    assert parts(trial) == pytest.approx(first)
    assert sum(first.values()) + WRITE == clock.now - began  # the checkpoint at the turn's end
    clock.now += PAUSE
    while not trial.finished:
        trial.turn()
    assert parts(trial) == pytest.approx(
        {
            "data": STEPS * D_STEPS * DATA,
            "training": STEPS * UPDATE,
            "evaluation": 2 * SCORE,
            "checkpoint": WRITE,
            "waiting": BUILD + PAUSE,
        }
    )
    assert trial.history[-1].seconds == pytest.approx(STEPS * (D_STEPS * DATA + UPDATE) + 2 * SCORE)


def test_a_trial_that_is_taken_up_again_goes_on_counting(
    run: Callable[[], TrialRun], clock: Clock
) -> None:
    """What the worker before had counted when it began to write its checkpoint, and nothing in between."""
    cut_off = run()
    while not cut_off.history:
        cut_off.turn()
    clock.now += 1e6
    again = run()
    while not again.finished:
        again.turn()
    assert parts(again) == pytest.approx(
        {
            "data": STEPS * D_STEPS * DATA,
            "training": STEPS * UPDATE,
            "evaluation": 2 * SCORE,
            "checkpoint": 0.0,
            "waiting": 2 * BUILD,
        }
    )


def test_a_checkpoint_of_an_earlier_version_counts_from_where_it_is_taken_up(
    run: Callable[[], TrialRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = run()
    while not earlier.history:
        earlier.turn()
    state = earlier._state()
    del state["spent"], state["trial"]["data_seconds"]
    monkeypatch.setattr(checkpoint, "newest_first", lambda _: iter([state]))
    again = run()
    while not again.finished:
        again.turn()
    after = STEPS - EVERY
    assert parts(again) == pytest.approx(
        {
            "data": after * D_STEPS * DATA,
            "training": STEPS * UPDATE + EVERY * D_STEPS * DATA,  # it took them for training
            "evaluation": 2 * SCORE,
            "checkpoint": 0.0,
            "waiting": BUILD,
        }
    )


def test_a_game_takes_no_note() -> None:
    assert split({"distance": 1.0, "seconds": 3.0}) == {}
