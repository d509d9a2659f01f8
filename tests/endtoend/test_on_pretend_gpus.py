"""A whole launch on two pretend GPUs (support/pretend.py), each shared by two trials at a time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.processes import end_hard, ended
from support.study import Place, saddle_spec
from support.trials import SMALL, to_rounding, without_clocks

from study.record.database import Ledger
from study.search.samplers import derived_seed
from trainables.assignment import Assignment
from trainables.folder import read_measurements
from trainables.run import TrialRun

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
IN_WORKERS = '''
"""Imported by Python as it starts: gives Ray's workers the pretend device, before their trials are placed."""

import importlib.util
import json
import os
import sys


class AfterTune:
    """Changes trainables.tune when that is imported."""

    def find_spec(self, name, path, target=None):
        if name != "trainables.tune":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), change(module))
        return spec


def change(module):
    place, reset = module.place, module.TuneTrainable.reset_config
    entered = []

    def note(**facts):
        with open({log!r}, "a") as log:
            given = os.environ.get("CUDA_VISIBLE_DEVICES")
            log.write(json.dumps({{"process": os.getpid(), "gpu": given, **facts}}) + "\\n")

    def placed(accelerated):
        if not entered:
            sys.path.append({tests!r})
            from support.pretend import Accelerator

            entered.append(Accelerator().__enter__())
        device = place(accelerated)
        note(device=device)
        return device

    def reset_config(self, config):
        done = reset(self, config)
        note(bytes=entered[0].bytes, peak=entered[0].peak)
        return done

    module.place, module.TuneTrainable.reset_config = placed, reset_config


if any("default_worker" in word for word in sys.orig_argv):
    sys.meta_path.insert(0, AfterTune())
'''


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def spec() -> dict[str, Any]:
    arm = {"space": "two_timescale", "trials": 6, "b": [1e-3, 1e-2], "a": [1e-4, 1e-3]}
    made = saddle_spec(
        "gpus", resources={"cpu": 0.5, "cpus": 2, "gpu": 0.5}, confirm={"when": "never"}
    )
    return {**made, "arms": {"two_timescale": {**arm, "d_steps": [1, 2]}}, "trial": SMALL["gan"]}


def test_four_trials_share_two_gpus_and_are_those_of_a_cpu(place: Place) -> None:
    log = place.folder / "workers.jsonl"
    (place.folder / "sitecustomize.py").write_text(
        IN_WORKERS.format(log=str(log), tests=str(TESTS))
    )
    place.write(spec())
    place.hold(2)
    process = place.start("launch", "gpus.yaml", RAY_OVERRIDE_RESOURCES='{"GPU": 2}')
    try:
        place.wait_for_checkpoints("gpus", 2, 4, process)
        shared = [json.loads(line) for line in log.read_text().splitlines()]
        place.let_go()
        said = ended(process, 400)
    finally:
        end_hard(process)
    assert process.returncode == 0, said

    # Four at once, two on each GPU.
    where = {note["process"]: note["gpu"] for note in shared}
    assert Counter(where.values()) == {"0": 2, "1": 2}
    notes = [json.loads(line) for line in log.read_text().splitlines()]
    assert {note["device"] for note in notes if "device" in note} == {"pretend"}
    # A process that takes another trial has given the memory of the one before back.
    released = [note for note in notes if "bytes" in note]
    assert released
    assert all(note["bytes"] == 0 < note["peak"] for note in released), released

    ledger = Ledger(place.record)
    trials = ledger.arm("gpus", "two_timescale").trials()
    ledger.close()
    assert len(trials) == 6
    for trial in trials:
        folder = place.home / "checkpoints/gpus/two_timescale" / f"{trial.number:05d}"
        on_a_gpu = read_measurements(str(folder))
        assert [m.to_json() for m in on_a_gpu] != []
        on_the_cpu = without_clocks(on_a_cpu(trial, place.folder))
        assert to_rounding(without_clocks(on_a_gpu)) == to_rounding(on_the_cpu)


def on_a_cpu(trial: Any, folder: Path) -> list[Any]:
    """The same trial in this process."""
    run = TrialRun(
        Assignment(
            identity=trial.identity,
            trial=SMALL["gan"],
            parameters=trial.parameters,
            seed=derived_seed(1, trial.number),
            folder=str(folder / "cpu" / str(trial.number)),
            cache=str(folder / "cache"),
        )
    )
    while not run.finished:
        run.turn()
    return run.history
