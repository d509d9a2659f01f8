"""Figures for a paper, by Matplotlib: score curves, the (b, a) plane, the best so far, the finalists' seeds.

Matplotlib is imported when a figure is drawn; no display and no global state of it is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.page.chart import rounds
from study.page.curves import Band, Curves
from study.page.landscape import Landscape
from study.results.comparison import Comparison
from study.trial import TrialRecord, ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

COLOURS = ("#d1730f", "#1f6fb4", "#2a9d5c", "#8a4fbf", "#b0413e", "#5c6b73")
"""One an arm, in order; told apart with any colour vision."""

BEST_SHARE = 0.25
"""Share of an arm's trials that the band of its score curves spans."""

_LOG_RATIO = 20.0
"""Scores that span more than this factor are drawn on a logarithmic axis."""


def score_curves(rows: Sequence[TrialRecord], curves: Curves, score_name: str) -> Figure:
    """Score by step, a panel an arm: each trial thin, the best bold, a band over the best quarter.

    Args:
        rows: Trials of the study; those without a curve are left out.
        curves: Score curves by run id.
        score_name: Label of the axis.
    """
    arms = _arms(rows)
    figure = _figure(width=5.2 * len(arms), height=3.8)
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for panel, arm, colour in zip(panels, arms, _colours(arms), strict=True):
        drawn = [row for row in rows if row.arm == arm and curves.get(row.identity)]
        for row in drawn:
            panel.plot(*_xy(curves[row.identity]), color="0.72", linewidth=0.7, zorder=1)
        leaders = ranked(drawn)
        if leaders:
            band = leaders[: max(2, math.ceil(BEST_SHARE * len(leaders)))]
            _band(
                panel, [curves[row.identity] for row in band], colour, "range of the best quarter"
            )
            best = leaders[0]
            line = _xy(curves[best.identity])
            panel.plot(*line, color=colour, linewidth=2.2, zorder=3, marker="o", markersize=3)
            panel.plot(best.step, best.score, "*", color=colour, markersize=13, zorder=4)
        panel.set(title=arm, xlabel="generator updates")
    panels[0].set_ylabel(score_name)
    _scale(panels[0], [score for row in rows for _, score in curves.get(row.identity, ())])
    return _finished(figure)


def settings_plane(
    rows: Sequence[TrialRecord], score_name: str, ground: Landscape | None = None
) -> Figure:
    """Trials by b and a on logarithmic axes, coloured by their best score, with the line b = a.

    A trial without a score is a cross; the best of each arm has a ring. With a surface, the trials are those
    at the d_steps where it is lowest (an arm whose best is at others has no ring), and its region within 10 %
    of the lowest score is enclosed.
    """
    figure = _figure(width=7.4, height=5.8)
    axes: Axes = figure.subplots()
    arms = _arms(rows)
    best = {arm: ranked([row for row in rows if row.arm == arm])[:1] for arm in arms}
    if ground is not None:
        rows = [row for row in rows if row.d_steps == ground.best]
    norm = _norm(rows, ground)
    edge = [value for row in rows for value in (row.b, row.a)]
    line = (min(edge) / 1.5, max(edge) * 1.5)
    if ground is not None:
        _surface(axes, ground, norm)
    axes.plot(line, line, "--", color="0.5", linewidth=1, label="b = a")
    shaded = None
    for arm, marker, colour in zip(arms, _markers(arms), _colours(arms), strict=True):
        mine = [row for row in rows if row.arm == arm and row.counts]
        lost = [row for row in mine if row.score is None]
        axes.scatter([r.b for r in lost], [r.a for r in lost], marker="x", s=34, color="0.45")
        shaded = _shaded(axes, ranked(mine), norm, marker, arm)
        _ring(axes, [row for row in best[arm] if row in rows], colour, f"best of {arm}")
    if shaded is not None and any(row.score is not None for row in rows):
        bar = figure.colorbar(shaded, label=f"best {score_name} of a trial")
        if bar.ax.get_yscale() == "log":
            _round_ticks(bar.ax, *bar.mappable.get_clim())
    axes.set(xscale="log", yscale="log", xlim=line, ylim=line)
    axes.set(
        xlabel="b, learning rate of the discriminator", ylabel="a, learning rate of the generator"
    )
    axes.set_box_aspect(1)
    # Above the points: within them it would lie on one.
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize="small", ncols=3)
    if ground is not None:
        legend.set_title(f"d_steps = {ground.best}")
        legend.get_title().set_fontsize("small")
    return _finished(figure)


def _norm(rows: Sequence[TrialRecord], ground: Landscape | None) -> Normalize:
    from matplotlib.colors import LogNorm, Normalize

    scores = [row.score for row in rows if row.counts and row.score is not None]
    if ground is not None:  # beyond the surface's highest, scores are pressed together
        spread = [float(value) for each in ground.slices for value in each.scores.ravel()]
        return LogNorm(min(spread), max(spread), clip=True)
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    return LogNorm(low, high) if _spans(scores) else Normalize(low, high)


def _surface(axes: Axes, ground: Landscape, norm: Normalize) -> None:
    (best,) = (each for each in ground.slices if each.d_steps == ground.best)
    mesh = (ground.b, ground.a, best.scores)
    axes.pcolormesh(*mesh, norm=norm, cmap="viridis_r", shading="gouraud", rasterized=True)
    if best.scores.min() < ground.near < best.scores.max():
        axes.contour(*mesh, levels=[ground.near], colors="#b3261e", linewidths=1.8)


def seed_bands(bands: Sequence[Band], arms: Sequence[str], score_name: str) -> Figure:
    """The finalists over fresh seeds as in the paper's Fig. 5: their mean and their range."""
    figure = _figure(width=6.4, height=4.0)
    axes: Axes = figure.subplots()
    order = dict(zip(arms, _colours(arms), strict=True))
    turns: dict[str, int] = {}
    for band in bands:
        style = ("-", "--", ":", "-.")[turns.get(band.arm, 0) % 4]
        turns[band.arm] = turns.get(band.arm, 0) + 1
        colour = order.get(band.arm, COLOURS[-1])
        label = f"{band.arm} #{band.number} ({band.seeds} seeds)"
        axes.plot(band.steps, band.mean, style, color=colour, linewidth=2, label=label)
        axes.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
    axes.set(xlabel="generator updates", ylabel=score_name)
    _scale(axes, [value for band in bands for value in (*band.low, *band.high)])
    axes.legend(fontsize="small")
    return _finished(figure)


def search_curves(comparison: Comparison, rows: Sequence[TrialRecord]) -> Figure:
    """Best score so far by trial."""
    figure = _figure(width=7.2, height=4.2)
    axes: Axes = figure.subplots()
    arms = _arms(rows)
    shown: list[float] = []
    for arm, colour in zip(arms, _colours(arms), strict=True):
        curve = [math.nan if v is None else v for v in comparison.arms[arm].curve]
        axes.step(
            range(1, len(curve) + 1), curve, where="post", color=colour, label=arm, linewidth=2
        )
        shown += [value for value in curve if math.isfinite(value)]
    axes.set(xlabel="trials", ylabel=f"best {comparison.score_name} so far")
    _scale(axes, shown)
    axes.legend(fontsize="small")
    return _finished(figure)


def _shaded(
    axes: Axes, rows: Sequence[TrialRecord], norm: Normalize, marker: str, label: str
) -> PathCollection:
    return axes.scatter(
        [row.b for row in rows],
        [row.a for row in rows],
        c=[row.objective for row in rows],
        norm=norm,
        cmap="viridis_r",
        marker=marker,
        s=42,
        edgecolors="0.2",
        linewidths=0.5,
        label=label,
    )


def _ring(axes: Axes, rows: Sequence[TrialRecord], colour: str, label: str) -> None:
    for row in rows:
        axes.scatter(
            [row.b],
            [row.a],
            s=210,
            facecolors="none",
            edgecolors=colour,
            linewidths=2,
            label=label,
        )


def _markers(arms: Sequence[str]) -> list[str]:
    return ["os^Dv<"[index % 6] for index in range(len(arms))]


def _band(
    panel: Axes, curves: Sequence[Sequence[tuple[int, float]]], colour: str, label: str
) -> None:
    """Lowest to highest score at each step that at least two of the curves reached."""
    by_step: dict[int, list[float]] = {}
    for curve in curves:
        for step, score in curve:
            by_step.setdefault(step, []).append(score)
    steps = sorted(step for step, scores in by_step.items() if len(scores) > 1)
    low = [min(by_step[step]) for step in steps]
    high = [max(by_step[step]) for step in steps]
    panel.fill_between(
        steps, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2, label=label
    )
    panel.legend(fontsize="small", loc="upper right")


def _xy(curve: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in curve], [score for _, score in curve]


def _arms(rows: Sequence[TrialRecord]) -> list[str]:
    return list(dict.fromkeys(row.arm for row in rows))


def _colours(arms: Sequence[str]) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(len(arms))]


def _spans(scores: Sequence[float]) -> bool:
    return bool(scores) and min(scores) > 0 and max(scores) / min(scores) > _LOG_RATIO


def _scale(axes: Axes, scores: Sequence[float]) -> None:
    if _spans(scores):
        axes.set_yscale("log")
        _round_ticks(axes, min(scores), max(scores))


def _round_ticks(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullFormatter

    axes.yaxis.set_major_locator(FixedLocator(rounds(low, high)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _figure(*, width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _finished(figure: Figure) -> Figure:
    for axes in figure.axes:
        if axes.get_label() != "<colorbar>":
            axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
