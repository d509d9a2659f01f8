"""Halvings and doublings in training against torch's own layers: values, gradients, second gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainables.networks import strided
from trainables.networks.strided import Doubling, Halving

CASES = {
    "thin": {"_MANY": 1, "_FEW": 99, "_HEAVY": 2**40},
    "product": {"_MANY": 99, "_HEAVY": 0, "_SMALL": 99},
}
"""Limits that send small layers the one and the other way."""


@pytest.fixture(params=CASES)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in CASES[request.param].items():
        monkeypatch.setattr(strided, name, value)
    return str(request.param)


def pair(kind: type[nn.Module], inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Our layer and torch's, in double precision, with the same weights."""
    ours = kind(inputs, outputs).double()
    plain: nn.Module = (
        nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)
        if kind is Halving
        else nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1)
    ).double()
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def slopes(layer: nn.Module, maps: Tensor) -> list[Tensor]:
    """A result, its gradients, and those of the length of its gradient in the maps (a penalty's)."""
    made = layer(maps)
    weights = list(layer.parameters())
    by = torch.sin(torch.arange(made.numel(), dtype=made.dtype)).view(made.shape)
    wanted = (maps, *weights)
    first = torch.autograd.grad((made.square() * by).sum(), wanted, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), wanted)
    return [made, *first, *second]


@pytest.mark.parametrize("kind", [Halving, Doubling])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 6)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_they_are_torchs_layers(
    kind: type[nn.Module], height: int, width: int, layout: torch.memory_format, way: str
) -> None:
    ours, plain = (layer.to(memory_format=layout) for layer in pair(kind, 3, 5))
    torch.manual_seed(0)
    maps = torch.randn(2, 3, height, width, dtype=torch.float64).to(memory_format=layout)
    maps.requires_grad_()
    for mine, its in zip(slopes(ours, maps), slopes(plain, maps), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", [Halving, Doubling])
def test_gradients_are_taken_only_of_what_needs_them(kind: type[nn.Module], way: str) -> None:
    ours, plain = pair(kind, 3, 2)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    for layer in (ours, plain):
        layer.weight.requires_grad_(False)
    got, expected = (
        torch.autograd.grad(layer(maps).sum(), (maps, layer.get_parameter("bias")))
        for layer in (ours, plain)
    )
    for mine, its in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("kind", [Halving, Doubling])
def test_evaluation_is_torchs_bit_for_bit(kind: type[nn.Module], way: str) -> None:
    ours, plain = pair(kind, 3, 5)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert torch.equal(ours.eval()(maps), plain(maps))


def test_spectral_norm_goes_with_them(way: str) -> None:
    ours, plain = (spectral_norm(layer) for layer in pair(Halving, 3, 5))
    plain.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(maps), plain(maps))


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "side", "called"),
    [
        (Halving, 256, 512, 4, "_halved_by_product"),
        (Doubling, 512, 256, 2, "_doubled_by_product"),
        (Doubling, 16, 3, 8, "_doubled_by_pixels"),
        (Halving, 8, 8, 4, None),
        (Doubling, 8, 3, 4, None),
    ],
)
def test_each_size_goes_its_way_in_single_precision(
    kind: type[nn.Module],
    inputs: int,
    outputs: int,
    side: int,
    called: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def noted(name: str) -> Callable[..., Tensor]:
        way: Callable[..., Tensor] = getattr(strided, name)

        def noting(*given: Any) -> Tensor:
            seen.append(name)
            return way(*given)

        return noting

    for name in ("_halved_by_product", "_doubled_by_product", "_doubled_by_pixels"):
        monkeypatch.setattr(strided, name, noted(name))
    ours, plain = (layer.float() for layer in pair(kind, inputs, outputs))
    maps = torch.randn(2, inputs, side, side)
    np.testing.assert_allclose(ours(maps).detach(), plain(maps).detach(), atol=1e-5)
    assert seen == ([] if called is None else [called])


@pytest.mark.parametrize("kind", [Halving, Doubling])
@pytest.mark.parametrize("case", [*CASES, "torch's kernels"])
def test_spectral_normalisation_makes_one_step_a_pass(
    kind: type[nn.Module], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at such a weight in training is a step of the power iteration."""
    for name, value in CASES.get(case, {}).items():
        monkeypatch.setattr(strided, name, value)
    ours, plain = pair(kind, 3, 5)
    for layer in (ours, plain):
        torch.manual_seed(0)
        spectral_norm(layer)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    for _ in range(3):
        torch.testing.assert_close(ours(maps), plain(maps), rtol=1e-11, atol=1e-11)
    mine, its = ours.state_dict(), plain.state_dict()
    for name in its:
        torch.testing.assert_close(mine[name], its[name], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "side", "way"),
    [
        (Halving, 4, 16, 10, "_HalvedThin"),  # the weight is (16, 4, 5, 5)
        (Halving, 5, 16, 10, "Convolution"),
        (Halving, 4, 15, 10, "Convolution"),
        (Doubling, 16, 4, 5, "_DoubledThin"),
        (Doubling, 16, 5, 5, "Convolution"),
        (Doubling, 15, 4, 5, "Convolution"),
        (
            Halving,
            4,
            16,
            8,
            "_Patches",
        ),  # by product, of which all weights here have enough numbers
        (Doubling, 16, 4, 4, "_SummedPatches"),
    ],
)
def test_limits_belong_to_the_way_that_they_begin(
    kind: type[nn.Module],
    inputs: int,
    outputs: int,
    side: int,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = kind(inputs, outputs)
    numbers = layer.get_parameter("weight").numel()
    monkeypatch.setattr(strided, "_HEAVY", numbers)
    maps = torch.randn(2, inputs, side, side, requires_grad=True)
    assert way in _ways(layer(maps))
    plainly = maps.detach()
    if way == "_HalvedThin":  # only its gradient in the map goes another way
        assert way not in _ways(layer(plainly))
    if "Patches" in way:
        monkeypatch.setattr(strided, "_HEAVY", numbers + 1)
        assert way not in _ways(layer(maps))
    assert strided._is_plain(maps) is True
    with torch.autocast("cpu", torch.bfloat16):
        assert strided._is_plain(maps) is False
        assert _ways(layer(maps)) & {"_HalvedThin", "_DoubledThin", "_Patches"} == set()
    assert strided._is_plain(maps.to("meta")) is False


def _ways(made: Tensor) -> set[str]:
    """What a result was computed by, as its graph names it."""
    found, open_ones = set[str](), [made.grad_fn]
    while open_ones:
        node = open_ones.pop()
        if node is not None:
            found.add(node.name().removesuffix("Backward").removesuffix("Backward0"))
            open_ones += [following for following, _ in node.next_functions]
    return found


def test_a_doubling_to_a_size_that_is_asked_for_is_torchs() -> None:
    ours, plain = pair(Doubling, 3, 5)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    for size in ([7, 8], [8, 8]):
        made = ours(maps, size)
        assert made.shape[2:] == tuple(size)
        assert torch.equal(made, plain(maps, size))


@pytest.mark.parametrize("kind", [Halving, Doubling])
def test_they_say_of_themselves_what_torchs_layers_say(kind: type[nn.Module]) -> None:
    ours, plain = pair(kind, 3, 5)
    for name in ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups"):
        assert getattr(ours, name) == getattr(plain, name), name


def test_a_doubling_by_product_needs_no_bias() -> None:
    weight, maps = torch.randn(3, 5, 5, 5).double(), torch.randn(2, 3, 4, 4).double()
    expected = nn.functional.conv_transpose2d(maps, weight, None, 2, 2, output_padding=1)
    torch.testing.assert_close(strided._doubled_by_product(maps, weight, None), expected)
