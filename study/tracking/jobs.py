"""The jobs of the publisher: what waits to be published, and after which pauses MLflow is asked again."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, replace

from study.tracking.content import ArmRecord
from study.trial import TrialRecord


@dataclass(frozen=True)
class Job:
    """One thing to publish: a trial, or an arm.

    Attributes:
        record: Its newest state.
        fresh: It is a trial that was asked for just now.
        stored: It is a trial as the record has it, with more in its folder.
        files: It is published but for its files.
    """

    record: TrialRecord | ArmRecord
    fresh: bool = False
    stored: bool = False
    files: bool = False

    @property
    def identity(self) -> str:
        """Whose state it is."""
        return self.record.identity

    def for_files(self, run_id: str) -> Job:
        """The same with nothing to send but files; what an ended trial measured is in its folder."""
        if isinstance(self.record, ArmRecord):
            return replace(self, files=True)
        record = replace(self.record, mlflow_run_id=run_id)
        if record.outcome is None:
            return replace(self, record=record, fresh=False, files=True)
        return Job(record.scores_alone(), stored=True, files=True)


FIRST_PAUSE, LONGEST_PAUSE, CLOSING_PAUSE = 0.5, 60.0, 1.0
"""Seconds between attempts: after the first failure, at most, and at most while closing."""

LAST_TRIES = 3
"""So often, the end tries whether a store of files that was away is back."""

FILES_SHARE = 3
"""A store of files that hangs is left alone for so many times as long as it took to fail."""


@dataclass
class FileStore:
    """Whether the store of files took the last ones, and when it is next asked (of time.monotonic)."""

    failures: int = 0
    closing_failures: int = 0
    asked_again: float = -math.inf

    @property
    def given_up(self) -> bool:
        """Whether the end does without it."""
        return self.closing_failures >= LAST_TRIES

    def failed(self, took: float, closing: bool) -> None:
        """Takes note of a failure after so many seconds."""
        self.failures += 1
        self.closing_failures += closing
        pause = (
            min(pause_after(self.failures), CLOSING_PAUSE)
            if closing
            else pause_after(self.failures)
        )
        rest = pause if closing else max(pause, FILES_SHARE * took)
        self.asked_again = time.monotonic() + rest


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    # Jitter: the drivers of several studies must not come back to a server at the same instant.
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
    return pause * random.uniform(0.5, 1.0)


@dataclass
class Closing:
    """How long the end may still take; times are of :func:`time.monotonic`.

    MLflow that takes one record after the other is well, however many wait: what ends the waiting is
    that nothing was taken for a while.
    """

    patience: float
    latest: float
    success: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the publisher gives up."""
        return min(self.success + self.patience, self.latest) - time.monotonic()
