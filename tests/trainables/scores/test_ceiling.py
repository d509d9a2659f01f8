"""The levels of a score: what is measured, and what is kept of it."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from trainables.levels import Measured, Score
from trainables.scores import ceiling
from trainables.scores.ceiling import levels_path


class Scores:
    """Scores of samples of nothing; how often each was asked for is counted."""

    def __init__(self, **values: float) -> None:
        self.values = values
        self.asked: list[str] = []

    def __call__(self) -> dict[str, Any]:
        return {what: lambda what=what: self.of(what) for what in self.values}

    def of(self, what: str) -> float:
        self.asked.append(what)
        return self.values[what]


def measured(path: Path, scores: Scores, floor: Score | None = None, facts: str = "a") -> Measured:
    return ceiling.measured(path, "a_score", {"weights": facts}, lambda: floor, scores)


def test_levels_are_measured_once_and_read_afterwards(tmp_path: Path) -> None:
    path, scores = (
        tmp_path / "levels.json",
        Scores(noise=9.0, grey=math.inf, dark=math.nan, mean=-3.0),
    )
    found = measured(path, scores, Score(1.5, 0.25))
    expected = Measured(
        name="a_score",
        floor=1.5,
        floor_noise=0.25,
        nothing={"noise": 9.0, "grey": None, "dark": None, "mean": -3.0},
    )
    assert found == expected
    assert scores.asked == ["noise", "grey", "dark", "mean"]
    assert measured(path, scores, Score(7.0, 7.0)) == expected
    assert ceiling.kept(path) == expected
    assert len(scores.asked) == 4
    assert json.loads(path.read_text()) == {
        "facts": {"weights": "a"},
        "name": "a_score",
        "floor": 1.5,
        "floor_noise": 0.25,
        "nothing": {"noise": 9.0, "grey": None, "dark": None, "mean": -3.0},
    }


def test_levels_of_other_facts_are_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "levels.json"
    measured(path, Scores(noise=9.0), Score(1.5, 0.25))
    found = measured(path, Scores(noise=8.0), None, "b")
    assert (found.floor, found.floor_noise, found.nothing) == (None, 0.0, {"noise": 8.0})
    assert ceiling.kept(path) == found


@pytest.mark.parametrize(
    "content", [None, "", "no json", "[]", "3", "{}", '{"facts": {"weights": "a"}}']
)
def test_what_cannot_be_read_is_not_known_and_measured_anew(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "levels.json"
    if content is not None:
        path.write_text(content)
    assert ceiling.kept(path) is None
    assert measured(path, Scores(noise=2.0)).nothing == {"noise": 2.0}
    assert ceiling.kept(path) is not None


def test_levels_are_kept_beside_the_statistics_by_all_that_they_depend_on(tmp_path: Path) -> None:
    digest = hashlib.sha256(json.dumps([1, ["a_score", 3]]).encode()).hexdigest()
    assert levels_path(tmp_path, ["a_score", 3]) == (
        tmp_path / "statistics" / f"levels-{digest[:16]}.json"
    )
