"""The levels of a score, measured once per node: what real samples and what samples of nothing score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainables.data import store
from trainables.levels import Measured, Score

LAYOUT = 1
"""Changes when levels are measured otherwise, so that those of before are not taken for them."""

UNTRAINED = "an untrained generator"
"""What one kind of samples of nothing is, whatever is generated."""

Scored = Callable[[], float]
"""Scores samples of one kind."""


def levels_path(cache: Path, key: Any) -> Path:
    """Where levels are kept.

    Args:
        cache: Folder of this node.
        key: A JSON value: all that they depend on and that is known without a network.
    """
    return cache / "statistics" / f"levels-{store.digest([LAYOUT, key])[:16]}.json"


def measured(
    path: Path,
    name: str,
    facts: Mapping[str, str],
    floor: Callable[[], Score | None],
    nothing: Callable[[], Mapping[str, Scored]],
) -> Measured:
    """Reads the levels that are kept, or measures and keeps them; one process does while others wait.

    Args:
        path: Where they are kept.
        name: Name of the score.
        facts: What a score depends on besides its name; kept levels of other facts are measured anew.
        floor: Scores real samples.
        nothing: Gives, for each kind of samples of nothing, what scores it; one that gives no finite number
            is left out.
    """

    def measure() -> dict[str, Any]:
        real = floor()
        return {
            "facts": dict(facts),
            "name": name,
            "floor": None if real is None else real.value,
            "floor_noise": 0.0 if real is None else real.noise,
            "nothing": {what: _finite(score) for what, score in nothing().items()},
        }

    def parse(kept: dict[str, Any]) -> Measured:
        if kept["facts"] != dict(facts):
            raise ValueError("of other facts")
        return _parsed(kept)

    return store.remembered(path, measure, parse)


def kept(path: Path) -> Measured | None:
    """The levels that were measured already; None if they were not."""
    try:
        return _parsed(store.read_json(path))
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _parsed(kept: Mapping[str, Any]) -> Measured:
    return Measured(
        name=kept["name"],
        floor=kept["floor"],
        floor_noise=kept["floor_noise"],
        nothing=dict(kept["nothing"]),
    )


def _finite(score: Scored) -> float | None:
    value = score()
    return value if math.isfinite(value) else None
