"""What a trial costs that costs nothing: ours against Tune with OptunaSearch and MLflowLoggerCallback.

    python -m benchmarks.overhead [--trials 200] [--rounds 3]

Both run the same work (5 evaluations of a number, 2 slots, an SQLite record, an SQLite MLflow store, TPE),
each run as a process of its own in a new folder, one after the other. Prints seconds and CPU-seconds a trial,
start and end included, medians over the rounds, and the ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks import children

STOCK = """
import sys
import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch
import optuna

trials, folder = int(sys.argv[1]), sys.argv[2]


def trial(config):
    for step in range(5):
        tune.report({"score": config["b"] + config["a"] / (step + 1)})


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
search = OptunaSearch(
    metric="score",
    mode="min",
    sampler=optuna.samplers.TPESampler(seed=0),
    storage=optuna.storages.RDBStorage(f"sqlite:///{folder}/optuna.db"),
    study_name="stock",
)
tracking = MLflowLoggerCallback(
    tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock"
)
tune.Tuner(
    trial,
    param_space={"b": tune.loguniform(1e-4, 1e-1), "a": tune.loguniform(1e-4, 1e-1)},
    tune_config=tune.TuneConfig(search_alg=search, num_samples=trials, max_concurrent_trials=2),
    run_config=tune.RunConfig(name="stock", storage_path=folder, verbose=0, callbacks=[tracking]),
).fit()
"""


def ours(trials: int, folder: Path) -> list[str]:
    """The command that runs our study, whose spec is written to the folder."""
    rates = [1e-4, 1e-1]
    space = {"space": "two_timescale", "trials": trials, "b": rates, "a": rates, "d_steps": [1]}
    spec = {
        "name": "ours",
        "trial": {"kind": "saddle", "steps": 50, "evaluate_every": 10},
        "arms": {"two_timescale": space},
        "search": {"sampler": "tpe"},
        "stopping": {"rule": "none"},
        "confirm": {"when": "never"},
        "resources": {"cpus": 2},
    }
    (folder / "ours.yaml").write_text(yaml.safe_dump(spec))
    return [sys.executable, "-m", "study.cli", "launch", "ours.yaml", "--home", str(folder)]


def stock(trials: int, folder: Path) -> list[str]:
    """The command that runs the peers' study."""
    (folder / "stock.py").write_text(STOCK)
    return [sys.executable, "stock.py", str(trials), str(folder)]


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and CPU-seconds of a command and all that it waited for."""
    before, began = children.cpu_seconds(), time.monotonic()
    quiet = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_INIT": "1"}
    quiet |= {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_AUTH_MODE": "disabled"}
    with (folder / "said.txt").open("w") as said:
        subprocess.run(
            command, cwd=folder, env=os.environ | quiet, stdout=said, stderr=said, check=True
        )
    return time.monotonic() - began, children.cpu_seconds() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"stock": [], "ours": []}
    for _ in range(given.rounds):
        for name, command in (("stock", stock), ("ours", ours)):
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(measured(command(given.trials, Path(folder)), Path(folder)))
    print(f"{given.trials} trials of 5 evaluations, 2 slots, medians of {given.rounds}")
    print("            s a trial   driver's CPU-s a trial")
    seconds = {}
    for name, runs in found.items():
        wall, cpu = (statistics.median(each) / given.trials for each in zip(*runs, strict=True))
        seconds[name] = wall
        print(f"{name:8}  {wall:11.3f}   {cpu:22.3f}")
    print(f"stock / ours: {seconds['stock'] / seconds['ours']:.1f}")


if __name__ == "__main__":
    main()
