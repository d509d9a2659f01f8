"""What each figure of a game draws: what was played, the arrays computed anew, and how they are shown."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from trainables.games import figures
from trainables.games.heavy_ball import SHARP
from trainables.kinds import build_trial
from trainables.protocol import Context, Measurement, Parameters

matplotlib = pytest.importorskip("matplotlib")

Array = npt.NDArray[np.float64]
Played = list[dict[str, Any]]

SHORT = 3
"""How many evaluations of each game are played here."""

OPTIMUM = (0.25, 0.75, 0.75, 0.75, 4 / 3, 4 / 3, 4 / 3)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Lets figures be handed out as they are drawn, plays short games, and notes what was to be played."""
    asked: Played = []

    def short(data: Mapping[str, Any], parameters: Parameters, context: Context) -> Any:
        rates = {"a": parameters.a, "b": parameters.b, "d_steps": parameters.d_steps}
        asked.append({**data, **rates, "seed": context.seed})
        steps = min(data["steps"], SHORT * data.get("evaluate_every", 1))
        return build_trial({**data, "steps": steps}, parameters, context)

    monkeypatch.setattr(figures, "build_trial", short)
    monkeypatch.setattr(figures, "_png", lambda figure: figure)
    return asked


def game(kind: str, *, a: float, b: float, every: int = 1, **settings: Any) -> list[Any]:
    """The points, and the scores, of a game's first evaluations."""
    data = {"kind": kind, "steps": SHORT * every, "evaluate_every": every, **settings}
    trial: Any = build_trial(data, Parameters(a=a, b=b, d_steps=1), Context(seed=0))
    found = []
    for _ in range(SHORT):
        result = trial.advance()
        assert isinstance(result, Measurement)
        found.append((trial.point, result.score))
    return [np.array(each) for each in zip(*found, strict=True)]


def same(line: Any, x: npt.ArrayLike, y: npt.ArrayLike, **style: Any) -> None:
    """Whether a line of a figure goes through these points and looks like that."""
    assert np.asarray(line.get_xdata()) == pytest.approx(np.atleast_1d(x), rel=1e-12)
    assert np.asarray(line.get_ydata()) == pytest.approx(np.atleast_1d(y), rel=1e-12)
    assert {name: getattr(line, f"get_{name}")() for name in style} == style


def described(axis: Any) -> tuple[str, str, str]:
    return axis.get_title(), axis.get_xlabel(), axis.get_ylabel()


def side_by_side(figure: Any, count: int) -> bool:
    places = [axis.get_subplotspec().get_geometry() for axis in figure.axes]
    return places == [(1, count, i, i) for i in range(count)]


def legend_of(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def request(kind: str, steps: int, a: float, b: float, **settings: Any) -> dict[str, Any]:
    """What is asked to be played."""
    asked = {"kind": kind, "steps": steps, "d_steps": 1, "seed": 0}
    return {**asked, "a": a, "b": b, **settings}


CROSS = {"color": "r", "marker": "+", "linestyle": "None"}


def test_the_saddle_is_drawn_by_row_of_rates(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mpl_toolkits.mplot3d import Axes3D  # type: ignore[import-untyped]

    surfaces: list[tuple[Sequence[Array], Mapping[str, Any]]] = []
    monkeypatch.setattr(
        Axes3D, "plot_surface", lambda _, *grids, **style: surfaces.append((grids, style))
    )
    figure: Any = figures.saddle_figure()
    assert figure.get_layout_engine() is None
    pairs = ((0.01, 0.01), (0.001, 0.001), (0.0001, 0.01), (0.01, 0.0001))
    assert played == [request("saddle", 5000, a, b) for a, b in pairs]
    assert tuple(figure.get_size_inches()) == pytest.approx((13, 9.2))
    space, *rest = figure.axes
    grid = space.get_gridspec()
    assert (grid.nrows, grid.ncols, list(grid.get_width_ratios())) == (4, 4, [1.6, 1, 1, 1])
    assert (grid.left, grid.right, grid.bottom, grid.top) == (0.01, 0.995, 0.03, 0.96)
    assert (grid.wspace, grid.hspace) == (0.42, 0.22)  # room for the labels between, looked at
    assert described(space) == ("f(x, y) = (1 + x²)(100 - y²)", "x", "y")
    assert (space.get_subplotspec().rowspan, space.get_subplotspec().colspan) == (
        range(4),
        range(1),
    )
    [((x, y, z), style)] = surfaces
    assert style == {"cmap": "viridis", "linewidth": 0}
    assert x[5] == pytest.approx([-3 + 6 * i / 59 for i in range(60)])
    assert y[:, 7] == pytest.approx([-12 + 24 * i / 59 for i in range(60)])
    assert z == pytest.approx((1 + x * x) * (10 - y) * (10 + y))
    assert len(rest) == 12
    titles = ("objective", "norm ||(x, y)||", "(x, y)")
    for row, (a, b) in enumerate(pairs):
        value, norm, plane = rest[3 * row : 3 * row + 3]
        place, _ = game("saddle", a=a, b=b)
        x, y = place[:, 0], place[:, 1]
        same(value.lines[0], [0, 1, 2], (1 + x * x) * (10 - y) * (10 + y), linewidth=0.7)
        same(norm.lines[0], [0, 1, 2], [abs(complex(*each)) for each in place], linewidth=0.7)
        same(plane.lines[0], x, y, linewidth=0.4)
        same(plane.lines[1], 0, 0, **CROSS)
        assert norm.get_ylim()[0] == 0
        assert (*plane.get_xlim(), *plane.get_ylim()) == (-1.2, 1.2, -0.5, 0.5)
        assert value.get_ylabel() == f"x: {a}, y: {b}"
        shown = tuple(axis.get_title() for axis in (value, norm, plane))
        assert shown == (titles if row == 0 else ("", "", ""))
        spots = [axis.get_subplotspec() for axis in (value, norm, plane)]
        assert [(spot.rowspan.start, spot.colspan.start) for spot in spots] == [
            (row, column) for column in (1, 2, 3)
        ]


def test_the_flow_is_drawn_by_noise_once_with_one_time_scale_and_once_with_two(
    played: Played,
) -> None:
    figure: Any = figures.network_flow_figure()
    power = {"schedule": {"name": "power", "tau_b": 0.6, "tau_a": 0.8}}
    runs: tuple[tuple[float, float, dict[str, Any]], ...] = ((0.02, 0.02, {}), (0.2, 0.1, power))
    noises = (3.0, 1.0, 0.3)
    assert played == [
        request("network_flow", 5000, a, b, noise=noise, **rates)
        for a, b, rates in runs
        for noise in noises
    ]
    assert tuple(figure.get_size_inches()) == (11, 4)
    assert side_by_side(figure, 2)
    one, two = figure.axes
    assert one.get_shared_y_axes().joined(one, two)
    assert described(one) == (
        r"one time scale: $b(n) = a(n) = 0.02$",
        "iteration",
        "distance to the optimum",
    )
    assert described(two) == (
        r"two: $b(n) = 0.1\,n^{-0.6}$, $a(n) = 0.2\,n^{-0.8}$",
        "iteration",
        "",
    )
    for axis, (a, b, rates) in zip((one, two), runs, strict=True):
        assert axis.get_yscale() == "log"
        assert legend_of(axis) == ["noise 3", "noise 1", "noise 0.3"]
        for line, noise in zip(axis.lines, noises, strict=True):
            place, _ = game("network_flow", a=a, b=b, noise=noise, **rates)
            away = [
                sum((p - o) ** 2 for p, o in zip(each, OPTIMUM, strict=True)) ** 0.5
                for each in place
            ]
            same(line, [0, 1, 2], away, linewidth=0.7)


def heights(theta: npt.ArrayLike) -> list[float]:
    from math import exp

    return [
        0.1 * (x - 3) ** 2 - 0.6 * exp(-12.5 * x * x) - 2 * exp(-((x - 3) ** 2) / 2)
        for x in np.atleast_1d(theta).tolist()
    ]


def test_the_ball_is_drawn_on_its_landscape_and_over_time(played: Played) -> None:
    figure: Any = figures.heavy_ball_figure()
    methods = ("heavy_ball", "gradient_descent")
    assert played == [request("heavy_ball", 1200, 0.05, 0.05 * 0.2, method=m) for m in methods]
    assert tuple(figure.get_size_inches()) == (11, 4)
    assert side_by_side(figure, 2)
    landscape, time = figure.axes
    theta = [-1.8 + 7.3 * i / 799 for i in range(800)]
    same(landscape.lines[0], theta, heights(theta), color="0.6")
    for number, method in enumerate(methods):
        place = game("heavy_ball", a=0.05, b=0.01, method=method)[0][:, 0]
        label = method.replace("_", " ")
        same(time.lines[number], [0, 1, 2], place, label=label)
        rolled, end = landscape.lines[1 + 2 * number : 3 + 2 * number]
        same(rolled, place, heights(place), label=label, linewidth=2, alpha=0.5)
        same(end, place[-1], heights(place[-1]), marker="o", color=rolled.get_color())
    assert len({line.get_color() for line in time.lines[:2]}) == 2
    for line, at in zip(time.lines[2:], (SHARP, 3.0), strict=True):
        same(line, [0, 1], [at, at], color="0.8", linewidth=0.8)
    for text, name, at in zip(
        landscape.texts, (r"$\theta^+$", r"$\theta^*$"), (SHARP, 3.0), strict=True
    ):
        assert text.get_text() == name
        assert text.xy == pytest.approx((at, heights(at)[0]))
        assert (text.xyann, text.anncoords) == ((0, -16), "offset points")
    assert described(landscape) == ("", r"$\theta$", r"f($\theta$)")
    assert described(time) == ("", "update", r"$\theta$")
    assert landscape.get_ylim() == (-2.6, 3.2)
    assert legend_of(landscape) == legend_of(time) == ["heavy ball", "gradient descent"]


def test_the_bilinear_game_is_drawn_by_update_rule(played: Played) -> None:
    figure: Any = figures.bilinear_figure()
    rules = ("simultaneous", "alternating", "extragradient")
    assert played == [request("bilinear", 400, 0.1, 0.1, update_rule=rule) for rule in rules]
    assert tuple(figure.get_size_inches()) == pytest.approx((11, 3.8))
    assert side_by_side(figure, 3)
    for axis, rule in zip(figure.axes, rules, strict=True):
        place, _ = game("bilinear", a=0.1, b=0.1, update_rule=rule)
        same(axis.lines[0], place[:, 0], place[:, 1], linewidth=0.8)
        same(axis.lines[1], 0, 0, **CROSS)
        assert described(axis) == (rule, "x", "y")
        assert axis.get_aspect() == 1.0


METHODS: tuple[tuple[str, float, float, int, dict[str, Any]], ...] = (
    ("all players, one time scale", 0.2, 0.2, 100, {}),
    ("all players, two time scales", 0.05, 0.9, 100, {}),
    ("5 of 50", 0.02, 0.02, 10, {"sampling": "random", "variance_reduction": False}),
    ("5 of 50, variance reduced", 0.02, 0.02, 10, {"sampling": "random"}),
    ("cyclic", 0.002, 0.002, 2, {"sampling": "cyclic", "variance_reduction": False}),
)
"""What each is called, its rates, and how many gradients a step of it takes."""


def method(name: str) -> dict[str, Any]:
    settings = {label: settings for label, *_, settings in METHODS}[name]
    if not settings:
        return {}
    few = {"players_per_step": 5 if settings["sampling"] == "random" else 1}
    return {"variance_reduction": True, **few, **settings}


@pytest.mark.parametrize(
    ("noises", "budget"), [((0.0, 0.02, 0.1), 50_000), ((0.5,), 1_990), ((0.3,), 60_000)]
)
def test_the_players_are_drawn_by_gradients_taken(
    noises: tuple[float, ...], budget: int, played: Played
) -> None:
    default = len(noises) == 3
    figure: Any = (
        figures.players_figure() if default else figures.players_figure(noises, budget=budget)
    )
    every = {cost: max(1, budget // cost // 100) for cost in (100, 10, 2)}
    assert played == [
        request("players", budget // cost, a, b, noise=noise, evaluate_every=every[cost])
        | method(name)
        for noise in noises
        for name, a, b, cost, _ in METHODS
    ]
    assert tuple(figure.get_size_inches()) == pytest.approx((4.2 * len(noises), 4))
    assert side_by_side(figure, len(noises))
    first = figure.axes[0]
    for axis, noise in zip(figure.axes, noises, strict=True):
        assert axis.get_yscale() == "log"
        label = "distance to the equilibrium" if axis is first else ""
        assert described(axis) == (f"noise {noise:g}", "player gradients", label)
        if axis is not first:
            assert axis.get_shared_y_axes().joined(first, axis)
            assert axis.get_legend() is None
        for line, (name, a, b, cost, _) in zip(axis.lines, METHODS, strict=True):
            apart = every[cost] * cost
            _, scores = game("players", a=a, b=b, every=every[cost], noise=noise, **method(name))
            same(line, [apart, 2 * apart, 3 * apart], scores, label=name)
    assert legend_of(first) == [name for name, *_ in METHODS]
    assert {text.get_fontsize() for text in first.get_legend().get_texts()} == {7}


def test_what_is_given_is_played(played: Played) -> None:
    figures.saddle_figure(((0.1, 0.2),), steps=9, seed=4)
    figures.network_flow_figure((0.5,), steps=9, seed=4)
    figures.heavy_ball_figure(a=0.5, r=0.1, steps=9)
    figures.bilinear_figure(a=0.5, b=0.3, steps=9)
    rates = [(each["a"], each["b"]) for each in played]
    assert rates == [(0.1, 0.2), (0.02, 0.02), (0.2, 0.1), *[(0.5, 0.05)] * 2, *[(0.5, 0.3)] * 3]
    assert [each["seed"] for each in played] == [4, 4, 4, *[0] * 5]
    assert {each["steps"] for each in played} == {9}


def test_a_figure_is_a_png_of_100_dots_an_inch_whatever_is_usual() -> None:
    figure = figures._figure(width=2, height=1)
    assert "Constrained" in type(figure.get_layout_engine()).__name__
    with matplotlib.rc_context({"savefig.dpi": 50, "savefig.format": "svg"}):
        drawn = figures._png(figure)
    with Image.open(io.BytesIO(drawn)) as image:
        assert (image.format, image.size) == ("PNG", (200, 100))
