"""The optimum of an arm's surface, of a surface whose draws are written down."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from study.results.optimum import Optimum, optimum
from study.surface.surface import Surface

SETTINGS: list[dict[str, Any]] = [
    {"b": 1e-3, "d_steps": 2, "loss": "hinge", "flip": True, "mixed": 1},
    {"b": 2e-3, "d_steps": 5, "loss": "hinge", "flip": True, "mixed": "no"},
    {"b": 5e-4, "d_steps": 1, "loss": "gan", "flip": False, "mixed": 3},
    {"b": 9e-3, "d_steps": 9, "loss": "gan", "flip": False, "mixed": 4},
]


def surface(rises: list[float]) -> Surface:
    """One whose lowest point is the second of its places.

    Its region's points are numbers of settings; their scores' logarithms lie so far above the lowest one's.
    """
    draws = np.zeros((41, 3))
    draws[:, 1] = np.log(np.linspace(8.0, 12.0, 41))
    points = np.arange(len(rises))
    made = SimpleNamespace(
        draws=draws,
        means=np.asarray([-1.0, 0.0, 5.0]),
        found=lambda arm: {"x": 1}[arm],
        spread=lambda arm: {"x": (points, np.asarray(rises))}[arm],
        setting=lambda place: {1: SETTINGS[0]}[place],
        setting_at=lambda point, arm: {"x": SETTINGS}[arm][int(point)],
    )
    return cast("Surface", made)


def test_it_is_the_lowest_point_with_its_interval_and_what_is_as_good() -> None:
    found = optimum(surface([0.2, math.log1p(0.1), 0.05, math.log(1.1001)]), "x")
    assert found.setting == SETTINGS[0]
    assert found.score == pytest.approx(10.0)
    assert found.interval == pytest.approx(
        (8.1, 11.9)
    )  # of 41 from 8 to 12, the second and the last but one
    assert found.share == 0.5
    # The second's and the third's with the best's own; what is no number in all of them has no range.
    assert found.ranges == {"b": (5e-4, 2e-3), "d_steps": (1.0, 5.0)}
    assert found.to_json() == {
        "setting": SETTINGS[0],
        "score": found.score,
        "interval": list(found.interval),
        "share": 0.5,
        "ranges": {"b": [5e-4, 2e-3], "d_steps": [1.0, 5.0]},
    }


def test_where_nothing_else_is_as_good_the_best_alone_has_the_ranges() -> None:
    found = optimum(surface([0.7, 1.1, 0.7]), "x")
    assert found.share == 0.0
    assert found.ranges == {"b": (1e-3, 1e-3), "d_steps": (2.0, 2.0), "mixed": (1.0, 1.0)}


def test_an_arm_that_is_a_point_is_as_good_everywhere() -> None:
    assert optimum(surface([]), "x").share == 1.0


def test_it_is_kept_as_it_is() -> None:
    known = {"setting": {}, "score": 1.0, "interval": (0.5, 2.0), "share": 1.0, "ranges": {}}
    assert Optimum(**known).to_json() == known | {"interval": [0.5, 2.0]}  # type: ignore[arg-type]
