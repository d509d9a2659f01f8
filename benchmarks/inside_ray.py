"""A trial inside a launch against the same trial in a bare loop: generator updates a second.

    python -m benchmarks.inside_ray [--side 8] [--width 16] [--steps 2500] [--rounds 3]

Both build the same trial of the digits GAN by the product's own code, with one thread. The launch is one of
the embedded engine, in a new home, with one slot: Ray, turns, measurements, checkpoints, the record and
MLflow are in it, where the bare loop calls the trial until it is at its end and keeps nothing. What counts is
the clock from the first evaluation to the last, so that no start is in it. The two take turns, each in a
process of its own; medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks import children
from trainables.folder import read_measurements

BARE = """
import json, sys, time
import torch
from trainables.kinds import build_trial
from trainables.protocol import Context, Measurement, Parameters

torch.set_num_threads(1)
trial, found = json.loads(sys.argv[1]), []
run = build_trial(trial, Parameters(b=1e-4, a=5e-4, d_steps=1), Context(seed=1, cache=sys.argv[2]))
while not run.finished:
    if isinstance(run.advance(), Measurement):
        found.append((run.step, time.time()))
print(json.dumps([found[0], found[-1]]))
"""

Moment = tuple[int, float]
"""Updates so far, and when that was, seconds since the epoch."""


def trial(given: argparse.Namespace) -> dict[str, Any]:
    """The settings of the trial."""
    return {
        "kind": "gan",
        "data": {"name": "digits", "size": given.side},
        "networks": {"name": "dcgan", "width": given.width},
        "batch_size": 64,
        "steps": given.steps,
        "evaluate_every": given.steps // given.evaluations,
        "score": {"extractor": "digits", "samples": 1000},
    }


def said(command: list[str], folder: Path) -> str:
    """What a command printed; what it said of a failure ends this script."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=children.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def bare(settings: dict[str, Any], folder: Path) -> tuple[Moment, Moment]:
    """The first evaluation and the last of a loop without a launch around it."""
    first, last = json.loads(
        said(["-c", BARE, json.dumps(settings), str(folder / "cache")], folder)
    )
    return (first[0], first[1]), (last[0], last[1])


def launched(settings: dict[str, Any], folder: Path) -> tuple[Moment, Moment]:
    """The same of a launch."""
    spec = {
        "name": "inside",
        "trial": settings,
        "arms": {
            "one": {"trials": 1, "space": "two_timescale", "b": [1e-4, 1e-3], "a": [1e-4, 1e-3]}
        },
        "search": {"sampler": "random"},
        "stopping": {"rule": "none"},
        "confirm": {"when": "never"},
        "resources": {"cpus": 1},
    }
    (folder / "inside.yaml").write_text(yaml.safe_dump(spec))
    said(["-m", "study.cli", "launch", "inside.yaml", "--home", "home"], folder)
    (file,) = (folder / "home").glob("checkpoints/*/*/*/measurements.jsonl")
    measured = read_measurements(str(file.parent))
    return (measured[0].step, measured[0].time), (measured[-1].step, measured[-1].time)


def rate(ends: tuple[Moment, Moment]) -> float:
    """Updates a second between two moments."""
    (before, began), (after, ended) = ends
    return (after - before) / (ended - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--evaluations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    settings, rates = trial(given), dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as name:
        for number in range(given.rounds):
            for way, run in (("bare loop", bare), ("inside a launch", launched)):
                folder = Path(name) / f"{number} {way}"
                folder.mkdir()
                rates.setdefault(way, []).append(rate(run(settings, folder)))
    print(f"DCGAN {given.side}x{given.side}, width {given.width}, batch 64, {given.steps} updates")
    middle = {way: statistics.median(each) for way, each in rates.items()}
    for way, value in middle.items():
        print(f"  {way:18}{value:8.1f} updates/s{value / middle['bare loop']:8.2f}x")


if __name__ == "__main__":
    main()
