from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image
from support.mlflow import BEGAN, changed, new_store, record, row, tracking

from study.errors import UserError
from study.results import figures
from study.results.comparison import compare
from study.results.report import CAPTIONS, Contents, render, report
from study.tracking.content import ArmRecord
from study.tracking.files import samples_of_run, spec_text
from study.tracking.reading import StudyNotFound
from study.trial import Outcome, TrialRecord
from trainables.protocol import Parameters

ONE, TWO = "one_timescale", "two_timescale"
SPEC = "name: study\ntrial: {kind: bilinear}\n# <b>&\n"


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), shade).save(buffer, format="png")
    return buffer.getvalue()


def shade(image: bytes) -> int:
    return int(np.asarray(Image.open(io.BytesIO(image)))[0, 0])


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Two arms of three trials, one diverged; the best of the second has samples."""
    uri = new_store(tmp_path)
    writer = tracking(uri, tmp_path)
    arm = ArmRecord(
        study="study",
        arm=TWO,
        position=1,
        spec=SPEC,
        spec_fingerprint="f",
        score_name="fd_digits_1k",
        started=BEGAN,
    )
    writer.publish_arm(arm)
    folder = tmp_path / "trial"
    (folder / "samples").mkdir(parents=True)
    for step, grey in ((10, 10), (20, 20), (30, 30)):
        (folder / "samples" / f"samples-{step:08d}.png").write_bytes(png(grey))
    (folder / "samples" / "samples-00000030.txt").write_text("<i>a line & another\n")
    (folder / "samples" / "score.json").write_text("{}")
    for each in (
        record(ONE, 0, scores=[9.0, 8.0, 8.5], outcome=Outcome.STOPPED),
        record(ONE, 1, scores=[7.0, 6.0, 7.5], outcome=Outcome.COMPLETE),
        record(ONE, 2, outcome=Outcome.DIVERGED, reason="a loss was not finite"),
        record(TWO, 0, scores=[8.0, 3.0, 4.0], outcome=Outcome.COMPLETE, folder=str(folder)),
        record(TWO, 1, scores=[9.0, 5.0, 4.5], outcome=Outcome.COMPLETE),
        record(TWO, 2, scores=[9.0]),
    ):
        writer.publish(each, fresh=True)
    return uri


@pytest.mark.slow
def test_a_report_is_one_page_that_needs_nothing_else(uri: str, tmp_path: Path) -> None:
    page = report("study", tracking_uri=uri, folder=tmp_path / "new" / "report")
    html = page.read_text(encoding="utf-8")
    assert "No answer yet: one_timescale has 3 ended trials, which is too few" in html
    assert "# &lt;b&gt;&amp;" in html
    assert "&lt;i&gt;a line &amp; another" in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    images = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", html)]
    written = {path.name: path.read_bytes() for path in page.parent.glob("*.png")}
    assert written.keys() == CAPTIONS.keys()
    assert images[:4] == [written[name] for name in CAPTIONS]
    assert [shade(image) for image in images[4:]] == [20]  # the samples at the best evaluation


@pytest.mark.slow
def test_a_confirmed_study_shows_its_finalists(uri: str, tmp_path: Path) -> None:
    writer = tracking(uri, tmp_path, "study.confirm")
    for arm, scores in (("one_timescale-1", [6.5, 6.6, 6.4]), ("two_timescale-0", [3.5, 3.4, 3.6])):
        for number, score in enumerate(scores):
            confirmed = record(
                arm, number, scores=[score], outcome=Outcome.COMPLETE, study="study.confirm"
            )
            writer.publish(confirmed, fresh=True)
    html = report("study", tracking_uri=uri, folder=tmp_path / "report").read_text()
    assert "two_timescale&#x27;s #0 scores 46 % lower than one_timescale&#x27;s #1" in html


def test_samples_are_those_of_the_best_evaluation(uri: str, tmp_path: Path) -> None:
    from study.tracking.query import best

    (leader,) = best("study", top=1, tracking_uri=uri)
    found = samples_of_run(leader, tracking_uri=uri)
    assert found.keys() == {"samples-00000020.png", "samples-00000030.txt"}
    assert shade(found["samples-00000020.png"]) == 20
    elsewhere = samples_of_run(changed(leader, step=40), tracking_uri=uri)
    assert "samples-00000030.png" in elsewhere


def test_the_spec_is_read_back(uri: str) -> None:
    assert spec_text("study", tracking_uri=uri) == SPEC
    assert spec_text("other", tracking_uri=uri) is None


def test_a_study_without_trials_has_no_report(tmp_path: Path) -> None:
    uri = new_store(tmp_path)
    with pytest.raises(StudyNotFound, match="there is no study"):
        report("study", tracking_uri=uri, folder=tmp_path)
    tracking(uri, tmp_path).publish_arm(
        ArmRecord(
            study="study",
            arm=TWO,
            position=1,
            spec="",
            spec_fingerprint="",
            score_name="s",
            started=BEGAN,
        )
    )
    with pytest.raises(StudyNotFound, match="has no trial yet"):
        report("study", tracking_uri=uri, folder=tmp_path)


@pytest.mark.slow
def test_a_report_does_without_files_that_are_out_of_reach(uri: str, tmp_path: Path) -> None:
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    html = report("study", tracking_uri=uri, folder=tmp_path / "report").read_text()
    assert "The best trials" in html
    assert "The spec" not in html
    assert "samples-" not in html


def test_names_are_escaped() -> None:
    rows = [row("<script>", 0, 1.0)]
    html = render("<b>", Contents(comparison=compare("<b>", rows), rows=rows, notes=["a < b"]))
    assert "<script>" not in html
    assert "<h1>&lt;b&gt;</h1>" in html
    assert "a &lt; b" in html


def test_without_matplotlib_one_sentence_says_what_to_install(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"pip install 'ttur-study\[plots\]'"):
        report("study", tracking_uri=uri, folder=tmp_path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.figure.Figure]:
    """Keeps the figures themselves, to look at what is in them."""
    kept: list[matplotlib.figure.Figure] = []
    original = figures._png

    def keep(figure: matplotlib.figure.Figure) -> bytes:
        kept.append(figure)
        return original(figure)

    monkeypatch.setattr(figures, "_png", keep)
    return kept


def test_score_curves_show_every_trial_and_the_best(drawn: list[matplotlib.figure.Figure]) -> None:
    rows = [row(ONE, n, float(5 - n)) for n in range(3)] + [row(TWO, 0, 2.0)]
    rows = [changed(each, step=20) for each in rows]
    curves = {each.identity: [(10, each.objective + 1), (20, each.objective)] for each in rows}
    figures.score_curves(rows, curves, "fd")
    one, two = drawn[0].axes
    assert (one.get_title(), two.get_title()) == (ONE, TWO)
    assert len(one.lines) == 3 + 2  # each trial, the best again, its star
    np.testing.assert_array_equal(one.lines[-2].get_ydata(), [4.0, 3.0])
    np.testing.assert_array_equal(one.lines[-1].get_xydata(), [[20, 3.0]])
    assert one.get_yscale() == "linear"


def test_the_plane_has_equal_axes_and_marks_what_has_no_score(
    drawn: list[matplotlib.figure.Figure],
) -> None:
    rows = [
        row(ONE, 0, 1.0),
        row(ONE, 1, None, Outcome.DIVERGED),
        changed(row(TWO, 0, 100.0), b=1e-2, a=1e-4),
        row(TWO, 1, 5.0, Outcome.FAILED),
    ]
    figures.settings_plane(rows, "fd")
    axes = drawn[0].axes[0]
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


def test_a_plane_without_any_score_can_be_drawn() -> None:
    image = figures.settings_plane([row(ONE, 0, None, Outcome.DIVERGED)], "fd")
    assert Image.open(io.BytesIO(image)).size[0] > 500


def test_search_curves_start_where_a_score_is(drawn: list[matplotlib.figure.Figure]) -> None:
    rows = [row(ONE, 0, None, Outcome.DIVERGED), row(ONE, 1, 50.0), row(ONE, 2, 1.0)]
    figures.search_curves(compare("study", rows), rows)
    axes = drawn[0].axes[0]
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


def test_an_arm_has_one_colour_in_all_figures(drawn: list[matplotlib.figure.Figure]) -> None:
    rows = [row("zz_base", n, 2.0 + n) for n in range(2)] + [
        row("new", n, 1.0 + n) for n in range(2)
    ]
    curves = {each.identity: [(10, each.objective)] for each in rows}
    figures.search_curves(compare("study", rows, ["to_come", "zz_base", "new"]), rows)
    figures.score_curves(rows, curves, "fd")
    search, scores = drawn
    by_trial = {line.get_label(): line.get_color() for line in search.axes[0].lines}
    by_step = {panel.get_title(): panel.lines[-1].get_color() for panel in scores.axes}
    assert list(by_step) == ["zz_base", "new"]
    assert by_trial == by_step


def test_an_unfinished_study_can_be_reported(tmp_path: Path) -> None:
    uri = new_store(tmp_path)
    unfinished: TrialRecord = changed(
        record(TWO, 0), parameters=Parameters(b=1e-3, a=1e-3, d_steps=1)
    )
    tracking(uri, tmp_path).publish(unfinished, fresh=True)
    html = report("study", tracking_uri=uri, folder=tmp_path / "r").read_text()
    assert "no trial has ended with a score yet" in html
