"""The retries of a job's driver, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from study.engine import job_driver
from study.engine.job_driver import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, RETRIES, run

COUNT = (
    "import pathlib, sys; p = pathlib.Path(sys.argv[1]); n = len(p.read_text());"
    "p.write_text('x' * (n + 1));"
)


def tries(tmp_path: Path, then: str, **arguments: float) -> tuple[int, int]:
    """Runs a program that counts its starts; returns the exit code and the count."""
    counter = tmp_path / "starts"
    counter.write_text("")
    code = run(
        [sys.executable, "-c", f"{COUNT} {then}", str(counter)], pause_seconds=0, **arguments
    )
    return code, len(counter.read_text())


def test_a_driver_that_was_killed_is_started_again(tmp_path: Path) -> None:
    dies_twice = "import os; n < 2 and os.kill(os.getpid(), 9)"
    assert tries(tmp_path, dies_twice) == (0, 3)


@pytest.mark.parametrize("code", [0, 2, 3, 130])
def test_an_end_that_is_final_is_not_tried_again(tmp_path: Path, code: int) -> None:
    assert tries(tmp_path, f"sys.exit({code})") == (code, 1)


def test_the_exit_code_is_passed_on_when_the_retries_are_used_up(tmp_path: Path) -> None:
    assert tries(tmp_path, "sys.exit(1)", retries=2) == (1, 3)
    assert tries(tmp_path, "import os; os.kill(os.getpid(), 9)", retries=0) == (128 + 9, 1)


def test_the_retries_last_until_a_database_is_back() -> None:
    pauses = [job_driver._pause(PAUSE_SECONDS, deaths) for deaths in range(1, RETRIES + 1)]
    assert pauses == sorted(pauses)
    assert pauses[0] == PAUSE_SECONDS
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert 600 < sum(pauses) < 1800, "longer than a launch waits for its record, but not for ever"


def test_a_stop_signal_ends_the_retries_and_is_not_passed_on(tmp_path: Path) -> None:
    """The driver gets its signal from Ray; here nobody sends it one, and it ends in its own time."""
    program = """
        import os, signal, sys, pathlib
        pathlib.Path(sys.argv[1]).write_text("started")
        signal.signal(signal.SIGINT, lambda *_: os._exit(99))
        os.kill(os.getppid(), signal.SIGINT)
        sys.exit(1)
    """
    started = tmp_path / "started"
    wrapper = "import sys; from study.engine.job_driver import run; sys.exit(run(sys.argv[1:], "
    wrapper += "pause_seconds=60))"
    done = subprocess.run(
        [sys.executable, "-c", wrapper, sys.executable, "-c", textwrap.dedent(program), started],
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        start_new_session=True,
    )
    assert started.exists()
    assert done.returncode in (1, 130)


def test_the_driver_says_that_it_has_begun_before_it_runs_anything() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "study.engine.job_driver", "--no-such-flag"],
        capture_output=True,
        text=True,
        env=os.environ
        | {job_driver.SUBMISSION: "abc", "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.endswith(job_driver.begun("abc"))
    assert any("no-such-flag" in line for line in rest)


def test_the_handlers_are_as_before_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    tries(tmp_path, "sys.exit(0)")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
