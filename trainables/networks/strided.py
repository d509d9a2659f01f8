"""The 5x5 convolutions of stride 2 that halve and double a map, trained on a CPU in the way that is fastest.

They are torch's own layers: the same weights, and the same values but for rounding. On a CPU torch's kernels
are slow at two ends of a network, and there training computes the same in another way:

* Towards an image of a few channels most of a vector register stays empty. Each pixel of the smaller map
  decides four of the larger one, so these are computed as channels of one 3x3 convolution (Shi et al. 2016,
  "Is the deconvolution layer the same as a convolutional layer?").
* Where a small map meets many channels, bringing the weights into the order of the kernels costs several
  times the convolution. There the map's patches are laid out as rows, and one matrix product does it.

Evaluation goes through torch's kernels, so that a generator that is given away makes the same images bit for
bit wherever it is run.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

_KERNEL, _STRIDE, _PADDING = 5, 2, 2
_FEW = 4
"""Channels of an image: so few leave most of a register empty."""
_MANY = 16
"""Channels on the other side from which on the 3x3 convolution is faster."""
_HEAVY = 2**20
"""Numbers in a weight from which on a matrix product is faster, for small maps."""
_SMALL = 4
"""Pixels along the smaller map's side up to which it is."""


class Halving(nn.Conv2d):
    """(B, C, 2S, 2S) to (B, C', S, S)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, _KERNEL, stride=_STRIDE, padding=_PADDING)

    def forward(self, maps: Tensor) -> Tensor:
        """Returns the halved map."""
        # Looked at once: with spectral normalisation each look is a step of the power iteration.
        weight, bias = self.weight, self.bias
        if self.training and _is_plain(maps):
            if _is_heavy(weight, maps.shape[3] // 2):
                return _halved_by_product(maps, weight, bias)
            if maps.requires_grad and _is_thin(weight):
                halved: Tensor = _HalvedThin.apply(maps, weight, bias)
                return halved
        return F.conv2d(maps, weight, bias, _STRIDE, _PADDING)


class Doubling(nn.ConvTranspose2d):
    """(B, C, S, S) to (B, C', 2S, 2S): the transpose of :class:`Halving`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            inputs, outputs, _KERNEL, stride=_STRIDE, padding=_PADDING, output_padding=1
        )

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Returns the doubled map."""
        if output_size is not None:
            return super().forward(maps, output_size)
        weight, bias = self.weight, self.bias  # once, as in Halving
        if self.training and _is_plain(maps):
            if _is_heavy(weight, maps.shape[3]):
                return _doubled_by_product(maps, weight, bias)
            if _is_thin(weight):
                thin: Tensor = _DoubledThin.apply(maps, weight, bias)
                return thin
        return F.conv_transpose2d(maps, weight, bias, _STRIDE, _PADDING, output_padding=1)


def _is_plain(maps: Tensor) -> bool:
    """Whether it is computed on a CPU, in the precision of the numbers."""
    return maps.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _is_heavy(weight: Tensor, side: int) -> bool:
    return side <= _SMALL and weight.numel() >= _HEAVY


def _is_thin(weight: Tensor) -> bool:
    """Whether the weight, (of the smaller map, of the larger map, 5, 5), leads to an image."""
    return weight.shape[1] <= _FEW and weight.shape[0] >= _MANY


class _HalvedThin(torch.autograd.Function):
    """A halving whose gradient in the map, a doubling, is computed as one."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return F.conv2d(maps, weight, bias, _STRIDE, _PADDING)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        of_maps, of_weight, of_bias = ctx.needs_input_grad
        return (
            _DoubledThin.apply(gradient, weight, None) if of_maps else None,
            _weight_gradient(maps, weight, gradient) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


class _DoubledThin(torch.autograd.Function):
    """A doubling to few channels; its gradients are those of torch's kernels, which are fast."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, weight)
        doubled = _doubled_by_pixels(maps, weight)
        return doubled if bias is None else doubled.add_(bias.view(-1, 1, 1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        of_maps, of_weight, of_bias = ctx.needs_input_grad
        return (
            F.conv2d(gradient, weight, None, _STRIDE, _PADDING) if of_maps else None,
            _weight_gradient(gradient, weight, maps) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _weight_gradient(larger: Tensor, weight: Tensor, smaller: Tensor) -> Tensor:
    found: Tensor = conv2d_weight(larger, weight.shape, smaller, _STRIDE, _PADDING)  # type: ignore[no-untyped-call]
    return found


def _doubled_by_pixels(maps: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution as a 3x3 convolution that makes the four pixels that each pixel becomes.

    Pixel 2 i + p of the larger map takes the kernel's place 2 + p - 2 d from pixel i + d of the smaller one:
    places of a kernel widened to six, as three steps of two.
    """
    batch, inputs, height, width = maps.shape
    outputs = weight.shape[1]
    places = F.pad(weight, (0, 1, 0, 1)).view(inputs, outputs, 3, 2, 3, 2).flip(2, 4)
    kernel = places.permute(3, 5, 1, 0, 2, 4).reshape(4 * outputs, inputs, 3, 3)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    four = F.conv2d(maps, kernel, None, 1, 1).permute(0, 2, 3, 1)
    pixels = four.reshape(batch, height, width, 2, 2, outputs).transpose(2, 3)
    return pixels.reshape(batch, 2 * height, 2 * width, outputs).permute(0, 3, 1, 2)


def _halved_by_product(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    batch, _, height, width = maps.shape
    found = F.linear(_Patches.apply(maps), _as_matrix(weight), bias)
    return found.view(batch, height // 2, width // 2, -1).permute(0, 3, 1, 2)


def _doubled_by_product(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    batch, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(-1, channels) @ _as_matrix(weight)
    shape = (batch, weight.shape[1], 2 * height, 2 * width)
    doubled: Tensor = _SummedPatches.apply(rows, shape)
    return doubled if bias is None else doubled + bias.view(-1, 1, 1)


def _as_matrix(weight: Tensor) -> Tensor:
    """The weight as (of the smaller map, 25 x of the larger map); a view of one with channels last."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


class _Patches(torch.autograd.Function):
    """A map's 5x5 patches, two pixels apart, as rows (B S S, 25 C): the transpose of _SummedPatches."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        ctx.shape = maps.shape
        batch, channels, height, width = maps.shape
        shape = (batch, height + 3, width + 3, channels)
        padded = maps.new_zeros(shape)
        padded[:, 2:-1, 2:-1] = maps.permute(0, 2, 3, 1)
        image, line, pixel, _ = padded.stride()
        patches = padded.as_strided(
            (batch, height // 2, width // 2, _KERNEL, _KERNEL, channels),
            (image, 2 * line, 2 * pixel, line, pixel, 1),
        )
        return patches.reshape(-1, _KERNEL * _KERNEL * channels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        found: Tensor = _SummedPatches.apply(gradient, ctx.shape)
        return found


class _SummedPatches(torch.autograd.Function):
    """Rows as patches laid over each other, two pixels apart, and added up: a map (B, C, 2S, 2S)."""

    @staticmethod
    def forward(_: Any, rows: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        batch, channels, height, width = shape
        patches = rows.reshape(batch, height // 2, width // 2, _KERNEL, _KERNEL * channels)
        lines = rows.new_zeros(batch, height + 3, width // 2, _KERNEL * channels)
        for place in range(_KERNEL):
            lines[:, place : place + height : 2] += patches[:, :, :, place]
        lines = lines[:, 2:-1].view(batch, height, width // 2, _KERNEL, channels)
        pixels = rows.new_zeros(batch, height, width + 3, channels)
        for place in range(_KERNEL):
            pixels[:, :, place : place + width : 2] += lines[:, :, :, place]
        return pixels[:, :, 2:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> tuple[Tensor, None]:
        patches: Tensor = _Patches.apply(gradient)
        return patches, None
