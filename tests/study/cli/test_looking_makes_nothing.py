"""Whoever looks makes nothing: every verb but those that run a study, typed in an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.study import Place, empty_record, saddle_spec

import study
from study.cli.verbs import cli, main
from study.errors import UserError
from study.record.database import Ledger
from study.record.opening import existing
from study.spec.reader import parse_spec

MAKING = {"launch", "prepare"}
"""Verbs that are there to make something where nothing is."""

ELSEWHERE = ("--address", "http://head:8265")
"""The engine, which takes seconds to start, is not looked at."""

WORDS = {
    "recipes": [],
    "schema": [],
    "ui": [],
    "doctor": ["saddle", *ELSEWHERE],
    "extend": ["little", "--trials", "+1"],
}
LINES = [
    *([verb, *WORDS.get(verb, ["little"])] for verb in sorted(set(cli.commands) - MAKING)),
    ["status"],
    ["doctor", *ELSEWHERE],
    ["ui", "--dashboard"],
    ["resume", "little", "--failed"],
    ["recipes", "saddle"],
    ["launch", "saddle", "--dry-run"],
    ["launch", "quickstart", "--dry-run"],
]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_an_empty_folder_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TTUR_HOME", "TTUR_RECORD", "MLFLOW_TRACKING_URI", "TTUR_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["ttur", *words])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code in (0, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_doctor_makes_nothing_with_an_engine_either(tmp_path: Path) -> None:
    place = Place(tmp_path)
    said = place.ttur("doctor", "saddle")
    assert "record: sqlite:///" in said
    assert "is not there yet; the first launch makes it" in said
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_record_gets_no_tables_from_a_look(tmp_path: Path) -> None:
    """As a server's database is that was made for the purpose and never launched into."""
    file = tmp_path / "theirs.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE theirs (one INTEGER)"))
    assert existing(f"sqlite:///{file}") is None
    assert sa.inspect(engine).get_table_names() == ["theirs"]
    engine.dispose()


def test_a_study_that_mlflow_lost_is_published_by_the_line_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(empty_record(tmp_path))
    ledger.store_spec("little", parse_spec(saddle_spec()).model_dump(mode="json"))
    ledger.close()
    record = f"sqlite:///{tmp_path}/record.db"
    for words in (["best", "little"], ["compare", "little"], ["report", "little"]):
        monkeypatch.setattr(sys, "argv", ["ttur", *words, "--record", record])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert exit_.value.code == 2
        said = capsys.readouterr().err
        assert f"the record has it, and ttur sync little --record={record} publishes it" in said
    monkeypatch.setenv("TTUR_RECORD", record)
    for verb in (study.trials, study.best, study.compare, study.report):
        with pytest.raises(
            ValueError, match="the record has it, and ttur sync little publishes it"
        ):
            verb("little")
    with pytest.raises(ValueError, match=r"there is no study 'other': no MLflow store at [^;]*$"):
        study.best("other")


def test_tables_of_another_version_of_optuna_are_named_by_their_url(tmp_path: Path) -> None:
    url = empty_record(tmp_path)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v3.0.0.d'"))
    engine.dispose()
    with pytest.raises(UserError, match=r"optuna storage upgrade --storage .*record\.db") as error:
        Ledger(url)
    assert "$STORAGE_URL" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
