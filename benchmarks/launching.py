"""How long `ttur launch` takes to its first training step, beside what its imports alone take.

    python -m benchmarks.launching [--rounds 5] [--recipe quickstart]

Every round launches the recipe in a new home and looks from outside when each thing is there: the record,
Ray's server, MLflow's store, and the first trial's file of evaluations, which a trial writes when it is
built, before its first update. Then the launch is ended. Imports are timed beside it, alone, each in a
process of its own: those of a driver, then those of a worker.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks import children

DRIVER = "import study.driver.launch, study.cli.progress, mlflow, study.engine.tune"
WORKER = "import trainables.tune, trainables.gan.trial"
PAUSE = 0.01
LONGEST = 300.0
SPENT = "CPU-seconds till then"


def raylet(process: psutil.Popen) -> bool:
    """Whether Ray's server runs below a process."""
    return any(each.name() == "raylet" for each in process.children())


def spent(process: psutil.Popen) -> float:
    """CPU-seconds of a process and all that it runs, so far; what has ended meanwhile is not in it."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def stages(home: Path, process: psutil.Popen) -> dict[str, Callable[[], bool]]:
    """What comes into being on the way, in this order, and how it is seen."""
    return {
        "the record": lambda: any(home.glob("*.db")),
        "Ray's server": lambda: raylet(process),
        "MLflow's store": (home / "mlflow.db").exists,
        "a trial built": lambda: any(home.glob("checkpoints/*/*/*/measurements.jsonl")),
    }


def launched(recipe: str) -> dict[str, float]:
    """Seconds from the command until each thing is there, and the CPU-seconds of all processes till then."""
    with tempfile.TemporaryDirectory() as folder:
        home, began = Path(folder) / "home", time.monotonic()
        command = [sys.executable, "-m", "study.cli", "launch", recipe, "--home", str(home)]
        with (Path(folder) / "said.txt").open("w") as said:
            process = psutil.Popen(command, cwd=folder, stdout=said, stderr=said)
        found: dict[str, float] = {}
        try:
            for name, there in stages(home, process).items():
                while not there():
                    took = time.monotonic() - began
                    if process.poll() is not None or took > LONGEST:
                        raise RuntimeError((Path(folder) / "said.txt").read_text())
                    time.sleep(PAUSE)
                found[name] = time.monotonic() - began
            found[SPENT] = spent(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(60)
    return found


def imports(code: str) -> tuple[float, float]:
    """Seconds and CPU-seconds of a process that only imports."""
    before, began = children.cpu_seconds(), time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.monotonic() - began, children.cpu_seconds() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    rounds = [
        (launched(given.recipe), (imports(DRIVER), imports(WORKER))) for _ in range(given.rounds)
    ]
    print(f"ttur launch {given.recipe}: seconds until each is there, medians of {given.rounds}")
    for name in rounds[0][0]:
        print(f"  {name:22} {statistics.median(each[0][name] for each in rounds):6.2f}")
    for position, whose in enumerate(("imports of a driver", "imports of a worker")):
        wall, cpu = (statistics.median(each[1][position][k] for each in rounds) for k in (0, 1))
        print(f"  {whose:22} {wall:6.2f}   ({cpu:.2f} CPU-seconds)")
    over = statistics.median(made["a trial built"] - a[0] - b[0] for made, (a, b) in rounds)
    print(f"  over the imports       {over:6.2f}")


if __name__ == "__main__":
    main()
