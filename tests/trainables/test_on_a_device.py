"""Every kind of training on a pretend accelerator (support/pretend.py): it is the CPU's, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.runs import played, small_assignment
from support.trials import mostly_slow, to_rounding, without_clocks
from torch import Tensor, nn

from trainables.assignment import Assignment
from trainables.devices import random_state
from trainables.run import TrialRun

"""For statistics of real images, which are the same in all of these tests."""

DCGAN = {"name": "dcgan", "width": 2, "latent": 4}
WGAN = {"name": "wgan_gp", "width": 2, "latent": 4}
ALONE = {**DCGAN, "d_norm": "layer"}
USERS = f"{__name__}:noisy"
"""A user's pair, by the name that a spec uses."""

EXACT: dict[str, dict[str, Any]] = {
    "dcgan": {},
    "flipped": {"data": {"name": "digits", "flip": True}},
    "hinge and spectral norm": {
        "loss": "hinge",
        "networks": {**DCGAN, "d_norm": "none", "d_spectral_norm": True},
    },
    "least squares, simultaneous, cosine": {
        "loss": "least_squares",
        "update_rule": "simultaneous",
        "schedule": "cosine",
    },
    "same z": {"generator_latents": "same"},
    "extragradient": {"update_rule": "extragradient"},
    "heavy ball": {
        "optimiser": {"name": "heavy_ball", "r": 50},
        "schedule": "power",
        "update_rule": "extragradient",
    },
    "sgd": {"optimiser": {"name": "sgd", "beta1": 0.9}, "regulariser": "weight_decay"},
    "average": {"ema": 0.9, "generator_latents": "same"},
    "wgan_gp": {"networks": WGAN, "loss": "wasserstein", "regulariser": "gradient_penalty"},
    "penalty": {"networks": ALONE, "regulariser": "gradient_penalty", "optimiser": "sgd"},
    "r1": {"networks": ALONE, "regulariser": "r1"},
    "r1 lazily": {
        "networks": ALONE,
        "regulariser": {"r1": 1.0, "every": 3},
        "ema": 0.9,
        "ema_ramp": 0.5,
    },
    "tf32": {"networks": ALONE, "regulariser": "r1", "precision": "tf32", "deterministic": False},
}
LANGUAGE: dict[str, dict[str, Any]] = {
    "language": {},
    "language with r1": {"loss": "non_saturating", "regulariser": "r1", "ema": 0.9},
}


class Noisy(nn.Module):
    """A user's discriminator that draws: dropout, and noise of its own."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)

    def forward(self, images: Tensor) -> Tensor:
        pixels = nn.functional.dropout(images.flatten(1), 0.3, self.training)
        return self.linear(pixels + 0.1 * torch.randn_like(pixels))


def noisy(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(1)  # a user may; it seeds every device
    g = nn.Sequential(nn.Linear(latent, channels * side**2), nn.Tanh())
    return g.append(nn.Unflatten(1, (channels, side, side))), Noisy(channels * side**2)


@pytest.fixture(autouse=True)
def gpu() -> Iterator[Accelerator]:
    with Accelerator() as accelerator:
        yield accelerator


def assignment(folder: Path, kind: str, further: dict[str, Any], name: str = "run") -> Assignment:
    return small_assignment(kind, folder, name, **{"steps": 4, **further})


def outcome(run: TrialRun) -> Any:
    """All that a run has come to, but for clocks and for the streams of devices it has been on."""
    state = run.trial.save()
    state["game"]["streams"].pop("devices")
    return without_clocks([state, to_rounding(run.history), dict(run.trial.artifacts())])


def kind_of(name: str) -> str:
    return "language" if name in LANGUAGE else "gan"


@pytest.mark.parametrize("name", mostly_slow([*EXACT, *LANGUAGE]))
def test_training_is_that_of_the_cpu_bit_for_bit(tmp_path: Path, name: str) -> None:
    """With penalties too, as each one's gradient is taken by itself and added in one order."""
    further = {**EXACT, **LANGUAGE}[name]
    ran = [
        played(TrialRun(assignment(tmp_path, kind_of(name), further, place[:3]), place))
        for place in ("cpu", DEVICE)
    ]
    assert len(ran[0].history) == 2
    assert outcome(ran[0]) == outcome(ran[1])


@pytest.mark.parametrize(
    "name", mostly_slow(["dcgan", "average", "heavy ball", "users", "wgan_gp", "language"])
)
def test_a_resumed_trial_is_one_that_was_not_stopped(tmp_path: Path, name: str) -> None:
    further = {**EXACT, **LANGUAGE, "users": {"networks": USERS}}[name]
    whole = played(TrialRun(assignment(tmp_path, kind_of(name), further), DEVICE))
    given = assignment(tmp_path, kind_of(name), further, "stopped")
    begun = TrialRun(given, DEVICE)
    begun.trial.advance(lambda: begun.trial.step == 1)
    begun.checkpoint()
    resumed = TrialRun(given, DEVICE)
    assert resumed.trial.step == 1
    assert outcome(played(resumed)) == outcome(whole)


@pytest.mark.parametrize(
    ("first", "then"),
    [pytest.param("cpu", DEVICE, marks=pytest.mark.slow), (DEVICE, "cpu")],
)
@pytest.mark.parametrize("name", mostly_slow(["dcgan", "average", "language"]))
def test_a_trial_may_be_moved_half_way(tmp_path: Path, name: str, first: str, then: str) -> None:
    further = {**EXACT, **LANGUAGE}[name]
    whole = played(TrialRun(assignment(tmp_path, kind_of(name), further), "cpu"))
    given = assignment(tmp_path, kind_of(name), further, "moved")
    begun = TrialRun(given, first)
    begun.trial.advance(lambda: begun.trial.step == 1)
    begun.checkpoint()
    assert outcome(played(TrialRun(given, then))) == outcome(whole)


@pytest.mark.slow
def test_a_users_randomness_on_a_device_is_the_trials_own(tmp_path: Path) -> None:
    """Two seeds draw differently, one seed alike, whatever else is drawn or seeded on the device."""
    losses = []
    for number, seed in enumerate((3, 3, 4)):
        given = assignment(tmp_path, "gan", {"networks": USERS}, f"run-{number}")
        torch.rand(number, device=DEVICE)
        run = TrialRun(replace(given, seed=seed), DEVICE)
        torch.get_device_module(DEVICE).manual_seed(number)
        losses.append(played(run).history[0].metrics["d_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_a_trial_leaves_the_streams_of_the_process_alone(tmp_path: Path) -> None:
    torch.get_device_module(DEVICE).manual_seed(5)
    before = [torch.get_rng_state(), random_state(DEVICE)]
    further = {"networks": USERS, "regulariser": "r1"}  # which looks at D twice
    with pytest.raises(ValueError, match="own image only"):
        TrialRun(
            assignment(tmp_path, "gan", {**further, "networks": f"{__name__}:sharing"}), DEVICE
        )
    played(TrialRun(assignment(tmp_path, "gan", further), DEVICE))
    for one, other in zip(before, [torch.get_rng_state(), random_state(DEVICE)], strict=True):
        assert torch.equal(one, other)


def sharing(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    class Centred(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images - images.mean(0)

    g, _ = noisy(channels=channels, side=side, latent=latent, width=width)
    return g, nn.Sequential(Centred(), nn.Flatten(), nn.Linear(channels * side**2, 1))


@pytest.mark.parametrize("name", mostly_slow(["dcgan", "average", "wgan_gp", "language"]))
def test_a_device_without_float64_trains_too(tmp_path: Path, name: str) -> None:
    """As Apple's MPS; statistics in float64 are the CPU's."""
    further = {**EXACT, **LANGUAGE}[name]
    cpu = played(TrialRun(assignment(tmp_path, kind_of(name), further, "cpu"), "cpu"))
    with Accelerator(float64=False):
        run = played(TrialRun(assignment(tmp_path, kind_of(name), further), DEVICE))
    assert run.history[-1].score == pytest.approx(cpu.history[-1].score, rel=2e-3)
