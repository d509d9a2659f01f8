from __future__ import annotations

import base64
import gzip
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from support.mlflow import BEGAN, changed, copied, new_store, record, row, runs, tracking

from study.page.contents import Contents
from study.page.render import render
from study.page.report import report
from study.results.comparison import compare
from study.tracking import reports
from study.tracking.content import ArmRecord
from study.tracking.files import samples_of_run, spec_text
from study.tracking.reading import StudyNotFound
from study.tracking.store import client
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms of three trials, one diverged; the best of the second has samples."""
    made = tmp_path_factory.mktemp("made")
    writer = tracking(new_store(made), made)
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
    folder = made / "trial"
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
    return made


@pytest.fixture
def uri(made: Path, tmp_path: Path) -> str:
    return copied(made, tmp_path)


def embedded(html: str) -> dict[str, Any]:
    """The data that the page's script works with."""
    (text,) = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL
    )
    found: dict[str, Any] = json.loads(text)
    return found


def reported(uri: str, folder: Path) -> str:
    made = report("study", tracking_uri=uri, folder=folder)
    return made.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of that study, which tests only read."""
    folder = tmp_path_factory.mktemp("page")
    uri = copied(made, folder / "store")
    return report("study", tracking_uri=uri, folder=folder / "new" / "report").page


def test_a_report_is_one_page_that_needs_nothing_else(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    assert "No answer yet: one_timescale has 3 ended trials, which is too few" in unescape(html)
    assert "# &lt;b&gt;&amp;" in html
    assert "ttur export study" in html
    assert "&lt;i&gt;a line &amp; another" in html
    bare = re.sub(r'<script id="plotly".*?</script>', "", html, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", bare)
    (grid,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="64 samples', bare)
    assert shade(base64.b64decode(grid)) == 20  # the samples at the best evaluation
    assert list(page.parent.iterdir()) == [page]
    assert page.name == "report.html"


def test_plotly_is_in_the_page_whole(page: Path) -> None:
    from plotly.offline import get_plotlyjs

    html = page.read_text(encoding="utf-8")
    (packed,) = re.findall(r'<script id="plotly" type="text/plain">(.*?)</script>', html)
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    assert len(html) < 2_500_000


def test_a_trial_in_the_page_has_its_score_reason_and_samples(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    found = embedded(html)
    trials = {trial["title"]: trial for trial in found["trials"].values()}
    assert f"{TWO} #2" not in trials  # it has not ended
    best = trials[f"{TWO} #0"]
    assert best["facts"]["fd_digits_1k"] == "3 ± 0.25"
    assert best["image"].startswith("data:image/webp;base64,")
    lost = trials[f"{ONE} #2"]
    assert (lost["rank"], lost["facts"]["reason"]) == (None, "a loss was not finite")
    charts = {chart["name"] for chart in found["charts"]}
    assert {"plane", "search", "curves-0", "curves-1"} <= charts


def test_what_ended_early_is_a_table_with_reasons(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', html)
    texts = {name: cells for name, cells in rows if "not finite" in cells}
    assert list(texts) == [f"{ONE} #2"]
    assert "diverged" in texts[f"{ONE} #2"]


def test_a_confirmed_study_shows_its_finalists(uri: str, tmp_path: Path) -> None:
    writer = tracking(uri, tmp_path, "study.confirm")
    for arm, scores in (("one_timescale-1", [6.5, 6.6, 6.4]), ("two_timescale-0", [3.5, 3.4, 3.6])):
        for number, score in enumerate(scores):
            confirmed = record(
                arm, number, scores=[score], outcome=Outcome.COMPLETE, study="study.confirm"
            )
            writer.publish(confirmed, fresh=True)
    html = reported(uri, tmp_path / "report")
    sentence = "two_timescale's #0 scores 46 % lower than one_timescale's #1"
    assert sentence in unescape(html)
    found = embedded(html)
    assert sentence in found["compare"]["verdicts"][0]["sentence"]
    charts = {chart["name"]: chart for chart in found["charts"]}
    points = [trace["x"] for trace in charts["finalists"]["data"]]
    assert points == [[6.4, 6.5, 6.6], [6.5], [3.4, 3.5, 3.6], [3.5]]
    (line,) = charts["answer"]["data"]
    assert line["x"][0] == pytest.approx(100 * (3.5 - 6.5) / 6.5)


@pytest.mark.parametrize("by_mlflow", [False, True])
def test_mlflow_has_the_report_in_each_arms_run(
    uri: str, tmp_path: Path, by_mlflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_mlflow:
        monkeypatch.setattr(reports, "local_files", lambda *_: None)
    else:  # it need not be loaded to copy a file
        monkeypatch.setattr(reports, "open_store", None)
        for run in runs(client(uri), "arm"):
            older = tmp_path / "artifacts" / run.info.run_id / "artifacts" / "report.html"
            older.parent.mkdir(parents=True, exist_ok=True)
            older.write_text("an older one")
    made = report("study", tracking_uri=uri, folder=tmp_path / "r")
    assert made.unpublished is None
    store = client(uri)
    arms = runs(store, "arm")
    assert len(arms) == 2
    for run in arms:
        path = store.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
        assert Path(path).read_bytes() == made.page.read_bytes()
    listed = [path.name for path in (tmp_path / "artifacts").rglob("*report.html*")]
    assert listed == ["report.html"] * 2


@pytest.mark.parametrize("by_mlflow", [False, True])
def test_a_store_that_takes_no_report_is_said_in_a_sentence(
    uri: str, tmp_path: Path, by_mlflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read only")

    if by_mlflow:
        monkeypatch.setattr(reports, "local_files", lambda *_: None)
        monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    else:
        monkeypatch.setattr(reports, "put", refuse)
    made = report("study", tracking_uri=uri, folder=tmp_path / "r")
    assert made.page.exists()
    assert "did not take the report" in str(made.unpublished)


@pytest.mark.parametrize("by_mlflow", [False, True])
def test_samples_are_those_of_the_best_evaluation(
    uri: str, by_mlflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from study.tracking import files, query, tables

    (leader,) = query.best("study", top=1, tracking_uri=uri)
    if by_mlflow:
        monkeypatch.setattr(tables, "read", lambda _uri, _question: None)
        monkeypatch.setattr(files, "local_files", lambda *_: None)
    else:  # a report of thousands of trials need not load it
        monkeypatch.setattr(files, "open_store", None)
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


def test_a_report_does_without_files_that_are_out_of_reach(uri: str, tmp_path: Path) -> None:
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    html = reported(uri, tmp_path / "report")
    assert "trials with the lowest scores" in html
    assert "The spec of this study cannot be read here" in html
    # Its own page, which it has put there since, takes nobody's place.
    assert "The spec of this study cannot be read here" in reported(uri, tmp_path / "again")
    assert "64 samples" not in html


def test_names_are_escaped() -> None:
    rows = [row("<script>", 0, 1.0)]
    html = render(Contents(comparison=compare("<b>", rows), rows=rows, notes=["a < b"]))
    assert "<script>" not in html.split("</main>")[0].split("</style>")[1]
    assert "<h1>&lt;b&gt;</h1>" in html
    assert "a &lt; b" in html
    assert "ttur export" not in html  # without samples there is no generator, as of a game
    assert embedded(html)["arms"] == ["<script>"]


def test_an_unfinished_study_can_be_reported(tmp_path: Path) -> None:
    uri = new_store(tmp_path)
    unfinished: TrialRecord = changed(
        record(TWO, 0), parameters=Parameters(b=1e-3, a=1e-3, d_steps=1)
    )
    tracking(uri, tmp_path).publish(unfinished, fresh=True)
    html = reported(uri, tmp_path / "r")
    assert "No trial has ended with a score yet" in html
