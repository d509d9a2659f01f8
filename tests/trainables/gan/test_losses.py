"""The losses against their definitions, written with numpy and the sigmoid spelt out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.gan.losses import build_loss
from trainables.settings.losses import LOSSES

REAL = np.array([2.0, -0.5, 0.3, 1.7])
FAKE = np.array([-1.2, 0.4, 3.0, -0.1])


def sigmoid(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-scores))


CROSS_ENTROPY = -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean()
EXPECTED = {
    "non_saturating": (CROSS_ENTROPY, -np.log(sigmoid(FAKE)).mean()),
    "minimax": (CROSS_ENTROPY, np.log(1 - sigmoid(FAKE)).mean()),
    "least_squares": (
        ((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2,
        ((FAKE - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(),
        -FAKE.mean(),
    ),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
}


def test_every_loss_has_its_definition_here() -> None:
    assert set(LOSSES) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_value(name: str) -> None:
    loss = build_loss(name)
    d_loss = loss.discriminator(torch.from_numpy(REAL), torch.from_numpy(FAKE))
    g_loss = loss.generator(torch.from_numpy(FAKE))
    np.testing.assert_allclose([d_loss.item(), g_loss.item()], EXPECTED[name], rtol=1e-12)


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
def test_large_scores_stay_finite(name: str) -> None:
    loss = build_loss(name)
    scores = torch.tensor([1e4, -1e4])
    assert torch.isfinite(loss.discriminator(scores, scores))
    assert torch.isfinite(loss.generator(scores))


def test_only_minimax_saturates_where_d_is_sure() -> None:
    sure = torch.tensor([-20.0], requires_grad=True)
    gradients = {
        name: torch.autograd.grad(build_loss(name).generator(sure), sure)[0].abs().item()
        for name in ("non_saturating", "minimax")
    }
    assert gradients["minimax"] < 1e-8
    assert gradients["non_saturating"] == pytest.approx(1)


def twice() -> tuple[object, object]:
    """A user's own: twice the gap of the mean scores, and thrice G's lack of score."""
    return (
        lambda real, fake: 2 * (fake.mean() - real.mean()),
        lambda fake: -3 * fake.mean(),
    )


def test_a_users_own_pair_is_taken_by_its_name() -> None:
    """Mean scores of 0.875 and 0.525."""
    loss = build_loss(f"{__name__}:twice")
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    assert loss.discriminator(real, fake).item() == pytest.approx(-0.7)
    assert loss.generator(fake).item() == pytest.approx(-1.575)
