"""The clock on the wall jumps under a running study: nothing depends on it but what is shown."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from support.processes import end_hard
from support.study import Place, assert_whole, saddle_spec

pytestmark = pytest.mark.faults

SITE = '''
"""Python imports this module as it starts: in this process the clock is off by what a file says."""
import pathlib, time

_file, _time = pathlib.Path(__file__).with_name("clock"), time.time
time.time = lambda: _time() + float(_file.read_text())
'''
"""Ray does not survive libfaketime, nor does a class in place of datetime (Optuna's dates stay right)."""


def test_the_clock_is_set_back_and_forth(tmp_path: Path) -> None:
    def is_off_by(days: float) -> None:
        (tmp_path / "clock.new").write_text(str(days * 86400))
        (tmp_path / "clock.new").rename(tmp_path / "clock")

    is_off_by(0)
    (tmp_path / "sitecustomize.py").write_text(SITE)
    place = Place(tmp_path)
    spec = str(place.write(saddle_spec(trials=2)))
    place.hold(10)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("little", 10, 2, process)
        for step, days in ((20, -3), (30, 5)):
            is_off_by(days)
            place.hold(step)
            place.wait_for_checkpoints("little", step, 2, process)
        refused = place.ttur("launch", spec, expect=1)
        assert f"is already being run by process {process.pid}" in refused
        assert place.json("status", "little")["state"] == "running"
        process.kill()
    finally:
        end_hard(process)
    is_off_by(-10)
    place.let_go()
    place.ttur("launch", spec)
    assert_whole(place, "little", 2)
    histories = [
        sorted(place.store().get_metric_history(run.info.run_id, "score"), key=lambda p: p.step)
        for run in place.runs("little")
    ]
    assert any(
        earlier.timestamp > later.timestamp + 86_400_000
        for points in histories
        for earlier, later in pairwise(points)
    ), "the clock was not moved"
