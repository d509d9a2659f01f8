"""The state of studies, read from the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from study.ground.confirming import confirming
from study.record.database import Counts, Ledger
from study.record.lease import driven
from study.record.named import NOTES, is_confirmed
from study.record.opening import existing, not_found, require
from study.trial import Outcome


@dataclass
class ArmStatus:
    """Trials of one arm; in a finished one complete + diverged + failed = budget.

    Attributes:
        budget: Trials that the spec asks for.
        complete: Trials that made all their steps, or were stopped by the rule.
        diverged: Trials that could not go on: something was not finite.
        failed: Trials that could not be run.
        running: Trials in the hands of a living driver.
        interrupted: Trials that were cut off; the next launch continues them.
    """

    budget: int
    complete: int = 0
    diverged: int = 0
    failed: int = 0
    running: int = 0
    interrupted: int = 0


@dataclass
class StudyStatus:
    """A study's state and that of its arms.

    Attributes:
        slots: How many trials its launch can run at once on the nodes that are there; None if none runs.
        study: Its name.
        state: Whether it has been brought to its spec, its confirmation included, and else whether a driver
            is at it.
        arms: How far each arm is.
        confirmation: How far the study is that confirms it, or None.
    """

    study: str
    state: Literal["running", "interrupted", "finished"]
    arms: dict[str, ArmStatus] = field(default_factory=dict)
    slots: int | None = None
    confirmation: StudyStatus | None = None

    @property
    def busy(self) -> int | None:
        """How many of the slots have a trial; a trial more than there are slots waits for one."""
        running = sum(arm.running for arm in self.arms.values())
        return None if self.slots is None else min(running, self.slots)

    def to_json(self) -> dict[str, Any]:
        """Returns the status as plain JSON values."""
        return asdict(self) | {"busy": self.busy}


def status(name: str | None, url: str) -> list[StudyStatus]:
    """Reads the state of one study, or of all.

    Args:
        name: The study; None: every study in the record.
        url: The record.

    Raises:
        UserError: There is no study of that name.
    """
    ledger = existing(url) if name is None else require(url, name)
    if ledger is None:
        return []
    try:
        specs = ledger.stored_specs(name)
        if name is not None and name not in specs:
            raise not_found(name, ledger.studies())
        held = driven(ledger.engine, name)
        counts = ledger.all_counts() if name is None else None
        found = {
            study: _status(ledger, study, specs[study], study in held, counts)
            for study in sorted(specs)
        }
        notes = ledger.notes(NOTES, name)
        for study, state in found.items():
            made = found.get(confirming(study))
            if made is None and name is not None:
                made = _confirmation(ledger, study, study in held)
            _confirmed(state, made, specs[study], notes.get(study, {}), study in held)
        return list(found.values())
    finally:
        ledger.close()


def _confirmation(ledger: Ledger, study: str, held: bool) -> StudyStatus | None:
    """How far the study is that confirms another one."""
    name = confirming(study)
    stored = ledger.stored_spec(name)
    return None if stored is None else _status(ledger, name, stored, held, None)


def _confirmed(
    state: StudyStatus,
    made: StudyStatus | None,
    spec: dict[str, Any],
    notes: Mapping[str, Mapping[str, Any]],
    held: bool,
) -> None:
    """Adds how far the confirmation of a study is; one that is due and not done leaves it unfinished."""
    state.confirmation = made
    confirms = (spec.get("confirm") or {}).get("when", "never") != "never"
    if state.state != "finished" or not confirms:
        return
    after = {arm: a.complete + a.diverged + a.failed for arm, a in state.arms.items()}
    if not is_confirmed(notes, after) or (made is not None and made.state != "finished"):
        state.state = "running" if held else "interrupted"


def _status(
    ledger: Ledger,
    study: str,
    spec: dict[str, Any],
    held: bool,
    counted: Mapping[str, Counts] | None,
) -> StudyStatus:
    """The state of one study; its arms are counted one by one unless that was done for all."""
    arms = {}
    # Not parsed as a spec: that would import a search space of the user's own, and this only looks.
    for name, arm in spec["arms"].items():
        if counted is None:
            counts = ledger.counts(study, name)
        else:
            counts = counted.get(f"{study}/{name}", Counts(0, Counter(), 0))
        going = counts.asked - counts.ended.total()
        diverged, failed = counts.ended[Outcome.DIVERGED], counts.ended[Outcome.FAILED]
        found = ArmStatus(
            budget=arm["trials"],
            complete=counts.ended.total() - diverged - failed,
            diverged=diverged,
            failed=failed,
            running=going if held else 0,
            interrupted=0 if held else going,
        )
        arms[name] = found
    ended = all(a.complete + a.diverged + a.failed >= a.budget for a in arms.values())
    state: Literal["running", "interrupted", "finished"] = "finished" if ended else "interrupted"
    if not held or ended:
        return StudyStatus(study=study, state=state, arms=arms)
    return StudyStatus(study=study, state="running", arms=arms, slots=ledger.slots(study))
