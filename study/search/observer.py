"""The observers of a launch: progress, publishing and keeping are told through this protocol."""

from __future__ import annotations

from typing import Protocol

from study.trial import TrialRecord
from trainables.assignment import Turn


class Observer(Protocol):
    """Who is told of what happens: progress, and the publisher of runs."""

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out; ``fresh`` if it was asked for just now."""

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back."""

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run; that it ended so is said if another one ends well."""

    def ended(self, record: TrialRecord) -> None:
        """A trial ended."""
