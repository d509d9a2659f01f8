"""GAN losses on discriminator scores (before any sigmoid), as means over the batch.

Each pair is a loss of D on (scores of real, scores of generated) and a loss of G on the scores of
generated images; both are minimised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from trainables.gan.own_loss import DiscriminatorLoss, GeneratorLoss, build_own_loss
from trainables.references import load
from trainables.settings.losses import LOSSES


@dataclass(frozen=True)
class Loss:
    """The two losses of a GAN; scores have shape (B,), results are scalars."""

    discriminator: DiscriminatorLoss
    generator: GeneratorLoss


def cross_entropy_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), D = sigmoid of the score (Goodfellow et al. 2014, Eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_g(fake: Tensor) -> Tensor:
    """-E log D(G(z)) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """E log(1 - D(G(z))) (Goodfellow et al. 2014, Eq. 1)."""
    return -F.softplus(fake).mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2 (Mao et al. 2017, Eq. 9: a = 0, b = c = 1)."""
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_g(fake: Tensor) -> Tensor:
    """1/2 E (D(G(z)) - 1)^2 (Mao et al. 2017, Eq. 9)."""
    return 0.5 * (fake - 1).square().mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) (Miyato et al. 2018, Eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) - E D(x) (Arjovsky et al. 2017, Eq. 2, negated)."""
    return fake.mean() - real.mean()


def mean_score_g(fake: Tensor) -> Tensor:
    """-E D(G(z)), of both the hinge and the Wasserstein loss."""
    return -fake.mean()


def build_loss(name: str) -> Loss:
    """Returns the two losses of a row of :data:`trainables.settings.losses.LOSSES`, or of a user's own.

    Args:
        name: Of the row, or ``package.module:function``; see :mod:`trainables.gan.own_loss` for its contract.

    Raises:
        ValueError: A user's own pair breaks the contract; the message says how.
    """
    row = LOSSES.get(name)
    if row is None:
        return Loss(*build_own_loss(name))
    return Loss(load(row.discriminator), load(row.generator))
