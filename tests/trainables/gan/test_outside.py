"""What a step of a user's networks changes outside of tensors is noticed, and can be undone."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainables.gan.outside import Outside


class Keeper(nn.Module):
    """Keeps something of each kind."""

    count: Any

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.count = 10**12
        self.label = "-".join(["a", "b"])
        self.seen = [1, 2]
        self.by_name = {"x": 1}
        self.kinds = {3}
        self.last = deque([4], maxlen=2)


def state_of(keeper: Keeper) -> list[object]:
    return [
        keeper.count,
        keeper.label,
        list(keeper.seen),
        dict(keeper.by_name),
        set(keeper.kinds),
        list(keeper.last),
        [*keeper._parameters, *keeper._buffers, *vars(keeper)],
        random.getstate(),
        repr(np.random.get_state()),
        torch.get_rng_state().tolist(),
    ]


CHANGES: dict[str, Callable[[Keeper], object]] = {
    "a number": lambda keeper: setattr(keeper, "count", keeper.count + 1),
    "a number's type": lambda keeper: setattr(keeper, "count", float(keeper.count)),
    "a text": lambda keeper: setattr(keeper, "label", "c"),
    "a list": lambda keeper: keeper.seen.append(5),
    "a list's order": lambda keeper: keeper.seen.reverse(),
    "a mapping": lambda keeper: keeper.by_name.update(x=2),
    "a mapping's name": lambda keeper: keeper.by_name.update(y=keeper.by_name.pop("x")),
    "a set": lambda keeper: keeper.kinds.add(6),
    "a queue": lambda keeper: keeper.last.append(7),
    "an attribute more": lambda keeper: setattr(keeper, "more", 1),
    "an attribute less": lambda keeper: delattr(keeper, "label"),
    "a weight's name": lambda keeper: keeper.inner.register_parameter(
        "more", nn.Parameter(torch.ones(1))
    ),
    "Python's numbers": lambda keeper: random.random(),
    "NumPy's numbers": lambda keeper: np.random.rand(),
    "torch's numbers": lambda keeper: torch.rand(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_and_undone(change: str) -> None:
    keeper = Keeper()
    before, weights = state_of(keeper), dict(keeper.inner.named_parameters())
    queue, outside = keeper.last, Outside([keeper])
    assert not outside.changed()

    CHANGES[change](keeper)

    assert outside.changed()
    outside.restore()
    assert not outside.changed()
    assert state_of(keeper) == before
    assert type(keeper.count) is int
    assert keeper.last is queue
    assert queue.maxlen == 2
    assert dict(keeper.inner.named_parameters()) == weights


def test_an_equal_number_or_text_is_no_change_and_what_is_in_tensors_is_not_looked_at() -> None:
    keeper = Keeper()
    outside = Outside([keeper])
    keeper.count = int("1000000000000")
    keeper.label = "".join(["a", "-b"])
    keeper.seen[0] = int("1")
    nn.init.zeros_(keeper.inner.weight)
    assert not outside.changed()
    seen = keeper.seen
    outside.restore()
    assert keeper.seen is seen
    assert keeper.inner.weight.item() == 0


def test_what_is_the_same_is_left_alone_when_another_thing_is_undone() -> None:
    """A mapping that was emptied and filled again has lost the order of who looks at it meanwhile."""
    keeper = Keeper()
    outside = Outside([keeper])
    walking = iter(keeper.by_name)
    keeper.seen.append(3)
    outside.restore()
    assert list(walking) == ["x"]
    assert keeper.seen == [1, 2]
