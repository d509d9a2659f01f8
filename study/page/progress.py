"""Charts over time: score curves of trials, bands over seeds, and the lowest score so far by trial."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.page.chart import Chart, Json, colour, level_lines, score_axis
from study.page.curves import Band, Curves
from study.results.comparison import Comparison
from study.trial import TrialRecord, ranked
from trainables.counting import counted

Levels = tuple[float | None, float | None]
"""What real data score, and what pictures of nothing score; None if unknown."""

STEPS = "generator updates"


def curve_charts(
    rows: Sequence[TrialRecord], curves: Curves, comparison: Comparison, levels: Levels
) -> list[Chart]:
    """Score by step, a chart an arm on one axis: each trial thin, the best one bold."""
    shown = [score for row in rows for _, score in curves.get(row.identity, ())]
    name = comparison.score_name or "score"
    made = []
    for place, arm in enumerate(comparison.arms):
        mine = [row for row in rows if row.arm == arm and curves.get(row.identity)]
        if not mine:
            continue
        best = ranked(mine)[:1]
        data = [_thin(mine, curves)]
        data += [_bold(row, curves, place) for row in best]
        said = f" The lowest is {best[0].score:.4g} at {best[0].step} updates." if best else ""
        made.append(
            Chart(
                name=f"curves-{place}",
                alt=f"{name} of {counted(len(mine), 'trials')} of {arm} by generator updates.{said}",
                data=data,
                layout={
                    "title": {"text": arm, "font": {"size": 15}},
                    "showlegend": False,
                    "xaxis": {"title": {"text": STEPS}, "rangemode": "tozero"},
                    "yaxis": score_axis(name, shown),
                    **level_lines(*levels, shown),
                },
                height=340,
            )
        )
    return made


def _thin(rows: Sequence[TrialRecord], curves: Curves) -> Json:
    """All curves as one line that is broken between trials: hundreds of lines would be slow."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for row in rows:
        curve = curves[row.identity]
        x += [*(step for step, _ in curve), None]
        y += [*(score for _, score in curve), None]
        text += [f"#{row.number}"] * len(curve) + [""]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "text": text,
        "name": "every trial shown",
        "line": {"color": "@faint", "width": 1},
        "hovertemplate": "%{text}: %{y:.4g} at %{x}<extra></extra>",
        "connectgaps": False,
    }


def _bold(row: TrialRecord, curves: Curves, place: int) -> Json:
    curve = curves[row.identity]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [step for step, _ in curve],
        "y": [score for _, score in curve],
        "name": f"the best, #{row.number}",
        "line": {"color": colour(place), "width": 3},
        "marker": {
            "size": [12 if step == row.step else 5 for step, _ in curve],
            "symbol": ["star" if step == row.step else "circle" for step, _ in curve],
        },
        "hovertemplate": f"#{row.number}: %{{y:.4g}} at %{{x}}<extra></extra>",
    }


def seed_bands(
    bands: Sequence[Band], arms: Sequence[str], score_name: str, levels: Levels
) -> Chart | None:
    """The finalists over fresh seeds, as in the paper: the mean, and from the lowest to the highest seed."""
    bands = [band for band in bands if band.steps]
    if not bands:
        return None
    shown = [score for band in bands for score in (*band.low, *band.high)]
    data: list[Json] = []
    order = list(arms)
    dashes: dict[str, int] = {}
    for band in bands:
        place = order.index(band.arm) if band.arm in order else len(order)
        turn = dashes[band.arm] = dashes.get(band.arm, -1) + 1
        data += _band(band, place, ("solid", "dash", "dot", "dashdot")[turn % 4])
    names = ", ".join(f"{band.arm} #{band.number}" for band in bands)
    return Chart(
        name="seeds",
        alt=f"Mean {score_name} over fresh seeds, and its range, by generator updates: {names}.",
        data=data,
        layout={
            "xaxis": {"title": {"text": STEPS}, "rangemode": "tozero"},
            "yaxis": score_axis(score_name, shown),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            **level_lines(*levels, shown),
        },
    )


def _band(band: Band, place: int, dash: str) -> list[Json]:
    label = f"{band.arm} #{band.number}, {band.seeds} seeds"
    shared = {"type": "scatter", "mode": "lines", "x": list(band.steps), "legendgroup": label}
    edge = shared | {"line": {"width": 0, "color": colour(place)}, "showlegend": False}
    edge |= {"hoverinfo": "skip", "name": label}
    return [
        edge | {"y": list(band.high)},
        edge | {"y": list(band.low), "fill": "tonexty", "fillcolor": colour(place, 0.16)},
        shared
        | {
            "y": list(band.mean),
            "name": label,
            "line": {"color": colour(place), "width": 2.5, "dash": dash},
            "hovertemplate": f"{band.arm} #{band.number}: mean %{{y:.4g}} at %{{x}}<extra></extra>",
        },
    ]


def search(comparison: Comparison) -> Chart:
    """The lowest score so far by trial."""
    name = comparison.score_name or "score"
    shown = [v for arm in comparison.arms.values() for v in arm.curve if v is not None]
    data: list[Json] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(range(1, len(summary.curve) + 1)),
            "y": [v if v is not None and math.isfinite(v) else None for v in summary.curve],
            "name": arm,
            "line": {"shape": "hv", "width": 3, "color": colour(place)}
            | {"dash": ("solid", "dash", "dot", "dashdot")[place % 4]},
            "hovertemplate": f"{arm}: %{{y:.4g}} after %{{x}} trials<extra></extra>",
        }
        for place, (arm, summary) in enumerate(comparison.arms.items())
    ]
    last = [
        f"{arm} {summary.best.score:.4g} after {counted(summary.trials, 'trials')}"
        for arm, summary in comparison.arms.items()
        if summary.best is not None
    ]
    return Chart(
        name="search",
        alt=f"Lowest {name} so far by trial: {'; '.join(last) or 'none yet'}.",
        data=data,
        layout={
            "xaxis": {
                "title": {"text": "trials of the arm that have ended"},
                "rangemode": "tozero",
            },
            "yaxis": score_axis(name, shown),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
        height=320,
    )
