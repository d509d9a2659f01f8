"""The plane of (b, a): trials, the surface under them, its uncertainty, the region within 10 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.page.chart import SCALE, SYMBOLS, Chart, Json, colour, rate_axis, rounds, score_title
from study.page.landscape import Landscape, Slice
from study.trial import TrialRecord, ranked

MOST_POINTS = 3000
"""Trials that are drawn: half of them the best, the others evenly from the rest."""

NAME = "plane"


def points(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that are drawn: those that ended and did not fail, at most :data:`MOST_POINTS`."""
    mine = [row for row in rows if row.counts]
    if len(mine) <= MOST_POINTS:
        return mine
    best = sorted(mine, key=lambda row: row.objective)
    half = MOST_POINTS // 2
    rest = best[half:]
    return best[:half] + [rest[i * len(rest) // half] for i in range(half)]


def plane(
    rows: Sequence[TrialRecord], arms: Sequence[str], score_name: str, ground: Landscape | None
) -> Chart:
    """The plane as a chart; every trace says to which d_steps and layer it belongs (``meta``).

    Args:
        rows: All trials; a point's ``customdata`` is the place of its trial among them.
        arms: The arms in the order in which they are compared.
        score_name: What the colours are.
        ground: The surface, if there is one.
    """
    drawn = points(rows)
    rates = [value for row in drawn for value in (row.b, row.a)]
    low, high = min(rates, default=1e-4) / 1.4, max(rates, default=1e-2) * 1.4
    colours = _colours(drawn, ground, score_name)
    data: list[Json] = []
    for each in ground.slices if ground else ():
        data += _under(each, ground, colours)  # type: ignore[arg-type]
    data += _diagonal(low, high)
    numbers = {row.identity: place for place, row in enumerate(rows)}
    for place, arm in enumerate(arms):
        mine = [row for row in drawn if row.arm == arm]
        for d_steps in sorted({row.d_steps for row in mine}):
            some = [row for row in mine if row.d_steps == d_steps]
            data += _trials(some, numbers, (place, arm), d_steps)
    for place, arm in enumerate(arms):
        data += _best(drawn, arm, place)
    return Chart(
        name=NAME,
        alt=_alt(rows, arms, score_name),
        data=[trace for trace in data if trace],
        layout={
            "xaxis": rate_axis("b, the discriminator's learning rate", low, high),
            "yaxis": rate_axis("a, the generator's learning rate", low, high)
            | {"scaleanchor": "x", "constrain": "domain"},
            "coloraxis": colours,
            "hovermode": "closest",
            "showlegend": False,
            "margin": {"l": 64, "r": 8, "t": 8, "b": 118},
        },
        height=None,
    )


def _alt(rows: Sequence[TrialRecord], arms: Sequence[str], score_name: str) -> str:
    said = []
    for arm in arms:
        best = ranked(row for row in rows if row.arm == arm)[:1]
        said += [f"{arm}'s lowest {score_name} is at b {r.b:.3g}, a {r.a:.3g}" for r in best]
    return "Trials by their two learning rates, coloured by score; " + "; ".join(said) + "."


def _colours(rows: Sequence[TrialRecord], ground: Landscape | None, score_name: str) -> Json:
    """The axis of colours: logarithms of the scores, up to where the surface presses them together."""
    scores = [row.score for row in rows if row.score is not None and row.score > 0]
    if ground is not None:
        scores = [float(value) for each in ground.slices for value in each.scores.ravel()]
    low, high = (min(scores), max(scores)) if scores else (1.0, 10.0)
    high = max(high, low * 1.01)
    ticks = rounds(low, high)
    return {
        "colorscale": SCALE,
        "cmin": math.log10(low),
        "cmax": math.log10(high),
        "colorbar": {
            "title": {"text": score_title(score_name), "side": "top"},
            "orientation": "h",
            "yref": "container",
            "y": 0.0,
            "yanchor": "bottom",
            "thickness": 12,
            "outlinewidth": 0,
            "tickvals": [math.log10(tick) for tick in ticks],
            "ticktext": [f"{tick:g}" for tick in ticks],
        },
    }


def _under(each: Slice, ground: Landscape, colours: Json) -> list[Json]:
    """The surface, its uncertainty, and the edge of the region within 10 %, at one number of d_steps."""
    shared = {"x": ground.b.tolist(), "y": ground.a.tolist()}
    scores, errors = each.scores, np.expm1(each.errors) * 100
    high = max(float(np.quantile(errors, 0.95)), 1.0)
    where = "b %{x:.3g}, a %{y:.3g}<br>"
    surface = shared | {
        "type": "contour",
        "z": np.log10(scores).round(4).tolist(),
        "text": [[f"{value:.4g}" for value in line] for line in scores],
        "coloraxis": "coloraxis",
        "contours": {"coloring": "heatmap"},
        "line": {"width": 0.6, "color": "@ink/0.3"},
        "hovertemplate": where + "surface: %{text}<extra></extra>",
        "meta": {"d_steps": each.d_steps, "layer": "score"},
    }
    uncertainty = shared | {
        "type": "contour",
        "z": errors.round(2).tolist(),
        "zmin": 0,
        "zmax": high,
        "colorscale": [[0, "@u0"], [1, "@u1"]],
        "contours": {"coloring": "heatmap"},
        "line": {"width": 0.6, "color": "@ink/0.3"},
        "colorbar": colours["colorbar"]
        | {
            "title": {"text": "standard error of the surface, % of the score", "side": "top"},
            "tickvals": None,
            "ticktext": None,
            "ticksuffix": " %",
        },
        "hovertemplate": where + "standard error: %{z:.2g} %<extra></extra>",
        "meta": {"d_steps": each.d_steps, "layer": "error"},
    }
    level = math.log10(ground.near)
    edge = shared | {
        "type": "contour",
        "z": np.log10(scores).round(4).tolist(),
        "contours": {"start": level, "end": level, "size": 1, "coloring": "none"},
        "showscale": False,
        "line": {"color": "@edge", "width": 2.5},
        "hoverinfo": "skip",
        "meta": {"d_steps": each.d_steps, "layer": ""},
    }
    return [surface, uncertainty, edge if scores.min() < ground.near else {}]


def _diagonal(low: float, high: float) -> list[Json]:
    """The line on which both rates are equal, set off from the surface."""
    base: Json = {
        "type": "scatter",
        "mode": "lines",
        "x": [low, high],
        "y": [low, high],
        "hoverinfo": "skip",
        "meta": {},
    }
    return [
        base | {"line": {"color": "@paper/0.7", "width": 4}},
        base | {"line": {"color": "@ink", "width": 1.4, "dash": "dash"}},
    ]


def _trials(
    rows: Sequence[TrialRecord], numbers: dict[str, int], arm: tuple[int, str], d_steps: int
) -> list[Json]:
    place, name = arm
    scored = [row for row in rows if row.score is not None]
    lost = [row for row in rows if row.score is None]
    symbol = SYMBOLS[place % len(SYMBOLS)]
    return [
        _halo(scored, symbol, d_steps) if scored else {},
        _points(scored, numbers, d_steps)
        | {
            "name": name,
            "marker": {
                "symbol": symbol,
                "size": 11,
                "color": [math.log10(r.score) if r.score and r.score > 0 else None for r in scored],
                "coloraxis": "coloraxis",
                "line": {"color": "@ink", "width": 1.2},
            },
        }
        if scored
        else {},
        _points(lost, numbers, d_steps)
        | {
            "name": f"{name}, without a score",
            "marker": {"symbol": "x-thin", "size": 9, "line": {"color": "@lost", "width": 2}},
        }
        if lost
        else {},
    ]


def _halo(rows: Sequence[TrialRecord], symbol: str, d_steps: int) -> Json:
    """What sets points off from a surface of their own colour."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row.b for row in rows],
        "y": [row.a for row in rows],
        "hoverinfo": "skip",
        "marker": {"symbol": symbol, "size": 16, "color": "@paper", "line": {"width": 0}},
        "meta": {"d_steps": d_steps},
    }


def _points(rows: Sequence[TrialRecord], numbers: dict[str, int], d_steps: int) -> Json:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row.b for row in rows],
        "y": [row.a for row in rows],
        "customdata": [numbers[row.identity] for row in rows],
        "text": [_label(row) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "meta": {"d_steps": d_steps, "trials": True},
    }


def _label(row: TrialRecord) -> str:
    score = str(row.outcome) if row.score is None else f"{row.score:.4g}"
    return f"{row.arm} #{row.number}: {score}"


def _best(rows: Sequence[TrialRecord], arm: str, place: int) -> list[Json]:
    """A ring around the trial of an arm with the lowest score, set off from what lies below."""
    best = ranked(row for row in rows if row.arm == arm)[:1]
    base: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": [row.b for row in best],
        "y": [row.a for row in best],
        "hoverinfo": "skip",
    }
    return [
        base
        | {
            "marker": {"symbol": "circle-open", "size": 23, "color": shade}
            | {"line": {"color": shade, "width": width}},
            "meta": {"d_steps": row.d_steps},
        }
        for row in best
        for shade, width in (("@paper", 8), (colour(place), 3.5))
    ]


def keys(arms: Sequence[str], ground: Landscape | None) -> list[dict[str, str]]:
    """What the marks in the plane mean: each as a piece of SVG, and its text."""
    found = []
    for place, arm in enumerate(arms):
        found.append({"mark": _MARKS[SYMBOLS[place % len(SYMBOLS)]], "text": arm})
        ring = f'<circle r="7" fill="none" stroke="var(--{colour(place)[1:]})" stroke-width="3.5"/>'
        found.append({"mark": ring, "text": f"its lowest score ({arm})"})
    cross = '<path d="M-5 -5L5 5M-5 5L5 -5" stroke="var(--lost)" stroke-width="2"/>'
    line = '<path d="M-11 0H11" stroke="var(--ink)" stroke-width="1.5" stroke-dasharray="5 3"/>'
    found += [{"mark": cross, "text": "no score"}, {"mark": line, "text": "b = a"}]
    if ground is not None:
        edge = '<ellipse rx="10" ry="6" fill="none" stroke="var(--edge)" stroke-width="2.5"/>'
        found.append({"mark": edge, "text": "within 10 % of the lowest"})
    return found


_MARKS = {
    "circle": '<circle r="6" fill="var(--ink)"/>',
    "square": '<path d="M-5.5 -5.5H5.5V5.5H-5.5Z" fill="var(--ink)"/>',
    "diamond": '<path d="M0 -7L7 0L0 7L-7 0Z" fill="var(--ink)"/>',
    "triangle-up": '<path d="M0 -6L7 6H-7Z" fill="var(--ink)"/>',
    "cross": '<path d="M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z" fill="var(--ink)"/>',
    "hexagon": '<path d="M-6 -3L0 -7L6 -3V3L0 7L-6 3Z" fill="var(--ink)"/>',
}
