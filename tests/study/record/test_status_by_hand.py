"""What a status says of studies, from counts that stand here and not in a database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from study.errors import UserError
from study.record import status as status_module
from study.record.database import Counts
from study.record.status import ArmStatus, StudyStatus, status
from study.trial import Outcome

DONE = Counter({Outcome.COMPLETE: 2, Outcome.STOPPED: 1, Outcome.DIVERGED: 2, Outcome.FAILED: 1})
NAMED = {"after": {"one": 6}, "count": 1, "numbers": {"one": [3]}}


def spec(budget: int, **parts: Any) -> dict[str, Any]:
    return {"arms": {"one": {"trials": budget}}, **parts}


CONFIRMS = {"confirm": {"when": "end"}}


@dataclass
class Book:
    """A record, and who drives its studies."""

    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    arms: dict[str, Counts] = field(default_factory=dict)
    noted: dict[str, dict[str, Any]] = field(default_factory=dict)
    rooms: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    engine: str = "the engine"
    closed: int = 0
    asked: list[str] = field(default_factory=list)

    def stored_specs(self, name: str | None) -> dict[str, dict[str, Any]]:
        return {n: s for n, s in self.specs.items() if name in (None, n)}

    def stored_spec(self, name: str) -> dict[str, Any] | None:
        self.asked.append(f"spec of {name}")
        return self.specs.get(name)

    def studies(self) -> list[str]:
        return sorted(self.specs)

    def all_counts(self) -> dict[str, Counts]:
        self.asked.append("counts of all")
        return self.arms

    def counts(self, study: str, arm: str) -> Counts:
        self.asked.append(f"counts of {study}/{arm}")
        return self.arms.get(f"{study}/{arm}", Counts(0, Counter(), 0))

    def notes(self, keys: Any, name: str | None) -> dict[str, dict[str, Any]]:
        assert set(keys) == {"finalists", "confirmed"}
        self.asked.append(f"notes of {name or 'all'}")
        return {n: kept for n, kept in self.noted.items() if kept and name in (None, n)}

    def slots(self, study: str) -> int | None:
        return self.rooms.get(study)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    made = Book()

    def driven(engine: str, name: str | None) -> set[str]:
        assert engine == "the engine"
        made.asked.append(f"driver of {name or 'all'}")
        return {study for study in made.held if name in (None, study)}

    def existing(url: str) -> Book | None:
        return made if url == "here" else None

    def require(url: str, name: str) -> Book:
        if url != "here":
            raise UserError(f"{name} is not in this record")
        return made

    for name, function in (("driven", driven), ("existing", existing), ("require", require)):
        monkeypatch.setattr(status_module, name, function)
    return made


def both(book: Book, name: str) -> list[StudyStatus]:
    """A study's status alone and among all, which are the same."""
    (alone,) = status(name, "here")
    (among,) = (each for each in status(None, "here") if each.study == name)
    assert alone == among
    assert book.closed == 2
    book.closed = 0
    return [alone, among]


def test_where_there_is_no_record_there_is_no_study(book: Book) -> None:
    assert status(None, "elsewhere") == []
    with pytest.raises(UserError, match="x is not in this record"):
        status("x", "elsewhere")
    assert book.closed == 0


def test_a_study_that_is_not_there_is_refused_with_those_that_are(book: Book) -> None:
    book.specs = {"y": spec(1), "x": spec(1)}
    with pytest.raises(UserError, match=r"none is not a study in this record \(it has x, y\);"):
        status("none", "here")
    assert book.closed == 1
    assert [found.study for found in status(None, "here")] == ["x", "y"]


@pytest.mark.parametrize("held", [True, False])
def test_the_trials_of_an_arm_by_how_they_stand(book: Book, held: bool) -> None:
    book.specs, book.rooms = {"x": spec(9)}, {"x": 2}
    book.arms = {"x/one": Counts(9, DONE, 0)}
    book.held = {"x"} if held else {"y"}
    for found in both(book, "x"):
        assert found.arms == {
            "one": ArmStatus(
                budget=9,
                complete=3,
                diverged=2,
                failed=1,
                running=3 if held else 0,
                interrupted=0 if held else 3,
            )
        }
        assert found.state == ("running" if held else "interrupted")
        assert (found.slots, found.busy) == ((2, 2) if held else (None, None))
        assert found.confirmation is None
        assert found.to_json()["busy"] == found.busy
        assert found.to_json()["arms"]["one"]["budget"] == 9


def test_a_look_at_one_study_asks_about_it_and_one_at_all_asks_once(book: Book) -> None:
    book.specs = {"x": spec(9), "y": spec(9)}
    status("x", "here")
    about_one = ["driver of x", "counts of x/one", "notes of x", "spec of x.confirm"]
    assert book.asked == about_one
    status(None, "here")
    assert book.asked[4:] == ["driver of all", "counts of all", "notes of all"]


def test_slots_of_which_none_or_some_are_busy(book: Book) -> None:
    book.specs, book.rooms, book.held = {"x": spec(9)}, {"x": 5}, {"x"}
    assert [found.busy for found in both(book, "x")] == [0, 0]
    book.arms = {"x/one": Counts(3, Counter(), 0)}
    assert [found.busy for found in both(book, "x")] == [3, 3]


def test_an_arm_of_which_nothing_was_asked_for_has_no_trial(book: Book) -> None:
    book.specs = {"x": spec(3)}
    for found in both(book, "x"):
        assert found.arms == {"one": ArmStatus(budget=3)}
        assert found.state == "interrupted"


@pytest.mark.parametrize(("budget", "state"), [(5, "finished"), (6, "finished"), (7, "running")])
def test_a_study_is_finished_when_every_arm_has_its_budget(
    book: Book, budget: int, state: str
) -> None:
    book.specs = {"x": {"arms": {"one": {"trials": budget}, "two": {"trials": 1}}}}
    book.arms = {"x/one": Counts(6, DONE, 0), "x/two": Counts(1, Counter({Outcome.FAILED: 1}), 0)}
    book.held, book.rooms = {"x"}, {"x": 4}
    for found in both(book, "x"):
        assert found.state == state
        assert found.slots == (4 if state == "running" else None)
    book.arms["x/two"] = Counts(1, Counter(), 0)
    assert {found.state for found in both(book, "x")} == {"running"}


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    ("parts", "noted", "finished"),
    [
        ({}, {}, True),
        ({"confirm": None}, {}, True),
        ({"confirm": {}}, {}, True),
        ({"confirm": {"when": "never"}}, {}, True),
        (CONFIRMS, {}, False),
        (CONFIRMS, {"finalists": NAMED}, False),
        (CONFIRMS, {"finalists": NAMED, "confirmed": NAMED}, True),
        (CONFIRMS, {"finalists": NAMED | {"after": {"one": 5}}, "confirmed": NAMED}, False),
        (CONFIRMS, {"finalists": NAMED | {"numbers": {"one": []}}}, True),
    ],
)
def test_a_study_that_is_to_be_confirmed_is_finished_with_its_confirmation(
    book: Book, parts: dict[str, Any], noted: dict[str, Any], finished: bool, held: bool
) -> None:
    book.specs, book.noted = {"x": spec(6, **parts)}, {"x": noted}
    book.arms = {"x/one": Counts(6, DONE, 0)}
    book.held = {"x"} if held else set()
    expected = "finished" if finished else "running" if held else "interrupted"
    assert {found.state for found in both(book, "x")} == {expected}


@pytest.mark.parametrize("held", [True, False])
def test_a_confirmation_that_is_not_done_leaves_the_study_unfinished(
    book: Book, held: bool
) -> None:
    confirmed = {"finalists": NAMED, "confirmed": NAMED}
    book.specs = {"x": spec(6, **CONFIRMS), "x.confirm": spec(4)}
    book.noted = {"x": confirmed}
    book.arms = {"x/one": Counts(6, DONE, 0), "x.confirm/one": Counts(1, Counter(), 0)}
    book.held = {"x", "x.confirm"} if held else set()  # a launch that confirms holds both
    state = "running" if held else "interrupted"
    for found in both(book, "x"):
        assert found.state == state
        assert found.confirmation is not None
        assert (found.confirmation.study, found.confirmation.state) == ("x.confirm", state)
        assert found.confirmation.arms["one"].running == (1 if held else 0)
    book.arms["x.confirm/one"] = Counts(4, Counter({Outcome.COMPLETE: 4}), 0)
    assert {found.state for found in both(book, "x")} == {"finished"}
    book.arms["x/one"] = Counts(5, DONE - Counter({Outcome.FAILED: 1}), 0)
    assert {found.state for found in both(book, "x")} == {state}
