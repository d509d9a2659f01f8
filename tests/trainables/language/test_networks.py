"""The character networks against their definition written out with loops, and how their weights begin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainables.language.networks import Block, Discriminator, Generator, one_hot
from trainables.settings.language import CharacterNetworkSettings

SETTINGS = CharacterNetworkSettings(width=3, blocks=2, kernel=3, latent=4)
VOCABULARY, LENGTH = 5, 6


def convolved(conv: nn.Conv1d, maps: np.ndarray) -> np.ndarray:
    """Every output place is a weighted sum over the kernel's places, 0 beyond the ends."""
    assert conv.bias is not None
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    outputs, inputs, size = weight.shape
    found = np.zeros((len(maps), outputs, maps.shape[2]))
    for batch in range(len(maps)):
        for out in range(outputs):
            for place in range(maps.shape[2]):
                total = bias[out]
                for k in range(size):
                    at = place + k - size // 2
                    if 0 <= at < maps.shape[2]:
                        total += sum(weight[out, i, k] * maps[batch, i, at] for i in range(inputs))
                found[batch, out, place] = total
    return found


def through(block: Block, maps: np.ndarray) -> np.ndarray:
    hidden = convolved(block.conv1, np.maximum(maps, 0))
    return maps + 0.3 * convolved(block.conv2, np.maximum(hidden, 0))


def blocks_of(network: Generator | Discriminator) -> list[Block]:
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    assert len(blocks) == 2
    return blocks


def seeded() -> None:
    torch.manual_seed(0)


def test_a_generator_is_linear_then_blocks_then_a_distribution_at_each_place() -> None:
    seeded()
    generator, z = Generator(SETTINGS, VOCABULARY, LENGTH), torch.randn(2, 4)
    weight, bias = generator.linear.weight.detach().numpy(), generator.linear.bias.detach().numpy()
    maps = (z.numpy() @ weight.T + bias).reshape(2, 3, LENGTH)
    for block in blocks_of(generator):
        maps = through(block, maps)
    logits = convolved(generator.characters, maps)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert generator(z).detach().numpy() == pytest.approx(expected, abs=1e-5)


def test_a_discriminator_is_blocks_then_one_score_a_line() -> None:
    seeded()
    discriminator = Discriminator(SETTINGS, VOCABULARY, LENGTH)
    lines = torch.rand(2, VOCABULARY, LENGTH)
    maps = convolved(discriminator.characters, lines.numpy())
    for block in blocks_of(discriminator):
        maps = through(block, maps)
    weight = discriminator.score.weight.detach().numpy()[0].reshape(3, LENGTH)
    expected = (maps * weight).sum(axis=(1, 2)) + float(discriminator.score.bias.detach())
    scores = discriminator(lines)
    assert scores.shape == (2,)
    assert scores.detach().numpy() == pytest.approx(expected, abs=1e-5)


def test_weights_begin_uniform_with_glorots_bound_times_root_two_for_convolutions() -> None:
    seeded()
    settings = CharacterNetworkSettings(width=16, blocks=1, kernel=5, latent=20)
    generator = Generator(settings, 30, 8)
    fans: list[tuple[Tensor, float, float]] = [
        (generator.linear.weight, 20 + 16 * 8, 1.0),
        (generator.characters.weight, 16 + 30, math.sqrt(2)),
        (
            next(m for m in generator.modules() if isinstance(m, Block)).conv1.weight,
            5 * 32,
            math.sqrt(2),
        ),
    ]
    for weight, fan, gain in fans:
        bound = gain * math.sqrt(6 / fan)
        assert 0.9 * bound < weight.abs().max().item() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    biases = [value for name, value in generator.named_parameters() if name.endswith("bias")]
    assert len(biases) == 4
    assert all((bias == 0).all() for bias in biases)


def test_one_hot_marks_each_character() -> None:
    tokens = torch.tensor([[0, 2, 1], [3, 3, 0]])
    lines = one_hot(tokens, 4)
    assert (lines.shape, lines.dtype) == ((2, 4, 3), torch.float32)
    for batch in range(2):
        for place in range(3):
            expected = [float(c == tokens[batch, place]) for c in range(4)]
            assert lines[batch, :, place].tolist() == expected


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_line_keeps_its_length_whatever_a_convolution_sees(kernel: int) -> None:
    settings = CharacterNetworkSettings(width=3, blocks=1, kernel=kernel, latent=4)
    lines = Generator(settings, VOCABULARY, LENGTH)(torch.zeros(2, 4))
    assert lines.shape == (2, VOCABULARY, LENGTH)
    assert Discriminator(settings, VOCABULARY, LENGTH)(lines).shape == (2,)


def test_one_hot_lines_are_where_the_tokens_are() -> None:
    tokens = torch.zeros(2, LENGTH, dtype=torch.int64, device="meta")
    assert one_hot(tokens, VOCABULARY).device.type == "meta"
