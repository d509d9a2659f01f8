"""A spec may name code; looking at a study of somebody else must not import it, launching does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import study
from search_spaces import one_timescale
from study.record.database import Ledger
from study.record.opening import request_stop, stored_spec
from study.record.status import status

PLANTED = """
import pathlib
from search_spaces import one_timescale
pathlib.Path(__file__).with_name("imported").touch()
def space():
    return one_timescale(b=(1e-3, 1e-2), d_steps=(1,))
"""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A record with a study whose search space is a planted module's."""
    (tmp_path / "planted_space.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "planted_space", raising=False)
    record = f"sqlite:///{tmp_path / 'record.db'}"
    spec: dict[str, Any] = {
        "name": "theirs",
        "trial": {"kind": "saddle"},
        "arms": {"one": {"space": "planted_space:space", "trials": 3}},
    }
    ledger = Ledger(record)
    ledger.store_spec("theirs", spec)
    ledger.close()
    return record


def test_status_and_stop_import_nothing(url: str, tmp_path: Path) -> None:
    [found] = status("theirs", url)
    assert found.arms["one"].budget == 3
    assert request_stop("theirs", url) is False
    assert not (tmp_path / "imported").exists()


def test_a_launch_does(url: str, tmp_path: Path) -> None:
    stored_spec("theirs", url)
    assert (tmp_path / "imported").exists()


def test_show_imports_nothing(url: str, tmp_path: Path) -> None:
    ledger = Ledger(url)
    fields = ledger.stored_spec("theirs") or {}
    settings = {"kind": "saddle", "steps": 4, "evaluate_every": 2}
    ledger.store_spec("theirs", {**fields, "trial": settings})
    opened = ledger.arm("theirs", "one")
    opened.ask(one_timescale(b=(1e-3, 1e-2), d_steps=(1,)))
    ledger.close()
    places = {"record": url}
    shown = study.show("theirs", "one/0", home=str(tmp_path / "home"), places=places)
    assert shown.identity == "theirs/one/0"
    assert not (tmp_path / "imported").exists()
