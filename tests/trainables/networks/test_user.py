"""A user's own pair of networks: built, used, and refused with one message where it does not fit."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.kinds import build_trial
from trainables.networks.build import build
from trainables.protocol import Context, Measurement, Parameters, Trial
from trainables.settings.networks import NetworkSettings


class Maker(nn.Module):
    def __init__(self, latent: int, channels: int, side: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent, channels * side * side)
        self.shape = (channels, side, side)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.linear(z)).unflatten(1, self.shape)


def judge(channels: int, side: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 1))


def good(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    return Maker(latent, channels, side), judge(channels, side)


def too_small(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    return Maker(latent, channels, side - 1), judge(channels, side)


def unbounded(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    maker = nn.Sequential(
        nn.Linear(latent, channels * side * side), nn.Unflatten(1, (channels, side, side))
    )
    nn.init.constant_(maker[0].bias, 5.0)
    return maker, judge(channels, side)


def merging(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """The reshape bug of the published 32x32 critic: four images, one score."""
    features = 4 * channels * side * side
    critic = nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (-1, features)), nn.Linear(features, 1))
    return Maker(latent, channels, side), critic


def wrong_latent(
    *, channels: int, side: int, latent: int, width: int
) -> tuple[nn.Module, nn.Module]:
    return Maker(latent + 1, channels, side), judge(channels, side)


def no_pair(*, channels: int, side: int, latent: int, width: int) -> nn.Module:
    return Maker(latent, channels, side)


def tupled(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    class Tupled(Maker):
        def forward(self, z: Tensor) -> Tensor:
            return (super().forward(z),)  # type: ignore[return-value]

    return Tupled(latent, channels, side), judge(channels, side)


def viewing(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    class Critic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, 4, 3, padding=1)
            self.score = nn.Linear(4 * side * side, 1)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.conv(images)
            return self.score(maps.view(maps.size(0), -1))

    return Maker(latent, channels, side), Critic()


def frozen(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, 3), nn.Linear(3, 1))
    critic[1].requires_grad_(False)
    return Maker(latent, channels, side), critic


def unused(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    critic = judge(channels, side)
    critic.register_parameter("spare", nn.Parameter(torch.zeros(1)))
    return Maker(latent, channels, side), critic


def with_sigmoid(
    *, channels: int, side: int, latent: int, width: int
) -> tuple[nn.Module, nn.Module]:
    return Maker(latent, channels, side), nn.Sequential(judge(channels, side), nn.Sigmoid())


def nearly_bounded(
    *, channels: int, side: int, latent: int, width: int
) -> tuple[nn.Module, nn.Module]:
    """Within [-1, 1] at its start, and only there."""
    linear = nn.Linear(latent, channels * side**2)
    nn.init.normal_(linear.weight, std=1e-3)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.Unflatten(1, (channels, side, side))), judge(channels, side)


def no_arguments() -> None: ...


def raising(*, channels: int, side: int, latent: int, width: int) -> None:
    raise KeyError("width")


def out_of_memory(*, channels: int, side: int, latent: int, width: int) -> None:
    raise MemoryError("for now")


def comparing(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    class Comparing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.judge = judge(channels, side)

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.judge(images)
            return scores - scores.mean()

    return Maker(latent, channels, side), Comparing()


USERS = [good, too_small, unbounded, merging, wrong_latent, no_pair, tupled, viewing, frozen]
USERS += [unused, with_sigmoid, nearly_bounded, no_arguments, raising, comparing, out_of_memory]


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    own = types.ModuleType("a_users_networks")
    for function in USERS:
        setattr(own, function.__name__, function)
    sys.modules[own.__name__] = own
    yield
    del sys.modules[own.__name__]


def settings(function: str, **further: object) -> NetworkSettings:
    return NetworkSettings.model_validate({"name": f"a_users_networks:{function}", **further})


def test_a_good_pair_is_built() -> None:
    networks = build(settings("good", latent=6), 3, 20, seed=0)
    z = networks.latent.draw(2, torch.Generator())
    assert networks.generator(z).shape == (2, 3, 20, 20)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("too_small", r"generator made shape \(4, 1, 7, 7\).*must be \(4, 1, 8, 8\)"),
        ("unbounded", r"values reach \d+; they must be in \[-1, 1\] for every z"),
        ("merging", r"discriminator made shape \(1, 1\).*one score per image"),
        ("wrong_latent", r"generator does not take inputs of shape \(4, 128\)"),
        ("no_pair", r"returned Maker; it must return a tuple of two torch modules"),
        ("tupled", r"generator returned tuple; it must return a tensor"),
        ("unused", r"the discriminator's parameter spare has no part in the scores"),
        ("with_sigmoid", r"the discriminator ends with a sigmoid"),
        ("nearly_bounded", r"must be in \[-1, 1\] for every z"),
        ("no_arguments", r"called with \(channels=1, side=8, latent=128, .*raised TypeError"),
        ("raising", r"called with .* it raised KeyError: 'width'"),
        ("absent", r"a_users_networks:absent.*cannot be imported"),
    ],
)
def test_a_broken_contract_is_one_clear_message(function: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(settings(function), 1, 8, seed=0)


def test_memory_that_is_short_is_no_broken_contract() -> None:
    with pytest.raises(MemoryError, match="for now"):
        build(settings("out_of_memory"), 1, 8, seed=0)


def test_settings_that_a_users_pair_would_ignore_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"networks\.d_norm is 'layer'.*remove it"):
        settings("good", d_norm="layer")


def test_spectral_norm_reaches_a_users_pair() -> None:
    networks = build(settings("good", d_spectral_norm=True), 1, 8, seed=0)
    networks.discriminator.eval()
    weight = networks.discriminator[1].weight
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)


def trial(folder: Path, function: str, **further: object) -> Trial:
    """A trial of two steps on images of 8 x 8 pixels."""
    channels = further.pop("channels", 1)
    noise = np.random.default_rng(0).integers(0, 256, (16, 8, 8, channels), dtype=np.uint8)
    np.save(folder / "images.npy", noise)
    config = {
        "kind": "gan",
        "data": str(folder / "images.npy"),
        "networks": f"a_users_networks:{function}",
        "batch_size": 4,
        "steps": 2,
        "evaluate_every": 2,
        "score": {"extractor": "digits", "samples": 8},
        **further,
    }
    context = Context(seed=0, cache=str(folder / "cache"))
    return build_trial(config, Parameters(b=1e-3, a=1e-3, d_steps=1), context)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("function", ["viewing", "frozen"])
def test_what_passes_the_check_can_be_trained(tmp_path: Path, function: str, channels: int) -> None:
    made = trial(tmp_path, function, channels=channels)
    assert isinstance(made.advance(), Measurement)


def test_a_penalty_at_single_images_needs_scores_of_single_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="each score depends on the whole batch"):
        trial(tmp_path, "comparing", regulariser="r1")
    trial(tmp_path, "comparing")
    trial(tmp_path, "good", regulariser="gradient_penalty")


def test_building_a_users_pair_is_repeatable_and_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    networks = build(settings("good", d_spectral_norm=True), 1, 8, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    again = build(settings("good", d_spectral_norm=True), 1, 8, seed=0)
    for name, value in networks.discriminator.state_dict().items():
        assert torch.equal(value, again.discriminator.state_dict()[name])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_of_the_readme_is_a_pair(tmp_path: Path, channels: int) -> None:
    text = (Path(__file__).parents[3] / "docs" / "own-code.md").read_text(encoding="utf-8")
    section = text.partition("## Networks of your own")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    exec(code, sys.modules["a_users_networks"].__dict__)
    made = trial(tmp_path, "pair", channels=channels, regulariser="r1")
    assert isinstance(made.advance(), Measurement)
