"""Reads what a trial printed, and the traceback of one that failed, from its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from study.errors import UserError
from study.places.locations import Places
from study.record.opening import not_found, require
from study.spec.model import Storage
from trainables.folder import ERROR, LOG, Folder, read_text


@dataclass(frozen=True, kw_only=True)
class TrialLog:
    """What a trial left to be read.

    Attributes:
        trial: ``study/arm/number``.
        folder: Where its files are.
        log: What its processes printed, the first and the last of it; None if they printed nothing.
        error: The traceback of a failed one, or None.
    """

    trial: str
    folder: str
    log: str | None
    error: str | None


def logs(name: str, trial: str, resolved: Callable[[Storage | None], Places]) -> TrialLog:
    """Reads the log of a trial.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``.
        resolved: Gives the places of the study, once its record was found also by what its spec says.

    Raises:
        UserError: There is no such study or trial, or its folder cannot be read from here.
    """
    ledger = require(resolved(None).record, name)
    try:
        # Not parsed as a spec: that would import a search space of the user's own, and looking runs nothing.
        spec = ledger.stored_spec(name)
        if spec is None:
            raise not_found(name, ledger.studies())
        arm, _, number = trial.rpartition("/")
        if arm not in spec["arms"] or not (number.isascii() and number.isdigit()):
            raise UserError(
                f"{trial} is not a trial of {name}; write ARM/NUMBER, with one of the arms "
                f"{', '.join(spec['arms'])}"
            )
    finally:
        ledger.close()
    storage = Storage.model_validate(spec.get("storage") or {})
    folder = resolved(storage).folder(name, arm, int(number))
    try:
        log, error = read_text(folder, LOG), read_text(folder, ERROR)
        nothing = log is None and error is None and not Folder(folder).names()
    except (OSError, ImportError, ValueError) as cause:
        raise UserError(f"the folder {folder} cannot be read from here: {cause}") from None
    if nothing:
        raise UserError(
            f"{folder} holds nothing: the trial {trial} of {name} has not begun, or its files are elsewhere; "
            "look at `ttur status`, or give --checkpoints"
        )
    return TrialLog(trial=f"{name}/{arm}/{int(number)}", folder=folder, log=log, error=error)
