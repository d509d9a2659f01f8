"""The contract of a user's pair of networks, checked on copies before anything is trained.

The check makes one small batch, takes one gradient of each network, and leaves no trace: neither in the
networks (batch norm's statistics, spectral norm's vectors) nor in a stream of random numbers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trainables.devices import own_random_numbers
from trainables.networks.pair import Networks
from trainables.own_code import of_the_moment

_PROBE = 4
"""Images in the batch."""

_FAR = 100.0
"""Factor on the latents that shows whether the generator's range is bounded."""

_RESHAPING = (
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Alias",
    "Squeeze",
    "Unsqueeze",
    "Select",
    "Slice",
)
"""Nodes of autograd's graph that only look at their input in another shape, by how their names begin."""


def check_contract(name: str, networks: Networks, image: tuple[int, int, int]) -> None:
    """Checks a user's pair.

    Args:
        name: What the spec calls it, for messages.
        networks: The pair.
        image: Channels, height and width of an image.

    Raises:
        ValueError: Something is not as it must be; the message says what is and what must be.
        OSError, MemoryError, torch.OutOfMemoryError: As the networks raised it.
    """
    generator = _copy_of_users(name, "generator", networks.generator, networks.layout)
    discriminator = _copy_of_users(name, "discriminator", networks.discriminator, networks.layout)
    z = networks.latent.draw(_PROBE, torch.Generator().manual_seed(0))
    # Gradients are looked at, also where a user's score, which is computed without, asks for the networks.
    with torch.enable_grad(), own_random_numbers(0):
        images = _output(name, "generator", generator, z)
        _check_images(name, images, z, (_PROBE, *image))
        _check_range(name, images, _output(name, "generator", generator, _FAR * z))
        scores = _output(name, "discriminator", discriminator, images)
        _check_scores(name, scores, images)
        _check_trained(name, "generator", generator, scores)
        _check_trained(name, "discriminator", discriminator, scores)


def scores_alone(networks: Networks, image: tuple[int, int, int]) -> bool:
    """Whether each image's score depends on that image alone, told by changing one of them.

    The discriminator is looked at as it is trained, and both times under the same randomness: dropout or
    noise of its own does not count as the other images' doing.

    Args:
        networks: The pair; is left as it is.
        image: Channels, height and width of an image.
    """
    drawn = torch.rand((_PROBE + 1, *image), generator=torch.Generator().manual_seed(0)) * 2 - 1
    rest, replaced, replacing = drawn[2:], drawn[:1], drawn[1:2]
    before, after = (_judged(networks, torch.cat([first, rest])) for first in (replaced, replacing))
    return torch.allclose(before[1:], after[1:], rtol=1e-4, atol=1e-5)


def _judged(networks: Networks, images: Tensor) -> Tensor:
    judge = _copy(networks.discriminator, networks.layout)
    with torch.no_grad(), own_random_numbers(0):
        scores: Tensor = judge(images).flatten()
    return scores


def _copy(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    """A copy as the trial trains it."""
    return copy.deepcopy(network).to(memory_format=layout).train()


def _copy_of_users(
    name: str, role: str, network: nn.Module, layout: torch.memory_format
) -> nn.Module:
    try:
        return _copy(network, layout)
    except Exception as error:  # of lazy modules, or of what a user keeps in a module
        if of_the_moment(error):
            raise
        raise ValueError(
            f"networks {name}: the {role} must be a module that can be copied, with weights that are there "
            f"from its start; copying it raised {type(error).__name__}: {error}"
        ) from error


def _output(name: str, role: str, network: nn.Module, inputs: Tensor) -> Tensor:
    try:
        output = network(inputs)
    except Exception as error:  # whatever the user's code raises
        if of_the_moment(error):
            raise
        raise ValueError(
            f"networks {name}: the {role} does not take inputs of shape {tuple(inputs.shape)}; it raised "
            f"{type(error).__name__}: {error}"
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
    if images.dtype != torch.float32:
        raise ValueError(
            f"networks {name}: the generator made values of type {images.dtype}; they must be "
            "torch.float32, as the real images are"
        )


def _check_range(name: str, *batches: Tensor) -> None:
    images = torch.cat(batches).detach()
    if not bool((images.abs() <= 1).all()):
        raise ValueError(
            f"networks {name}: the generator's values reach {images.abs().max().item():.3g}; they must "
            "be in [-1, 1] for every z (end it with tanh)"
        )


def _check_scores(name: str, scores: Tensor, images: Tensor) -> None:
    if tuple(scores.shape) not in ((_PROBE,), (_PROBE, 1)):
        raise ValueError(
            f"networks {name}: the discriminator made shape {tuple(scores.shape)} of images "
            f"{tuple(images.shape)}; it must be one score per image, ({_PROBE},) or ({_PROBE}, 1)"
        )
    if _ends_with_sigmoid(scores):
        raise ValueError(
            f"networks {name}: the discriminator ends with a sigmoid; it must give the score before it "
            "(the losses have their own)"
        )


def _check_trained(name: str, role: str, network: nn.Module, scores: Tensor) -> None:
    """Every parameter that is to be trained must have a part in the scores."""
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError(
            f"networks {name}: the {role} has no parameter that is trained; at least one must require "
            "its gradient"
        )
    found = _gradients(name, role, list(trained.values()), scores)
    unused = [n for n, gradient in zip(trained, found, strict=True) if gradient is None]
    if unused:
        raise ValueError(
            f"networks {name}: the {role}'s parameter {unused[0]} has no part in the scores; use it, "
            "remove it, or freeze it (requires_grad=False)"
        )


def _gradients(
    name: str, role: str, parameters: list[Tensor], scores: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradient of the scores, None for a parameter that they do not depend on."""
    try:
        return torch.autograd.grad(scores.sum(), parameters, retain_graph=True, allow_unused=True)
    except Exception as error:  # as in _output
        if of_the_moment(error):
            raise
        raise ValueError(
            f"networks {name}: the scores have no gradient with respect to the {role}'s parameters; "
            f"taking it raised {type(error).__name__}: {error}"
        ) from error


def _ends_with_sigmoid(scores: Tensor) -> bool:
    """Whether the last thing computed was a sigmoid, told by the graph: wherever it is in the module."""
    node = scores.grad_fn
    while node is not None and node.name().startswith(_RESHAPING):
        node = node.next_functions[0][0]
    return node is not None and node.name().startswith("Sigmoid")
