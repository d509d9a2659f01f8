"""A chart as Plotly draws it: its data and layout, and what all charts of the page share.

A text that begins with ``@`` is a colour of the page's theme, light or dark (page.css); ``@arm0/0.2`` is one
that lets what lies below shine through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ARM_COLOURS = 6
"""Colours of arms that a theme has; arms beyond them begin again."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "hexagon")
"""One an arm: no colour has to be told from another to know the arm."""

ONE_LINE = 16
"""Characters of a score's name up to which a phone has room for it beside an axis."""

TICKS = 8
"""Decades up to which each has a mark on an axis."""

LOG_RATIO = 20.0
"""Scores that span more than this factor are drawn on a logarithmic axis."""

SCALE = [[place / 4, f"@s{place}"] for place in range(5)]
"""Colours of a score from the lowest, which is best, to the highest."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart.

    Attributes:
        name: What it is called in the page.
        alt: What it shows, in words, for who cannot see it.
        data: Traces of Plotly.
        layout: Layout of Plotly, beside what the page gives every chart.
        height: Pixels; None: as wide as it is.
    """

    name: str
    alt: str
    data: Sequence[Json]
    layout: Mapping[str, Any] = field(default_factory=dict)
    height: int | None = 360

    def to_json(self) -> Json:
        """Plain JSON values."""
        made = {"data": list(self.data), "layout": dict(self.layout), "height": self.height}
        return {"name": self.name, **made}


def colour(place: int, alpha: float | None = None) -> str:
    """The colour of the arm at a place."""
    name = f"@arm{place % ARM_COLOURS}"
    return name if alpha is None else f"{name}/{alpha:g}"


def spans(scores: Sequence[float]) -> bool:
    """Whether scores are drawn on a logarithmic axis."""
    return bool(scores) and min(scores) > 0 and max(scores) / min(scores) > LOG_RATIO


def score_title(name: str) -> str:
    """What stands at an axis of scores; one whose name has no room there (those of texts) is named on top.

    Examples:
        >>> score_title("fid_10k"), score_title("jsd4_640_32_characters")
        ('fid_10k (lower is better)', 'score (lower is better)')
    """
    return f"{name if len(name) <= ONE_LINE else 'score'} (lower is better)"


def score_axis(name: str, scores: Sequence[float]) -> Json:
    """An axis of scores, logarithmic if they span much."""
    title = {"text": score_title(name)}
    if not spans(scores):
        return {"title": title}
    low, high = min(scores), max(scores)
    margin = (high / low) ** 0.04
    ticks = rounds(low / margin, high * margin)
    return {
        "title": title,
        "type": "log",
        "range": [math.log10(low / margin), math.log10(high * margin)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def rate_axis(text: str, low: float, high: float) -> Json:
    """A logarithmic axis of learning rates."""
    ticks = rounds(low, high)
    return {
        "title": {"text": text},
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def rounds(low: float, high: float) -> list[float]:
    """Round numbers between two positive ones: powers of ten, and 2 and 5 times them if these are few.

    Of many decades (a game may come to 1e-120) those whose powers are round.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    if len(decades) > TICKS:
        apart = next(step for step in (2, 5, 10, 20, 50, 100) if len(decades) <= TICKS * step)
        return [10.0**p for p in decades if p % apart == 0 and low <= 10.0**p <= high]
    for factors in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        found = [f * 10.0**power for power in decades for f in factors]
        found = [float(f"{value:.6g}") for value in found if low <= value <= high]
        if len(found) >= 3:
            return found
    return [float(f"{value:.3g}") for value in (low, math.sqrt(low * high), high)]


def level_lines(floor: float | None, ceiling: float | None, scores: Sequence[float]) -> Json:
    """Dashed lines at what real data and samples of nothing score, as far as they lie among the scores."""
    shapes, notes = [], []
    top = max(scores, default=0.0)
    for level, text in ((floor, "real data"), (ceiling, "samples of nothing")):
        if level is None or (level > 1.5 * top) or (spans(scores) and level < min(scores) / 3):
            continue
        across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level}
        shapes.append(across | {"line": {"color": "@muted", "dash": "dot", "width": 1.5}})
        y = math.log10(level) if spans(scores) and level > 0 else level
        place = {"xref": "paper", "x": 1, "y": y, "xanchor": "right", "yanchor": "bottom"}
        label = {"text": f"{text}: {level:.4g}", "showarrow": False}
        notes.append(place | label | {"font": {"size": 11, "color": "@muted"}})
    return {"shapes": shapes, "annotations": notes} if shapes else {}
