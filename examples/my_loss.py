"""A pair of losses of one's own: `loss: my_loss:smoothed`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import softplus

REAL = 0.9
"""What D is to believe of real samples; 1 would be the usual loss (one-sided label smoothing)."""


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The cross entropy of D's scores of real and of generated samples, (B,) each."""
    on_real = REAL * softplus(-real) + (1 - REAL) * softplus(real)
    return on_real.mean() + softplus(fake).mean()


def g_loss(fake: Tensor) -> Tensor:
    """The non-saturating loss of D's scores of generated samples, (B,)."""
    return softplus(-fake).mean()


def smoothed() -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """D's loss and G's."""
    return d_loss, g_loss
