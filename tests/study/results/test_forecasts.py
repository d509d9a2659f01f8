"""What stopped trials would have come to is known to whoever asks MLflow, as it is to the record."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.mlflow import measured, new_store, record, tracking

import study
from study.results.comparison import compare
from study.results.forecasts import searched, with_evaluations
from study.tracking import query, tables
from study.trial import ONE, TWO, Outcome, TrialRecord
from trainables.levels import Score
from trainables.protocol import Measurement, Parameters

WHOLE = ((8.0, 4.0, 2.0), (9.0, 6.0, 1.5), (5.0, 6.0, 2.5), (7.0, 3.0, 3.5))
"""Curves of whole trials: after their second evaluation they gain 0.69, 1.39, 0.69 and 0 (logarithms)."""


def trials() -> list[TrialRecord]:
    """Seven trials an arm: those of WHOLE, and three that were stopped, one of them after it had risen."""
    draw, made = np.random.default_rng(1), []
    ends = [(curve, Outcome.COMPLETE) for curve in WHOLE]
    ends += [(curve, Outcome.STOPPED) for curve in ((9.0, 8.0), (3.0, 3.3), (6.0, 30.0))]
    for arm in (ONE, TWO):
        for number, (curve, outcome) in enumerate(ends):
            b, a = 10 ** draw.uniform(-4, -2, 2)
            sampled = Parameters(b=b, a=b if arm == ONE else a, d_steps=2)
            scores = [each * (1.0 if arm == ONE else 0.9) for each in curve]
            trial = record(arm, number, scores=scores, outcome=outcome, reason="so")
            made.append(replace(trial, parameters=sampled, end_step=10 * len(scores)))
    return made


def published(rows: list[TrialRecord], folder: Path) -> str:
    uri = new_store(folder)
    writer = tracking(uri, folder)
    for each in rows:
        writer.publish(each, fresh=True)
    return uri


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return published(trials(), tmp_path_factory.mktemp("store"))


def test_mlflow_gives_the_answer_of_the_curves(uri: str) -> None:
    told = study.compare("study", tracking=uri).difference
    known = compare("study", trials()).difference
    assert told is not None
    assert known is not None
    assert told.interval == pytest.approx(known.interval, rel=1e-9)
    assert told.absolute == pytest.approx(known.absolute, rel=1e-9)
    assert told.method == known.method
    assert "6 stopped trials" in told.method
    left = compare("study", query.trials("study", tracking_uri=uri)).difference
    assert left is not None
    assert left.interval != pytest.approx(known.interval, rel=1e-3)


def test_a_forecast_is_the_newest_score_less_what_whole_trials_gained(uri: str) -> None:
    found = {row.identity: row for row in searched("study", tracking_uri=uri)}
    # By hand: the lowest of all over the lowest of the first two.
    gained = [math.log(min(curve) / min(curve[:2])) for curve in WHOLE * 2]
    mean = sum(gained) / len(gained)
    assert mean == pytest.approx(-math.log(2 * 4 * 2 * 1) / 4)
    for number, (newest, lowest) in {4: (8.0, 8.0), 5: (3.3, 3.0), 6: (30.0, 6.0)}.items():
        forecast = found[f"study/{ONE}/{number}"].forecast
        assert forecast is not None
        assert forecast.value == pytest.approx(min(newest * math.exp(mean), lowest))
        # Whole trials of both arms: their spread with the prior's two, and the gain itself.
        squares = sum((gain - mean) ** 2 for gain in gained) + 2 * (0.5 * (1 - 20 / 30)) ** 2
        freedom = 2 + len(gained) - 1
        deviation = math.sqrt(squares / freedom * (1 + 1 / 8) * freedom / (freedom - 2))
        assert forecast.noise / forecast.value == pytest.approx(math.hypot(deviation, mean))
    assert all(found[f"study/{arm}/{n}"].forecast is None for arm in (ONE, TWO) for n in range(4))


def test_a_store_that_is_not_read_in_bulk_tells_the_same(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = searched("study", tracking_uri=uri)
    monkeypatch.setattr(tables, "read", lambda *_: None)
    assert searched("study", tracking_uri=uri) == bulk


def test_a_table_has_them_and_a_part_of_it_keeps_them(uri: str, tmp_path: Path) -> None:
    frame = study.trials("study", tracking=uri)
    assert frame["forecast"].notna().sum() == 6
    frame.to_csv(tmp_path / "trials.csv", index=False)
    told = study.compare_table(study.to_frame(frame))
    assert told == study.compare("study", tracking=uri)
    some = study.trials("study", where="outcome = 'stopped'", metrics=True, tracking=uri)
    all_ = frame[frame["outcome"] == "stopped"]
    assert list(some["forecast"]) == list(all_["forecast"])
    assert list(some["forecast_noise"]) == list(all_["forecast_noise"])


def test_nobody_is_asked_for_curves_where_no_trial_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in trials() if row.outcome is Outcome.COMPLETE]
    uri = published(rows, tmp_path)
    monkeypatch.setattr(query, "histories", None)
    assert all(row.forecast is None for row in searched("study", tracking_uri=uri))


def test_evaluations_are_added_to_what_is_known_of_the_best(uri: str) -> None:
    rows = query.trials("study", tracking_uri=uri)
    one = next(row for row in rows if row.arm == ONE and row.number == 2)
    best = one.best
    assert best is not None
    bare = {"seconds": one.seconds, "time": 0.0}
    (found,) = with_evaluations([one], uri)
    assert found == replace(
        one,
        measurements=(
            Measurement(step=10, score=5.0, **bare),
            Measurement(step=20, score=6.0, **bare),
            best,
        ),
    )
    assert (best.step, best.noise, one.seconds) == (30, 0.25, 4.5)
    stranger = replace(one, mlflow_run_id="none")
    assert with_evaluations([stranger], uri) == [stranger]


def test_scores_of_one_and_less_have_forecasts(tmp_path: Path) -> None:
    rows = [
        replace(t, measurements=tuple(replace(m, score=m.score / 9) for m in t.measurements))
        for t in trials()
    ]
    uri = published(rows, tmp_path)
    assert sum(row.forecast is not None for row in searched("study", tracking_uri=uri)) == 6


def test_scores_that_have_no_logarithm_have_no_forecast(tmp_path: Path) -> None:
    rows = [*trials(), record(TWO, 7, scores=[1.0, 0.0], outcome=Outcome.COMPLETE)]
    uri = published(rows, tmp_path)
    assert all(row.forecast is None for row in searched("study", tracking_uri=uri))


def test_a_trial_is_read_again_with_its_forecast() -> None:
    trial = replace(trials()[4], forecast=Score(4.0, 1.5))
    assert (trial.to_json()["forecast"], trial.to_json()["forecast_noise"]) == (4.0, 1.5)
    assert TrialRecord.from_json(trial.to_json()).forecast == Score(4.0, 1.5)


def with_early() -> list[TrialRecord]:
    """The same trials with two early evaluations before, and one an arm that was stopped at the first."""
    made = []
    for arm in (ONE, TWO):
        for trial in (t for t in trials() if t.arm == arm):
            score = trial.measurements[0].score
            first = zip((5, 7), measured(3.0 * score, 2.0 * score), strict=True)
            early = tuple(
                replace(m, step=step, early=True, metrics={"d_loss": 0.5}) for step, m in first
            )
            made.append(replace(trial, early=early))
        stopped = replace(made[-1], number=7, measurements=(), end_step=5)
        made.append(replace(stopped, early=(replace(stopped.early[0], score=40.0),)))
    return made


def test_what_was_stopped_at_an_early_evaluation_is_told_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = with_early()
    uri = published(rows, tmp_path)
    found = {row.identity: row for row in searched("study", tracking_uri=uri)}
    stopped = found[f"study/{ONE}/7"]
    assert (stopped.score, stopped.outcome, stopped.end_step) == (None, Outcome.STOPPED, 5)
    assert [(m.step, m.score, m.early) for m in stopped.early] == [(5, 40.0, True)]
    # By hand: the lowest of each whole trial over three times its first score.
    gained = [math.log(min(curve) / (3.0 * curve[0])) for curve in WHOLE * 2]
    assert stopped.forecast is not None
    assert stopped.forecast.value == pytest.approx(40.0 * math.exp(sum(gained) / len(gained)))
    told = study.compare("study", tracking=uri)
    known = compare("study", rows)
    assert told.difference is not None
    assert known.difference is not None
    assert told.difference.interval == pytest.approx(known.difference.interval, rel=1e-9)
    assert told.difference.method == known.difference.method
    assert "8 stopped trials" in told.difference.method
    assert told.arms[ONE].best == query.best("study", arm=ONE, top=1, tracking_uri=uri)[0]
    frame = study.trials("study", tracking=uri)
    again = study.compare_table(frame).difference
    assert again is not None
    assert again.interval == told.difference.interval
    (tmp_path / "alone").mkdir()
    alone = published([row for row in rows if row.number not in (4, 5, 6)], tmp_path / "alone")
    least = {row.identity: row for row in searched("study", tracking_uri=alone)}
    assert least[stopped.identity].forecast == stopped.forecast
    bulk = searched("study", tracking_uri=uri)
    monkeypatch.setattr(tables, "read", lambda *_: None)
    assert searched("study", tracking_uri=uri) == bulk
