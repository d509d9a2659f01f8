"""Tables of any source become trials, or one sentence says which column is wrong."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import study
from study.errors import UserError
from study.results.comparison import compare
from study.results.frame import COLUMNS, rows_of, to_frame
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


def test_a_row_with_every_column_is_the_trial_it_says() -> None:
    whole = {
        "arm": "one",
        "b": 1e-3,
        "a": 2e-3,
        "d_steps": 3,
        "score": 5.0,
        "score_name": "fd_x_1k",
    }
    whole |= {
        "study": "mine",
        "number": 4,
        "step": 30,
        "seed": 11,
        "outcome": "stopped",
        "noise": 0.5,
    }
    whole |= {"reason": "it rose", "started": 1e9, "seconds": 2.5, "end_step": 40, "floor": 1.0}
    whole |= {"mlflow_run_id": "r4", "ceiling": 9.0, "share": 0.1, "metrics.x": 1.0}
    # Further parameters whose names are those of columns, and one that is called like that itself.
    whole |= {"further.step": 0.25, "further.own": "so", "loss": "hinge", "flag": True}
    (found,) = rows_of(pd.DataFrame([whole]))
    assert (
        found.to_json()
        == TrialRecord.from_json(
            {
                name: value
                for name, value in whole.items()
                if "." not in name and name not in ("loss", "flag")
            }
            | {"further": {"step": 0.25, "further.own": "so", "loss": "hinge", "flag": True}}
        ).to_json()
    )
    assert (found.seed, found.started, found.end_step) == (11, 1e9, 40)
    assert (found.levels.floor, found.levels.ceiling) == (1.0, 9.0)
    assert dict(found.further) == {"step": 0.25, "further.own": "so", "loss": "hinge", "flag": True}
    table = to_frame([found])
    assert [*table.columns][-4:] == ["further.step", "further.own", "loss", "flag"]
    assert [*table.columns][:-4] == list(COLUMNS)


def test_of_a_row_with_the_least_the_rest_is_nothing() -> None:
    (found,) = rows_of(table().iloc[2:].assign(step=0, end_step=0, seconds=0.0, a=1e-9))
    assert (found.study, found.score_name, found.arm, found.number) == ("table", "score", "two", 0)
    assert (found.step, found.seed, found.end_step, found.a) == (0, 0, 0, 1e-9)
    assert (found.noise, found.started, found.seconds) == (0.0, 0.0, 0.0)
    assert (found.levels.floor, found.levels.ceiling, found.reason) == (None, None, None)
    bare = rows_of(table())[2]
    assert (bare.step, bare.seed, bare.end_step) == (0, 0, None)
    assert (bare.noise, bare.started, bare.seconds) == (0.0, 0.0, 0.0)


def test_what_pandas_calls_empty_is_empty_and_its_numbers_are_plain() -> None:
    kinds = table(
        step=pd.array([10, None, 30], dtype="Int64"),
        noise=[0.5, 0.5, pd.NaT],
        seed=pd.array([1, pd.NA, 3], dtype=object),
        started=[1.0, pd.NaT, 3.0],
        loss=[pd.NA, "x", None],
        weight=pd.array([0.5, None, 2.0], dtype="Float64"),
        whole=np.array([1, 2, 3], dtype=object),
    )
    rows = rows_of(kinds)
    assert [row.step for row in rows] == [10, None, 30]  # without a score there is no step
    assert [row.seed for row in rows] == [1, 0, 3]
    assert [row.noise for row in rows] == [0.5, 0.0, 0.0]
    assert [row.started for row in rows] == [1.0, 0.0, 3.0]
    assert [dict(row.further) for row in rows] == [
        {"weight": 0.5, "whole": 1},
        {"loss": "x", "whole": 2},
        {"weight": 2.0, "whole": 3},
    ]
    given = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in NUMPYS.items()})
    (plain,) = rows_of(given)
    assert {type(v) for v in (plain.b, plain.d_steps, plain.score, *plain.further.values())} == {
        float,
        int,
        bool,
    }
    assert plain.further == {"flag": True, "depth": 4}


NUMPYS = {
    "arm": "one",
    "b": np.float32(0.5),
    "a": np.float64(0.25),
    "d_steps": np.int64(2),
    "score": np.float32(1.5),
    "flag": np.bool_(True),
    "depth": np.int32(4),
}
"""A row whose values are NumPy's own, as those of a column of objects may be."""


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
        ("a", [1e-3, 0.0, 1e-3], "column 'a' holds 0.0 in row 1, which is not a number > 0"),
        ("b", [1e-3, 0.0, 1e-3], "column 'b' holds 0.0 in row 1, which is not a number > 0"),
        ("a", [1e-3, -1e-3, 1e-3], "column 'a' holds -0.001 in row 1, which is not a number > 0"),
        ("started", ["x", 1.0, 1.0], "column 'started' holds 'x' in row 0, which is not a number"),
        ("started", [math.inf, 1.0, 1.0], "column 'started' holds inf in row 0"),
        ("seconds", [1.0, -1.0, 1.0], "'seconds' holds -1.0 in row 1, which is not a number >= 0"),
        ("step", [10, -1, 10], "column 'step' holds -1 in row 1, which is not a whole number >= 0"),
        ("seed", [1, 2, -3], "column 'seed' holds -3 in row 2, which is not a whole number >= 0"),
        ("end_step", [1, 2, -3], "'end_step' holds -3 in row 2, which is not a whole number >= 0"),
        ("end_step", [1, "x", 3], "column 'end_step' holds 'x' in row 1"),
        ("floor", [1.0, "x", 3.0], "column 'floor' holds 'x' in row 1, which is not a number"),
        ("ceiling", [1.0, math.inf, 3.0], "column 'ceiling' holds inf in row 1"),
        ("weight", [1.0, math.inf, 3.0], "column 'weight' holds inf in row 1"),
        ("weight", [1.0, 2.0, -math.inf], "column 'weight' holds -inf in row 2"),
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


def test_what_a_number_may_be_is_said() -> None:
    for name, wanted in (("score", "a number"), ("noise", "a number >= 0"), ("a", "a number > 0")):
        with pytest.raises(UserError) as caught:
            rows_of(table(**{name: ["x", "x", "x"]}))
        assert str(caught.value) == f"column {name!r} holds 'x' in row 0, which is not {wanted}"


def test_a_column_twice_is_named() -> None:
    twice = pd.concat([table(), table()[["b"]]], axis=1)
    with pytest.raises(UserError, match="two columns 'b'"):
        study.compare_table(twice)


def test_an_empty_table_has_no_arm() -> None:
    assert study.compare_table(table().iloc[:0]).to_json()["arms"] == {}
