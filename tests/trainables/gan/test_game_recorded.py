"""A game's recorded steps are those that are not recorded, also after a state was loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.recording import PretendCapture
from support.small_games import PENALISED, PLAIN, assert_same, game

from trainables.gan import graphs
from trainables.gan.average import MovingAverage
from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.state import snapshot


@pytest.mark.parametrize(
    ("further", "kinds"),
    [pytest.param(PENALISED, 2, id="penalised", marks=pytest.mark.slow), (PLAIN, 1)],
)
def test_recorded_steps_are_those_that_are_not_recorded(
    monkeypatch: pytest.MonkeyPatch, further: dict[str, Any], kinds: int
) -> None:
    """Two steps of a kind are warmed up; with a penalty in each second update there are two kinds."""
    monkeypatch.setitem(graphs.CAPTURES, torch.device(DEVICE).type, PretendCapture)
    steps = 3 * kinds
    with Accelerator():
        recorded, plain = game(DEVICE, **further), game(DEVICE, cuda_graphs=False, **further)
        begun = snapshot(plain.state_dict())
        for first in (1, 2):
            for n in range(first, first + steps):
                recorded.step(n)
                plain.step(n)
            assert (recorded.said, plain.said) == (None, None)
            assert_same(snapshot(recorded.state_dict()), snapshot(plain.state_dict()))
            for playing in (recorded, plain):
                playing.load_state_dict(begun)
        capture: Any = recorded._steps._capture
        assert plain._steps._capture is None
    assert (capture.warmed, capture.recorded, capture.replayed) == (4 * kinds, 2 * kinds, 2 * kinds)


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
