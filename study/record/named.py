"""The finalists of a study as its record keeps them: named once for each state of its search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import optuna

from study.ground.confirming import confirmed_by
from study.record.database import Ledger

FINALISTS = "finalists"
CONFIRMED = "confirmed"


@dataclass(frozen=True, kw_only=True)
class Named:
    """Which trials were named to be trained again.

    Attributes:
        after: How many trials of each arm had ended.
        count: How many of each arm were asked for.
        numbers: The trials of each arm, the most promising first; none where nothing could be named.
    """

    after: Mapping[str, int]
    count: int
    numbers: Mapping[str, Sequence[int]]

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return any(self.numbers.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(after=data["after"], count=data["count"], numbers=data["numbers"])


def named(ledger: Ledger, study: str) -> Named | None:
    """The finalists that were named last, or None."""
    data = ledger.noted(study, FINALISTS)
    return None if data is None else Named.from_json(data)


def keep_named(ledger: Ledger, study: str, finalists: Named) -> None:
    """Stores which trials are trained again."""
    ledger.note(study, FINALISTS, finalists.to_json())


def keep_confirmed(ledger: Ledger, study: str) -> None:
    """Stores that the finalists that were named last have been trained again."""
    ledger.note(study, CONFIRMED, ledger.noted(study, FINALISTS) or {})


NOTES = (FINALISTS, CONFIRMED)
"""The keys under which a record tells of a confirmation."""


def is_confirmed(notes: Mapping[str, Mapping[str, Any]], after: Mapping[str, int]) -> bool:
    """Whether a launch has nobody left to name and to train again.

    Args:
        notes: What the record has noted of the study under :data:`NOTES`.
        after: How many trials of each arm have ended.
    """
    finalists = notes.get(FINALISTS)
    if finalists is None or finalists["after"] != dict(after):
        return False
    return not Named.from_json(finalists).any or notes.get(CONFIRMED) == finalists


def confirming_studies(ledger: Ledger, study: str) -> list[str]:
    """The studies that confirm another one and of which anything is in the record, sorted."""
    names = ledger.patience(lambda: optuna.get_all_study_names(ledger.storage))
    mine = {name.split("/")[0] for name in names}
    return sorted(name for name in mine if (confirmed_by(name) or ("",))[0] == study)
