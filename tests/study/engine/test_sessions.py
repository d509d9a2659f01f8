"""How many trials a session of Tune has, and that it hands out no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from trainables.assignment import Assignment
from trainables.protocol import Parameters


@dataclass
class Endless:
    """A launch that always has another trial."""

    given: int = 0

    def next(self) -> Assignment:
        self.given += 1
        return Assignment(
            identity=f"s/a/{self.given}",
            trial={},
            parameters=Parameters(b=1e-3, a=1e-3, d_steps=1),
            seed=0,
            folder="",
            cache="",
        )


@pytest.mark.parametrize(
    ("slots", "trials"), [(0, 500), (1, 500), (20, 500), (21, 525), (64, 1600), (81, 2000)]
)
def test_a_session_is_long_for_its_slots_and_short_for_memory(slots: int, trials: int) -> None:
    from study.engine.tune import session_trials

    assert session_trials(slots) == trials


def test_a_session_hands_out_so_many_trials_and_the_next_goes_on() -> None:
    from ray.tune.search import Searcher

    from study.engine.tune import _Asker, _Session

    launch: Any = Endless()
    for before, trials in ((0, 3), (3, 2)):
        session = _Session.begin(launch, trials)
        asker, given = _Asker(session.key), []
        while (config := asker.suggest(f"trial-{len(given)}")) != Searcher.FINISHED:
            given.append(config["assignment"]["identity"])
        assert asker.suggest("late") == Searcher.FINISHED
        session.end()
        assert given == [f"s/a/{before + n + 1}" for n in range(trials)]
    assert launch.given == 5
