"""A study that is killed in the middle and goes on where it was (on Linux and macOS)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import study

SPEC = """\
name: killed
trial: {kind: saddle, steps: 40, evaluate_every: 10, seconds_per_step: 0.1}
arms:
  two_timescale: {space: two_timescale, trials: 2, b: [1.0e-4, 1.0e-2], a: [1.0e-5, 1.0e-3]}
stopping: {rule: none}
confirm: {when: never}
resources: {checkpoint_seconds: 0}
"""
HOME = "ttur-home"


def steps() -> dict[str, int]:
    """The last step of which each trial has a checkpoint."""
    found: dict[str, int] = {}
    for path in Path(HOME, "checkpoints", "killed").rglob("checkpoint-*.pt"):
        found[path.parent.name] = max(found.get(path.parent.name, 0), int(path.name.split("-")[1]))
    return found


def main() -> None:
    """Launches it in a process of its own, kills that as a power cut would, and goes on."""
    Path("killed.yaml").write_text(SPEC)
    launch = [sys.executable, "-m", "study.cli", "launch", "killed.yaml", "--home", HOME]
    process = subprocess.Popen(launch, start_new_session=True)
    while process.poll() is None and max(steps().values(), default=0) < 10:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    print(f"killed; the trials have checkpoints of the steps {sorted(steps().values())}")

    result = study.resume("killed", home=HOME)  # on the command line: ttur resume killed
    (state,) = study.status("killed", home=HOME)
    arm = state.arms["two_timescale"]
    print(f"{state.state}: {arm.complete} of {arm.budget} trials; {result.ran} ended just now")


if __name__ == "__main__":
    main()
