"""The figures of the analytic games as PNG bytes: the paper's Fig. 1 (right), 2 and 4, and two more.

Matplotlib is imported when a figure is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainables.games.heavy_ball import FLAT, SHARP, height
from trainables.games.network_flow import OPTIMUM
from trainables.games.trial import FloatArray
from trainables.kinds import build_trial
from trainables.protocol import Context, Measurement, Parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SADDLE_PAIRS = ((0.01, 0.01), (0.001, 0.001), (1e-4, 0.01), (0.01, 1e-4))
"""The (a, b) of the rows of Fig. 4: the rates of x and of y."""

_POWER = {"name": "power", "tau_b": 0.6, "tau_a": 0.8}


def saddle_figure(
    pairs: Sequence[tuple[float, float]] = SADDLE_PAIRS, *, steps: int = 5000, seed: int = 0
) -> bytes:
    """Fig. 4: the objective, and for each (a, b) the value, the norm and the path of (x, y)."""
    # Margins are given: to work them out for so many axes takes longer than to draw them.
    figure = _figure(width=13, height=2.3 * len(pairs), layout=None)
    margins = {
        "left": 0.01,
        "right": 0.995,
        "bottom": 0.03,
        "top": 0.96,
        "wspace": 0.42,
        "hspace": 0.22,
    }
    grid = figure.add_gridspec(len(pairs), 4, width_ratios=[1.6, 1, 1, 1], **margins)
    _draw_saddle(figure.add_subplot(grid[:, 0], projection="3d"))
    for row, (a, b) in enumerate(pairs):
        points = path("saddle", a=a, b=b, steps=steps, seed=seed)
        x, y = points.T
        value, norm, plane = (figure.add_subplot(grid[row, column]) for column in (1, 2, 3))
        value.plot((1 + x**2) * (100 - y**2), linewidth=0.7)
        value.set_ylabel(f"x: {a:g}, y: {b:g}")
        norm.plot(np.hypot(x, y), linewidth=0.7)
        norm.set_ylim(bottom=0)
        plane.plot(x, y, linewidth=0.4)
        plane.plot(0, 0, "r+")
        plane.set(xlim=(-1.2, 1.2), ylim=(-0.5, 0.5))
        if row == 0:
            value.set_title("objective")
            norm.set_title("norm ||(x, y)||")
            plane.set_title("(x, y)")
    return _png(figure)


def network_flow_figure(
    noises: Sequence[float] = (0.3, 1.0, 3.0), *, steps: int = 5000, seed: int = 0
) -> bytes:
    """Fig. 1 (right): distance to the optimum, one time scale against two, by noise."""
    runs: list[tuple[str, Mapping[str, Any]]] = [
        (r"one time scale: $b(n) = a(n) = 0.02$", {"a": 0.02, "b": 0.02}),
        (
            r"two: $b(n) = 0.1\,n^{-0.6}$, $a(n) = 0.2\,n^{-0.8}$",
            {"a": 0.2, "b": 0.1, "schedule": _POWER},
        ),
    ]
    figure = _figure(width=11, height=4)
    axes = figure.subplots(1, len(runs), sharey=True)
    for axis, (title, rates) in zip(axes, runs, strict=True):
        for noise in reversed(noises):
            points = path("network_flow", **rates, noise=noise, steps=steps, seed=seed)
            distance = np.linalg.norm(points - OPTIMUM, axis=1)
            axis.plot(distance, linewidth=0.7, label=f"noise {noise:g}")
        axis.set(title=title, xlabel="iteration", yscale="log")
        axis.legend()
    axes[0].set_ylabel("distance to the optimum")
    return _png(figure)


def heavy_ball_figure(*, a: float = 0.05, r: float = 0.2, steps: int = 1200) -> bytes:
    """Fig. 2: the heavy ball overshoots the sharp minimum; gradient descent stays in it."""
    figure = _figure(width=11, height=4)
    landscape, time = figure.subplots(1, 2)
    theta = np.linspace(-1.8, 5.5, 800)
    landscape.plot(theta, height(theta), color="0.6")
    for method, label in (("heavy_ball", "heavy ball"), ("gradient_descent", "gradient descent")):
        place = path("heavy_ball", a=a, b=a * r, method=method, steps=steps)[:, 0]
        time.plot(place, label=label)
        landscape.plot(place, height(place), linewidth=2, alpha=0.5, label=label)
        landscape.plot(place[-1], height(place[-1]), "o", color=landscape.lines[-1].get_color())
    for at, name in ((SHARP, r"$\theta^+$"), (FLAT, r"$\theta^*$")):
        landscape.annotate(name, (at, height(at)), xytext=(0, -16), textcoords="offset points")
        time.axhline(at, color="0.8", linewidth=0.8)
    landscape.set(xlabel=r"$\theta$", ylabel=r"f($\theta$)", ylim=(-2.6, 3.2))
    landscape.legend()
    time.set(xlabel="update", ylabel=r"$\theta$")
    time.legend()
    return _png(figure)


def bilinear_figure(*, a: float = 0.1, b: float = 0.1, steps: int = 400) -> bytes:
    """The path of (x, y) under the three update rules."""
    figure = _figure(width=11, height=3.8)
    rules = ("simultaneous", "alternating", "extragradient")
    for axis, rule in zip(figure.subplots(1, len(rules)), rules, strict=True):
        points = path("bilinear", a=a, b=b, update_rule=rule, steps=steps)
        axis.plot(*points.T, linewidth=0.8)
        axis.plot(0, 0, "r+")
        axis.set(title=rule, xlabel="x", ylabel="y", aspect="equal")
    return _png(figure)


def players_figure(noises: Sequence[float] = (0.0, 0.02, 0.1), *, budget: int = 50_000) -> bytes:
    """50 players: distance to the equilibrium by gradients taken, as noise increases.

    Args:
        noises: Standard deviations of the noise on every gradient, one panel each.
        budget: Gradients of single players that every method may take.
    """
    methods: list[tuple[str, Mapping[str, Any], int]] = [
        ("all players, one time scale", {"a": 0.2, "b": 0.2}, 100),
        ("all players, two time scales", {"a": 0.05, "b": 0.9}, 100),
        ("5 of 50", _sampled(0.02, "random", 5, reduction=False), 10),
        ("5 of 50, variance reduced", _sampled(0.02, "random", 5, reduction=True), 10),
        ("cyclic", _sampled(0.002, "cyclic", 1, reduction=False), 2),
    ]
    figure = _figure(width=4.2 * len(noises), height=4)
    axes = figure.subplots(1, len(noises), sharey=True, squeeze=False)[0]
    for axis, noise in zip(axes, noises, strict=True):
        for label, settings, cost in methods:
            every = max(1, budget // cost // 100)
            scores = _scores("players", every, noise=noise, steps=budget // cost, **settings)
            axis.plot(np.arange(1, len(scores) + 1) * every * cost, scores, label=label)
        axis.set(title=f"noise {noise:g}", xlabel="player gradients", yscale="log")
    axes[0].set_ylabel("distance to the equilibrium")
    axes[0].legend(fontsize=7)
    return _png(figure)


FIGURES: dict[str, Callable[[], bytes]] = {
    "saddle": saddle_figure,
    "network_flow": network_flow_figure,
    "heavy_ball": heavy_ball_figure,
    "bilinear": bilinear_figure,
    "players": players_figure,
}
"""The figure of each kind of game, as it is in the paper."""


def path(kind: str, *, a: float, b: float, seed: int = 0, **settings: Any) -> FloatArray:
    """Plays a game to its end or to its divergence.

    Returns:
        The points after each step, shape (steps made, variables).
    """
    made: FloatArray = _built(kind, settings, a, b, seed).path()
    return made


def _scores(kind: str, every: int, *, a: float, b: float, **settings: Any) -> list[float]:
    trial = _built(kind, {"evaluate_every": every, **settings}, a, b, 0)
    scores = []
    while not trial.finished:
        result = trial.advance()
        if isinstance(result, Measurement):
            scores.append(result.score)
    return scores


def _built(kind: str, settings: Mapping[str, Any], a: float, b: float, seed: int) -> Any:
    return build_trial(
        {"kind": kind, **settings}, Parameters(a=a, b=b, d_steps=1), Context(seed=seed)
    )


def _sampled(rate: float, sampling: str, players: int, *, reduction: bool) -> Mapping[str, Any]:
    return {
        "a": rate,
        "b": rate,
        "sampling": sampling,
        "players_per_step": players,
        "variance_reduction": reduction,
    }


def _draw_saddle(axis: Any) -> None:
    x, y = np.meshgrid(np.linspace(-3, 3, 60), np.linspace(-12, 12, 60))
    axis.plot_surface(x, y, (1 + x**2) * (100 - y**2), cmap="viridis", linewidth=0)
    axis.set(xlabel="x", ylabel="y", title="f(x, y) = (1 + x²)(100 - y²)")


def _figure(
    *, width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
