"""A fault of the environment: it ends a launch, uses nothing up, and the study goes on when it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.here import run_here
from support.study import ARMS, Place, assert_whole, saddle_spec

pytestmark = pytest.mark.slow


def block(place: Place, *arms: str) -> list[Path]:
    """Puts files where the folders of arms' trials belong: nobody can write there, not even root."""
    run_here(saddle_spec(trials=0), place.home)
    blocked = [place.home / "checkpoints" / "little" / arm for arm in arms]
    for path in blocked:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not a folder")
    return blocked


def test_a_place_that_cannot_be_written_uses_no_trial_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    blocked = block(place, *ARMS)
    spec = str(place.write(saddle_spec(trials=4, resources={"max_failures": 0})))
    said = place.ttur("launch", spec, expect=3)
    assert "5 trials in a row failed" in said
    assert "Traceback" not in said
    status = place.json("status", "little")
    assert status["state"] == "interrupted"
    assert sum(arm["failed"] for arm in status["arms"].values()) == 0
    for file in blocked:
        file.unlink()
    place.ttur("resume", "little")
    assert_whole(place, "little", 4)


TALKS = """
import os
from torch import nn

class Late(nn.Module):
    def forward(self, z):  # only an evaluation draws so many: a launch looks at fewer before it begins
        if len(z) > 50 and z.shape[1] == 3:
            raise ValueError("latent 3 never works")
        return z

def pair(*, channels, side, latent, width):
    print("a word of the network")
    os.write(2, b"from C\\n")
    g = nn.Sequential(
        Late(), nn.Linear(latent, side * side), nn.Tanh(), nn.Unflatten(1, (channels, side, side))
    )
    return g, nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 1))
"""


def test_what_a_trial_prints_and_how_it_failed_can_be_read(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "talks.py").write_text(TALKS)
    space = {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]}
    spec = {
        "name": "talk",
        "trial": {
            "kind": "gan",
            "data": "digits",
            "networks": {"name": "talks:pair", "latent": 4},
            "batch_size": 8,
            "steps": 2,
            "evaluate_every": 1,
            "score": {"extractor": "digits", "samples": 100},
        },
        "arms": {
            "well": {**space, "further": {"networks.latent": {"choices": [4]}}},
            "badly": {**space, "further": {"networks.latent": {"choices": [3]}}},
        },
        "resources": {"cpus": 1, "max_failures": 0},
    }
    said = place.ttur("launch", str(place.write(spec)))
    assert "networks.latent 3) failed: ValueError" in said
    assert "a word of the network\nfrom C\n" in place.ttur("logs", "talk", "well/0")
    found = place.json("logs", "talk", "badly/0")
    assert "a word of the network" in found["log"]
    assert "talks.py" in found["error"]
    assert found["error"].strip().endswith("latent 3 never works")
    store = place.store()
    files = {
        run.data.tags["arm"]: {file.path for file in store.list_artifacts(run.info.run_id)}
        for run in place.runs("talk")
    }
    assert {"log.txt"} <= files["well"]
    assert "error.txt" not in files["well"]
    assert {"log.txt", "error.txt"} <= files["badly"]


def test_failed_trials_run_again_as_the_same_trials_and_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (blocked,) = block(place, "one_timescale")
    spec = saddle_spec(trials=2, resources={"max_failures": 0, "stop_after_failures": None})
    path = str(place.write(spec))
    place.ttur("launch", path)
    assert place.states("little", "one_timescale") == {"FAIL": 2}
    assert place.states("little", "two_timescale") == {"COMPLETE": 2}
    runs = {run.data.tags["trial"]: run.info.run_id for run in place.runs("little")}
    blocked.unlink()
    assert "finished already" in place.ttur("launch", path)
    said = place.ttur("resume", "little", "--failed", "--set", "resources.cpus=1")
    assert "little: 2 failed trials to be run again" in said
    assert_whole(place, "little", 2)
    assert place.states("little", "one_timescale") == {"COMPLETE": 2}
    assert {run.data.tags["trial"]: run.info.run_id for run in place.runs("little")} == runs
    assert all("reason" not in run.data.tags for run in place.runs("little"))
