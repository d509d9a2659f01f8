"""The plane of (b, a): trials, the surface under them, its uncertainty, the region within 10 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.page.chart import SCALE, SYMBOLS, Chart, Json, colour, rate_axis, rounds
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
    data.append(_diagonal(low, high))
    numbers = {row.identity: place for place, row in enumerate(rows)}
    for place, arm in enumerate(arms):
        mine = [row for row in drawn if row.arm == arm]
        for d_steps in sorted({row.d_steps for row in mine}):
            some = [row for row in mine if row.d_steps == d_steps]
            data += _trials(some, numbers, (place, arm), d_steps)
    data += [_best(rows, arm, place) for place, arm in enumerate(arms)]
    return Chart(
        name=NAME,
        alt=_alt(rows, arms, score_name),
        data=[trace for trace in data if trace],
        layout={
            "xaxis": rate_axis("b, learning rate of the discriminator", low, high),
            "yaxis": rate_axis("a, learning rate of the generator", low, high)
            | {"scaleanchor": "x", "constrain": "domain"},
            "coloraxis": colours,
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "margin": {"l": 64, "r": 8, "t": 8, "b": 48},
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
            "title": {"text": f"{score_name} (lower is better)", "side": "top"},
            "orientation": "h",
            "y": -0.16,
            "yanchor": "top",
            "thickness": 12,
            "outlinewidth": 0,
            "tickvals": [math.log10(tick) for tick in ticks],
            "ticktext": [f"{tick:g}" for tick in ticks],
        },
    }


def _under(each: Slice, ground: Landscape, colours: Json) -> list[Json]:
    """The surface, its uncertainty, and the edge of the region within 10 %, at one number of d_steps."""
    shared = {"x": ground.b.tolist(), "y": ground.a.tolist(), "showlegend": False}
    scores, errors = each.scores, np.expm1(each.errors) * 100
    high = max(float(np.quantile(errors, 0.95)), 1.0)
    where = "b %{x:.3g}, a %{y:.3g}<br>"
    surface = shared | {
        "type": "contour",
        "z": np.log10(scores).round(4).tolist(),
        "text": [[f"{value:.4g}" for value in line] for line in scores],
        "coloraxis": "coloraxis",
        "contours": {"coloring": "heatmap", "showlines": False},
        "hovertemplate": where + "surface: %{text}<extra></extra>",
        "meta": {"d_steps": each.d_steps, "layer": "score"},
    }
    uncertainty = shared | {
        "type": "contour",
        "z": errors.round(2).tolist(),
        "zmin": 0,
        "zmax": high,
        "colorscale": [[0, "@u0"], [1, "@u1"]],
        "contours": {"coloring": "heatmap", "showlines": False},
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
        "name": "within 10 % of the lowest",
        "showlegend": True,
        "hoverinfo": "skip",
        "meta": {"d_steps": each.d_steps, "layer": ""},
    }
    return [surface, uncertainty, edge if scores.min() < ground.near else {}]


def _diagonal(low: float, high: float) -> Json:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": "@ink", "width": 1.2, "dash": "dash"},
        "name": "b = a",
        "hoverinfo": "skip",
        "meta": {},
    }


def _trials(
    rows: Sequence[TrialRecord], numbers: dict[str, int], arm: tuple[int, str], d_steps: int
) -> list[Json]:
    place, name = arm
    scored = [row for row in rows if row.score is not None]
    lost = [row for row in rows if row.score is None]
    return [
        _points(scored, numbers, d_steps)
        | {
            "name": name,
            "legendgroup": name,
            "marker": {
                "symbol": SYMBOLS[place % len(SYMBOLS)],
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
            "legendgroup": name,
            "marker": {"symbol": "x-thin", "size": 9, "line": {"color": "@lost", "width": 2}},
        }
        if lost
        else {},
    ]


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


def _best(rows: Sequence[TrialRecord], arm: str, place: int) -> Json:
    """A ring around the trial of an arm with the lowest score."""
    best = ranked(row for row in rows if row.arm == arm)[:1]
    if not best:
        return {}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row.b for row in best],
        "y": [row.a for row in best],
        "name": f"lowest seen of {arm}",
        "hoverinfo": "skip",
        "marker": {
            "symbol": "circle-open",
            "size": 21,
            "color": colour(place),
            "line": {"color": colour(place), "width": 3},
        },
        "meta": {"d_steps": best[0].d_steps},
    }
