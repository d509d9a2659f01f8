"""Which trials ``ttur trials`` lists: the same as MLflow's own filters, in the order that was asked for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from support.mlflow import new_store, record, tracking

import study
from study.errors import UserError
from study.results import selection
from study.results.frame import COLUMNS
from study.results.selection import Wanted, select
from study.tracking import tables
from study.trial import Outcome, TrialRecord

PAGE = Path(__file__).parents[3] / "docs" / "mlflow.md"
FILTERS = re.findall(
    r"^\| `([^|`]+)` \| `([^|`]+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
)
"""The conditions of the page, and the filter of MLflow beside each."""


def trials() -> list[TrialRecord]:
    """Every outcome in both arms, rates on both sides of 1e-3, scores around 5, choices of a loss."""
    ends = (Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED, Outcome.FAILED, None)
    made = []
    for arm, base in (("one_timescale", 3.0), ("two_timescale", 2.0)):
        for number in range(7):
            scores = [base + 4 + number, base + number, base + 2 * number][: number % 4]
            further = {"loss": ("hinge", "minimax")[number % 2], "optimiser.beta1": number / 10}
            made.append(
                record(
                    arm,
                    number,
                    scores=scores,
                    outcome=ends[number % 5],
                    reason="its score rose" if ends[number % 5] is Outcome.STOPPED else None,
                    further=further,
                    metrics={"d_loss": 0.1 * number} if number % 3 else {},
                )
            )
    return made


def changed(made: TrialRecord) -> TrialRecord:
    parameters = made.parameters
    number = made.number
    kwargs: dict[str, Any] = {"b": 2e-4 * (number + 1), "a": 3e-4, "d_steps": 1 + number % 2}
    new = type(parameters)(**kwargs, further=parameters.further)
    return type(made)(**{**made.__dict__, "parameters": new})


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    found = new_store(folder)
    writer = tracking(found, folder)
    for each in trials():
        writer.publish(changed(each), fresh=True)
    again = tracking(found, folder, "study.confirm")
    for arm, scores in {"two_timescale-4": (1.0, 2.0), "one_timescale-1": (3.0, 4.0)}.items():
        for number, score in enumerate(scores):
            kept = record(
                arm, number, scores=[score], outcome=Outcome.COMPLETE, study="study.confirm"
            )
            again.publish(kept, fresh=True)
    return found


def chosen(uri: str, **wanted: Any) -> list[str]:
    found = select("study", Wanted(**wanted), tracking_uri=uri)
    return [f"{row.arm}/{row.number}" for row in found.rows]


def test_the_page_has_filters() -> None:
    assert len(FILTERS) >= 8


@pytest.mark.parametrize(("where", "condition"), FILTERS)
def test_the_filters_of_mlflow_that_are_documented_give_the_same_trials(
    uri: str, where: str, condition: str
) -> None:
    mlflow.set_tracking_uri(uri)
    runs = mlflow.search_runs(
        experiment_names=["study"], filter_string=f"tags.kind = 'trial' and {condition}"
    )
    theirs = set(runs["run_id"])
    ours = set(study.trials("study", where=where, tracking=uri)["mlflow_run_id"])
    assert ours == theirs
    assert 0 < len(ours) < len(trials())


def test_a_store_that_is_not_read_in_bulk_gives_the_same(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted(metrics=True, where="metrics.score < 9", sort=["-score"])
    bulk = select("study", wanted, tracking_uri=uri)
    nothing: Callable[[str, object], None] = lambda uri, question: None  # noqa: E731
    monkeypatch.setattr(tables, "read", nothing)
    assert select("study", wanted, tracking_uri=uri).to_json() == bulk.to_json()
    assert bulk.metrics[0]["score"] > bulk.metrics[0]["best_score"] - 1e-12


def test_outcomes_confirmed_ones_and_conditions_narrow_down_together(uri: str) -> None:
    assert chosen(uri, outcomes=["failed"], where="arm = 'two_timescale'") == ["two_timescale/3"]
    both = chosen(uri, outcomes=["diverged", "unfinished"], where="arm = 'one_timescale'")
    assert [name[-1] for name in both] == ["2", "4"]
    assert chosen(uri, where="outcome is null") == chosen(uri, outcomes=["unfinished"])
    assert chosen(uri, confirmed=True) == ["one_timescale/1", "two_timescale/4"]
    assert chosen(uri, confirmed=True, where="loss = 'hinge'") == ["two_timescale/4"]


def test_trials_without_a_value_come_last_whichever_way_they_are_sorted(uri: str) -> None:
    everything = select("study", Wanted(), tracking_uri=uri).rows
    for sign, factor in (("", 1), ("-", -1)):
        found = select("study", Wanted(sort=[f"{sign}score"]), tracking_uri=uri).rows
        scores = [row.score for row in found]
        known = [row.score for row in everything if row.score is not None]
        known.sort(reverse=factor < 0)
        assert scores == known + [None] * (len(scores) - len(known))
        assert None in scores
    found = chosen(uri, sort=["loss", "-number"], where="arm = 'one_timescale'")
    assert [int(name[-1]) for name in found] == [6, 4, 2, 0, 5, 3, 1]


def test_metrics_are_columns_where_they_are_asked_for(uri: str) -> None:
    plain = study.trials("study", tracking=uri)
    assert [*plain.columns] == [*COLUMNS, "loss", "optimiser.beta1"]
    assert study.to_frame(plain) is plain
    named = study.trials("study", sort="-metrics.d_loss", tracking=uri)
    assert [*named.columns][len(plain.columns) :] == ["metrics.d_loss"]
    values = named["metrics.d_loss"]
    assert values.dropna().is_monotonic_decreasing
    assert values.isna().any()
    every = study.trials("study", metrics=True, tracking=uri)
    assert {"metrics.score", "metrics.best_score", "metrics.d_loss"} <= set(every.columns)
    # What was measured is no parameter of a comparison.
    assert (
        study.compare_table(every).to_json()["differences"]
        == study.compare_table(plain).to_json()["differences"]
    )


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (
            {"where": "d_step = 1"},
            r"names 'd_step', .*did you mean d_steps\? The fields are study, arm",
        ),
        ({"where": "loss = hinge"}, r"names 'hinge', .*a text is put in quotes"),
        ({"where": "metrics.g_loss < 1"}, r"names 'metrics.g_loss', .*metrics.d_loss"),
        ({"where": "arm = 'three'"}, r"arm 'three'; there are: one_timescale, two_timescale"),
        ({"where": "outcome = 'finished'"}, r"outcome 'finished'; there are: complete, stopped"),
        (
            {"where": "d_steps = 'one'"},
            r"compares d_steps with 'one', a text, but d_steps holds numbers",
        ),
        ({"where": "loss = 1"}, r"compares loss with 1, a number, but loss holds texts"),
        ({"sort": ["lr"]}, r"the order names 'lr'"),
        ({"outcomes": ["done"]}, r"outcome is 'done'; it must be one of complete, .*unfinished"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_what_can(
    uri: str, wanted: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        chosen(uri, **wanted)


def test_csv_and_parquet_hold_the_table(uri: str) -> None:
    found = select("study", Wanted(metrics=True), tracking_uri=uri)
    frame = found.to_frame()
    back = pd.read_parquet(io.BytesIO(found.to_parquet()))
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    text = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert text["b"].tolist() == frame["b"].tolist()


def test_a_parameter_with_choices_of_two_kinds_is_text_in_parquet(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [record(number=0, further={"x": 3}), record(number=1, further={"x": "three"})]
    monkeypatch.setattr(selection.query, "trials", lambda study, tracking_uri: rows)
    found = select("study", Wanted(sort=["x"]), tracking_uri=uri)
    assert pd.read_parquet(io.BytesIO(found.to_parquet()))["x"].tolist() == ["3", "three"]
