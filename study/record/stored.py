"""The stored spec of a study: read, given larger budgets; and the wish that its driver should stop."""

from __future__ import annotations

from typing import Any

from study.errors import UserError
from study.places.home import Home
from study.places.options import HERE, Options
from study.record import opening as records
from study.record.database import Ledger
from study.record.lease import Lease
from study.spec.model import Spec
from study.spec.reader import parse_spec


def stored_spec(name: str, options: Options = HERE) -> Spec:
    """Reads a study's spec from the record.

    Raises:
        UserError: There is no such study in this record.
    """
    ledger = records.require(Home(options.home).places(name, options.places or {}).record, name)
    try:
        return parse_spec(_stored(ledger, name))
    finally:
        ledger.close()


def _stored(ledger: Ledger, name: str) -> dict[str, Any]:
    data = ledger.stored_spec(name)
    if data is None:
        raise records.not_found(name, ledger.studies())
    return data


def request_stop(name: str, options: Options = HERE) -> bool:
    """Asks the driver that runs a study to stop cleanly; False if none does.

    Raises:
        UserError: There is no such study in this record.
    """
    ledger = records.require(Home(options.home).places(name, options.places or {}).record, name)
    try:
        _stored(ledger, name)
        return Lease(ledger.engine, name).request_stop()
    finally:
        ledger.close()


def extended(spec: Spec, trials: str, arm: str | None = None) -> Spec:
    """Returns a spec with larger budgets.

    Args:
        spec: The stored spec.
        trials: ``40`` for a budget of 40 in all, ``+40`` for 40 more.
        arm: The arm; None: every arm.

    Raises:
        UserError: No such arm, no number, or a budget that would shrink.
    """
    if arm is not None and arm not in spec.arms:
        raise UserError(f"--arm {arm}: the study has the arms {', '.join(spec.arms)}")
    digits = trials.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise UserError(f"--trials {trials!r} is no budget; write 40 (in all) or +40 (more)")
    budgets = {}
    for name in [arm] if arm else spec.arms:
        now = spec.arms[name].trials
        budgets[name] = now + int(digits) if trials.startswith("+") else int(digits)
        if budgets[name] < now:
            raise UserError(
                f"--trials {trials}: arms.{name} has a budget of {now} already; a budget can only grow"
            )
    return parse_spec(spec.with_budgets(budgets).model_dump(mode="json"))
