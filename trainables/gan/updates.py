"""Update rules of a game: who moves when, and from whose gradient.

A player is a list of tensors with an optimiser and a way to get the gradient of its own loss; the
rules know nothing else, so a GAN's networks and the numbers of an analytic game share them. Before
an update is made, its loss, its gradient and the parameters it starts from are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.watch import NonFiniteError, Watch
from trainables.settings.optimisation import UpdateRuleName

Gradient = tuple[Tensor, Sequence[Tensor]]
"""A loss (scalar) and its gradient, one tensor for each parameter."""


@dataclass(frozen=True)
class Player:
    """One player of a game.

    Attributes:
        name: For messages (``discriminator``).
        optimiser: Holds the player's parameters and moves them.
        gradient: Loss and gradient at the present parameters of all players; may be stochastic.
        watch: Takes note of the updates.
    """

    name: str
    optimiser: PlayerOptimiser
    gradient: Callable[[], Gradient]
    watch: Watch = field(default_factory=lambda: Watch("cpu"))


def gradient_of(
    loss: Tensor,
    parameters: Sequence[Tensor],
    weight_decay: float = 0.0,
    penalty: tuple[Tensor, Sequence[Tensor | None]] | None = None,
) -> Gradient:
    """Returns a loss, detached, with its gradient; no other tensor's gradient is computed.

    Args:
        loss: A scalar with a graph to the parameters.
        penalty: What is added to the loss, with its gradient (empty: it moves nothing), which is taken by
            itself, so that the order in which the terms are summed, and so the rounding, is the same on
            every device.
        parameters: What the gradient is taken with respect to.
        weight_decay: Weight of 1/2 ||parameters||^2, whose gradient is added and which ``loss`` lacks. It
            belongs here and not into an optimiser: extragradient takes it at the point it looks at.
    """
    gradient: Sequence[Tensor] = torch.autograd.grad(loss, list(parameters))
    if penalty is not None:
        value, further = penalty
        loss = loss.detach() + value.detach()
        gradient = _added(gradient, further) if further else gradient
    if weight_decay:
        gradient = torch._foreach_add(
            list(gradient), [parameter.detach() for parameter in parameters], alpha=weight_decay
        )
    return loss.detach(), gradient


def _added(gradient: Sequence[Tensor], further: Sequence[Tensor | None]) -> list[Tensor]:
    """The sum; None (a bias that moves no slope) adds nothing."""
    there = {index: term for index, term in enumerate(further) if term is not None}
    sums = torch._foreach_add([gradient[index] for index in there], list(there.values()))
    found = dict(zip(there, sums, strict=True))
    return [found.get(index, term) for index, term in enumerate(gradient)]


def alternating(players: Sequence[Player]) -> None:
    """Each player in turn moves and the next sees where it went (paper, Algorithm of Eq. 1)."""
    for player in players:
        player.optimiser.step(_checked(player))


def simultaneous(players: Sequence[Player]) -> None:
    """All gradients are taken at the same point, then all players move."""
    gradients = [_checked(player) for player in players]
    for player, gradient in zip(players, gradients, strict=True):
        player.optimiser.step(gradient)


def extragradient(players: Sequence[Player]) -> None:
    """All players look ahead, and move from where they were by the gradient found there.

    Korpelevich (1976); with Adam as in Gidel et al. (2019).
    """
    gradients = [_checked(player) for player in players]
    for player, gradient in zip(players, gradients, strict=True):
        player.optimiser.extrapolate(gradient)
    try:
        gradients = [_checked(player) for player in players]
    except NonFiniteError:
        for player in players:
            player.optimiser.retract()
        raise
    for player, gradient in zip(players, gradients, strict=True):
        player.optimiser.step(gradient)


UPDATE_RULES: dict[UpdateRuleName, Callable[[Sequence[Player]], None]] = {
    "alternating": alternating,
    "simultaneous": simultaneous,
    "extragradient": extragradient,
}


def _checked(player: Player) -> Sequence[Tensor]:
    """The player's gradient; if it is not finite, nothing moves by it (:mod:`trainables.gan.watch`)."""
    loss, gradient = player.gradient()
    player.watch.check(player.name, loss, player.optimiser.parameters, gradient)
    return gradient
