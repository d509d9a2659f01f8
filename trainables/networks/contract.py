"""What a user's pair of networks has to keep to, checked on copies before anything is trained.

The check makes one small batch, takes one gradient of each network, and leaves no trace: neither in the
networks (batch norm's statistics, spectral norm's vectors) nor in a stream of random numbers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trainables.networks.pair import Networks

_PROBE = 4
"""Images in the batch."""

_FAR = 100.0
"""Factor on the latents that shows whether the generator's range is bounded."""


def check_contract(name: str, networks: Networks, image: tuple[int, int, int]) -> None:
    """Checks a user's pair.

    Args:
        name: What the spec calls it, for messages.
        networks: The pair.
        image: Channels, height and width of an image.

    Raises:
        ValueError: Something is not as it must be; the message says what is and what must be.
    """
    generator, discriminator = (
        copy.deepcopy(network).to(memory_format=networks.layout).train()
        for network in (networks.generator, networks.discriminator)
    )
    z = networks.latent.draw(_PROBE, torch.Generator().manual_seed(0))
    images = _output(name, "generator", generator, z)
    _check_images(name, images, z, (_PROBE, *image))
    far = _output(name, "generator", generator, _FAR * z)
    if not bool((torch.cat([images, far]).abs() <= 1).all()):
        reached = torch.cat([images, far]).abs().max().item()
        raise ValueError(
            f"networks {name}: the generator's values reach {reached:.3g}; they must be in [-1, 1] for "
            "every z (end it with tanh)"
        )
    scores = _output(name, "discriminator", discriminator, images)
    if tuple(scores.shape) not in ((_PROBE,), (_PROBE, 1)):
        raise ValueError(
            f"networks {name}: the discriminator made shape {tuple(scores.shape)} of images "
            f"{tuple(images.shape)}; it must be one score per image, ({_PROBE},) or ({_PROBE}, 1)"
        )
    if isinstance(_last(discriminator), nn.Sigmoid):
        raise ValueError(
            f"networks {name}: the discriminator ends with a sigmoid; it must give the score before it "
            "(the losses have their own)"
        )
    _check_trained(name, "generator", generator, scores)
    _check_trained(name, "discriminator", discriminator, scores)


def scores_alone(discriminator: nn.Module, image: tuple[int, int, int]) -> bool:
    """Whether each image's score depends on that image alone, told by changing one of them.

    Args:
        discriminator: Is left as it is; looked at in evaluation mode.
        image: Channels, height and width of an image.
    """
    judge = copy.deepcopy(discriminator).eval()
    images = torch.rand((_PROBE, *image), generator=torch.Generator().manual_seed(0)) * 2 - 1
    changed = images.clone()
    changed[0] = -changed[0]
    with torch.no_grad():
        before, after = judge(images).flatten(), judge(changed).flatten()
    return torch.allclose(before[1:], after[1:], rtol=1e-4, atol=1e-5)


def _output(name: str, role: str, network: nn.Module, inputs: Tensor) -> Tensor:
    try:
        output = network(inputs)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"networks {name}: the {role} does not take inputs of shape {tuple(inputs.shape)}: {error}"
        ) from error
    if not isinstance(output, Tensor):
        raise ValueError(
            f"networks {name}: the {role} returned {type(output).__name__}; it must return a tensor"
        )
    return output


def _check_images(name: str, images: Tensor, z: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(images.shape) != expected:
        raise ValueError(
            f"networks {name}: the generator made shape {tuple(images.shape)} of latents "
            f"{tuple(z.shape)}; it must be {expected}"
        )


def _check_trained(name: str, role: str, network: nn.Module, scores: Tensor) -> None:
    """Every parameter that is to be trained must have a part in the scores."""
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError(
            f"networks {name}: the {role} has no parameter that is trained; at least one must require "
            "its gradient"
        )
    found = torch.autograd.grad(
        scores.sum(), list(trained.values()), retain_graph=True, allow_unused=True
    )
    unused = [n for n, gradient in zip(trained, found, strict=True) if gradient is None]
    if unused:
        raise ValueError(
            f"networks {name}: the {role}'s parameter {unused[0]} has no part in the scores; use it, "
            "remove it, or freeze it (requires_grad=False)"
        )


def _last(network: nn.Module) -> nn.Module:
    """The module that a chain of modules ends with."""
    while isinstance(network, nn.Sequential) and len(network):
        network = network[-1]
    return network
