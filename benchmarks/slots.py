"""How busy many slots are: trials that sleep, from the launch until the last one is handed out.

    python -m benchmarks.slots [--slots 8] [--seconds 30] [--each 5] [--session 0]

One launch in a new home, on the embedded engine with so many CPUs (they need not exist: trials sleep). A slot
is busy from the moment when its trial is built until its last evaluation. With ``--session`` a Tuner ends
after so many trials and a fresh one begins, as after 500 by itself. Prints how soon slots are filled, the
share of slots busy until the last trial is built, with the launch and the filling and without them, how far
apart the arms end, and what a worker takes in CPU-seconds and memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from benchmarks import children
from trainables.folder import read_measurements

LAUNCH = """
import sys
from study.engine import tune
if int(sys.argv[1]):
    tune.SESSION_TRIALS, tune.SESSION_ROUNDS = int(sys.argv[1]), 0
from study.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""
PAUSE = 2.0

Slept = tuple[float, float]
"""When a trial began to sleep and when its last evaluation was, seconds since the epoch."""


def spec(slots: int, seconds: float, each: int) -> dict[str, object]:
    """Two arms of trials that sleep, so many in all for each slot."""
    trials = slots * each // 2
    rates = [1e-4, 1e-1]
    return {
        "name": "slots",
        "trial": {
            "kind": "benchmarks.sleeping:kind",
            "steps": 5,
            "evaluate_every": 1,
            "seconds": seconds,
        },
        "arms": {
            "one": {"space": "one_timescale", "trials": trials, "b": rates},
            "two": {"space": "two_timescale", "trials": trials, "b": rates, "a": rates},
        },
        "search": {"sampler": "random"},
        "stopping": {"rule": "none"},
        "confirm": {"when": "never"},
        "resources": {"cpus": slots},
    }


def workers(process: psutil.Popen) -> list[tuple[float, float]]:
    """CPU-seconds and megabytes of its own of each worker that runs now."""
    found = []
    for each in process.children(recursive=True):
        with suppress(psutil.Error):
            if each.name().startswith("ray::") and "Agent" not in each.name():
                used = each.cpu_times()
                found.append((used.user + used.system, each.memory_full_info().uss / 1e6))
    return found


def launched(given: argparse.Namespace, folder: Path) -> tuple[float, list[tuple[float, float]]]:
    """When the command was given, and what its workers took; the largest number of them that was seen."""
    path = folder / "slots.yaml"
    path.write_text(yaml.safe_dump(spec(given.slots, given.seconds, given.each)))
    command = [sys.executable, "-c", LAUNCH, str(given.session), "launch", str(path)]
    began, most = time.time(), []
    with (folder / "said.txt").open("w") as said:
        process = psutil.Popen(
            [*command, "--home", str(folder / "home")],
            env=children.environment(),
            stdout=said,
            stderr=said,
        )
        while process.poll() is None:
            most = max(workers(process), most, key=len)  # of as many, the later
            time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit((folder / "said.txt").read_text())
    return began, most


def slept(home: Path) -> dict[str, list[Slept]]:
    """When each trial slept, by arm."""
    found: dict[str, list[Slept]] = {}
    for file in home.glob("checkpoints/*/*/*/measurements.jsonl"):
        measured = read_measurements(str(file.parent))
        when = (measured[0].metrics["began"], measured[-1].time)
        found.setdefault(file.parent.parent.name, []).append(when)
    return found


def busy(trials: list[Slept], slots: int, begins: float, ends: float) -> float:
    """The share of slots that slept between two moments."""
    inside = (max(0.0, min(b, ends) - max(a, begins)) for a, b in trials)
    return sum(inside) / (slots * (ends - begins))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a trial")
    parser.add_argument("--each", type=int, default=5, help="trials for each slot")
    parser.add_argument("--session", type=int, default=0, help="trials of a session; 0: as launch")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began, took = launched(given, Path(folder))
        arms = slept(Path(folder) / "home")
    trials = sorted(each for arm in arms.values() for each in arm)
    first, filled, last = trials[0][0], trials[given.slots - 1][0], trials[-1][0]
    ends = [max(end for _, end in arm) for arm in arms.values()]
    print(
        f"{len(trials)} trials of {given.seconds:g} s, {given.slots} slots, session {given.session}"
    )
    print(f"  first trial after         {first - began:8.1f} s")
    print(f"  all slots filled after    {filled - began:8.1f} s")
    print(f"  busy, launch and filling  {100 * busy(trials, given.slots, began, last):8.1f} %")
    print(f"  busy, with the filling    {100 * busy(trials, given.slots, first, last):8.1f} %")
    print(f"  busy, once filled         {100 * busy(trials, given.slots, filled, last):8.1f} %")
    print(f"  arms end apart            {max(ends) - min(ends):8.1f} s")
    for unit, values in zip(
        ("CPU-seconds", "MB of its own"), zip(*took, strict=True), strict=False
    ):
        print(f"  a worker: {statistics.median(values):8.1f} {unit}")


if __name__ == "__main__":
    main()
