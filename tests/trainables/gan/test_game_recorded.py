"""A game's recorded steps are those that are not recorded, also after a state was loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.recording import PretendCapture
from support.small_games import PENALISED, PLAIN, assert_same, game

from trainables.gan import graphs
from trainables.gan.state import snapshot


@pytest.mark.parametrize(
    ("further", "kinds"), [(PENALISED, 2), (PLAIN, 1)], ids=["penalised", "plain"]
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
