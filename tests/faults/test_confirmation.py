"""A launch that is killed inside its confirmation goes on there: each run once, and one look in all."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.study import ARMS, Place, assert_whole, saddle_spec

pytestmark = pytest.mark.faults

TRIALS = 6


def test_killed_while_it_chooses_and_while_it_compares(tmp_path: Path) -> None:
    """The search has 12 trials; four runs choose among two finalists an arm, four more compare."""
    place = Place(tmp_path)
    asked = {"when": "end", "finalists": 2, "seeds": 2}
    spec = str(place.write(saddle_spec(trials=TRIALS, confirm=asked)))
    place.ttur("launch", spec, expect=-signal.SIGKILL, TTUR_FAULT=f"told:{2 * TRIALS + 2}")
    place.ttur("resume", "little", expect=-signal.SIGKILL, TTUR_FAULT="told:4")
    said = place.ttur("resume", "little")
    assert "Traceback" not in said
    assert_whole(place, "little", TRIALS)
    runs = [run.data.tags["trial"] for run in place.runs("little.confirm")]
    assert len(runs) == len(set(runs)) == 4 + 2 * 2
    found = place.json("compare", "little")["confirmation"]
    assert (found["look"], found["difference"]["seeds"]) == (1, [2, 2])
    assert sorted(each["arm"] for each in found["finalists"]) == sorted([*ARMS, *ARMS])
    assert "nothing" in place.ttur("launch", spec).lower()
