"""Tables of any source become trials, or one sentence says which column is wrong."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import study
from study.errors import UserError
from study.results.comparison import compare
from study.results.frame import rows_of, to_frame
from study.trial import Outcome, TrialRecord


def table(**columns: object) -> pd.DataFrame:
    known: dict[str, object] = {
        "arm": ["one", "one", "two"],
        "b": [1e-3, 2e-3, 1e-3],
        "a": [1e-3, 2e-3, 4e-4],
        "d_steps": [1, 2, 1],
        "score": [5.0, None, 4.0],
    }
    return pd.DataFrame(known | columns)


def trials() -> list[TrialRecord]:
    generator = np.random.default_rng(0)
    rows = []
    for arm in ("one_timescale", "two_timescale"):
        for number in range(9):
            b, a = 10 ** generator.uniform(-4, -2, 2)
            known = {
                "study": "s",
                "arm": arm,
                "number": number,
                "d_steps": 2,
                "score_name": "fd_x_1k",
            }
            known |= {"b": b, "a": b if arm == "one_timescale" else a, "noise": 0.1, "step": 10}
            known |= {
                "score": None if number == 3 else float(generator.uniform(3, 9)),
                "seconds": 2.0,
            }
            known |= {
                "outcome": "diverged" if number == 3 else "complete",
                "mlflow_run_id": f"r{number}",
            }
            known |= {
                "further": {"loss": "hinge", "step": 3} if number % 2 else {"loss": "x", "step": 4}
            }
            rows.append(TrialRecord.from_json(known))
    return rows


def test_a_table_of_a_study_gives_its_comparison() -> None:
    rows = trials()
    found = study.compare_table(to_frame(rows))
    assert found.to_json() == compare("s", rows).to_json()
    assert found.difference is not None
    assert found.difference.interval is not None


def test_a_table_survives_a_file(tmp_path: object) -> None:
    path = f"{tmp_path}/trials.csv"
    to_frame(trials()).to_csv(path, index=False)
    again = study.compare_table(pd.read_csv(path)).to_json()
    known = compare("s", trials()).to_json()
    assert again["difference"] == known["difference"]


def test_the_rest_is_optional() -> None:
    one, lost, two = rows_of(table())
    assert (one.number, lost.number, two.number) == (0, 1, 0)
    assert (one.outcome, lost.outcome) == (Outcome.COMPLETE, Outcome.DIVERGED)
    assert (one.score, lost.score, lost.noise) == (5.0, None, 0.0)
    assert rows_of(table(score=[5.0, math.inf, 4.0]))[1].score is None
    unfinished = rows_of(table(outcome=["complete", None, "stopped"]))
    assert [row.outcome for row in unfinished] == [Outcome.COMPLETE, None, Outcome.STOPPED]


def test_any_other_column_is_a_further_parameter() -> None:
    rows = rows_of(table(loss=["hinge", "hinge", None], weight=[0.1, np.nan, 0.3]))
    assert [dict(row.further) for row in rows] == [
        {"loss": "hinge", "weight": 0.1},
        {"loss": "hinge"},
        {"weight": 0.3},
    ]


@pytest.mark.parametrize("name", ["arm", "b", "a", "d_steps", "score"])
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(UserError, match=f"the table has no column '{name}'"):
        study.compare_table(table().drop(columns=name))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("arm", [1, 2, 3], "column 'arm' holds 1 in row 0, which is not the name of an arm"),
        ("b", [1e-3, -1e-3, 1e-3], "column 'b' holds -0.001 in row 1, which is not a number > 0"),
        ("b", [1e-3, "x", 1e-3], "column 'b' holds 'x' in row 1"),
        ("a", [1e-3, 1e-3, np.nan], "column 'a' holds nan in row 2"),
        ("a", [1e-3, 1e-3, math.inf], "column 'a' holds inf in row 2"),
        (
            "d_steps",
            [1, 1.5, 1],
            "column 'd_steps' holds 1.5 in row 1, which is not a whole number >= 1",
        ),
        ("d_steps", [1, 0, 1], "column 'd_steps' holds 0 in row 1"),
        ("d_steps", [True, True, True], "column 'd_steps' holds True in row 0"),
        ("score", ["low", 1.0, 1.0], "column 'score' holds 'low' in row 0, which is not a number"),
        ("score", [-math.inf, 1.0, 1.0], "column 'score' holds -inf in row 0"),
        ("outcome", ["complete", "done", None], "column 'outcome' holds 'done' in row 1"),
        (
            "noise",
            [0.1, -0.1, 0.1],
            "column 'noise' holds -0.1 in row 1, which is not a number >= 0",
        ),
        ("number", [0, 0, 0], "column 'number' holds 0 twice for arm 'one'"),
        ("loss", ["x", "y", ["z"]], "column 'loss' holds ['z'] in row 2"),
        ("score_name", ["fid_1k", "fid_2k", "fid_1k"], "fid_1k, fid_2k"),
    ],
)
def test_a_bad_value_is_one_sentence(name: str, values: list[object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        study.compare_table(table(**{name: values}))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_twice_is_named() -> None:
    twice = pd.concat([table(), table()[["b"]]], axis=1)
    with pytest.raises(UserError, match="two columns 'b'"):
        study.compare_table(twice)


def test_an_empty_table_has_no_arm() -> None:
    assert study.compare_table(table().iloc[:0]).to_json()["arms"] == {}
