"""Two networks as players: what each update sees, the moving average, and batch order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainables.gan.batches import ImageBatches, to_network, to_uint8
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams, evaluation_stream, seed_of
from trainables.kinds import parse_settings
from trainables.networks.build import build
from trainables.networks.pair import Latent, Networks
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)


def settings_of(**further: Any) -> GanSettings:
    data = {"kind": "gan", "data": "digits", "steps": 9, "evaluate_every": 3, "batch_size": 4}
    networks = {"name": "dcgan", "width": 2, "latent": 3, "d_norm": "none", "g_norm": "none"}
    settings = parse_settings({**data, "networks": networks, **further})
    assert isinstance(settings, GanSettings)
    return settings


def game(*, b: float = 2e-3, a: float = 1e-3, d_steps: int = 1, **further: Any) -> GanGame:
    settings, streams = settings_of(**further), Streams(5)
    networks = build(settings.networks, 1, 8, streams.weights_seed)
    batches = ImageBatches(IMAGES, 4, settings.data.flip, streams, "cpu")
    return GanGame(
        settings, Parameters(b=b, a=a, d_steps=d_steps), networks, batches, streams, "cpu"
    )


class Eavesdropper:
    """Keeps what a network is given."""

    def __init__(self, network: nn.Module) -> None:
        self.inputs: list[Tensor] = []
        network.register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.inputs.append(arguments[0].detach().clone())


@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("rule", ["alternating", "simultaneous", "extragradient"])
def test_how_often_each_network_is_asked(rule: str, d_steps: int) -> None:
    playing = game(d_steps=d_steps, update_rule=rule)
    d_heard, g_heard = Eavesdropper(playing.discriminator), Eavesdropper(playing.generator)
    playing.step(1)
    looks = 2 if rule == "extragradient" else 1
    assert len(d_heard.inputs) == looks * (2 * d_steps + 1)
    assert len(g_heard.inputs) == looks * (d_steps + 1)


def test_every_update_has_fresh_latents_unless_they_are_shared() -> None:
    fresh, same = game(d_steps=2), game(d_steps=2, generator_latents="same")
    for playing, expected in ((fresh, 3), (same, 2)):
        heard = Eavesdropper(playing.generator)
        playing.step(1)
        assert len(heard.inputs) == expected
        assert len({tuple(z.flatten().tolist()) for z in heard.inputs}) == expected


@pytest.mark.parametrize("rule", ["alternating", "simultaneous"])
def test_shared_latents_give_the_generator_the_gradient_of_those_samples(rule: str) -> None:
    """Against an update by hand: SGD on the loss of the z that D has just seen."""
    playing = game(
        generator_latents="same",
        update_rule=rule,
        optimiser="sgd",
        loss="hinge",  # of which G's part is minus the mean score
    )
    heard = Eavesdropper(playing.generator)
    before = [weight.detach().clone() for weight in playing.generator.parameters()]
    d_before = [weight.detach().clone() for weight in playing.discriminator.parameters()]
    playing.step(1)
    after = [weight.detach().clone() for weight in playing.generator.parameters()]
    with torch.no_grad():
        for weight, value in zip(playing.generator.parameters(), before, strict=True):
            weight.copy_(value)
        if rule == "simultaneous":
            for weight, value in zip(playing.discriminator.parameters(), d_before, strict=True):
                weight.copy_(value)
    loss = -playing.discriminator(playing.generator(heard.inputs[0])).mean()
    gradients = torch.autograd.grad(loss, list(playing.generator.parameters()))
    for old, new, gradient in zip(before, after, gradients, strict=True):
        torch.testing.assert_close(new, old - 1e-3 * gradient)


def test_only_the_samples_that_g_learns_from_are_made_with_a_graph() -> None:
    playing = game(d_steps=3, generator_latents="same")
    with_graph: list[bool] = []
    playing.generator.register_forward_hook(lambda *a: with_graph.append(a[2].requires_grad))
    playing.step(1)
    assert with_graph == [False, False, True]


@pytest.mark.parametrize(
    ("ema", "a"),
    [
        pytest.param(0.9, 1e-3, marks=pytest.mark.slow),
        pytest.param(0.9, 2e-2, marks=pytest.mark.slow),
        (0.99, 2e-2),
    ],
)
def test_an_averaged_generator_is_as_well_normalised_as_the_live_one(ema: float, a: float) -> None:
    """By singular vectors of its own: at a decay of 0.99 the live ones would be off by a third."""
    playing = game(
        ema=ema,
        a=a,
        b=a,
        networks={"name": "dcgan", "width": 2, "latent": 4, "g_spectral_norm": True},
    )
    errors = {"live": 0.0, "averaged": 0.0}
    for n in range(1, 61):
        playing.step(n)
        if n > 40:
            for name, network in (("live", playing.generator), ("averaged", playing.sampled)):
                errors[name] = max(errors[name], *(abs(norm - 1) for norm in _norms(network)))
    assert errors["averaged"] <= max(errors["live"], 0.02)
    assert errors["live"] < 0.1


def _norms(network: nn.Module) -> list[float]:
    """Largest singular values of the weights in effect."""
    network.eval()
    layers = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    matrices = [_as_matrix(module) for module in network.modules() if isinstance(module, layers)]
    network.train()
    assert len(matrices) >= 3
    return [torch.linalg.matrix_norm(matrix, 2).item() for matrix in matrices]


def test_of_buffers_only_batch_norms_statistics_are_averaged() -> None:
    """What else a user's generator keeps is what it is, not a mean of what it was."""
    settings, streams = settings_of(ema=0.9), Streams(5)
    networks = build(settings.networks, 1, 8, streams.weights_seed)
    networks.generator.register_buffer("scale", torch.zeros(2))
    batches = ImageBatches(IMAGES, 4, False, streams, "cpu")
    rates = Parameters(b=1e-3, a=1e-3, d_steps=1)
    playing = GanGame(settings, rates, networks, batches, streams, "cpu")
    playing.generator.get_buffer("scale").fill_(8.0)
    playing.step(1)
    assert playing.sampled.get_buffer("scale").tolist() == [8.0, 8.0]


def _as_matrix(module: nn.Module) -> torch.Tensor:
    weight = module.weight.detach()
    return (weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weight).flatten(1)


def test_d_alone_moves_before_the_last_of_its_updates() -> None:
    """The generator that the extra D updates see is the old one."""
    playing = game(d_steps=3)
    heard = Eavesdropper(playing.discriminator)
    weights = [weight.detach().clone() for weight in playing.generator.parameters()]
    seen: list[bool] = []

    def compare(module: nn.Module, arguments: Any) -> None:
        pairs = zip(module.parameters(), weights, strict=True)
        seen.append(all(torch.equal(one, other) for one, other in pairs))

    playing.generator.register_forward_pre_hook(compare)
    playing.step(1)
    assert seen == [True, True, True, True]
    assert len(heard.inputs) == 7


def test_the_average_follows_the_weights_and_the_running_statistics() -> None:
    playing = game(ema=0.75, networks={"name": "dcgan", "width": 2, "latent": 3})
    expected = {name: value.clone() for name, value in playing.generator.state_dict().items()}
    assert any(name.endswith("running_var") for name in expected)
    for n in range(1, 4):
        playing.step(n)
        for name, value in playing.generator.state_dict().items():
            averaged = 0.75 * expected[name] + 0.25 * value
            expected[name] = averaged if value.is_floating_point() else value.clone()
    for name, value in playing.sampled.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    assert not any(weight.requires_grad for weight in playing.sampled.parameters())


def test_without_an_average_the_generator_itself_is_sampled() -> None:
    playing = game()
    assert playing.sampled is playing.generator


def test_weight_decay_shrinks_both_networks() -> None:
    """With rates so small that gradients hardly count, a weight goes to (1 - rate x decay) of it."""
    playing = game(b=1e-6, a=1e-6, optimiser="sgd", regulariser={"weight_decay": 1e5})
    for network in (playing.generator, playing.discriminator):
        assert next(network.parameters()).abs().sum() > 0
    before = [next(n.parameters()).clone() for n in (playing.generator, playing.discriminator)]
    playing.step(1)
    after = [next(n.parameters()) for n in (playing.generator, playing.discriminator)]
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, 0.9 * old, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("regulariser", ["gradient_penalty", "r1"])
def test_a_penalty_on_a_users_discriminator_with_batch_norm_is_refused(regulariser: str) -> None:
    settings = settings_of(networks="users.own:pair", regulariser=regulariser)
    discriminator = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 1))
    networks = Networks(nn.Linear(3, 64), discriminator, Latent(3, "normal"))
    streams = Streams(0)
    batches = ImageBatches(IMAGES, 4, False, streams, "cpu")
    with pytest.raises(ValueError, match="D has batch norm"):
        GanGame(settings, Parameters(b=1e-3, a=1e-3, d_steps=1), networks, batches, streams, "cpu")


def batches_of(flip: bool, seed: int = 0) -> ImageBatches:
    return ImageBatches(IMAGES, 3, flip, Streams(seed), "cpu")


def which(batch: Tensor) -> list[int]:
    """Indices of the images of a batch, mirrored or not."""
    found = []
    for image in to_uint8(batch)[:, 0].numpy():
        forms = (image, image[:, ::-1])
        found += [
            i for i, known in enumerate(IMAGES[..., 0]) if any((known == f).all() for f in forms)
        ]
    return found


def test_every_epoch_is_a_new_permutation() -> None:
    batches = batches_of(flip=False)
    epochs = [[i for _ in range(3) for i in which(batches.next())] for _ in range(3)]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert which(batches_of(flip=False, seed=1).next()) != epochs[0][:3]


def test_flipping_mirrors_about_half_of_the_images_and_keeps_the_order() -> None:
    plain, flipped = batches_of(flip=False), batches_of(flip=True)
    mirrored = 0
    for _ in range(100):
        left, right = plain.next(), flipped.next()
        assert which(left) == which(right)
        mirrored += sum(not torch.equal(a, b) for a, b in zip(left, right, strict=True))
    assert 110 < mirrored < 190


def test_pixels_come_back_exactly() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    floats = to_network(levels)
    assert (floats.min().item(), floats.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_uint8(floats), levels)


def test_generated_values_are_rounded_to_the_nearest_level() -> None:
    levels = torch.tensor([0.4, 0.6, 127.4, 254.6])
    assert to_uint8(levels / 127.5 - 1).tolist() == [0, 1, 127, 255]


def test_streams_are_separate() -> None:
    streams = Streams(3)
    seeds = {
        stream.initial_seed()
        for stream in (streams.data, streams.flip, streams.latent, streams.regulariser)
    }
    assert len(seeds | {streams.weights_seed}) == 5
    assert seed_of(3, 0) != seed_of(4, 0)
    assert evaluation_stream(0).initial_seed() != evaluation_stream(1).initial_seed()


def test_randomness_inside_networks_is_the_trials_own() -> None:
    one, other = Streams(3), Streams(3)
    torch.manual_seed(0)
    with one.inside_networks():
        first = torch.rand(2)
    torch.manual_seed(9)
    with other.inside_networks():
        assert torch.equal(first, torch.rand(2))
    resumed = Streams(3)
    resumed.load_state_dict(one.state_dict())
    with one.inside_networks():
        second = torch.rand(2)
    with resumed.inside_networks():
        assert torch.equal(second, torch.rand(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("rule", ["alternating", "simultaneous"])
def test_no_graph_leads_to_ds_weights_where_g_learns(rule: str) -> None:
    playing, led = game(update_rule=rule), list[bool]()
    weight = next(playing.discriminator.parameters())
    playing.discriminator.register_forward_pre_hook(lambda *_: led.append(weight.requires_grad))
    playing.step(1)
    assert led == [True, True, False]
    assert weight.requires_grad


def test_ds_weights_learn_on_after_an_update_of_g_that_failed() -> None:
    playing = game()
    weight = next(playing.discriminator.parameters())

    def fail(*_: object) -> None:
        if not weight.requires_grad:
            raise RuntimeError("out of memory")

    playing.discriminator.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError):
        playing.step(1)
    assert all(each.requires_grad for each in playing.discriminator.parameters())
