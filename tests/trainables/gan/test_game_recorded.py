"""A game's recorded steps are those that are not recorded, also after a state was loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.small_games import PENALISED, assert_same, game

from trainables.gan import graphs
from trainables.gan.average import MovingAverage
from trainables.gan.game import GanGame
from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.state import snapshot


class Again:
    """Something that records by making the step again.

    Attributes:
        replayed: How often it did.
        capturable: What torch's optimisers were told while a step was recorded.
    """

    def __init__(self, device: str) -> None:
        assert device == "cpu"
        self.replayed = 0
        self.capturable: list[bool] = []
        self.playing: GanGame | None = None

    def warm_up(self, step: Callable[[], None]) -> None:
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.capturable += capturable(self.playing)

        def replay() -> None:
            self.replayed += 1
            step()

        return replay


def capturable(playing: GanGame | None) -> list[bool]:
    assert playing is not None
    players = (playing.d_optimiser, playing.g_optimiser)
    return [player._inner.param_groups[0]["capturable"] for player in players]


@pytest.mark.parametrize(("further", "kinds"), [(PENALISED, 2), ({}, 1)])
def test_recorded_steps_are_those_that_are_not_recorded(
    monkeypatch: pytest.MonkeyPatch, further: dict[str, Any], kinds: int
) -> None:
    """Two steps of a kind are warmed up; with a penalty in each second update there are two kinds."""
    monkeypatch.setitem(graphs.CAPTURES, "cpu", Again)
    recorded, plain = game(**further), game(cuda_graphs=False, **further)
    assert plain._steps._capture is None
    capture: Any = recorded._steps._capture
    capture.playing = recorded
    begun = snapshot(plain.state_dict())
    for first in (1, 2):
        for n in range(first, first + 4 * kinds):
            recorded.step(n)
            plain.step(n)
        assert (recorded.said, plain.said) == (None, None)
        assert_same(snapshot(recorded.state_dict()), snapshot(plain.state_dict()))
        for playing in (recorded, plain):
            playing.load_state_dict(begun)
    assert capture.replayed == 2 * 2 * kinds
    assert capture.capturable == [True, True] * 2 * kinds
    assert capturable(recorded) == [False, False]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("averages", [1, 0])
def test_what_changes_from_step_to_step_is_held_on_a_device_that_records(
    monkeypatch: pytest.MonkeyPatch, recorded: bool, averages: int
) -> None:
    """Whether steps are recorded or not, so that they are the same."""
    held: list[tuple[type, str]] = []
    made_on: list[str] = []
    for kind in (PlayerOptimiser, MovingAverage):
        monkeypatch.setattr(kind, "hold", lambda holder, at: held.append((type(holder), at)))
    monkeypatch.setitem(graphs.CAPTURES, torch.device(DEVICE).type, made_on.append)
    further = {"ema": 0.9} if averages else {}
    with Accelerator():
        game(DEVICE, cuda_graphs=recorded, **further)
    assert held == [(PlayerOptimiser, DEVICE)] * 2 + [(MovingAverage, DEVICE)] * averages
    assert made_on == [DEVICE] * recorded


def test_nothing_is_held_on_a_device_that_does_not_record(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (PlayerOptimiser, MovingAverage):
        monkeypatch.setattr(kind, "hold", pytest.fail)
    assert game(ema=0.9).said is None
