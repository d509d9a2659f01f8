"""Signals at every moment of a launch, to its driver alone and to all of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.processes import end_hard, ended, session, wait_until
from support.study import ARMS, Place, assert_whole, saddle_spec

from study.ground.signals import SAME_SECONDS
from trainables.folder import read_measurements

pytestmark = pytest.mark.faults

TRIALS = 3

KILLED_AFTER = 30.0
"""Seconds after which Slurm kills what it has asked to end (KillWait); nothing of ours may need them all."""

STOP_SECONDS = 25.0
"""What a clean end may take here: longer, and the product's own timer ends it with another sentence."""

WORDS = ("ttur: terminated", "ttur: interrupted", "ttur: ended by a hang-up")

BEFORE = (
    ("starting:1", "SIGINT:group"),
    ("opened:1", "SIGTERM"),
    ("started:1", "SIGHUP:group"),
)
"""Moments at which no trial has begun."""

AMID = (
    ("run-creating:4", "SIGHUP"),  # after those of the two arms
    ("reported:3", "SIGTERM:group"),
    ("assigned:1", "SIGTERM:group"),
    ("told:1", "SIGINT:group"),
)
"""Moments at which trials run."""


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """A launch takes over which signals are ignored, as HUP is under nohup, and INT behind a shell's &."""
    heard = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signalled(
    place: Place,
    spec: str,
    moment: str,
    sent: str,
    before: Callable[[subprocess.Popen[str]], None] = lambda _: None,
) -> str:
    """Launches a study that gets a signal; it must end as it should and in time, with all its processes.

    What is done ``before`` the signal finds the launch standing still at the moment.
    """
    process = place.start("launch", spec, TTUR_FAULT=f"{moment}:SIGSTOP")
    try:
        wait_until(f"it stands still at {moment}", lambda: stands(process), process)
        before(process)
        began = time.monotonic()
        send(process, sent)
        process.send_signal(signal.SIGCONT)
        said = ended(process)
        took = time.monotonic() - began
        wait_until("all its processes are gone", lambda: not session(process.pid), seconds=30)
    finally:
        end_hard(process)
    assert process.returncode == 128 + named(sent), f"{moment} {sent}: {said}"
    assert took < KILLED_AFTER, f"{moment} {sent}: {said}"
    last = said.strip().splitlines()[-1]
    assert last.startswith(WORDS)
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return said


def named(sent: str) -> signal.Signals:
    return signal.Signals[sent.partition(":")[0]]


def send(process: subprocess.Popen[str], sent: str) -> None:
    """Sends a signal to a process, or to its whole group."""
    if sent.endswith(":group"):
        os.killpg(process.pid, named(sent))
    else:
        process.send_signal(named(sent))


def stands(process: subprocess.Popen[str]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def assert_kept(place: Place) -> None:
    """Every trial that was cut off has a checkpoint at its last evaluation."""
    for arm in ARMS:
        for trial in place.trials("little", arm):
            if trial.state.is_finished():
                continue
            folder = place.home / "checkpoints" / "little" / arm / f"{trial.number:05d}"
            steps = [measurement.step for measurement in read_measurements(str(folder))]
            kept = [int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*.pt")]
            assert max(kept, default=0) >= max(steps, default=0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("before", "amid"),
    [
        pytest.param(BEFORE[:1], AMID[:2], id="some"),
        pytest.param(BEFORE, AMID, id="all", marks=pytest.mark.exhaustive),
    ],
)
def test_a_signal_at_any_moment_ends_a_launch_and_loses_nothing(
    tmp_path: Path, before: tuple[tuple[str, str], ...], amid: tuple[tuple[str, str], ...]
) -> None:
    place = Place(tmp_path)
    trial = {"kind": "saddle", "steps": 40, "evaluate_every": 10, "seconds_per_step": 0.02}
    # No checkpoint but that of the end is ever due.
    resources = {"checkpoint_seconds": 86_400, "stop_seconds": STOP_SECONDS}
    spec = str(place.write(saddle_spec(trials=TRIALS, trial=trial, resources=resources)))
    for moment, sent in before:
        assert "before a trial had begun" in signalled(place, spec, moment, sent)
    for moment, sent in amid:
        assert "Go on with: ttur resume little" in signalled(place, spec, moment, sent)
        assert_kept(place)
        assert place.json("status", "little")["state"] == "interrupted"
    said = signalled(place, spec, "closing:1", "SIGTERM:group")
    assert "every trial of little has ended" in said
    signalled(place, spec, "reporting:1", "SIGTERM:group")
    assert not list(place.home.rglob("report.html"))
    signalled(place, spec, "concluding:1", "SIGINT:group")
    assert len(list(place.home.rglob("report.html"))) == len(ARMS)
    place.ttur("launch", spec)
    assert_whole(place, "little", TRIALS)


def hold_workers(process: subprocess.Popen[str]) -> None:
    """Stops the processes that run trials amid their turns, as by an evaluation that takes minutes."""
    held = [each for each in session(process.pid) if "Trainable" in each.name()]
    assert held
    for each in held:
        each.suspend()


def test_a_launch_that_cannot_end_in_time_ends_all_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path)
    resources = {"stop_seconds": 0.5}
    trial = {"kind": "saddle", "steps": 40, "evaluate_every": 10, "seconds_per_step": 0.1}
    spec = str(place.write(saddle_spec(trials=1, trial=trial, resources=resources)))
    said = signalled(place, spec, "reported:1", "SIGTERM:group", hold_workers)
    assert "but the launch did not end within 0.5 s; go on from the last checkpoints" in said
    place.ttur("launch", spec)
    assert_whole(place, "little", 1)


def test_a_second_signal_ends_a_launch_at_once(tmp_path: Path) -> None:
    """Its trials are held, so that only the first signal brings it to its end, where it stands still."""
    place = Place(tmp_path)
    place.hold(10)
    process = place.start(
        "launch", str(place.write(saddle_spec(trials=1))), TTUR_FAULT="closing:1:SIGSTOP"
    )
    try:
        place.wait_for_checkpoints("little", 10, 2, process)
        process.send_signal(signal.SIGINT)
        wait_until("it has come to its end", lambda: stands(process), process)
        time.sleep(SAME_SECONDS)  # what comes sooner is the same signal
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        said = ended(process)
        wait_until("all its processes are gone", lambda: not session(process.pid), seconds=30)
    finally:
        end_hard(process)
    assert process.returncode == 128 + signal.SIGTERM, said
    last = said.strip().splitlines()[-1]
    again = "terminated at once; go on from the last checkpoints with: ttur resume little"
    assert last == f"ttur: {again}"
    assert "Traceback" not in said
    assert place.json("status", "little")["state"] == "interrupted"
