"""Trials on a real accelerator: near the CPU's, repeatable, resumed exactly, without waiting, and cleaned up.

    python -m pytest -m gpu tests/trainables/test_gpu.py tests/trainables/gan/test_whole_updates.py

The second file holds whole updates against a plain loop on the CPU. Neither imports Ray or MLflow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.devices import accelerator
from support.runs import CACHE, come_to, played, small_assignment
from support.trials import small_config
from torch import Tensor, nn

from trainables import devices
from trainables.assignment import Assignment
from trainables.gan.adversarial import AdversarialTrial
from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Parameters
from trainables.run import TrialRun

pytestmark = pytest.mark.gpu
"""For statistics of real images, which are the same in all of these tests."""

RECORDED = 7
"""A step by which all kinds of steps have been recorded."""

USERS = f"{__name__}:noisy"
KINDS: dict[str, dict[str, Any]] = {
    "dcgan": {"generator_latents": "same", "data": {"name": "digits", "flip": True}},
    "spectral": {
        "loss": "hinge",
        "networks": {"name": "dcgan", "width": 8, "d_norm": "none", "d_spectral_norm": True},
    },
    "average": {"ema": 0.9, "update_rule": "extragradient"},
    "heavy ball": {"optimiser": {"name": "heavy_ball", "r": 50}, "schedule": "power"},
    "sgd": {"optimiser": {"name": "sgd", "beta1": 0.9}, "update_rule": "simultaneous"},
    "wgan_gp": {
        "networks": {"name": "wgan_gp", "width": 8},
        "loss": "wasserstein",
        "regulariser": "gradient_penalty",
    },
    "r1": {
        "networks": {"name": "dcgan", "width": 8, "d_norm": "layer"},
        "regulariser": "r1",
    },
    "r1 lazily": {
        "networks": {"name": "dcgan", "width": 8, "d_norm": "layer"},
        "regulariser": {"r1": 10, "every": 4},
        "ema": 0.9,
        "ema_ramp": 0.5,
    },
    "tf32": {"precision": "tf32", "generator_latents": "same"},
    "tf32 and r1": {
        "networks": {"name": "dcgan", "width": 8, "d_norm": "layer"},
        "precision": "tf32",
        "regulariser": "r1",
        "ema": 0.9,
        "ema_start": 2,
    },
    "bf16": {"precision": "bf16"},
    "bf16 and a penalty": {
        "networks": {"name": "wgan_gp", "width": 8},
        "loss": "wasserstein",
        "regulariser": "gradient_penalty",
        "precision": "bf16",
    },
    "users": {"networks": USERS},
    "language": {},
}


class Noisy(nn.Module):
    """A user's discriminator that draws, and that sets precisions in torch's newer way."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)

    def forward(self, images: Tensor) -> Tensor:
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        pixels = nn.functional.dropout(images.flatten(1), 0.3, self.training)
        return self.linear(pixels + 0.1 * torch.randn_like(pixels))


def noisy(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(1)  # a user may; it seeds every device
    g = nn.Sequential(nn.Linear(latent, channels * side**2), nn.Tanh())
    return g.append(nn.Unflatten(1, (channels, side, side))), Noisy(channels * side**2)


def assignment(folder: Path, name: str, run: str = "run") -> Assignment:
    kind = "language" if name == "language" else "gan"
    return small_assignment(kind, folder, run, **{"steps": 6, "evaluate_every": 3, **KINDS[name]})


@pytest.mark.parametrize("name", KINDS)
def test_a_trial_on_a_gpu_repeats_and_is_near_the_cpus(tmp_path: Path, name: str) -> None:
    runs = [
        played(TrialRun(assignment(tmp_path, name, f"run-{i}"), device))
        for i, device in enumerate((accelerator(), accelerator(), "cpu"))
    ]
    assert come_to(runs[0]) == come_to(runs[1])
    if name == "users":  # other draws
        return
    for ours, cpus in zip(runs[0].history, runs[2].history, strict=True):
        assert ours.score == pytest.approx(cpus.score, rel=0.1)
        # A critic's loss is a difference of scores that know no unit: 0.03 apart was seen on an H200.
        assert ours.metrics["d_loss"] == pytest.approx(cpus.metrics["d_loss"], rel=0.02, abs=0.1)


@pytest.mark.parametrize("name", KINDS)
def test_a_resumed_trial_is_one_that_was_not_stopped(tmp_path: Path, name: str) -> None:
    whole = played(TrialRun(assignment(tmp_path, name), accelerator()))
    given = assignment(tmp_path, name, "stopped")
    begun = TrialRun(given, accelerator())
    begun.trial.advance(lambda: begun.trial.step == 2)
    begun.checkpoint()
    assert come_to(played(TrialRun(given, accelerator()))) == come_to(whole)


def trial_of(name: str, folder: Path, device: str, **further: Any) -> AdversarialTrial:
    given = assignment(folder, name)
    context = Context(seed=3, device=device, cache=given.cache)
    config = {**given.trial, "steps": 90, "evaluate_every": 90, **further}
    trial = build_trial(config, given.parameters, context)
    assert isinstance(trial, AdversarialTrial)
    return trial


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_no_step_makes_the_host_wait(tmp_path: Path, name: str, graphs: bool) -> None:
    if accelerator() != "cuda":
        pytest.skip("only CUDA can tell")
    trial = trial_of(name, tmp_path, "cuda", cuda_graphs=graphs)
    for n in range(1, RECORDED):
        trial.game.step(n)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for n in range(RECORDED, RECORDED + 8):
            trial.game.step(n)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    trial.game.settle()


@pytest.mark.parametrize("name", ["dcgan", "average", "heavy ball", "sgd"])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_an_update_that_is_not_finite_is_never_made(tmp_path: Path, name: str, player: str) -> None:
    # A recorded step: test_graphs_gpu.py.
    trial = trial_of(name, tmp_path, accelerator(), cuda_graphs=False)
    side = trial.game._d if player == "discriminator" else trial.game._g
    honest = side.gradient
    before: list[Tensor] = []

    def gradient() -> Any:
        loss, terms = honest()
        if trial.game._watch.update == 3:
            before[:] = before or [w.detach().clone() for w in side.optimiser.parameters]
            bad = terms[0].clone()
            bad[(-1,) * bad.dim()] = torch.nan  # one number
            terms = [bad, *terms[1:]]
        return loss, terms

    object.__setattr__(side, "gradient", gradient)
    ended = trial.advance()
    assert isinstance(ended, Diverged)
    assert (ended.step, trial.step) == (2, 2)
    assert ended.reason == f"the {player}'s gradient is nan"
    for old, new in zip(before, side.optimiser.parameters, strict=True):
        if name != "average":  # extragradient was looking ahead when it was told
            assert torch.equal(old, new)
        assert bool(torch.isfinite(new).all())


def test_two_seeds_draw_differently_on_the_device(tmp_path: Path) -> None:
    given = assignment(tmp_path, "users")
    losses = []
    for number, seed in enumerate((3, 3, 4)):
        own = replace(given, seed=seed, folder=str(tmp_path / str(number)))
        torch.rand(number, device=accelerator())
        losses.append(played(TrialRun(own, accelerator())).history[0].metrics["d_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_the_memory_of_a_trial_is_given_back(tmp_path: Path) -> None:
    if accelerator() != "cuda":
        pytest.skip("only CUDA is asked for what is held")
    devices.release()
    held = torch.cuda.memory_allocated()
    run = played(TrialRun(assignment(tmp_path, "wgan_gp"), "cuda"))
    assert torch.cuda.memory_allocated() > held
    del run
    devices.release()
    # cuBLAS keeps a workspace of its own for as long as the process lives.
    torch._C._cuda_clearCublasWorkspaces()
    assert torch.cuda.memory_allocated() <= held


def test_a_trial_cannot_take_more_than_its_share_of_the_memory() -> None:
    if accelerator() != "cuda":
        pytest.skip("only CUDA shares its memory out")
    devices.release()
    whole = torch.cuda.get_device_properties(0).total_memory
    devices.keep_to_share("cuda", 0.05)
    try:
        torch.empty(int(whole * 0.04), dtype=torch.uint8, device="cuda")
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.empty(int(whole * 0.06), dtype=torch.uint8, device="cuda")
    finally:
        devices.keep_to_share("cuda", 1.0)
        devices.release()


def test_parameters_of_every_kind_are_allowed(tmp_path: Path) -> None:
    """Frozen ones, and one that lies transposed."""
    context = Context(seed=0, device=accelerator(), cache=CACHE.name)
    config = {**small_config("gan", tmp_path), "networks": f"{__name__}:odd"}
    trial = build_trial(config, Parameters(b=1e-3, a=1e-3, d_steps=1), context)
    while not trial.finished:
        assert not isinstance(trial.advance(), Diverged)


def odd(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    g, _ = noisy(channels=channels, side=side, latent=latent, width=width)
    hidden = nn.Linear(channels * side**2, 3)
    hidden.weight = nn.Parameter(torch.randn(channels * side**2, 3).t())
    frozen = nn.Linear(3, 3).requires_grad_(False)
    return g, nn.Sequential(nn.Flatten(), hidden, frozen, nn.Linear(3, 1))
