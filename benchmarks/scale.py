"""A study of many trials: how the driver's time and memory grow, and what questions about it cost.

    python -m benchmarks.scale [--trials 10000] [--sampler tpe] [--home FOLDER]

Runs the saddle of Fig. 4 (100 updates, 2 evaluations) through ``ttur launch`` on the local engine, half of
the trials in each arm, and prints for each tenth of them the seconds and CPU-seconds a trial, the
driver's resident memory, and the size of the record and of MLflow's store. Then it times ``status``,
``best``, ``compare``, ``report`` and ``launch`` on the finished study, each as a process of its own, in
seconds and CPU-seconds. With --home a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from benchmarks import children

TTUR = [sys.executable, "-m", "study.cli"]
QUESTIONS = ("status", "best", "compare", "report", "launch")


def spec(trials: int, sampler: str) -> dict[str, object]:
    """A study of two arms whose trials cost nothing."""
    rates = [1e-4, 1e-1]
    return {
        "name": "scale",
        "trial": {"kind": "saddle", "steps": 100, "evaluate_every": 50},
        "arms": {
            "one_timescale": {"space": "one_timescale", "trials": trials // 2, "b": rates},
            "two_timescale": {
                "space": "two_timescale",
                "trials": trials - trials // 2,
                "b": rates,
                "a": rates,
            },
        },
        "search": {"sampler": sampler},
        "stopping": {"rule": "none"},
        "confirm": {"when": "never"},
    }


def megabytes(path: Path) -> float:
    """Size of a database, its write-ahead log included."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder) / "home"
        home.mkdir(parents=True, exist_ok=True)
        path = home / "scale.yaml"
        path.write_text(yaml.safe_dump(spec(given.trials, given.sampler)))
        launched = run(path, home, given.trials)
        print(f"{given.trials} trials, sampler {given.sampler}: {launched:.0f} s in all")
        for verb in QUESTIONS:
            seconds, cpu = ask(verb, path, home)
            print(f"{verb:8} {seconds:5.1f} s  {cpu:5.1f} CPU-s")


def run(path: Path, home: Path, trials: int) -> float:
    """Runs the study and prints a line for each tenth of it; returns the seconds."""
    process = subprocess.Popen(
        [*TTUR, "launch", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
    )
    assert process.stderr is not None
    driver = psutil.Process(process.pid)
    began = before = time.monotonic()
    spent, done = 0.0, 0
    part = max(1, trials // 10)
    print("trials   s/trial  CPU-s/trial  driver MB  record MB  MLflow MB", flush=True)
    last = ""
    for line in process.stderr:
        last = line
        if not line.startswith("["):
            continue
        done += 1
        if done % part:
            continue
        now, cpu = time.monotonic(), sum(driver.cpu_times()[:2])
        print(
            f"{line[1 : line.index('/')]:>6}  {(now - before) / part:8.3f}  {(cpu - spent) / part:11.3f}"
            f"  {driver.memory_info().rss / 1e6:9.0f}  {megabytes(home / 'record.db'):9.1f}"
            f"  {megabytes(home / 'mlflow.db'):9.1f}",
            flush=True,
        )
        before, spent = now, cpu
    if process.wait():
        raise SystemExit(f"the study ended with exit code {process.returncode}: {last}")
    return time.monotonic() - began


def ask(verb: str, path: Path, home: Path) -> tuple[float, float]:
    """Seconds and CPU-seconds of one command on the finished study, those of its own processes included."""
    before, began = children.cpu_seconds(), time.monotonic()
    what = [str(path)] if verb == "launch" else ["scale"]
    if verb == "report":
        what += ["--output", str(home / "report")]
    subprocess.run(
        [*TTUR, verb, *what],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(home),
    )
    return time.monotonic() - began, children.cpu_seconds() - before


def environment(home: Path) -> dict[str, str]:
    """This process's, with one thread for each process."""
    return {**os.environ, "TTUR_HOME": str(home), "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
