"""What ``ttur trials`` prints: a table that fits, or all of it as CSV, JSON or Parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from support.mlflow import new_store, record, row, tracking

from study.cli.verbs import cli
from study.results.tables import trials_table
from study.trial import Outcome


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TTUR_HOME", str(tmp_path / "home"))
    uri = new_store(tmp_path)
    writer = tracking(uri, tmp_path)
    for number, score in enumerate([3.0, 2.0, 4.0]):
        made = record(
            number=number,
            scores=[score],
            outcome=Outcome.COMPLETE,
            further={"optimiser.beta1": 0.5, "regulariser.weight": 10.0},
            metrics={"d_loss": score / 10},
        )
        writer.publish(made, fresh=True)
    return uri


def ttur(uri: str, *words: str, columns: int = 80) -> Result:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    return runner.invoke(cli, ["trials", "study", "--tracking", uri, *words])


def test_a_table_fits_the_terminal_and_says_what_it_leaves_out(uri: str) -> None:
    said = ttur(uri, "--where", "metrics.d_loss < 0.35", "--sort", "-score").output.splitlines()
    assert max(map(len, said)) <= 80
    assert said[0].split()[:5] == ["arm", "trial", "b", "a", "d_steps"]
    assert "fd_digits_1k" in said[0]
    assert [line.split()[1] for line in said[1:3]] == ["0", "1"]
    more = " ".join(said[4:])
    assert more.startswith("Left out for want of room: a/b, at step, metrics.d_loss, ")
    assert more.endswith("; --json and --csv have everything.")
    wide = ttur(uri, "--metrics", columns=300).output
    assert "Left out" not in wide
    for name in ("a/b", "at step", "metrics.d_loss", "optimiser.beta1", "regulariser.weight"):
        assert name in wide.splitlines()[0]


def test_the_columns_that_say_which_trial_it_is_always_stay() -> None:
    narrow = trials_table([row("a_long_name_of_an_arm", 0, 1.0)], [{}], 20).splitlines()
    assert narrow[0].split() == ["arm", "trial", "b", "a", "d_steps", "fd_digits_1k", "outcome"]
    assert trials_table([], [], 80) == "no trial is like that"


def test_machines_get_every_column(uri: str) -> None:
    told = json.loads(ttur(uri, "--json", "--metrics").output)
    assert [each["score"] for each in told] == [3.0, 2.0, 4.0]
    assert told[0]["metrics"]["d_loss"] == pytest.approx(0.3)
    assert "metrics" not in json.loads(ttur(uri, "--json").output)[0]
    frame = pd.read_csv(io.StringIO(ttur(uri, "--csv").output))
    assert frame["optimiser.beta1"].tolist() == [0.5] * 3
    kept = pd.read_parquet(io.BytesIO(ttur(uri, "--parquet").stdout_bytes))
    assert kept["score"].tolist() == [3.0, 2.0, 4.0]
    assert json.loads(ttur(uri, "--json", "--outcome", "failed").output) == []


def test_a_condition_that_cannot_be_read_is_refused(uri: str) -> None:
    said = ttur(uri, "--where", "b <")
    assert said.exit_code == 1  # main() makes 2 of it
    assert "the condition 'b <' cannot be read" in str(said.exception)
    assert "Invalid value for '--outcome'" in ttur(uri, "--outcome", "x").output
