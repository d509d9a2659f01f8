"""The parts of a page that are pure functions: curves, importances, pictures, axes and tables."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.mlflow import changed, row

from study.page.chart import level_lines, rounds, score_axis
from study.page.contents import _left_out
from study.page.curves import CURVES_AN_ARM, bands, leaders
from study.page.importance import BOTH, LINES, importances, parallel
from study.page.intervals import answer
from study.page.intervals import parallel as drawn_parallel
from study.page.pictures import THUMBNAIL, real, small
from study.page.plane import MOST_POINTS, plane, points
from study.page.tables import NONE, duration, effort_table, ended_table
from study.results.comparison import compare
from study.trial import Outcome, TrialRecord
from trainables.data.grid import GRID, png

ONE, TWO = "one_timescale", "two_timescale"


def spread(count: int, arm: str = TWO) -> list[TrialRecord]:
    """Trials whose score is b alone, a and d_steps being noise."""
    generator = np.random.default_rng(1)
    rates = 10 ** generator.uniform(-4, -2, (count, 2))
    return [
        changed(row(arm, n, 1e5 * float(b)), b=float(b), a=float(a), d_steps=1 + n % 3)
        for n, (b, a) in enumerate(rates)
    ]


def test_the_curves_that_are_drawn_are_the_best_and_some_of_all_others() -> None:
    rows = [row(ONE, n, float(n)) for n in range(1000)] + [row(TWO, 0, 0.5)]
    numbers = [each.number for each in leaders(rows, ONE)]
    assert len(numbers) == len(set(numbers)) == CURVES_AN_ARM
    assert numbers[: CURVES_AN_ARM // 2] == list(range(CURVES_AN_ARM // 2))
    assert numbers[-1] == 999
    assert np.diff(numbers[CURVES_AN_ARM // 2 :]).max() < 40
    assert len(leaders(rows[:CURVES_AN_ARM], ONE)) == CURVES_AN_ARM


def test_a_band_is_the_mean_and_the_range_where_all_seeds_are() -> None:
    rows = [row("one_timescale-12", n, 1.0) for n in range(3)]
    curves = [[(10, 5.0), (20, 3.0), (30, 1.0)], [(10, 7.0), (20, 4.0)], [(10, 6.0), (20, 8.0)]]
    (band,) = bands(rows, {r.identity: c for r, c in zip(rows, curves, strict=True)})
    assert (band.arm, band.number, band.seeds) == (ONE, 12, 3)
    assert (band.steps, band.low, band.mean, band.high) == (
        (10, 20),
        (5.0, 3.0),
        (6.0, 5.0),
        (7.0, 8.0),
    )


def test_optuna_finds_the_parameter_that_decides() -> None:
    rows = [*spread(60), *(changed(each, a=each.b, arm=ONE) for each in spread(60))]
    found = importances(rows, [ONE, TWO])
    assert found[TWO].keys() == {"b", "a", "d_steps"}
    assert found[ONE].keys() == {BOTH, "d_steps"}
    for arm, name in ((ONE, BOTH), (TWO, "b")):
        assert found[arm][name] > 0.7
        assert sum(found[arm].values()) == pytest.approx(1)
    assert importances(rows[:3], [ONE, TWO]) == {}


def test_each_trial_is_a_line_over_parallel_axes() -> None:
    rows = spread(10)
    figure = parallel(rows, [TWO], "fd")
    assert figure["layout"]["xaxis"]["ticktext"] == ["log10 fd", "a", "b", "d_steps"]
    lines = [trace["y"] for trace in figure["data"] if trace["mode"] == "lines"]
    logs = np.log10([each.objective for each in rows])
    expected = np.sort((logs - logs.min()) / (logs.max() - logs.min()))  # the best first
    np.testing.assert_allclose([line[0] for line in lines], expected, atol=1e-9)
    # The score is b alone, so both axes are alike.
    np.testing.assert_allclose([line[2] for line in lines], expected, atol=1e-9)
    assert parallel([], [TWO], "fd") == {}


def test_a_page_says_that_optuna_sees_a_part_of_many_trials() -> None:
    rows = spread(200)
    lines = [each for each in parallel(rows, [TWO], "fd")["data"] if each.get("mode") == "lines"]
    assert len(lines) == LINES == 60
    few = {row.objective for row in sorted(rows, key=lambda row: row.objective)[:20]}
    drawn = sorted(10 ** float(each["customdata"][0][1]) for each in lines)
    assert drawn[:20] == pytest.approx(sorted(few), rel=0.02)  # the best third
    said = [note for note in _left_out(rows, [TWO]) if "best, the others" in note]
    assert [note.split(" trials")[0] for note in said[1:]] == [
        "Parallel coordinates show 60",
        "Importances rest on 150",
    ]
    assert not _left_out(rows[:LINES], [TWO])[1:]


def test_a_small_picture_is_sixteen_images_and_not_scaled_where_it_fits() -> None:
    images = np.arange(64, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2) * 4
    whole = png(images)
    with Image.open(io.BytesIO(small(whole))) as picture:
        assert picture.size == (144, 144)
        shades = np.asarray(picture.convert("L"))[16::36, 16::36]
    expected = 4 * (np.arange(4)[:, None] * GRID + np.arange(4))
    assert np.abs(shades.astype(int) - expected).max() <= 4  # WebP loses a little
    large = png(np.zeros((64, 64, 64, 3), dtype=np.uint8))
    with Image.open(io.BytesIO(small(large))) as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL)


def test_a_grid_holds_every_image_at_its_place() -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    pixels = np.asarray(Image.open(io.BytesIO(png(images))))
    for place, image in enumerate(images):
        y, x = 36 * (place // 8), 36 * (place % 8)
        np.testing.assert_array_equal(pixels[y : y + 32, x : x + 32], image)
    assert np.asarray(Image.open(io.BytesIO(png(images[:3])))).shape == pixels.shape


def test_real_images_are_those_that_are_prepared_and_nothing_is_made(tmp_path: Path) -> None:
    trial = {"kind": "gan", "data": str(tmp_path / "none"), "steps": 2, "evaluate_every": 1}
    assert real(trial, str(tmp_path / "cache")) is None
    assert real({"kind": "saddle", "steps": 2, "evaluate_every": 1}, str(tmp_path)) is None
    assert real(trial, None) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (9e-5, 2e-2, [1e-4, 1e-3, 1e-2]),
        (3.2, 180.0, [10, 30, 100]),
        (4.0, 30.0, [5, 10, 20]),
        (2.9, 5.1, [3, 4, 5]),
        (3.01, 3.09, [3.01, 3.05, 3.09]),
        (1e-120, 1.0, [1e-120, 1e-100, 1e-80, 1e-60, 1e-40, 1e-20, 1.0]),
        (3e-10, 5.0, [1e-8, 1e-6, 1e-4, 1e-2, 1.0]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert rounds(low, high) == pytest.approx(expected, rel=0.002)


def test_scores_that_span_much_are_on_a_logarithmic_axis() -> None:
    assert "type" not in score_axis("fd", [1.0, 19.0])
    assert "type" not in score_axis("fd", [0.0, 1000.0])
    axis = score_axis("fd", [1.0, 1000.0])
    assert axis["type"] == "log"
    low, high = (10**end for end in axis["range"])
    assert low < 1
    assert high > 1000


@pytest.mark.parametrize(
    ("interval", "kind", "ends"),
    [
        ((-0.5, 2.9), "linear", (-50.0, 290.0)),
        ((-0.5, 3.1), "log", (0.5, 4.1)),
        ((-1.0, 1e16), "log", (1e-16, 1e16)),
        (
            (-1.5, 3.1),
            "linear",
            (-150.0, 310.0),
        ),  # a mean over seeds less its error may be below zero
    ],
)
def test_a_wide_interval_is_drawn_as_a_ratio(
    interval: tuple[float, float], kind: str, ends: tuple[float, float]
) -> None:
    """Differences of up to 300 % as they are, else as how many times the first's score the second's is."""
    rows = [row(arm, n, 2.0 + n) for arm in (ONE, TWO) for n in range(2)]
    made = compare("study", rows, [ONE, TWO])
    found = replace(made.difference, relative=0.0, relative_interval=interval)
    chart = answer(replace(made, differences=(found,)), None)
    assert chart is not None
    assert chart.layout["xaxis"].get("type", "linear") == kind
    (trace,) = chart.data
    (at,), bars = trace["x"], trace["error_x"]
    assert at == (1.0 if kind == "log" else 0.0)
    drawn = at - bars["arrayminus"][0], at + bars["array"][0]
    assert drawn == pytest.approx(ends, rel=1e-6, abs=1e-15)
    low, high = chart.layout["shapes"][0]["x0"], chart.layout["shapes"][0]["x1"]
    assert (low, high) == pytest.approx((0.98, 1.02) if kind == "log" else (-2.0, 2.0))
    if kind == "log":
        left, right = chart.layout["xaxis"]["range"]
        assert left < math.log10(ends[0]) < 0 < math.log10(ends[1]) < right


def test_levels_are_lines_where_they_lie_among_the_scores() -> None:
    scores = [5.0, 40.0]
    drawn = level_lines(4.0, 50.0, scores)
    assert [shape["y0"] for shape in drawn["shapes"]] == [4.0, 50.0]
    assert [note["text"] for note in drawn["annotations"]] == [
        "real data: 4",
        "samples of nothing: 50",
    ]
    assert level_lines(4.0, 500.0, scores)["shapes"][-1]["y0"] == 4.0
    assert level_lines(None, None, scores) == {}
    # On a logarithmic axis Plotly wants the logarithm of where a text is, and not of a line.
    (note,) = level_lines(2.0, None, [1.0, 100.0])["annotations"]
    assert note["y"] == pytest.approx(math.log10(2))


@pytest.mark.slow
def test_of_thousands_of_trials_the_best_and_some_of_the_others_are_points() -> None:
    rows = [
        changed(row(TWO, n, float(n + 1)), b=1e-4 * (1 + n % 90)) for n in range(2 * MOST_POINTS)
    ]
    numbers = {each.number for each in points(rows)}
    assert len(numbers) == MOST_POINTS
    assert set(range(MOST_POINTS // 2)) <= numbers
    assert max(numbers) > 2 * MOST_POINTS - 10


def test_every_trial_is_a_point_that_names_its_place() -> None:
    rows = [*spread(9), row(ONE, 0, None, Outcome.DIVERGED), row(ONE, 1, 3.0, Outcome.FAILED)]
    chart = plane(rows, [ONE, TWO], "fd", None)
    named = [trace for trace in chart.data if trace["meta"].get("trials")]
    seen = {}
    for trace in named:
        for place, b, a in zip(trace["customdata"], trace["x"], trace["y"], strict=True):
            assert (rows[place].b, rows[place].a) == (b, a)
            assert rows[place].d_steps == trace["meta"]["d_steps"]
            seen[place] = trace["marker"]["symbol"]
    assert seen.keys() == set(range(10))  # all but the one that failed
    assert seen[9] == "x-thin"


def test_what_ended_early_comes_worst_first_and_the_rest_is_counted() -> None:
    rows = [row(ONE, n, None, Outcome.DIVERGED) for n in range(50)]
    rows += [row(TWO, 0, 2.0, Outcome.STOPPED), row(TWO, 1, None, Outcome.FAILED), row(TWO, 2, 1.0)]
    table, more = ended_table(rows)
    assert [line[:2] for line in table.rows[:2]] == [
        [f"{TWO} #1", "failed"],
        [f"{ONE} #0", "diverged"],
    ]
    assert (len(table.rows), more) == (40, 12)
    assert table.rows[1][2] == NONE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (5400, "1 h 30 min"), (200_000, "2.3 days")],
)
def test_times_are_said_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("log10 fd_digits_1k", "log10 fd_digits_1k"),
        ("log10 jsd2_64_16_characters_64_kinds", "log10 score"),
        ("jsd2_64_16_characters_64_kinds", "score"),
    ],
)
def test_a_score_with_a_long_name_has_an_axis_with_a_name(name: str, shown: str) -> None:
    line = {"mode": "lines", "x": [0, 1], "y": [0.5, 1.0]}
    figure = {"data": [line], "layout": {"xaxis": {"ticktext": [name, "b"], "tickvals": [0, 1]}}}
    chart = drawn_parallel(figure)
    assert chart is not None
    assert chart.layout["xaxis"] == {"ticktext": [shown, "b"], "tickvals": [0, 1]}
    assert name in chart.alt


@pytest.mark.slow
def test_optunas_part_loads_no_forests_and_no_matplotlib_and_leaves_those_of_others_alone() -> None:
    """In a process of its own, in which nobody has loaded scikit-learn or Matplotlib."""
    script = """
import sys, optuna
from study.page.importance import importances, parallel
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters
rows = [
    TrialRecord(
        study="s", arm="x", number=i, outcome=Outcome.COMPLETE,
        parameters=Parameters(b=10 ** (-4 + i / 10), a=10 ** (-4 + (7 * i % 20) / 10), d_steps=1),
        measurements=(Measurement(step=1, score=1 + (i - 10) ** 2, time=0.0),),
    )
    for i in range(20)
]
found = importances(rows, ["x"])["x"]
assert max(found, key=found.get) == "b", found
assert "sklearn" not in sys.modules
assert importances(rows, ["x"])["x"] == found
figure = parallel(rows, ["x"], "score")
assert "matplotlib" not in sys.modules
assert len(figure["data"]) > 0
study = optuna.create_study()
for i in range(20):
    study.add_trial(optuna.trial.create_trial(
        params={"b": i / 20, "a": (7 * i % 20) / 20}, value=float((i - 10) ** 2),
        distributions=dict.fromkeys("ba", optuna.distributions.FloatDistribution(0, 1)),
    ))
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
grown = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
assert grown["b"] > 0.8, grown
from sklearn.ensemble import RandomForestRegressor
assert isinstance(RandomForestRegressor, type)
import optuna.visualization.matplotlib as drawn
assert len(drawn.plot_slice(study, params=["a", "b"])) == 2
assert optuna.visualization.matplotlib is drawn
assert parallel(rows, ["x"], "score") == figure
print("done")
"""
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert made.stdout.strip().endswith("done"), made.stderr


def test_what_an_arm_cost_is_of_the_trials_that_have_ended() -> None:
    """As the sentence under the table counts: a trial that was cut off is not among them."""
    ended = [changed(row(TWO, n, 5.0 + n), seconds=10.0 + n) for n in range(3)]
    cut_off = changed(row(TWO, 3, 9.0, outcome=None), seconds=50.0)
    rows = [*ended, cut_off, changed(row(ONE, 0, 6.0), seconds=7.0)]
    found = compare("study", rows)
    table = effort_table(found, rows, {TWO: 4})
    lines = {line[0]: line[1:4] for line in table.rows}
    assert lines == {ONE: ["1", "7 s", "7 s"], TWO: ["3 of 4", "33 s", "11 s"]}
    assert found.efforts[0].seconds == (7.0, 33.0)
