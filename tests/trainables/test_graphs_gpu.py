"""Steps recorded as CUDA graphs on a real GPU are those that are launched kernel by kernel, bit for bit.

    python -m pytest -m gpu tests/trainables/test_graphs_gpu.py

What can be seen of this without a GPU is in gan/test_graphs_on_a_device.py.
"""

from __future__ import annotations

import gc
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from support.devices import accelerator
from support.own_networks import (
    Further,
    Own,
    counts,
    draws_with_python,
    draws_with_torch,
    drops,
    maker,
    reads,
    selects,
    uploads,
)
from support.runs import come_to, played, small_assignment
from torch import Tensor, nn

from trainables import devices
from trainables.gan.adversarial import AdversarialTrial
from trainables.run import TrialRun

pytestmark = pytest.mark.gpu
WGAN = {"networks": {"name": "wgan_gp", "width": 8}, "loss": "wasserstein"}
LAYER = {"networks": {"name": "dcgan", "width": 8, "d_norm": "layer"}}
SPECTRAL = {"networks": {"name": "dcgan", "width": 8, "d_norm": "none", "d_spectral_norm": True}}

KINDS: dict[str, dict[str, Any]] = {
    "dcgan": {"data": {"name": "digits", "flip": True}},
    "same z": {"generator_latents": "same", "ema": 0.9},
    "16x16": {"generator_latents": "same", "networks": {"name": "dcgan", "width": 16}},
    "ramp": {"ema": 0.9, "ema_start": 2, "ema_ramp": 0.5, "schedule": "cosine"},
    "spectral": {**SPECTRAL, "loss": "hinge", "ema": 0.9, "ema_ramp": 0.5},
    "extragradient": {"update_rule": "extragradient", "ema": 0.9},
    "simultaneous": {"update_rule": "simultaneous", "regulariser": "weight_decay"},
    "heavy ball": {"optimiser": {"name": "heavy_ball", "r": 50}, "schedule": "power"},
    "polynomial": {
        "optimiser": {"name": "heavy_ball", "r": 50, "memory": "polynomial"},
        "schedule": "power",
        "update_rule": "extragradient",
    },
    "sgd": {"optimiser": {"name": "sgd", "beta1": 0.9}, "schedule": "cosine"},
    "wgan_gp": {**WGAN, "regulariser": "gradient_penalty"},
    "wgan_gp, decay": {
        **WGAN,
        "regulariser": ["gradient_penalty", "weight_decay"],
        "update_rule": "extragradient",
        "optimiser": "sgd",
    },
    "wgan_gp lazily": {**WGAN, "regulariser": {"gradient_penalty": 10, "every": 3}},
    "r1": {**LAYER, "regulariser": "r1", "loss": "least_squares"},
    "r1 lazily": {**LAYER, "regulariser": {"r1": 10, "every": 4}, "ema": 0.9, "ema_ramp": 0.5},
    "tf32": {"precision": "tf32"},
    "tf32, r1": {**LAYER, "precision": "tf32", "regulariser": "r1"},
    "bf16": {"precision": "bf16", "generator_latents": "same"},
    "bf16, penalty": {**WGAN, "precision": "bf16", "regulariser": "gradient_penalty"},
    "dropout": {"networks": f"{__name__}:dropping"},
    "augmented": {"data": {"name": "digits", "augment": "support.own_networks:rolled"}},
    "language": {},
    "language, r1": {"loss": "non_saturating", "regulariser": "r1"},
}


BROKEN = (reads, counts, draws_with_torch, draws_with_python, selects, uploads)


def dropping(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    return maker(channels, side, latent), Own(channels * side**2, drops)


_further: list[Further] = [drops]


def broken(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    return maker(channels, side, latent), Own(channels * side**2, _further[-1])


def run_of(folder: Path, name: str, run: str, steps: int = 14, **further: Any) -> TrialRun:
    if accelerator() != "cuda":
        pytest.skip("only CUDA records graphs")
    kind = "language" if name.startswith("language") else "gan"
    length = {"steps": steps, "evaluate_every": steps // 2}
    given = small_assignment(kind, folder, run, **{**length, **KINDS.get(name, {}), **further})
    return TrialRun(given, "cuda")


def one_more(run: TrialRun) -> None:
    """Makes one step, or the evaluation that is due."""
    asked = itertools.count()
    if not run.finished:
        event = run.trial.advance(lambda: next(asked) > 0)
        if event is not None:
            run._keep(event, 0.0)


def outcome(run: TrialRun) -> Any:
    return come_to(run, "cuda_graphs")


def recordings(run: TrialRun) -> int:
    assert isinstance(run.trial, AdversarialTrial)
    return len(run.trial.game._steps._recorded)


@pytest.mark.parametrize("name", KINDS)
def test_recorded_steps_are_those_made_by_themselves(tmp_path: Path, name: str) -> None:
    recorded = played(run_of(tmp_path, name, "recorded"))
    plain = played(run_of(tmp_path, name, "plain", cuda_graphs=False))
    assert isinstance(recorded.trial, AdversarialTrial)
    assert recorded.trial.said is None
    assert recordings(recorded) == {"wgan_gp lazily": 3, "r1 lazily": 2}.get(name, 1)
    assert recordings(plain) == 0
    assert outcome(recorded) == outcome(plain)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["dcgan", "ramp", "heavy ball", "sgd", "r1 lazily", "dropout"])
def test_a_trial_is_resumed_with_and_without_recordings(
    tmp_path: Path, name: str, first: bool
) -> None:
    whole = played(run_of(tmp_path, name, "whole"))
    begun = run_of(tmp_path, name, "stopped", cuda_graphs=first)
    begun.trial.advance(lambda: begun.trial.step == 5)
    begun.checkpoint()
    assert recordings(begun) == (1 if first else 0)
    resumed = run_of(tmp_path, name, "stopped", cuda_graphs=not first)
    assert resumed.trial.step == 5
    assert outcome(played(resumed)) == outcome(whole)


@pytest.mark.parametrize("own", BROKEN)
def test_what_cannot_be_recorded_is_made_by_itself(tmp_path: Path, own: Further) -> None:
    _further.append(own)
    networks = f"{__name__}:broken"
    outcomes = []
    for graphs in (True, False):
        run = run_of(tmp_path, "own", str(graphs), cuda_graphs=graphs, networks=networks)
        random.seed(0)
        notes: list[str] = []
        while not run.finished:
            notes += run.turn().notes
        outcomes.append(outcome(run))
        assert recordings(run) == 0
        assert len(notes) == graphs
        assert all("CUDA graph" in note for note in notes)
    assert outcomes[0] == outcomes[1]
    # The device, its memory and its random numbers are as if nothing had been tried.
    after = played(run_of(tmp_path, "dropout", "after"))
    assert recordings(after) == 1
    assert outcome(after) == outcome(
        played(run_of(tmp_path, "dropout", "plain", cuda_graphs=False))
    )


@pytest.mark.parametrize("name", ["dcgan", "extragradient", "heavy ball", "sgd", "wgan_gp"])
def test_an_update_that_is_not_finite_is_never_replayed(tmp_path: Path, name: str) -> None:
    before = run_of(tmp_path, name, "before", steps=40)
    before.trial.advance(lambda: before.trial.step == 9)
    run = run_of(tmp_path, name, "nan", steps=40)
    assert isinstance(run.trial, AdversarialTrial)
    batches = run.trial.game._batches
    given, honest = 0, batches.next

    def poisoned() -> Tensor:
        nonlocal given
        given += 1  # two in a step, four where it looks ahead
        batch = honest()
        return batch * torch.nan if given > 9 * (4 if name == "extragradient" else 2) else batch

    batches.next = poisoned  # type: ignore[method-assign]
    run.turn()
    assert run.finished
    assert recordings(run) == 1
    assert run.trial.step == 9
    for network in ("generator", "discriminator"):
        was = getattr(before.trial.game, network).named_parameters()  # type: ignore[attr-defined]
        for (_, old), new in zip(was, getattr(run.trial.game, network).parameters(), strict=True):
            if name == "extragradient":  # it had looked ahead when it met the value
                assert bool(torch.isfinite(new).all())
            else:
                assert torch.equal(old, new)


@pytest.mark.parametrize("name", ["dcgan", "ramp", "spectral", "heavy ball", "r1 lazily", "bf16"])
def test_nothing_that_a_recording_needs_is_let_go_of(tmp_path: Path, name: str) -> None:
    """Between steps all memory that is free is given back, taken by others and filled with NaN."""
    plain = played(run_of(tmp_path, name, "plain", cuda_graphs=False))
    run = run_of(tmp_path, name, "recorded")
    while not run.finished:
        one_more(run)
        gc.collect()
        torch.cuda.empty_cache()
        filled = [torch.full((2**k,), torch.nan, device="cuda") for k in range(25)]
        del filled
    assert recordings(run) > 0
    assert outcome(run) == outcome(plain)


def test_two_trials_in_turn_in_one_process_do_not_meet(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, name, name) for name in ("dcgan", "dropout", "wgan_gp")]
    for _ in range(20):
        for run in runs:
            one_more(run)
    for run in runs:
        played(run)
        name = Path(run.assignment.folder).name
        alone = played(run_of(tmp_path, name, f"{name} alone"))
        assert outcome(run) == outcome(alone)


def test_the_memory_of_recordings_is_given_back(tmp_path: Path) -> None:
    """Two trials, one after another in one process, as an actor has them."""
    held = []
    for i in range(3):
        run = played(run_of(tmp_path, "wgan_gp lazily", f"run-{i}"))
        assert recordings(run) == 3
        reserved = torch.cuda.memory_reserved()
        del run
        devices.release()
        held.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))
        assert held[-1][1] < reserved
    # What the libraries keep they took for the first.
    assert held[2] == held[1]
