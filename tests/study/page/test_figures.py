from __future__ import annotations

import numpy as np
import pytest
from support.mlflow import changed, row

from study.page import figures
from study.page.landscape import Landscape, Slice
from study.results.comparison import compare
from study.trial import Outcome

ONE, TWO = "one_timescale", "two_timescale"


def test_score_curves_show_every_trial_and_the_best() -> None:
    rows = [row(ONE, n, float(5 - n)) for n in range(3)] + [row(TWO, 0, 2.0)]
    rows = [changed(each, step=20) for each in rows]
    curves = {each.identity: [(10, each.objective + 1), (20, each.objective)] for each in rows}
    one, two = figures.score_curves(rows, curves, "fd").axes
    assert (one.get_title(), two.get_title()) == (ONE, TWO)
    assert len(one.lines) == 3 + 2  # each trial, the best again, its star
    np.testing.assert_array_equal(one.lines[-2].get_ydata(), [4.0, 3.0])
    np.testing.assert_array_equal(one.lines[-1].get_xydata(), [[20, 3.0]])
    assert one.get_yscale() == "linear"


def test_the_plane_has_equal_axes_and_marks_what_has_no_score() -> None:
    rows = [
        row(ONE, 0, 1.0),
        row(ONE, 1, None, Outcome.DIVERGED),
        changed(row(TWO, 0, 100.0), b=1e-2, a=1e-4),
        row(TWO, 1, 5.0, Outcome.FAILED),
    ]
    axes = figures.settings_plane(rows, "fd").axes[0]
    assert axes.get_xlim() == axes.get_ylim()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    offsets = [np.asarray(c.get_offsets()).tolist() for c in axes.collections]
    lost_one, found_one, ring_one, lost_two, found_two, ring_two = offsets
    assert lost_one == [[1e-3, 5e-4]]
    assert found_one == ring_one == [[1e-3, 5e-4]]
    assert lost_two == []
    assert found_two == ring_two == [[1e-2, 1e-4]]
    line = axes.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_a_slice_of_the_plane_rings_an_arm_s_best_where_it_is_the_best_of_all() -> None:
    b, a = np.geomspace(1e-3, 1e-2, 4), np.geomspace(1e-4, 1e-2, 3)
    scores = np.linspace(4.0, 90.0, 12).reshape(3, 4)
    mine = Slice(d_steps=5, scores=scores, errors=np.zeros((3, 4)))
    ground = Landscape(arm=TWO, b=b, a=a, slices=(mine,), best=5, near=9.0, given={})
    rows = [
        changed(row(ONE, 0, 4.0), d_steps=2),
        changed(row(ONE, 1, 50.0), d_steps=5),
        changed(row(TWO, 0, 5.0), d_steps=5, b=2e-3, a=1e-3),
        changed(row(TWO, 1, 6.0), d_steps=2),
    ]
    figure = figures.settings_plane(rows, "fd", ground)
    axes, bar = figure.axes
    offsets = [np.asarray(c.get_offsets()).tolist() for c in axes.collections[2:]]
    _, found_one, _, found_two, ring_two = offsets
    assert found_one == [[1e-3, 5e-4]]
    assert found_two == ring_two == [[2e-3, 1e-3]]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "d_steps = 5"
    assert "best of one_timescale" not in [text.get_text() for text in legend.get_texts()]
    assert [tick.get_text() for tick in bar.get_yticklabels()] == ["5", "10", "20", "50"]


def test_a_plane_without_any_score_can_be_drawn() -> None:
    (axes,) = figures.settings_plane([row(ONE, 0, None, Outcome.DIVERGED)], "fd").axes
    assert axes.get_xscale() == "log"


def test_search_curves_start_where_a_score_is() -> None:
    rows = [row(ONE, 0, None, Outcome.DIVERGED), row(ONE, 1, 50.0), row(ONE, 2, 1.0)]
    axes = figures.search_curves(compare("study", rows), rows).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [np.nan, 50.0, 1.0])
    assert axes.get_yscale() == "log"


@pytest.mark.slow
def test_thousands_of_trials_can_be_drawn() -> None:
    generator = np.random.default_rng(0)
    rows = [
        changed(row(ONE, n, float(score)), b=float(b), a=float(b))
        for n, (score, b) in enumerate(generator.lognormal(0, 1, (2_000, 2)))
    ]
    assert figures.search_curves(compare("study", rows), rows)
    assert figures.settings_plane(rows, "fd")


def test_an_arm_has_one_colour_in_all_figures() -> None:
    rows = [row("zz_base", n, 2.0 + n) for n in range(2)] + [
        row("new", n, 1.0 + n) for n in range(2)
    ]
    curves = {each.identity: [(10, each.objective)] for each in rows}
    search = figures.search_curves(compare("study", rows, ["to_come", "zz_base", "new"]), rows)
    scores = figures.score_curves(rows, curves, "fd")
    by_trial = {line.get_label(): line.get_color() for line in search.axes[0].lines}
    by_step = {panel.get_title(): panel.lines[-1].get_color() for panel in scores.axes}
    assert list(by_step) == ["zz_base", "new"]
    assert by_trial == by_step
