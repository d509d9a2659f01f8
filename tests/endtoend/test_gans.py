"""Small GANs on real digits: the sampled rates reach the optimisers, and a trial may diverge or fail."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.processes import end_hard
from support.study import Place, saddle_spec
from support.trials import SMALL

pytestmark = pytest.mark.slow

WATCHED = '''
"""A user's pair of networks that notes what every optimiser step uses."""

import os

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

ROLES = {}


def note(optimiser, args, kwargs):
    rates = {group["lr"] for group in optimiser.param_groups}
    roles = {ROLES[id(p)] for group in optimiser.param_groups for p in group["params"]}
    assert len(rates) == len(roles) == 1
    with open(os.environ["TTUR_TEST_LOG"], "a") as log:
        log.write(f"{os.getpid()} {roles.pop()} {rates.pop()!r}\\n")


register_optimizer_step_pre_hook(note)


def pair(channels, side, latent, width):
    g = nn.Sequential(nn.Linear(latent, side * side), nn.Tanh(), nn.Unflatten(1, (channels, side, side)))
    d = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 1))
    ROLES.update({id(p): "G" for p in g.parameters()} | {id(p): "D" for p in d.parameters()})
    return g, d
'''


def gan_spec(trials: int = 2, **trial: Any) -> dict[str, Any]:
    """One arm of little GANs on digits, one trial at a time, so that its process is used again."""
    arm = {"space": "two_timescale", "trials": trials, "b": [1e-3, 1e-2], "a": [1e-4, 1e-3]}
    spec = saddle_spec(
        "gans",
        search={"sampler": "random", "seed": 3},
        resources={"cpus": 1, "checkpoint_seconds": 0},
    )
    spec["arms"] = {"two_timescale": {**arm, "d_steps": [2, 3]}}
    spec["trial"] = {**SMALL["gan"], **trial}
    return spec


def stretches(lines: list[str]) -> dict[tuple[str, str, str], list[int]]:
    """D steps before each G step, by (process, b, a)."""
    found: dict[tuple[str, str, str], list[int]] = {}
    d_rates: dict[str, list[str]] = {}
    for line in lines:
        process, role, rate = line.split()
        if role == "D":
            d_rates.setdefault(process, []).append(rate)
        else:
            rates = d_rates.pop(process)
            assert len(set(rates)) == 1
            found.setdefault((process, rates[0], rate), []).append(len(rates))
    return found


def test_the_sampled_rates_reach_the_optimisers_fresh_restored_and_in_a_reused_process(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, {"TTUR_TEST_LOG": str(tmp_path / "steps.log")})
    (tmp_path / "watched.py").write_text(WATCHED)
    spec = str(place.write(gan_spec(networks="watched:pair")))
    place.hold(2)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("gans", 2, 1, process)
    finally:
        end_hard(process)
    place.let_go()
    place.ttur("launch", spec)
    runs = sorted(place.runs("gans"), key=lambda run: int(run.data.tags["number"]))
    logged = [(run.data.metrics["b"], run.data.metrics["a"]) for run in runs]
    steps = [int(run.data.metrics["d_steps"]) for run in runs]
    assert len({run.data.tags["trial"] for run in runs}) == len(runs) == 2
    seen = stretches((tmp_path / "steps.log").read_text().splitlines())
    assert {(float(b), float(a)) for _, b, a in seen} == set(logged)
    for (_, b, a), d_steps in seen.items():
        assert set(d_steps) == {steps[logged.index((float(b), float(a)))]}
    by_process = Counter(process for process, _, _ in seen)
    by_trial = Counter((b, a) for _, b, a in seen)
    assert max(by_trial.values()) == 2, "no trial was taken up in another process"
    assert max(by_process.values()) == 2, "no process was used for a second trial"
    made: Counter[tuple[str, str]] = Counter()
    for (_, b, a), d_steps in seen.items():
        made[b, a] += len(d_steps)
    assert set(made.values()) == {6}, "a step was lost or made twice"


def test_trials_that_diverge_end_and_do_not_stop_the_study(tmp_path: Path) -> None:
    place = Place(tmp_path)
    spec = gan_spec(
        trials=3,
        optimiser={"name": "sgd"},
        networks={"name": "dcgan", "width": 2, "latent": 4, "g_norm": "none", "d_norm": "none"},
    )
    arm = spec["arms"]["two_timescale"]
    spec["arms"]["two_timescale"] = {**arm, "b": [1e-3, 1e35], "a": [1e-3, 1e35]}
    spec["arms"]["two_timescale"]["points"] = [{"b": 1e30, "a": 1e30}, {"b": 1e-3, "a": 1e-3}]
    place.ttur("launch", str(place.write(spec)))
    status = place.json("status", "gans")
    counts = status["arms"]["two_timescale"]
    assert status["state"] == "finished"
    assert counts["running"] == counts["interrupted"] == counts["failed"] == 0
    assert counts["complete"] + counts["diverged"] == 3
    assert counts["diverged"] >= 1
    assert place.states("gans", "two_timescale") == {"COMPLETE": 3}
    outcomes = {run.data.tags["number"]: run.data.tags for run in place.runs("gans")}
    assert outcomes["0"]["outcome"] == "diverged"
    assert re.search(r"step \d|inf|nan", outcomes["0"]["reason"])
    assert outcomes["1"]["outcome"] == "complete"
    assert {run.info.status for run in place.runs("gans")} == {"FINISHED"}


FRAGILE = '''
"""A user's pair of networks whose process runs out of memory, is killed, or never works."""

import os
import resource
import signal
import sys
from pathlib import Path

from torch import nn


def in_a_trial():
    """Not in the launch, which calls the function too before anything is run."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def pair(channels, side, latent, width):
    if latent == 3 and in_a_trial():
        raise ValueError("latent 3 never works")
    mark = Path(os.environ["TTUR_TEST_MARK"])
    attempt = int(mark.read_text()) if mark.exists() else 0
    if in_a_trial():
        mark.write_text(str(attempt + 1))
    else:
        attempt = -1
    if attempt == 0:
        # Only for a moment: the threads of Ray in this process need memory as well.
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (2**35, before[1]))
        try:
            bytearray(2**36)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    if attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does when memory is short
    g = nn.Sequential(nn.Linear(latent, side * side), nn.Tanh(), nn.Unflatten(1, (channels, side, side)))
    return g, nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 1))
'''


@pytest.mark.faults
def test_a_trial_out_of_memory_is_tried_again_and_one_that_always_fails_is_failed(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, {"TTUR_TEST_MARK": str(tmp_path / "attempts")})
    (tmp_path / "fragile.py").write_text(FRAGILE)
    spec = gan_spec(trials=1, networks={"name": "fragile:pair", "latent": 4})
    arm = spec["arms"]["two_timescale"]
    spec["arms"] = {
        "fragile": {**arm, "further": {"networks.latent": {"choices": [4]}}},
        "hopeless": {**arm, "further": {"networks.latent": {"choices": [3]}}},
    }
    said = place.ttur("launch", str(place.write(spec)))
    # Out of memory, killed, and built; a last time for the score of an untrained generator.
    assert int((tmp_path / "attempts").read_text()) == 4
    assert "MemoryError" in said
    assert said.count("hopeless/0 is tried again") == 2
    assert place.states("gans", "fragile") == {"COMPLETE": 1}
    assert place.states("gans", "hopeless") == {"FAIL": 1}
    (failed,) = place.trials("gans", "hopeless")
    reason = failed.user_attrs["reason"]
    assert reason.startswith(
        "ValueError: networks fragile:pair: called with (channels=1, side=8, latent=3"
    )
    assert reason.endswith("it raised ValueError: latent 3 never works")
    tags = {run.data.tags["arm"]: (run.data.tags, run.info.status) for run in place.runs("gans")}
    assert tags["hopeless"][0]["reason"] == reason
    assert tags["hopeless"][1] == "FAILED"
    assert tags["fragile"][0]["outcome"] == "complete"
    status = place.json("status", "gans")
    assert status["state"] == "finished"
    assert status["arms"]["hopeless"]["failed"] == 1
