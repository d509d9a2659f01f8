"""A user's own pair of losses: ``loss: package.module:function``, and what it must keep to.

The function is called without arguments, once for each trial, and returns (D's loss, G's loss). D's is a
function of the scores of real and of those of generated samples, G's one of the scores of generated samples;
both are minimised. Scores are those of the discriminator, before any sigmoid, of shape (B,) and float32, on
the trial's device; a loss is one float32 number (a tensor of shape ()) with a gradient to all scores that it
is given. It keeps nothing from one call to the next, as a checkpoint would not hold it; randomness comes
from torch's global stream, which is the trial's own there.

    def pair():
        def d_loss(real, fake):
            return softplus(-real).mean() + softplus(fake).mean()

        def g_loss(fake):
            return softplus(-fake).mean()

        return d_loss, g_loss
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.devices import own_random_numbers
from trainables.own_code import called, described, loaded, of_the_moment

DiscriminatorLoss = Callable[[Tensor, Tensor], Tensor]
"""Of the scores of real and of generated samples, (B,) each."""

GeneratorLoss = Callable[[Tensor], Tensor]
"""Of the scores of generated samples, (B,)."""

_REAL = (1.5, -0.4, 0.2, 2.5, -1.1, 0.7, 0.0, -3.0)
_FAKE = (-1.2, 0.3, -2.0, 0.6, 1.4, -0.1, 0.0, 3.0)
"""Scores that a loss is tried on: of both signs, before any sigmoid."""


def build_own_loss(name: str) -> tuple[DiscriminatorLoss, GeneratorLoss]:
    """Makes a user's own pair of losses and tries it on a few scores.

    Args:
        name: ``package.module:function``.

    Raises:
        ValueError: It breaks the contract (see the module); the message says what it gave and must give.
    """
    function = loaded("loss", name, "(D's loss, G's loss)")
    pair = called(f"loss {name}, called without arguments,", function)
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(map(callable, pair))):
        raise ValueError(
            f"loss {name} returned {described(pair)}; it must return a tuple of two functions, "
            "(D's loss, G's loss)"
        )
    d_loss, g_loss = pair
    _check(f"D's loss of {name}", d_loss, ("real", "fake"))
    _check(f"G's loss of {name}", g_loss, ("fake",))
    return d_loss, g_loss


def _check(what: str, loss: Callable[..., object], names: tuple[str, ...]) -> None:
    values = {"real": _REAL, "fake": _FAKE}
    scores = {name: torch.tensor(values[name], requires_grad=True) for name in names}
    asked = f"{what}, called with scores ({', '.join(names)}) of shape ({len(_REAL)},),"
    found = _number(what, _tried(asked, loss, scores))
    _check_gradients(what, found, scores)
    again = _number(what, _tried(asked, loss, scores))
    if found.item() != again.item():
        raise ValueError(
            f"{what} gave {found.item():g} and then {again.item():g} of the same scores; it must keep "
            "nothing from one call to the next, as a checkpoint would not hold it"
        )


def _tried(what: str, loss: Callable[..., object], scores: dict[str, Tensor]) -> object:
    with own_random_numbers(0):
        return called(what, loss, *scores.values())


def _number(what: str, value: object) -> Tensor:
    """A loss as it must be: one finite float32."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{what} returned {described(value)}; it must return a tensor of shape ()")
    if value.shape != ():
        raise ValueError(
            f"{what} returned shape {tuple(value.shape)}; it must be one number, of shape () (take the mean)"
        )
    if value.dtype != torch.float32:
        raise ValueError(
            f"{what} returned a value of type {value.dtype}; it must be torch.float32, as the scores are"
        )
    if not bool(torch.isfinite(value)):
        raise ValueError(
            f"{what} is {value.item():g} of scores between -3 and 3; it must be finite, whatever the sign of "
            "a score (scores come before any sigmoid)"
        )
    return value


def _check_gradients(what: str, loss: Tensor, scores: dict[str, Tensor]) -> None:
    if not loss.requires_grad:
        raise ValueError(
            f"{what} has no gradient; it must be computed from the scores by torch, without detach or item"
        )
    try:
        found = torch.autograd.grad(loss, list(scores.values()), allow_unused=True)
    except Exception as error:  # of an operation of the user's own
        if of_the_moment(error):
            raise
        raise ValueError(
            f"{what} has no gradient; taking it raised {type(error).__name__}: {error}"
        ) from error
    for name, gradient in zip(scores, found, strict=True):
        if gradient is None or not bool(gradient.any()):
            raise ValueError(
                f"{what} has no gradient to the scores of the {name} samples; it must depend on them"
            )
        if not bool(torch.isfinite(gradient).all()):
            raise ValueError(
                f"{what} has a gradient to the scores of the {name} samples that is not finite, of scores "
                "between -3 and 3"
            )
