from __future__ import annotations

from pathlib import Path

import pytest

from study.errors import UserError
from study.places.urls import absolute, check, is_meant, is_there, sqlite_file


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("record", "sqlite:///x.db"),
        ("record", "postgresql+psycopg://host/db"),
        ("tracking", "http://127.0.0.1:5000"),
        ("tracking", "https://host"),
        ("tracking", "sqlite:///x.db"),
        ("tracking", "mysql+pymysql://host/db"),
        ("tracking", "databricks"),
        ("checkpoints", "anything"),
    ],
)
def test_a_form_that_can_work(name: str, value: str) -> None:
    check(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("record", "foo"),
        ("record", "record.db"),
        ("record", "sqlite://"),
        ("tracking", "foo"),
        ("tracking", "./mlruns"),
        ("tracking", "file:/mlruns"),
        ("tracking", "file:///mlruns"),
        ("tracking", "databricksy"),
    ],
)
def test_a_form_that_never_can(name: str, value: str) -> None:
    with pytest.raises(
        UserError, match=f"{name} is '{value}', which is not a place of this kind; write "
    ):
        check(name, value)


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("c", "{here}/c"),
        ("./c", "{here}/c"),
        ("/c", "/c"),
        ("s3://b/c", "s3://b/c"),
        ("mlflow-artifacts:/x", "mlflow-artifacts:/x"),
        ("sqlite:///r.db", "sqlite:///{here}/r.db"),
        ("sqlite:////r.db", "sqlite:////r.db"),
        ("sqlite:///r.db?timeout=3", "sqlite:///{here}/r.db?timeout=3"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_a_relative_place_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, whole: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(value) == whole.format(here=tmp_path)


@pytest.mark.parametrize(
    ("value", "before", "meant"),
    [
        ("c", "/old/c", True),
        ("../x/c", "/old/x/c", True),
        ("c", "/old/d", False),
        ("/c", "/c", False),
        ("c", None, False),
        ("s3://b/c", "s3://b/c", False),
        ("sqlite:///r.db", "sqlite:////old/r.db", True),
        ("sqlite:///r.db", "sqlite:////old/s.db", False),
        ("sqlite:////r.db", "sqlite:////old/r.db", False),
    ],
)
def test_a_relative_place_may_be_that_of_an_earlier_launch(
    value: str, before: str | None, meant: bool
) -> None:
    assert is_meant(value, before) is meant


def test_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/r.db"
    assert sqlite_file(url) == tmp_path / "r.db"
    assert not is_there(url)
    (tmp_path / "r.db").touch()
    assert is_there(url)
    assert is_there("postgresql://host/db")
