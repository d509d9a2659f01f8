"""What the verbs that only look print."""

from __future__ import annotations

from study.cli.look import status_table
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
