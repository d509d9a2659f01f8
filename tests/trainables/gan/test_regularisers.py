"""The gradient penalty and R1 against closed forms and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainables.gan.regularisers import gradient_penalty, r1

SEED = 3


def batch(seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn((5, 1, 2, 3), generator=stream, dtype=torch.float64)


def drawn(real: Tensor) -> Tensor:
    """alpha for a batch."""
    ones = (1,) * (real.dim() - 1)
    return torch.rand((len(real), *ones), generator=stream())


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def test_penalties_of_a_linear_critic() -> None:
    weight = torch.arange(1.0, 7.0, dtype=torch.float64)
    norm = weight.norm().item()

    def critic(images: Tensor) -> Tensor:
        return images.flatten(1) @ weight

    penalty = gradient_penalty(critic, batch(0), batch(1), drawn(batch(0)))
    assert penalty.item() == pytest.approx((norm - 1) ** 2)
    assert r1(critic, batch(0)).item() == pytest.approx(norm**2 / 2)


def test_a_gradient_of_zero_is_penalised_without_making_anything_infinite() -> None:
    """Where every unit of the critic is dead the root of a sum of squares would have no derivative."""
    weight = torch.full((6,), -1.0, dtype=torch.float64, requires_grad=True)

    def dead(images: Tensor) -> Tensor:
        return torch.relu(images.flatten(1) * 0 + weight).sum(1)

    penalty = gradient_penalty(dead, batch(0), batch(1), drawn(batch(0)))
    assert penalty.item() == 1.0
    assert torch.autograd.grad(penalty, weight, allow_unused=True)[0] in (None, pytest.approx(0))

    def scaled(images: Tensor) -> Tensor:
        return (images.flatten(1) * weight).sum(1) * 0

    penalty = gradient_penalty(scaled, batch(0), batch(1), drawn(batch(0)))
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert gradient.tolist() == [0.0] * 6


def test_penalties_of_a_quadratic_critic() -> None:
    """D(x) = ||x||^2 / 2 has the gradient x, so the penalty is E (||x|| - 1)^2 between the batches."""

    def critic(images: Tensor) -> Tensor:
        return images.flatten(1).square().sum(1) / 2

    real, fake = batch(0), batch(1)
    alpha = torch.rand((5, 1, 1, 1), generator=stream()).double()
    between = (real + alpha * (fake - real)).flatten(1)
    expected = (between.norm(dim=1) - 1).square().mean().item()
    assert gradient_penalty(critic, real, fake, drawn(real)).item() == pytest.approx(expected)
    expected = real.flatten(1).square().sum(1).mean().item() / 2
    assert r1(critic, real).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["gradient_penalty", "r1"])
def test_the_gradient_of_the_penalty_matches_finite_differences(name: str) -> None:
    weight = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()

    def penalty() -> Tensor:
        def critic(images: Tensor) -> Tensor:
            return torch.tanh(images.flatten(1) * weight).sum(1)

        if name == "r1":
            return r1(critic, batch(0))
        return gradient_penalty(critic, batch(0), batch(1), drawn(batch(0)))

    (gradient,) = torch.autograd.grad(penalty(), weight)
    for index in range(6):
        values = []
        for shift in (1e-6, -1e-6):
            with torch.no_grad():
                weight[index] += shift
            values.append(penalty().item())
            with torch.no_grad():
                weight[index] -= shift
        difference = (values[0] - values[1]) / 2e-6
        assert gradient[index].item() == pytest.approx(difference, rel=1e-5, abs=1e-8)


def test_the_penalty_looks_between_real_and_generated() -> None:
    seen: list[Tensor] = []

    def critic(images: Tensor) -> Tensor:
        seen.append(images.detach())
        return images.flatten(1).sum(1)

    real, fake = torch.zeros(5, 1, 1, 1), torch.ones(5, 1, 1, 1)
    gradient_penalty(critic, real, fake, drawn(real))
    assert torch.equal(seen[0], drawn(real))
