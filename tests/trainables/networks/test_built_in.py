"""The built-in networks: parameter counts of the paper, shapes, norms, one score per image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from trainables.networks.build import build
from trainables.networks.layers import apply_spectral_norm, follow_weights, norm
from trainables.networks.strided import Doubling, Halving
from trainables.networks.wgan_gp import upsample
from trainables.settings.networks import NetworkSettings

TINY = {"width": 2, "latent": 5}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "side", "g_count", "d_count"),
    [
        ("dcgan", 64, 5_135_363, 4_316_545),
        ("dcgan", 32, 4_514_819, 4_310_401),
        ("wgan_gp", 64, 8_540_483, 7_491_841),
        ("wgan_gp", 32, 2_005_155, 1_877_121),
    ],
)
def test_parameter_counts_are_the_papers(name: str, side: int, g_count: int, d_count: int) -> None:
    with torch.device("meta"):
        networks = build(NetworkSettings(name=name), 3, side, seed=0)
    assert (count(networks.generator), count(networks.discriminator)) == (g_count, d_count)


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
@pytest.mark.parametrize(("side", "channels"), [(8, 1), (16, 3), (32, 1), (64, 3), (128, 1)])
def test_shapes_and_ranges(name: str, side: int, channels: int) -> None:
    networks = build(NetworkSettings(name=name, **TINY), channels, side, seed=0)
    z = 100 * networks.latent.draw(3, torch.Generator().manual_seed(0))
    images = networks.generator(z)
    assert images.shape == (3, channels, side, side)
    assert images.abs().max() <= 1
    assert networks.discriminator(images).shape == (3,)


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
@pytest.mark.parametrize("side", [8, 32])
def test_a_score_depends_on_its_own_image_only(name: str, side: int) -> None:
    settings = NetworkSettings(name=name, d_norm="layer", **TINY)
    networks = build(settings, 3, side, seed=0)
    images = torch.randn((4, 3, side, side), requires_grad=True)
    (gradient,) = torch.autograd.grad(networks.discriminator(images)[2], images)
    touched = gradient.flatten(1).abs().sum(1) > 0
    assert touched.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("name", "g_norm", "d_norm"),
    [
        ("dcgan", nn.BatchNorm2d, nn.BatchNorm2d),
        ("wgan_gp", nn.BatchNorm2d, nn.GroupNorm),
    ],
)
def test_norms_are_the_papers_unless_set(name: str, g_norm: type, d_norm: type) -> None:
    networks = build(NetworkSettings(name=name, **TINY), 3, 32, seed=0)
    for network, kind in ((networks.generator, g_norm), (networks.discriminator, d_norm)):
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
        assert norms
        assert all(type(module) is kind for module in norms)
    bare = build(NetworkSettings(name=name, g_norm="none", d_norm="none", **TINY), 3, 32, seed=0)
    for network in (bare.generator, bare.discriminator):
        assert not any(isinstance(m, nn.BatchNorm2d | nn.GroupNorm) for m in network.modules())


def test_dcgan_has_no_norm_on_ds_first_and_gs_last_layer() -> None:
    networks = build(NetworkSettings(**TINY), 3, 32, seed=0)
    d_layers = [type(module) for module in networks.discriminator]
    g_layers = [type(module) for module in networks.generator]
    assert d_layers[:3] == [Halving, nn.LeakyReLU, Halving]
    assert g_layers[-2:] == [Doubling, nn.Tanh]


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_activations_can_be_smooth(name: str) -> None:
    settings = NetworkSettings(name=name, g_activation="elu", d_activation="elu", **TINY)
    networks = build(settings, 1, 16, seed=0)
    for network in (networks.generator, networks.discriminator):
        kinds = {
            type(m) for m in network.modules() if isinstance(m, nn.ReLU | nn.LeakyReLU | nn.ELU)
        }
        assert kinds == {nn.ELU}


def test_layer_norm_against_its_definition() -> None:
    module = norm("layer", 3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        module.bias.copy_(torch.tensor([0.0, -1.0, 1.0]))
    maps = torch.randn(4, 3, 2, 5)
    x = maps.double().numpy()
    mean = x.mean((1, 2, 3), keepdims=True)
    deviation = np.sqrt(x.var((1, 2, 3), keepdims=True) + 1e-5)
    scale, shift = np.array([1, 2, 3]).reshape(3, 1, 1), np.array([0, -1, 1]).reshape(3, 1, 1)
    expected = (x - mean) / deviation * scale + shift
    np.testing.assert_allclose(module(maps).detach().numpy(), expected, atol=1e-5)


def test_upsampling_repeats_pixels() -> None:
    maps = torch.arange(12.0).reshape(1, 2, 2, 3)
    expected = maps.numpy().repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(upsample(maps).numpy(), expected)


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_spectral_norm_brings_every_weight_to_a_largest_singular_value_of_1(name: str) -> None:
    settings = NetworkSettings(name=name, d_spectral_norm=True, g_spectral_norm=True, **TINY)
    networks = build(settings, 3, 16, seed=0)
    z = networks.latent.draw(4, torch.Generator().manual_seed(0))
    for _ in range(40):
        networks.discriminator(networks.generator(z))
    seen = 0
    for network in (networks.generator, networks.discriminator):
        network.eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
                weight = module.weight.detach().double()
                if isinstance(module, nn.ConvTranspose2d):
                    weight = weight.transpose(0, 1)
                largest = np.linalg.svd(weight.flatten(1).numpy(), compute_uv=False)[0]
                assert largest == pytest.approx(1, abs=5e-3)
                seen += 1
    assert seen > 6


def test_spectral_norm_reaches_layers_of_every_dimension() -> None:
    layers = [nn.Conv1d(2, 3, 1), nn.Conv2d(2, 3, 1), nn.Conv3d(2, 3, 1), nn.Linear(2, 3)]
    layers += [nn.ConvTranspose1d(2, 3, 1), nn.ConvTranspose2d(2, 3, 1)]
    network = nn.Sequential(*layers, nn.BatchNorm1d(3))
    apply_spectral_norm(network)
    assert [is_parametrized(layer, "weight") for layer in network] == [True] * 6 + [False]


@pytest.mark.parametrize("training", [True, False])
def test_singular_vectors_follow_weights_that_no_forward_pass_sees(training: bool) -> None:
    """Also those of a user's network, which may normalise something else than a weight."""
    layer = spectral_norm(nn.Bilinear(3, 4, 5), "weight")
    layer.register_parameter("further", nn.Parameter(torch.randn(6, 7)))
    network = nn.Sequential(spectral_norm(layer, "further")).train(training)
    with torch.no_grad():
        for steps in layer.parametrizations.values():
            steps.original.normal_()
    for _ in range(60):
        follow_weights(network)
    assert all(module.training is training for module in network.modules())
    network.eval()
    for weight in (layer.weight, layer.further):
        norm_2 = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
        assert norm_2.item() == pytest.approx(1, abs=1e-3)


def test_spectral_norm_takes_the_place_of_batch_norm_in_d() -> None:
    assert NetworkSettings(d_spectral_norm=True).d_norm_used() == "none"
    assert NetworkSettings(d_spectral_norm=True, d_norm="batch").d_norm_used() == "batch"


def test_dcgan_weights_begin_as_published() -> None:
    """N(0, 0.02^2); only plain convolutions are cut off at two deviations, which leaves 0.88 of it."""
    networks = build(NetworkSettings(width=16), 3, 32, seed=1)
    kinds: set[type] = set()
    for module in [*networks.generator.modules(), *networks.discriminator.modules()]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = module.weight.detach()
            cut = isinstance(module, nn.Conv2d)
            if weight.numel() > 5000:
                assert (weight.abs().max() <= 0.04).item() == cut
                share = 0.88 if cut else 1.0
                assert weight.std().item() == pytest.approx(share * 0.02, rel=0.05)
                kinds.add(type(module))
            assert not module.bias.any()
    assert kinds == {Halving, Doubling, nn.Linear}


@pytest.mark.parametrize(("name", "distribution"), [("dcgan", "uniform"), ("wgan_gp", "normal")])
def test_latents(name: str, distribution: str) -> None:
    latent = build(NetworkSettings(name=name, width=2), 1, 8, seed=0).latent
    z = latent.draw(2000, torch.Generator().manual_seed(0))
    assert z.shape == (2000, 100 if name == "dcgan" else 128)
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    deviation = 1 / np.sqrt(3) if distribution == "uniform" else 1.0
    assert z.std().item() == pytest.approx(deviation, rel=0.01)
    assert (z.abs().max().item() <= 1) == (distribution == "uniform")


def test_one_seed_gives_one_pair_and_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    pairs = [build(NetworkSettings(**TINY), 1, 8, seed=seed) for seed in (7, 7, 8)]
    assert torch.equal(before, torch.get_rng_state())
    first, second, third = (pair.generator[0].linear.weight for pair in pairs)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("side", [4, 12, 28])
def test_sides_that_cannot_be_made_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match=rf"{side}x{side}.*power of two >= 8"):
        build(NetworkSettings(**TINY), 1, side, seed=0)


@pytest.mark.parametrize("name", ["resnet", "module:", ":function", "a:b:c"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"must be one of dcgan, wgan_gp or name a function"):
        NetworkSettings(name=name)
