"""The jobs of the publisher: what waits to be published."""

from __future__ import annotations

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
