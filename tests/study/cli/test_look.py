"""What the verbs that only look print."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import NoReturn

import pytest

import study.api
import study.api.sites
from study.cli import verbs
from study.cli.look import status_table
from study.cli.options import brief
from study.errors import UserError
from study.record.status import ArmStatus, StudyStatus


def test_the_status_table_adds_up() -> None:
    arm = ArmStatus(budget=5, complete=2, diverged=1, failed=1, running=1)
    text = status_table([StudyStatus(study="s", state="running", arms={"one_timescale": arm})])
    assert text.splitlines()[1].split() == [
        "s",
        "running",
        "one_timescale",
        "4",
        "5",
        "2",
        "1",
        "1",
        "1",
        "0",
    ]


def test_the_slots_of_a_study_that_runs_are_told_below_the_table() -> None:
    arms = {"one": ArmStatus(budget=5, running=3), "two": ArmStatus(budget=5, running=2)}
    running = StudyStatus(study="s", state="running", arms=arms, slots=4)
    idle = StudyStatus(study="t", state="interrupted", arms={"one": ArmStatus(budget=5)})
    assert status_table([running, idle]).splitlines()[-2:] == ["", "s: 4 of 4 slots busy"]
    assert "slot" not in status_table([idle])


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_a_verb_that_reads_collects_no_garbage_meanwhile_and_leaves_it_as_it_was(
    before: bool, fails: bool
) -> None:
    meanwhile: list[bool] = []

    def verb(name: str, *, top: int) -> str:
        meanwhile.append(gc.isenabled())
        if fails:
            raise UserError("no")
        return f"{name} {top}"

    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(UserError) if fails else nullcontext():
            assert brief(verb)("s", top=3) == "s 3"
        assert (meanwhile, gc.isenabled()) == ([False], before)
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("verb", ["status", "best", "trials", "compare", "report"])
def test_what_reads_all_trials_is_such_a_verb(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    meanwhile: list[bool] = []

    def read(*_: object, **__: object) -> NoReturn:
        meanwhile.append(gc.isenabled())
        raise UserError("no")

    monkeypatch.setattr(study.api.sites, "published", read)
    monkeypatch.setattr(study.api, "status", read)
    with pytest.raises(UserError):
        verbs.cli([verb, "s"], standalone_mode=False)
    assert meanwhile == [False]
