"""What a user's pair must keep to, told by pairs that nearly do; and that the check leaves no trace."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainables.gan.state import snapshot
from trainables.networks.contract import check_contract, scores_alone
from trainables.networks.pair import Latent, Networks

IMAGE = (1, 8, 8)
Forward = Callable[[nn.Module, Tensor], Tensor]


class Through(nn.Module):
    """A network whose forward is a function of a module inside it and the input."""

    def __init__(self, inner: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.inner = inner
        self.function = forward

    def forward(self, inputs: Tensor) -> Tensor:
        return self.function(self.inner, inputs)


def plain(inner: nn.Module, inputs: Tensor) -> Tensor:
    output: Tensor = inner(inputs)
    return output


def pair(g: Forward = plain, d: Forward = plain) -> Networks:
    maker = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Unflatten(1, IMAGE))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    return Networks(Through(maker, g), Through(critic, d), Latent(5, "normal"))


def failing(error: Exception) -> Forward:
    def forward(inner: nn.Module, inputs: Tensor) -> Tensor:
        raise error

    return forward


def overwriting(inner: nn.Module, images: Tensor) -> Tensor:
    grown = inner(images).exp()
    doubled: Tensor = grown * 2
    grown += 1  # the gradient of exp needs what it was
    return doubled + grown


def noisy(inner: nn.Module, images: Tensor) -> Tensor:
    return plain(inner, images + 0.1 * torch.randn_like(images))


def comparing(inner: nn.Module, images: Tensor) -> Tensor:
    scores = plain(inner, images)
    return scores - scores.mean()


def comparing_in_training(inner: nn.Module, images: Tensor) -> Tensor:
    return (comparing if inner.training else plain)(inner, images)


@pytest.mark.parametrize("d", [plain, noisy, comparing])
def test_what_keeps_the_contract_passes(d: Forward) -> None:
    check_contract("own", pair(d=d), IMAGE)


@pytest.mark.parametrize(
    "d",
    [
        lambda inner, images: inner(images).sigmoid(),
        lambda inner, images: torch.sigmoid(inner(images)).view(-1, 1).squeeze(1),
        lambda inner, images: nn.Sigmoid()(inner(images))[:, 0],
    ],
)
def test_a_sigmoid_at_the_end_is_found_wherever_it_is_written(d: Forward) -> None:
    with pytest.raises(ValueError, match="networks own: the discriminator ends with a sigmoid"):
        check_contract("own", pair(d=d), IMAGE)


def test_a_sigmoid_before_the_end_is_an_activation() -> None:
    check_contract("own", pair(d=lambda inner, images: 2 * inner(images).sigmoid()), IMAGE)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (
            pair(d=failing(KeyError("scale"))),
            r"discriminator does not take .*\(4, 1, 8, 8\); it raised KeyError: 'scale'",
        ),
        (pair(g=failing(IndexError("7"))), r"generator does not take .*\(4, 5\); .*IndexError: 7"),
        (
            pair(d=lambda inner, images: inner(images).detach()),
            r"no gradient with respect to the generator's parameters.*element 0",
        ),
        (pair(d=overwriting), r"no gradient with respect to the .*inplace operation"),
        (
            pair(g=lambda inner, z: inner(z).double()),
            r"generator made values of type torch\.float64; they must be torch\.float32",
        ),
        (pair(g=lambda inner, z: 3 * inner(z)), r"generator's values reach .*in \[-1, 1\]"),
    ],
)
def test_what_breaks_it_is_one_sentence(networks: Networks, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_contract("own", networks, IMAGE)


@pytest.mark.parametrize("kept", [nn.LazyLinear(1), torch.ones(1, requires_grad=True) * 2])
def test_what_cannot_be_copied_is_one_sentence(kept: object) -> None:
    networks = pair()
    networks.discriminator.kept = kept  # type: ignore[assignment]
    with pytest.raises(ValueError, match="networks own: the discriminator must be a module that"):
        check_contract("own", networks, IMAGE)


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_a_parameter_without_a_part_in_the_scores_is_named(role: str) -> None:
    networks = pair()
    getattr(networks, role).register_parameter("spare", nn.Parameter(torch.zeros(1)))
    with pytest.raises(ValueError, match=f"the {role}'s parameter spare has no part in the scores"):
        check_contract("own", networks, IMAGE)
    getattr(networks, role).spare.requires_grad_(False)
    check_contract("own", networks, IMAGE)


def test_the_networks_are_looked_at_as_they_are_trained() -> None:
    """What has a part in evaluation only would stop the first update."""

    def forward(inner: nn.Module, images: Tensor) -> Tensor:
        return plain(inner, images).detach() * 0 if inner.training else plain(inner, images)

    networks = pair(d=forward)
    networks.discriminator.eval()
    with pytest.raises(ValueError, match="no gradient with respect to"):
        check_contract("own", networks, IMAGE)


@pytest.mark.parametrize("error", [MemoryError("now"), OSError("now"), torch.OutOfMemoryError()])
def test_what_another_try_may_do_better_is_passed_on(error: Exception) -> None:
    with pytest.raises(type(error)):
        check_contract("own", pair(d=failing(error)), IMAGE)


def test_which_scores_depend_on_other_images() -> None:
    """Randomness inside a critic is not the other images' doing; batch norm is."""
    assert scores_alone(pair(), IMAGE)
    assert scores_alone(pair(d=noisy), IMAGE)
    assert not scores_alone(pair(d=comparing), IMAGE)
    assert not scores_alone(pair(d=comparing_in_training), IMAGE)
    normed = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 1))
    assert not scores_alone(Networks(pair().generator, normed, Latent(5, "normal")), IMAGE)


def test_the_check_changes_nothing() -> None:
    """Neither weights, nor what a forward pass in training mode updates, nor modes, gradients and streams."""
    last = spectral_norm(nn.Linear(64, 1))
    critic = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(), nn.Flatten(), last)
    networks = Networks(pair().generator.eval(), critic, Latent(5, "normal"))
    both = (networks.generator, critic)
    states = [snapshot(dict(network.state_dict())) for network in both]
    stream = torch.get_rng_state()
    check_contract("own", networks, IMAGE)
    scores_alone(networks, IMAGE)
    assert torch.equal(torch.get_rng_state(), stream)
    assert [network.training for network in both] == [False, True]
    for network, state in zip(both, states, strict=True):
        assert all(torch.equal(value, state[n]) for n, value in network.state_dict().items())
        assert all(p.grad is None for p in network.parameters())
