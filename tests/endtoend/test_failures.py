"""A fault of the environment: it ends a launch, uses nothing up, and the study goes on when it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.study import ARMS, Place, assert_whole, saddle_spec

pytestmark = pytest.mark.slow


def block(place: Place, arm: str) -> Path:
    """Puts a file where the folders of an arm's trials belong: nobody can write there, not even root."""
    place.ttur("launch", str(place.write(saddle_spec(trials=0))))
    blocked = place.home / "checkpoints" / "little" / arm
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("not a folder")
    return blocked


def test_a_place_that_cannot_be_written_uses_no_trial_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    blocked = [block(place, arm) for arm in ARMS]
    spec = str(place.write(saddle_spec(trials=4, resources={"max_failures": 0})))
    said = place.ttur("launch", spec, expect=1)
    assert "5 trials in a row failed" in said
    assert "Traceback" not in said
    status = place.json("status", "little")
    assert status["state"] == "interrupted"
    assert sum(arm["failed"] for arm in status["arms"].values()) == 0
    for file in blocked:
        file.unlink()
    place.ttur("resume", "little")
    assert_whole(place, "little", 4)


def test_failed_trials_run_again_as_the_same_trials_and_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    blocked = block(place, "one_timescale")
    spec = saddle_spec(trials=2, resources={"max_failures": 0, "stop_after_failures": None})
    path = str(place.write(spec))
    place.ttur("launch", path)
    assert place.states("little", "one_timescale") == {"FAIL": 2}
    assert place.states("little", "two_timescale") == {"COMPLETE": 2}
    runs = {run.data.tags["trial"]: run.info.run_id for run in place.runs("little")}
    blocked.unlink()
    assert "finished already" in place.ttur("launch", path)
    said = place.ttur("resume", "little", "--failed", "--set", "resources.cpus=1")
    assert "little: 2 failed trials are run again" in said
    assert_whole(place, "little", 2)
    assert place.states("little", "one_timescale") == {"COMPLETE": 2}
    assert {run.data.tags["trial"]: run.info.run_id for run in place.runs("little")} == runs
    assert all("reason" not in run.data.tags for run in place.runs("little"))
