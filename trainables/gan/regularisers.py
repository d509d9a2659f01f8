"""Penalties on the gradient of the discriminator with respect to its input.

Weight decay, the third regulariser, needs no graph: its gradient is the weight itself, added where the
loss's is taken (:func:`trainables.gan.updates.gradient_of`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Scorer = Callable[[Tensor], Tensor]
"""A discriminator: inputs (B, ...) to scores (B,)."""


def gradient_penalty(discriminator: Scorer, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """Returns E (||grad D(x)|| - 1)^2 at x = real + alpha (fake - real), alpha ~ U(0, 1) per sample.

    Gulrajani et al. 2017, Eq. 3, without its weight lambda.

    Args:
        discriminator: Must score each sample on its own: no batch norm.
        real: Shape (B, ...).
        fake: Shape (B, ...), without a graph.
        alpha: Shape (B, 1, ...), as many dimensions as the samples.
    """
    between = torch.lerp(real, fake, alpha.to(real.dtype)).requires_grad_()
    # Of this norm 0 is the gradient at 0; the root of a sum of squares has none there, and gives NaN.
    norms = torch.linalg.vector_norm(_gradients(discriminator, between), dim=1)
    penalty: Tensor = (norms - 1).square().mean()
    return penalty


def r1(discriminator: Scorer, real: Tensor) -> Tensor:
    """Returns 1/2 E ||grad D(x)||^2 at real x (Mescheder et al. 2018, Eq. 9), without gamma."""
    at = real.detach().requires_grad_()
    return 0.5 * _gradients(discriminator, at).square().sum(1).mean()


def _gradients(discriminator: Scorer, at: Tensor) -> Tensor:
    """The gradient of each sample's score at that sample, flattened, shape (B, ...)."""
    # Scores do not depend on other samples, so the gradient of their sum holds each one's own.
    (gradient,) = torch.autograd.grad(discriminator(at).sum(), at, create_graph=True)
    return gradient.flatten(1)
