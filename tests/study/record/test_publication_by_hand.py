"""What the record keeps of a study's dealings with MLflow, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import create_trial
from support.study import empty_record

from study.record.database import Ledger
from study.record.publication import Publication


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(empty_record(tmp_path))
    yield made
    made.close()


def attributes(ledger: Ledger, study: str) -> dict[str, Any]:
    return optuna.load_study(study_name=study, storage=ledger.storage).user_attrs


def trials(ledger: Ledger, arm: str, *kept: dict[str, Any]) -> None:
    study = optuna.create_study(study_name=arm, storage=ledger.storage)
    study.add_trials([create_trial(value=1.0, user_attrs=one) for one in kept])


def test_of_a_study_that_is_not_there_nothing_is_known_and_nothing_is_made(ledger: Ledger) -> None:
    publication = Publication(ledger, "x")
    assert publication.study == "x"
    assert publication.known_identity() is None
    assert publication.deleting is False
    assert (publication.shown(), publication.reported()) == (None, None)
    assert publication.looked() == ()
    assert publication.runs() == set()
    assert optuna.get_all_study_names(ledger.storage) == []


def test_an_identity_is_given_or_made_and_then_stays(ledger: Ledger) -> None:
    publication = Publication(ledger, "x")
    assert publication.identity("given") == "given"
    assert publication.identity("another") == publication.identity() == "given"
    assert attributes(ledger, "x") == {"identity": "given"}
    made = Publication(ledger, "y").identity()
    assert len(made) == 32
    assert int(made, 16) > 0


def test_what_is_kept_of_a_study_is_kept_under_these_keys(ledger: Ledger) -> None:
    """Later versions read them."""
    publication = Publication(ledger, "x")
    publication.intend_deletion()
    publication.keep_shown({"one": 3})
    publication.keep_reported({"after": {"one": 3}})
    expected = {"deleting": True, "published": {"one": 3}, "reported": {"after": {"one": 3}}}
    assert attributes(ledger, "x") == expected
    assert publication.deleting is True
    assert publication.shown() == {"one": 3}
    assert publication.reported() == {"after": {"one": 3}}
    publication.keep_shown(None)
    publication.keep_reported(None)
    assert (publication.shown(), publication.reported()) == (None, None)


def test_each_time_that_a_study_came_to_its_end_is_kept_once_in_order(ledger: Ledger) -> None:
    publication = Publication(ledger, "x")
    for count in (8, 12, 8, 4):
        publication.keep_looked(count)
    assert publication.looked() == (4, 8, 12)
    assert attributes(ledger, "x") == {"looked": [4, 8, 12]}


def test_in_another_store_only_the_runs_of_this_studys_trials_are_still_known(
    ledger: Ledger,
) -> None:
    shown = {"mlflow_run_id": "r1", "published": True, "reason": "kept"}
    trials(ledger, "x/one", shown, {"mlflow_run_id": "r2"}, {"published": True})
    trials(ledger, "x/two", shown | {"mlflow_run_id": "r3"})
    for other in ("X/one", "xx/one", "x", "y/x/one"):
        trials(ledger, other, shown | {"mlflow_run_id": f"of {other}"})
    publication = Publication(ledger, "x")
    assert publication.runs() == {"r1", "r2", "r3"}
    publication.keep_shown({"one": 3})
    publication.keep_reported({"a": 1})
    assert publication.moved_to("here") is True
    left = [
        [{"mlflow_run_id": "r1", "reason": "kept"}, {"mlflow_run_id": "r2"}, {}],
        [{"mlflow_run_id": "r3", "reason": "kept"}],
        *([shown | {"mlflow_run_id": f"of {other}"}] for other in ("X/one", "xx/one", "y/x/one")),
    ]
    fresh = Ledger(ledger._url)
    names = ("x/one", "x/two", "X/one", "xx/one", "y/x/one")
    studies = [optuna.load_study(study_name=n, storage=fresh.storage) for n in names]
    assert [[trial.user_attrs for trial in study.trials] for study in studies] == left
    fresh.close()
    assert (publication.shown(), publication.reported()) == (None, None)
    publication.keep_shown({"one": 3})
    assert publication.moved_to("here") is False
    assert publication.shown() == {"one": 3}
    assert publication.moved_to("there") is True
    assert publication.shown() is None
    assert attributes(ledger, "x")["published_to"] == "there"


def test_an_arm_has_as_many_trials_as_its_highest_number_says(ledger: Ledger) -> None:
    trials(ledger, "x/one", {}, {}, {})
    trials(ledger, "x/of/two", {})
    trials(ledger, "x/none")
    trials(ledger, "y/one", *({} for _ in range(5)))
    Publication(ledger, "x").identity()
    assert Publication(ledger, "x").trials() == {"one": 3, "of/two": 1, "none": 0}
    assert Publication(ledger, "y").trials() == {"one": 5}
    assert Publication(ledger, "z").trials() == {}


def test_trials_are_counted_with_the_record_s_patience(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials(ledger, "x/one", {})
    patience, asked = ledger.patience, list[object]()
    monkeypatch.setattr(ledger, "patience", lambda read: asked.append(read) or patience(read))
    assert Publication(ledger, "x").trials() == {"one": 1}
    assert len(asked) == 1
