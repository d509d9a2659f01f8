"""What a step costs on a device, counted on a pretend one: reads, uploads, kernels, transfers, memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.pretend import DEVICE, Accelerator, counted
from support.trials import mostly_slow, small_config

from trainables.gan import batches
from trainables.gan.adversarial import AdversarialTrial
from trainables.kinds import build_trial
from trainables.networks.build import build
from trainables.protocol import Context, Diverged, Parameters
from trainables.settings.networks import NetworkSettings

CACHE = TemporaryDirectory()
"""For statistics of real images, which are the same in all of these tests."""

KINDS: dict[str, dict[str, Any]] = {
    "dcgan": {},
    "extragradient": {"update_rule": "extragradient", "ema": 0.9},
    "r1 lazily": {
        "networks": {"name": "dcgan", "width": 2, "latent": 4, "d_norm": "layer"},
        "regulariser": {"r1": 1.0, "every": 3},
        "ema": 0.9,
        "ema_ramp": 0.5,
        "precision": "tf32",
        "deterministic": False,
    },
    "heavy ball": {"optimiser": {"name": "heavy_ball", "r": 50}, "schedule": "power"},
    "wgan_gp": {
        "networks": {"name": "wgan_gp", "width": 2, "latent": 4},
        "loss": "wasserstein",
        "regulariser": "gradient_penalty",
    },
    "language": {},
}
STEPS = 6


@pytest.fixture(autouse=True)
def gpu() -> Iterator[Accelerator]:
    with Accelerator() as accelerator:
        yield accelerator


def trial_of(name: str, folder: Path, d_steps: int = 2, **further: Any) -> AdversarialTrial:
    config = small_config("language" if name == "language" else "gan", folder)
    length = {"steps": 100, "evaluate_every": 50}
    trial = build_trial(
        {**config, **length, **KINDS[name], **further},
        Parameters(b=2e-3, a=1e-3, d_steps=d_steps),
        Context(seed=3, device=DEVICE, cache=CACHE.name),
    )
    assert isinstance(trial, AdversarialTrial)
    return trial


def stepped(trial: AdversarialTrial, count: int = STEPS) -> None:
    for _ in range(count):
        trial.game.step(trial._step + 1)
        trial._step += 1


@pytest.mark.parametrize("resident", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.parametrize("name", mostly_slow(KINDS))
def test_no_step_makes_the_host_wait_and_few_upload(
    tmp_path: Path,
    gpu: Accelerator,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    resident: bool,
) -> None:
    if not resident:
        monkeypatch.setattr(batches, "RESIDENT_BYTES", 0)
    trial = trial_of(name, tmp_path)
    stepped(trial, 1)
    _, reads, uploads = counted(gpu, lambda: stepped(trial))
    assert reads == 0, gpu.where
    assert uploads <= STEPS, gpu.where
    if resident:  # what was uploaded in the first step lasts
        assert uploads == 0, gpu.where


@pytest.mark.parametrize("name", mostly_slow(KINDS))
def test_a_checkpoint_is_one_transfer(tmp_path: Path, gpu: Accelerator, name: str) -> None:
    trial = trial_of(name, tmp_path)
    stepped(trial, 2)
    trial.game.settle()
    _, reads, uploads = counted(gpu, trial.save)
    assert (reads, uploads) == (1, 0), gpu.where


@pytest.mark.parametrize("name", mostly_slow(["dcgan", "wgan_gp"]))
def test_a_step_launches_no_more_than_a_plain_loops(
    tmp_path: Path, gpu: Accelerator, name: str
) -> None:
    trial = trial_of(name, tmp_path, d_steps=1)
    stepped(trial, 1)
    ours, _, _ = counted(gpu, lambda: stepped(trial, 1))
    loop = PlainLoop(trial, penalised=name == "wgan_gp")
    loop.step()
    theirs, _, _ = counted(gpu, loop.step)
    assert ours <= theirs


class PlainLoop:
    """The loop of the usual tutorial, on the device, with the fastest optimisers that torch has."""

    def __init__(self, trial: AdversarialTrial, penalised: bool) -> None:
        settings = NetworkSettings(name="wgan_gp" if penalised else "dcgan", width=2, latent=4)
        pair = build(settings, 1, 8, 0)
        self.g, self.d = (n.to(DEVICE).train() for n in (pair.generator, pair.discriminator))
        self.adams = [
            torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.999), fused=True)
            for network in (self.d, self.g)
        ]
        self.images = torch.rand(100, 1, 8, 8, device=DEVICE)
        self.penalised = penalised

    def step(self) -> None:
        real = self.images[torch.randint(100, (8,), device=DEVICE)]
        self.adams[0].zero_grad()
        fake = self.g(torch.randn(8, 4, device=DEVICE))
        self.loss(self.d(real), 1).backward()
        self.loss(self.d(fake.detach()), 0).backward()
        if self.penalised:
            alpha = torch.rand(8, 1, 1, 1, device=DEVICE)
            at = (real + alpha * (fake.detach() - real)).requires_grad_()
            (slope,) = torch.autograd.grad(self.d(at).sum(), at, create_graph=True)
            (10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()).backward()
        self.adams[0].step()
        self.adams[1].zero_grad()
        fake = self.g(torch.randn(8, 4, device=DEVICE))
        self.loss(self.d(fake), 1).backward()
        self.adams[1].step()

    def loss(self, scores: torch.Tensor, label: int) -> torch.Tensor:
        if self.penalised:
            return scores.mean() * (1 - 2 * label)
        labels = torch.full_like(scores, label)
        return F.binary_cross_entropy_with_logits(scores, labels)


@pytest.mark.parametrize("name", mostly_slow(KINDS))
def test_the_memory_of_a_trial_is_given_back(tmp_path: Path, gpu: Accelerator, name: str) -> None:
    trial = trial_of(name, tmp_path, steps=2, evaluate_every=1)
    while not trial.finished:
        trial.advance()
    assert gpu.bytes > 0
    del trial
    gc.collect()
    assert gpu.bytes == 0


@pytest.mark.parametrize("name", mostly_slow(["dcgan", "extragradient", "heavy ball"]))
@pytest.mark.parametrize("optimiser", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("player", "at"),
    [pytest.param("discriminator", 3, marks=pytest.mark.slow), ("generator", 4)],
)
def test_an_update_that_is_not_finite_is_never_made(
    tmp_path: Path, name: str, optimiser: str, player: str, at: int
) -> None:
    """Though the host learns of it later: step, reason and weights are the CPU's."""
    if name == "heavy ball" and optimiser == "sgd":
        pytest.skip("an optimiser of its own")
    further = {} if name == "heavy ball" else {"optimiser": optimiser}
    outcomes = []
    for device in ("cpu", DEVICE):
        config = {**small_config("gan", tmp_path), "steps": 8, "evaluate_every": 8}
        trial = build_trial(
            {**config, **KINDS[name], **further},
            Parameters(b=2e-3, a=1e-3, d_steps=2),
            Context(seed=3, device=device, cache=CACHE.name),
        )
        assert isinstance(trial, AdversarialTrial)
        spoil(trial, player, at)
        ended = trial.advance()
        assert isinstance(ended, Diverged)
        assert trial.finished
        weights = [*trial.game.discriminator.parameters(), *trial.game.generator.parameters()]
        outcomes.append((ended.step, trial.step, ended.reason, [w.tolist() for w in weights]))
    assert outcomes[0][:2] == (at - 1, at - 1)
    assert f"the {player}'s gradient is nan" in outcomes[0][2]
    assert outcomes[0] == outcomes[1]


def spoil(trial: AdversarialTrial, player: str, at: int) -> None:
    """Makes one number of a player's gradient of generator update ``at`` NaN."""
    side = trial.game._d if player == "discriminator" else trial.game._g
    honest = side.gradient

    def gradient() -> Any:
        loss, terms = honest()
        if trial.game._watch.update == at:
            bad = terms[0].clone()
            bad[(-1,) * bad.dim()] = torch.nan  # one number
            terms = [bad, *terms[1:]]
        return loss, terms

    object.__setattr__(side, "gradient", gradient)
