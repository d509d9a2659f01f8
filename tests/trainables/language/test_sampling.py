"""Lines drawn from a generator, and the networks of a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainables.gan.streams import evaluation_stream
from trainables.gan.watch import NonFiniteError
from trainables.language.networks import Generator
from trainables.language.sampling import LineSampler, build
from trainables.language.text import TextData
from trainables.networks.pair import Latent
from trainables.settings.language import CharacterNetworkSettings

SMALL = CharacterNetworkSettings(width=3, blocks=1, kernel=3, latent=4)


class Places(nn.Module):
    """At each of 4 places the distribution over 3 characters that z gives."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 12, generator=torch.Generator().manual_seed(0)))
        self.seen: list[int] = []

    def forward(self, z: Tensor) -> Tensor:
        self.seen.append(len(z))
        assert not torch.is_grad_enabled()
        return (z @ self.weight).unflatten(1, (3, 4)).softmax(1)


@pytest.mark.parametrize("draw", [0, 3])
def test_lines_are_the_most_probable_characters_of_the_draw(draw: int) -> None:
    generator = Places()
    found = LineSampler(generator, Latent(5, "normal"), 4, "cpu")(draw, 10)
    assert generator.seen == [4, 4, 2]
    z = torch.randn(10, 5, generator=evaluation_stream(draw))
    scores = (z.double() @ generator.weight.detach().double()).reshape(10, 3, 4).tolist()
    expected = [
        [max(range(3), key=lambda c, line=line, at=at: line[c][at]) for at in range(4)]
        for line in scores
    ]
    assert found.tolist() == expected
    assert found.dtype == np.uint16
    assert len(set(map(tuple, expected))) > 3


def test_lines_that_are_not_finite_are_said() -> None:
    generator = Places()
    generator.weight.data[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"^the generator's line is nan$"):
        LineSampler(generator, Latent(5, "normal"), 4, "cpu")(0, 10)


def test_z_goes_to_the_device() -> None:
    class Placed(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            assert z.device.type == "meta"
            return torch.ones(len(z), 3, 4)

    lines = LineSampler(Placed(), Latent(5, "normal"), 4, "meta")(0, 6)
    assert lines.tolist() == [[0] * 4] * 6


def test_networks_fit_the_text_and_their_weights_are_those_of_the_seed() -> None:
    text = TextData(np.zeros((7, 9), np.uint16), "abcde", (), "f", Path())
    before = torch.random.get_rng_state()
    one, other = build(SMALL, text, 1), build(SMALL, text, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(1)
        expected = Generator(SMALL, 5, 9)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, one.generator.state_dict()[name])
    assert not torch.equal(
        next(iter(other.generator.parameters())), next(iter(one.generator.parameters()))
    )
    assert one.latent == Latent(4, "normal")
    lines = one.generator(one.latent.draw(3, torch.Generator()))
    assert lines.shape == (3, 5, 9)
    assert one.discriminator(lines).shape == (3,)
