"""Launches that end early, killed or asked to, and go on later without a step lost or made twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.processes import end_hard, ended, seeded, wait_until
from support.study import Place, assert_whole, saddle_spec, slow_saddle

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def launched(place: Place, spec: str, step: int) -> Iterator[subprocess.Popen[str]]:
    """A launch whose first two trials are held at a step."""
    place.hold(step)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("little", step, 2, process)
        yield process
    finally:
        end_hard(process)


@pytest.mark.parametrize(
    "steps", [(30,), pytest.param((10, 30, 50), marks=pytest.mark.exhaustive)], ids=["one", "three"]
)
def test_the_driver_is_killed_at_random_moments(place: Place, steps: tuple[int, ...]) -> None:
    """Between two evaluations of its trials, then at any moment from its start to its end."""
    chance = seeded()
    spec = str(place.write(saddle_spec(trials=3, trial=slow_saddle(3.5, evaluations=7))))
    for step in steps:
        with launched(place, spec, step) as process:
            place.hold(step + 10)
            # The next evaluation takes half a second; the trials cannot go beyond it.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, 1))
            process.kill()
            assert process.wait() == -signal.SIGKILL
    place.let_go()
    process = place.start("launch", spec)
    try:
        process.wait(chance.uniform(0, 20))
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        end_hard(process)
    assert process.returncode in (0, -signal.SIGKILL)
    place.ttur("launch", spec)
    assert_whole(place, "little", 3)


def assert_left_for_later(
    place: Place, process: subprocess.Popen[str], word: str, code: int = 130
) -> None:
    said = ended(process)
    assert process.returncode == code, said
    assert word in said
    assert "Go on with: ttur resume little" in said
    assert place.json("status", "little")["state"] == "interrupted"


def test_a_study_goes_on_after_every_clean_way_to_end_a_launch_early(place: Place) -> None:
    spec = str(place.write(saddle_spec(trials=2)))
    with launched(place, spec, 10) as process:
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
        assert_left_for_later(place, process, "interrupted")
    with launched(place, spec, 20) as process:
        process.terminate()
        assert_left_for_later(place, process, "terminated", 143)
    with launched(place, spec, 30) as process:
        assert place.json("status", "little")["state"] == "running"
        refused = place.ttur("launch", spec, expect=1)
        assert f"the study little is already being run by process {process.pid}" in refused
        assert "was asked to stop" in place.ttur("stop", "little")
        assert_left_for_later(place, process, "ttur stop asked for it")
    assert "is not running" in place.ttur("stop", "little")
    place.let_go()
    said = place.ttur("resume", "little")
    assert "goes on from where it was cut off" in said
    assert_whole(place, "little", 2)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(signal.SIGINT, id="INT", marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, id="TERM"),
        pytest.param(None, id="stop", marks=pytest.mark.exhaustive),
    ],
)
def test_a_clean_end_keeps_what_was_done_since_the_last_checkpoint(
    place: Place, way: signal.Signals | None
) -> None:
    """No checkpoint but that of the end is ever due, and the trials would take hours."""
    spec = saddle_spec(
        trials=1,
        trial={**slow_saddle(10_000.0, evaluations=10_000)},
        resources={"checkpoint_seconds": 86_400},
    )
    process = place.start("launch", str(place.write(spec)))
    try:
        wait_until("both trials were evaluated", lambda: len(_evaluated(place)) == 2, process)
        assert place.checkpoints("little") == []
        if way is None:
            place.ttur("stop", "little")
        else:
            process.send_signal(way)
        said = ended(process)
    finally:
        end_hard(process)
    assert process.returncode == (143 if way is signal.SIGTERM else 130), said
    assert {path.parent for path in place.checkpoints("little")} == _evaluated(place)


def _evaluated(place: Place) -> set[Path]:
    """Folders of the trials that have an evaluation."""
    files = (place.home / "checkpoints" / "little").rglob("measurements.jsonl")
    return {path.parent for path in files if path.stat().st_size}
