"""Workers that are there, with what a trial imports, before there is a trial."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

from study.engine.ahead import IMPORTED, KEPT, THREADS, getting_ready
from trainables.kinds import KINDS, worker_modules


def test_the_environment_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMPORTED, "theirs")
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.delenv(KEPT, raising=False)
    before = dict(os.environ)
    with getting_ready(["ours", "also.ours"], 2.5):
        assert os.environ[IMPORTED] == "theirs,ours,also.ours"
        assert os.environ[THREADS] == "2"
        assert int(os.environ[KEPT]) >= 60_000
    assert dict(os.environ) == before
    monkeypatch.setenv(KEPT, "7")
    with getting_ready([], 0.5):
        assert os.environ[KEPT] == "7"
        assert os.environ[THREADS] == "1"
    assert dict(os.environ) == before | {KEPT: "7"}


def test_a_users_own_kind_is_imported_by_its_trial_alone() -> None:
    assert worker_modules("mine.trials:Own") == ["trainables.tune"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_trial_is_in_the_last_of_our_modules(kind: str) -> None:
    module, _, name = KINDS[kind].trial.partition(":")
    assert worker_modules(kind)[:2] == ["trainables.tune", module]
    assert name


@pytest.mark.slow
def test_what_a_cluster_s_workers_are_given_is_the_users_alone() -> None:
    from study.engine import private

    given = {
        "AWS_SESSION_TOKEN": "t",
        "HOME": "/root",
        "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    }
    assert private.passed_on(given) == {"AWS_SESSION_TOKEN": "t"}


ASKED = """
import importlib, sys
import torch

asked = []
torch.cuda._is_compiled = lambda: True
for place, name, answer in (
    (torch.cuda, "is_available", True),
    (torch.cuda, "device_count", 2),
    (torch._C, "_cuda_getDeviceCount", 2),
    (torch._C, "_cuda_init", None),
):
    setattr(place, name, lambda *_, name=name, answer=answer: asked.append(name) or answer)
for module in sys.argv[1:]:
    importlib.import_module(module)
print(asked)
"""


@pytest.mark.slow
def test_what_is_imported_ahead_asks_no_gpu() -> None:
    """Ray says only with the trial which GPU is a worker's, and CUDA asks for that once."""
    modules = {each: None for kind in KINDS for each in worker_modules(kind)}
    command = [sys.executable, "-c", ASKED, *modules]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "torch._dynamo" in modules
    assert said.strip() == "[]"


RAYS_PATIENCE = 2.0
"""Seconds; by itself Ray ends a worker that it does not want after one, and looks five times a second."""


def workers() -> set[int]:
    """The embedded engine's workers, once Ray has given them their names."""
    from study.engine import private

    return {each.pid for each in private.processes() if each.name().startswith("ray::IDLE")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"cpus": 6, "cpu": 2}, 3),
        ({"cpus": 6, "max_concurrent": 2}, 2),
        ({"cpus": 2, "max_concurrent": 8}, 2),
        ({"cpus": 1, "cpu": 2}, 1),
        ({"cpus": 3, "cpu": 0.5}, 3),
    ],
)
def test_a_worker_begins_for_each_slot_at_most_one_a_cpu(
    monkeypatch: pytest.MonkeyPatch, resources: dict[str, float], expected: int
) -> None:
    import ray

    from study.engine import cluster, private
    from study.spec.model import Resources

    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "init", lambda **named: asked.append(named))
    cluster._start(Resources(**resources))
    assert (asked[0]["num_cpus"], private._Node.ready) == (resources["cpus"], expected)


@pytest.mark.slow
def test_a_trial_is_put_into_a_worker_that_was_there_before() -> None:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    from study.driver.session import Engine
    from study.engine import private
    from study.spec.model import Spec

    spec: Any = Spec.model_validate(
        {
            "name": "ahead",
            "trial": {"kind": "saddle"},
            "arms": {"a": {"space": "one_timescale", "trials": 1, "b": [0.001, 0.1]}},
            "resources": {"cpus": 1},
        }
    )
    engine = Engine(None)
    engine.start(spec)
    try:
        while not (there := workers()):
            time.sleep(0.05)
        private.give_workers({})
        # As Tune does it: a trial first reserves its CPUs, and Ray wants no idle worker when none is free.
        reserved = ray.util.placement_group([{"CPU": 1}])
        ray.get(reserved.ready())
        assert ray.available_resources().get("CPU", 0) == 0
        time.sleep(RAYS_PATIENCE)
        from ray.tune.execution import tune_controller

        class Probe:  # here, so that it is sent as it is: a worker cannot import a test
            def process(self) -> tuple[int, list[str], str | None]:
                return os.getpid(), sorted(sys.modules), os.environ.get("OMP_NUM_THREADS")

        cache: Any = vars(tune_controller)["_ActorClassCache"]()
        made = cache.get(Probe)
        place = PlacementGroupSchedulingStrategy(reserved)
        actor = made.options(num_cpus=1, scheduling_strategy=place).remote()
        number, modules, threads = ray.get(actor.process.remote())
    finally:
        engine.end()
    assert number in there
    assert {"trainables.tune", "trainables.games.saddle"} <= set(modules)
    assert threads == "1"
