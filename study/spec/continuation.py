"""The rules by which a spec may continue a study: what gives a score its meaning must not change.

Resources, stopping and places may; a budget may grow; a search space may be widened; an arm may be added.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from study.errors import UserError
from study.spec.model import Spec, Trial
from study.spec.parts import Arm, Part
from study.spec.reader import parse_spec, set_fields
from trainables.counting import counted
from trainables.kinds import parse_settings


def continued(
    old: Spec, new: Spec, asked: Mapping[str, int], *, known: bool = False
) -> tuple[Spec, str]:
    """Returns the spec with which a stored study goes on.

    A budget only grows: the spec file of a study that was extended still says the budget of its first day,
    and to launch it again does not mean to undo the extension.

    Args:
        old: The stored spec.
        new: The spec of this launch.
        asked: Trials that each arm has already.
        known: Whether the record knows what is in the files that the spec names.

    Returns:
        The new spec with no budget below the stored one, and a sentence on the budgets that were raised
        (empty if none was).

    Raises:
        UserError: The new spec may not take the place of the stored one; see :func:`check_continues`.
    """
    new = _as_said(old, _by_the_same_rules(old, new))
    check_continues(old, new, asked, known=known)
    raised = {}
    for name, before in old.arms.items():
        arm, have = new.arms[name], asked.get(name, 0)
        least = max(before.trials, have)
        # A grid that nothing was tried of may be exchanged for a smaller one.
        if arm.trials < least and (have or arm.grid == before.grid):
            raised[name] = least
    said = ", ".join(
        f"arms.{name}.trials is {new.arms[name].trials} here and {least} in the record"
        for name, least in raised.items()
    )
    sentence = f"{said}; a budget only grows, so that of the record counts" if said else ""
    return new.with_budgets(raised), sentence


def check_continues(old: Spec, new: Spec, asked: Mapping[str, int], *, known: bool = False) -> None:
    """Checks that a new spec may take the place of the stored one; budgets aside.

    Args:
        old: The stored spec.
        new: The spec of this launch.
        asked: Trials that each arm has already.
        known: Whether the record knows what is in the files that the spec names: it is compared, so where
            they are may change.

    Raises:
        UserError: It may not; the sentence names the fields and says what to do.
    """
    movable = {f"trial.{path}" for path in old.settings.paths}
    costs = {f"trial.{name}" for name in old.settings.costs}
    meaning = [
        f"{path} was {before!r} and is {after!r}"
        for path, before, after in differences(old.meaning(), new.meaning())
        if not (path in costs or (path in movable and (known or same_place(before, after))))
    ]
    spaces = [
        reason
        for name, arm in old.arms.items()
        for reason in _changes(name, arm, new.arms.get(name), asked.get(name, 0))
    ]
    if meaning or spaces:
        consequence = ". Scores would not be comparable" if meaning else ""
        raise UserError(
            f"the study {new.name} exists with another spec: {'; '.join([*meaning, *spaces])}"
            f"{consequence}: undo the change, or give the study a new name (--name)"
        )


def _by_the_same_rules(old: Spec, new: Spec) -> Spec:
    """A spec with the rules of the stored one, where it states none: a study goes on as it began."""
    kept = {**_kept(old, new, "data", "rules")}
    if not new.states("score", "input_size"):
        kept |= _kept(old, new, "score", "input_size")
    if not kept:
        return new
    return new.model_copy(update={"trial": Trial(parse_settings({**new.trial, **kept}))})


def _kept(old: Spec, new: Spec, group: str, field: str) -> dict[str, Any]:
    """A group of settings with one field as it is stored; nothing if it is the same, or in one alone."""
    before, after = old.trial.get(group), new.trial.get(group)
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return {}
    if before.get(field) == after.get(field) or before.get("extractor") != after.get("extractor"):
        return {}
    return {group: {**after, field: before.get(field)}}


def _as_said(old: Spec, new: Spec) -> Spec:
    """A spec that searches, stops and confirms as the stored one does in all that it does not say itself.

    A study from before a default changed, or before launches confirmed by themselves, goes on as it began.
    """
    parts = ("search", "stopping", "confirm")
    kept = {name: _unsaid_as_before(getattr(old, name), getattr(new, name)) for name in parts}
    return new.model_copy(update=kept)


def _unsaid_as_before(before: Part, after: Part) -> Part:
    unsaid = {*type(before).model_fields} - after.model_fields_set
    return after.model_copy(update={name: getattr(before, name) for name in unsaid})


def same_place(before: object, after: object) -> bool:
    """Whether two paths mean the same file or folder; an old record may hold a relative one."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return before == after
    tail = [part for part in PurePath(os.path.normpath(before)).parts if part != ".."]
    if not PurePath(before).is_absolute() and list(PurePath(after).parts)[-len(tail) :] == tail:
        return True
    return os.path.realpath(before) == os.path.realpath(after)


def _changes(name: str, old: Arm, new: Arm | None, asked: int) -> list[str]:
    """Returns why an arm cannot go on as another one."""
    if new is None:
        return [f"arms.{name} is gone"]
    if asked and new.grid != old.grid:
        # Optuna remembers which points were tried by their place in the grid.
        return [
            f"arms.{name}.grid was {old.grid} and is {new.grid}, with {counted(asked, 'trials')} of it "
            "there already"
        ]
    return [f"arms.{name}: {reason}" for reason in new.build().widens(old.build())]


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields the dotted paths at which two nested values differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(old.get(key), new.get(key), inner)
    elif old != new:
        yield path, old, new


def changed(spec: Spec, changes: Sequence[str]) -> Spec:
    """Returns a stored spec with some fields changed; a launch refuses what may not change in a study.

    Args:
        spec: The stored spec.
        changes: ``path.to.field=value``.

    Raises:
        UserError: A change cannot be read, gives an invalid spec, or another name.
    """
    if not changes:
        return spec
    new = parse_spec(set_fields(spec.model_dump(mode="json"), changes))
    if new.name != spec.name:
        raise UserError(
            f"--set name={new.name}: a study keeps its name; for a new study launch its spec file with --name"
        )
    return new


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
        raise UserError(f"--trials {trials!r} is not a budget; write 40 (in all) or +40 (more)")
    budgets = {}
    for name in [arm] if arm else spec.arms:
        now = spec.arms[name].trials
        budgets[name] = now + int(digits) if trials.startswith("+") else int(digits)
        if budgets[name] < now:
            raise UserError(
                f"--trials {trials}: arms.{name} has a budget of {now} already; a budget can only grow"
            )
    return parse_spec(spec.with_budgets(budgets).model_dump(mode="json"))


def seeds_asked(seeds: str | None, have: int) -> int:
    """Reads how many seeds finalists are compared by.

    Args:
        seeds: ``8`` for 8 in all, ``+4`` for 4 more, None for those that there are.
        have: How many there are, or the spec asks for.

    Raises:
        UserError: It is not a number, or below what there is.
    """
    if seeds is None:
        return have
    digits = seeds.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and int(digits)):
        raise UserError(
            f"--seeds {seeds!r} is not a number of seeds; write 8 (in all) or +4 (more)"
        )
    asked = have + int(digits) if seeds.startswith("+") else int(digits)
    if asked < have:
        raise UserError(
            f"--seeds {seeds}: finalists have {counted(have, 'seeds')} already; they can only grow"
        )
    return asked
