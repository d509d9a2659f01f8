"""What a record notes of the finalists of a study, and when nobody is left to be trained again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest

from study.record.named import (
    NOTES,
    Named,
    confirming_studies,
    is_confirmed,
    keep_confirmed,
    keep_named,
    named,
)

AFTER = {"one": 4, "two": 6}
TWO_OF_ONE = Named(after=AFTER, count=2, numbers={"one": [3, 1], "two": []})
NOBODY = Named(after=AFTER, count=2, numbers={"one": [], "two": []})
AS_KEPT = {"after": {"one": 4, "two": 6}, "count": 2, "numbers": {"one": [3, 1], "two": []}}


@dataclass
class Notes:
    """What is noted of studies."""

    of: dict[tuple[str, str], Any] = field(default_factory=dict)
    storage: optuna.storages.BaseStorage = field(default_factory=optuna.storages.InMemoryStorage)
    asked: int = 0

    def noted(self, study: str, key: str) -> Any:
        return self.of.get((study, key))

    def note(self, study: str, key: str, value: Any) -> None:
        self.of[study, key] = value

    def patience(self, operation: Callable[[], Any]) -> Any:
        self.asked += 1
        return operation()


@pytest.fixture
def notes() -> Any:
    return Notes()


def test_finalists_are_kept_and_read_back(notes: Any) -> None:
    assert named(notes, "little") is None
    keep_named(notes, "little", TWO_OF_ONE)
    assert notes.of == {("little", "finalists"): AS_KEPT}
    assert named(notes, "little") == TWO_OF_ONE
    assert named(notes, "other") is None
    assert (TWO_OF_ONE.any, NOBODY.any) == (True, False)


def test_that_they_were_trained_again_is_kept_as_what_was_named_last(notes: Any) -> None:
    keep_confirmed(notes, "little")
    assert notes.of == {("little", "confirmed"): {}}
    keep_named(notes, "little", TWO_OF_ONE)
    keep_confirmed(notes, "little")
    assert notes.of["little", "confirmed"] == AS_KEPT
    assert set(NOTES) == {"finalists", "confirmed"}


@pytest.mark.parametrize(
    ("finalists", "confirmed", "after", "done"),
    [
        (None, None, AFTER, False),
        (TWO_OF_ONE, None, AFTER, False),
        (TWO_OF_ONE, {}, AFTER, False),
        (TWO_OF_ONE, AS_KEPT, AFTER, True),
        (TWO_OF_ONE, AS_KEPT | {"count": 3}, AFTER, False),
        (TWO_OF_ONE, AS_KEPT, AFTER | {"one": 5}, False),  # more trials have ended since
        (NOBODY, None, AFTER, True),
        (NOBODY, None, {"one": 4}, False),
    ],
)
def test_nobody_is_left_if_who_was_named_last_in_this_state_was_trained_or_none_could_be_named(
    finalists: Named | None, confirmed: dict[str, Any] | None, after: dict[str, int], done: bool
) -> None:
    kept = {
        "finalists": None if finalists is None else finalists.to_json(),
        "confirmed": confirmed,
    }
    assert (
        is_confirmed({key: value for key, value in kept.items() if value is not None}, after)
        is done
    )


def test_the_studies_that_confirm_one_are_found_by_their_names(notes: Any) -> None:
    for name in (
        *("little.confirm-50", "little.confirm", "little.confirm/one-3", "little.confirm-9/two-1"),
        *("little", "little/one", "littler.confirm", "x.little.confirm", "little.confirmed"),
        "other.confirm/little",
    ):
        optuna.create_study(study_name=name, storage=notes.storage)
    # Of one whose launch was cut off at once there are arms alone.
    found = ["little.confirm", "little.confirm-50", "little.confirm-9"]
    assert confirming_studies(notes, "little") == found
    assert confirming_studies(notes, "none") == []
    assert notes.asked == 2
