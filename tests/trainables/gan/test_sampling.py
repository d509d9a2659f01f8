"""Drawing images: fixed z, the two modes of batch norm, and a generator that stays as it was."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor, nn

from trainables.gan.sampling import ImageSampler, png_grid, sampling_mode
from trainables.gan.streams import seed_of
from trainables.gan.updates import NonFiniteError
from trainables.networks.build import build
from trainables.networks.pair import Latent
from trainables.settings.gan import SamplingSettings
from trainables.settings.networks import NetworkSettings


def sampler(batch_norm: str = "inference", batch_size: int = 4) -> ImageSampler:
    networks = build(NetworkSettings(width=2, latent=3), 3, 8, seed=0)
    settings = SamplingSettings.model_validate({"batch_norm": batch_norm, "batch_size": batch_size})
    return ImageSampler(networks.generator.train(), networks.latent, settings, "cpu")


def all_of(drawn: ImageSampler, draw: int, count: int) -> Tensor:
    return torch.cat(list(drawn(draw, count)))


def state(network: nn.Module) -> list[Tensor]:
    return [value.clone() for value in network.state_dict().values()]


@pytest.mark.parametrize("count", [1, 4, 10])
def test_batches_add_up(count: int) -> None:
    images = all_of(sampler(), 0, count)
    assert (images.shape, images.dtype) == ((count, 3, 8, 8), torch.uint8)


def test_one_draw_is_always_the_same_and_another_one_is_not() -> None:
    first, again, other = (all_of(sampler(), draw, 10) for draw in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_sampling_leaves_the_generator_as_it_was(mode: str) -> None:
    drawn = sampler(mode)
    generator = drawn._generator
    before = state(generator)
    all_of(drawn, 0, 10)
    assert all(torch.equal(a, b) for a, b in zip(before, state(generator), strict=True))
    assert all(module.training for module in generator.modules())
    generator(torch.randn(4, 3))
    assert not all(torch.equal(a, b) for a, b in zip(before, state(generator), strict=True))


def test_modes_of_batch_norm() -> None:
    module = nn.Sequential(nn.BatchNorm1d(1))
    values = torch.tensor([[1.0], [3.0]])
    with sampling_mode(module, "inference"):
        torch.testing.assert_close(module(values), values, rtol=1e-4, atol=0)
    with sampling_mode(module, "training"):
        torch.testing.assert_close(module(values), torch.tensor([[-1.0], [1.0]]))


def test_the_last_batch_is_normalised_like_the_others() -> None:
    """In training mode an image depends on its batch, so the batch must not shrink at the end."""
    assert torch.equal(all_of(sampler("training"), 0, 5)[4], all_of(sampler("training"), 0, 8)[4])


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_images_are_those_of_the_generator_in_the_mode_that_is_set(mode: str) -> None:
    drawn = sampler(mode)
    network = copy.deepcopy(drawn._generator).train(mode == "training")
    stream = torch.Generator().manual_seed(seed_of(20170626, 3))
    with torch.no_grad():
        expected = network(torch.rand((4, 3), generator=stream) * 2 - 1)
    levels = ((expected + 1) * 127.5).round().clamp(0, 255)
    assert torch.equal(all_of(drawn, 3, 4).float(), levels)


def test_z_goes_to_the_generators_device() -> None:
    on_cpu = sampler()
    expected = all_of(on_cpu, 0, 5)
    with Accelerator():
        generator = on_cpu._generator.to(DEVICE)
        there = ImageSampler(generator, on_cpu._latent, on_cpu._settings, DEVICE)
        found = all_of(there, 0, 5)
        assert found.device.type == torch.device(DEVICE).type
        assert torch.equal(found.cpu(), expected)


def test_an_image_that_is_not_finite_is_an_error() -> None:
    class Broken(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return torch.full((len(z), 1, 8, 8), math.nan)

    broken = ImageSampler(Broken(), Latent(2, "normal"), SamplingSettings(), "cpu")
    with pytest.raises(NonFiniteError, match="the generator's image is nan"):
        next(broken(0, 1))


def test_the_grid_is_a_png() -> None:
    drawn = sampler()
    assert png_grid(drawn).startswith(b"\x89PNG")
    assert png_grid(drawn) == png_grid(drawn, 0) != png_grid(drawn, 1)
