"""What the record keeps about MLflow: whose its experiments are, and of which store "published" is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from support.study import empty_record, saddle_spec, trial_of

from study.driver.beginning import publication_of
from study.places.locations import Places
from study.record.database import Ledger
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.spec.model import Spec
from trainables.assignment import Turn
from trainables.protocol import Measurement


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(empty_record(tmp_path))
    yield made
    made.close()


def filled(ledger: Ledger, name: str, folder: Path) -> None:
    """A study of one ended, published trial in each arm."""
    spec = Spec.model_validate(saddle_spec(name, trials=1))
    ledger.store_spec(name, spec.model_dump(mode="json"))
    places = Places(record="", tracking="", artifacts=None, checkpoints=str(folder), cache="")
    conductor = Conductor(spec, ledger, places)
    while (assignment := conductor.next()) is not None:
        measured = (Measurement(step=40, score=1.0, time=1e9),)
        turn = Turn(step=40, steps=40, measurements=measured, finished=True)
        conductor.turn(assignment.identity, turn)
        ended = trial_of(conductor, assignment.identity)
        conductor.keep_run(ended, f"run-of-{ended.identity}")


def unpublished(ledger: Ledger, study: str) -> list[int]:
    return [ledger.counts(study, arm).unpublished for arm in ("one_timescale", "two_timescale")]


def test_an_identity_is_made_once_and_is_no_other_studys(ledger: Ledger) -> None:
    assert Publication(ledger, "x").known_identity() is None
    made = Publication(ledger, "x").identity()
    assert Publication(ledger, "x").identity() == Publication(ledger, "x").known_identity() == made
    assert Publication(ledger, "y").identity() != made
    # One that has an identity and no spec yet is no study: its launch was refused.
    assert ledger.studies() == []
    assert ledger.stored_spec("x") is None


def test_a_confirming_study_has_the_identity_of_the_one_that_it_confirms(ledger: Ledger) -> None:
    ledger.store_spec("x", {"name": "x"})
    confirming = publication_of(ledger, "x.confirm").identity()
    assert confirming == publication_of(ledger, "x").identity()
    assert publication_of(ledger, "y.confirm").identity() != confirming  # there is no y


def test_the_runs_of_a_study_are_those_kept_with_its_own_trials(
    ledger: Ledger, tmp_path: Path
) -> None:
    for name in ("x", "X", "xx"):
        filled(ledger, name, tmp_path / name)
    found = {f"run-of-x/{arm}/0" for arm in ("one_timescale", "two_timescale")}
    assert Publication(ledger, "x").runs() == found
    assert Publication(ledger, "none").runs() == set()


def test_the_next_number_of_each_arm_is_told(ledger: Ledger, tmp_path: Path) -> None:
    for name in ("x", "X", "xx"):
        filled(ledger, name, tmp_path / name)
    assert Publication(ledger, "x").trials() == {"one_timescale": 1, "two_timescale": 1}
    optuna.create_study(storage=ledger.storage, study_name="x/empty")
    assert Publication(ledger, "x").trials()["empty"] == 0
    assert Publication(ledger, "none").trials() == {}


def test_published_is_true_of_one_store(ledger: Ledger, tmp_path: Path) -> None:
    for name in ("x", "X", "xx"):
        filled(ledger, name, tmp_path / name)
    publication = Publication(ledger, "x")
    assert unpublished(ledger, "x") == [0, 0]
    assert publication.moved_to(
        "1@100"
    )  # as an earlier version left it: nobody knows of which store
    assert unpublished(ledger, "x") == [1, 1]
    assert unpublished(ledger, "X") == unpublished(ledger, "xx") == [0, 0]
    filled_again(ledger, tmp_path)
    publication.keep_shown({"one_timescale": 1})
    assert not publication.moved_to("1@100")
    assert unpublished(ledger, "x") == [0, 0]
    assert publication.shown() == {"one_timescale": 1}
    assert publication.moved_to("1@200")  # the same number in an emptied store
    assert unpublished(ledger, "x") == [1, 1]
    assert publication.shown() is None
    assert publication.runs()  # what was published where is no secret: the ids stay


def filled_again(ledger: Ledger, folder: Path) -> None:
    spec = Spec.model_validate(saddle_spec("x", trials=1))
    places = Places(record="", tracking="", artifacts=None, checkpoints=str(folder / "x"), cache="")
    conductor = Conductor(spec, ledger, places)
    for name, state in conductor.arms.items():
        assert state.unpublished == [0]
        conductor.keep_run(trial_of(conductor, f"x/{name}/0"), "again")
