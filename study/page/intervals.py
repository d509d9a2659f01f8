"""Charts of points and intervals: the answer, the finalists over seeds, what Optuna says of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from study.page.chart import ONE_LINE, SYMBOLS, Chart, Json, colour, rounds, score_title
from study.results.comparison import Comparison
from study.results.confirmation import Confirmation
from study.results.difference import LEVEL, MARGIN
from study.results.retrained import Finalist, mean_interval
from trainables.counting import counted

WIDE = 300.0
"""Percent above which an interval is drawn as a ratio on a logarithmic axis: on a straight one, which ends
nowhere near zero, nothing could be read."""

_LEAST = 1e-16
"""Ratios below it are none in double precision, since the difference is what is computed."""

_MARKS: Json = {"type": "scatter", "mode": "markers", "showlegend": False}

LOG = "log10 "
"""What Optuna's parallel coordinates put before the name of a score that is drawn by its logarithm."""


def answer(comparison: Comparison, found: Confirmation | None) -> Chart | None:
    """Each later arm's difference from the first, by the search and by fresh seeds, with its interval."""
    lines = _differences(comparison, found)
    if not lines:
        return None
    ends = [end for _, _, interval, *_ in lines for end in interval]
    ratios = max(ends) > WIDE and min(ends) >= -100
    at = _ratio if ratios else float
    data: list[Json] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [at(value)],
            "y": [line],
            "error_x": _bars(at(value), (at(interval[0]), at(interval[1])))
            | {"thickness": 2.5, "width": 8, "color": shade},
            "marker": {"size": 13, "color": shade, "symbol": symbol},
            "hovertemplate": f"{_said(value)}, {level} interval {_said(interval[0])} to {_said(interval[1])}"
            "<extra></extra>",
            "showlegend": False,
        }
        for line, (_, value, interval, shade, symbol, level) in enumerate(lines)
    ]
    said = [
        f"{label.replace('<br>', ' ')}: {_said(value)} ({_said(low)} to {_said(high)})"
        for label, value, (low, high), *_ in lines
    ]
    first = next(iter(comparison.arms))
    margin = MARGIN * 100
    band = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": at(-margin), "x1": at(margin)}
    return Chart(
        name="answer",
        alt=f"Difference from {first} in percent, below zero is better: {'; '.join(said)}.",
        data=data,
        layout={
            "xaxis": _ratio_axis(ends) if ratios else _percent_axis(),
            "yaxis": _lines([label for label, *_ in lines]),
            "shapes": [
                band | {"fillcolor": "@muted/0.18", "line": {"width": 0}, "layer": "below"},
            ],
            "margin": {"t": 8},
        },
        height=96 + 62 * len(lines),
    )


def _ratio(difference: float) -> float:
    """A difference in percent as the ratio of the two scores."""
    return max(1 + difference / 100, _LEAST)


def _said(difference: float) -> str:
    """A difference in percent, or as a ratio if it is large."""
    return f"{_ratio(difference):.2g} times" if difference > WIDE else f"{difference:.1f} %"


def _percent_axis() -> Json:
    return {"title": {"text": "difference, % (below 0 is better)"}} | {
        "zeroline": True,
        "zerolinecolor": "@ink",
        "zerolinewidth": 1.5,
        "ticksuffix": " %",
    }


def _ratio_axis(ends: Sequence[float]) -> Json:
    low, high = _ratio(min([*ends, 0.0])) / 1.5, _ratio(max(ends)) * 1.5
    ticks = rounds(low, high)
    return {
        "title": {"text": "ratio (below 1 is better)"},
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def _differences(
    comparison: Comparison, found: Confirmation | None
) -> list[tuple[str, float, tuple[float, float], str, str, str]]:
    """Label, difference and interval in percent, colour, symbol and the interval's level of each line."""
    lines = []
    position = {arm: at for at, arm in enumerate(comparison.arms)}
    several = len(comparison.differences) > 1
    for each in comparison.differences:
        if each.relative is not None and each.relative_interval is not None:
            label = f"{each.arms[1]}<br>by the search" if several else "by the search"
            shade = colour(position[each.arms[1]])
            lines.append(
                (label, each.relative, each.relative_interval, shade, "circle-open", LEVEL)
            )
    for seeds in found.differences if found else ():
        if seeds.arms and seeds.relative is not None and seeds.relative_interval is not None:
            label = f"{seeds.arms[1]}<br>over fresh seeds" if several else "over fresh seeds"
            shade = colour(position.get(seeds.arms[1], 1))
            lines.append(
                (label, seeds.relative, seeds.relative_interval, shade, "diamond", seeds.level)
            )
    return [
        (label, value * 100, (low * 100, high * 100), shade, symbol, f"{100 * level:.4g} %")
        for label, value, (low, high), shade, symbol, level in lines
    ]


def _bars(value: float, interval: tuple[float, float]) -> Json:
    low, high = interval
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value],
        "arrayminus": [value - low],
    }


def _lines(labels: Sequence[str]) -> Json:
    """An axis with a line a label, the first on top."""
    return {
        "range": [len(labels) - 0.5, -0.5],
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
    }


def finalists(found: Confirmation, arms: Sequence[str]) -> Chart:
    """Every finalist's runs as points, and its mean with the 95 % interval."""
    data: list[Json] = []
    order = list(arms)
    for line, each in enumerate(found.finalists):
        data.append(_seeds(each, line, order.index(each.arm) if each.arm in order else len(order)))
        if each.told_mean is not None:
            data.append(_mean(each, each.told_mean, line))
    said = [
        f"{f.arm} #{f.number} mean {f.told_mean:.4g} of {counted(len(f.told), 'seeds')}"
        for f in found.finalists
        if f.told_mean is not None
    ]
    return Chart(
        name="finalists",
        alt=f"{found.score_name} of the finalists over fresh seeds: {'; '.join(said)}.",
        data=data,
        layout={
            "xaxis": {"title": {"text": score_title(found.score_name)}},
            "yaxis": _lines([f"{f.arm}<br>#{f.number}" for f in found.finalists]),
            "margin": {"t": 8},
        },
        height=90 + 62 * len(found.finalists),
    )


def _seeds(finalist: Finalist, line: int, place: int) -> Json:
    scores = finalist.told
    return _MARKS | {
        "x": list(scores),
        "y": [line + 0.17] * len(scores),
        "name": "one seed",
        "marker": {"size": 9, "color": colour(place, 0.55)}
        | {"symbol": SYMBOLS[place % len(SYMBOLS)]},
        "hovertemplate": "one seed: %{x:.4g}<extra></extra>",
    }


def _mean(finalist: Finalist, mean: float, line: int) -> Json:
    scores = finalist.told
    interval = mean_interval(scores)
    bars = {} if interval is None else _bars(mean, interval)
    return _MARKS | {
        "x": [mean],
        "y": [line - 0.17],
        "name": "mean",
        "error_x": bars | {"thickness": 2.5, "width": 10, "color": "@ink"},
        "marker": {"symbol": "line-ns", "size": 22} | {"line": {"width": 3, "color": "@ink"}},
        "hovertemplate": "mean: %{x:.4g}<extra></extra>",
    }


def importances(found: Mapping[str, Mapping[str, float]], arms: Sequence[str]) -> Chart | None:
    """How much each parameter of each arm matters, as bars."""
    if not found:
        return None
    data: list[Json] = []
    for place, arm in enumerate(arms):
        if arm in found:
            names = list(found[arm])
            values = [round(100 * found[arm][name], 1) for name in names]
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "x": values,
                    "y": names,
                    "name": arm,
                    "text": [f"{value:.0f} %" for value in values],
                    "textposition": "auto",
                    "marker": {"color": colour(place)},
                    "hovertemplate": f"{arm}, %{{y}}: %{{x:.0f}} %<extra></extra>",
                }
            )
    said = [
        f"{arm}: " + ", ".join(f"{name} {100 * part:.0f} %" for name, part in each.items())
        for arm, each in found.items()
    ]
    bars = sum(len(each) for each in found.values())
    return Chart(
        name="importances",
        alt=f"Importance of the parameters by Optuna. {'; '.join(said)}.",
        data=data,
        layout={
            "xaxis": {"title": {"text": "importance, % of the arm's whole"}, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False},
            "barmode": "group",
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
        height=110 + 34 * bars,
    )


def parallel(figure: Mapping[str, Any]) -> Chart | None:
    """Optuna's parallel coordinates in the colours of the page."""
    if not figure:
        return None
    lines = [trace for trace in figure["data"] if trace.get("mode") == "lines"]
    # The first coordinate is the score: the best lines come last, above the others.
    lines.sort(key=lambda trace: -trace["y"][0])
    data = [
        trace
        | {"line": {"width": 1.4, "color": f"@l{min(4, int(trace['y'][0] * 5))}"}, "opacity": 0.7}
        for trace in lines
    ]
    layout = dict(figure["layout"])
    layout.pop("template", None)
    layout.pop("title", None)
    layout["plot_bgcolor"] = "@paper"
    layout["annotations"] = [
        note | {"font": {"size": 11, "color": "@ink"}, "bgcolor": "@paper/0.75"}
        for note in layout.get("annotations", ())
    ]
    layout["margin"] = {"l": 48, "r": 16, "t": 8, "b": 32}
    first, *others = layout["xaxis"]["ticktext"]
    names = ", ".join([first, *others])
    if len(first) > ONE_LINE + len(LOG):  # Plotly leaves out what has no room
        first = LOG * first.startswith(LOG) + "score"
    layout["xaxis"] = layout["xaxis"] | {"ticktext": [first, *others]}
    return Chart(
        name="parallel",
        alt=f"{counted(len(lines), 'trials')}, each a line over: {names}. The strongest colour is the "
        "lowest score.",
        data=data,
        layout=layout,
        height=400,
    )
