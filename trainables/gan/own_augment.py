"""An augmentation of a user's own: ``data.augment: package.module:function``, and what it must keep to.

The function is called with each batch of real images in training, float32 (B, C, H, W) in [-1, 1] on the
trial's device, and returns a batch like it. Randomness comes from torch's global stream, which is the trial's
own there, so that a resumed trial sees the same. Scores never see it. It keeps nothing from one call to the
next, as a checkpoint would not hold it.

    def shifted(images):
        return torch.roll(images, shifts=int(torch.randint(-2, 3, ())), dims=3)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.devices import own_random_numbers
from trainables.own_code import called, described, loaded

Augment = Callable[[Tensor], Tensor]
"""A batch of real images, (B, C, H, W), to one like it."""

_PROBE = 6
"""Images of the batch that it is tried on."""

_BEYOND = 1e-3
"""How far a pixel may lie outside of [-1, 1]: rounding, and no more."""


def build_augment(name: str, image: tuple[int, int, int], device: str = "cpu") -> Augment:
    """Imports an augmentation and tries it on noise.

    Args:
        name: ``package.module:function``.
        image: Channels, height and width of an image.
        device: Where it is tried.

    Raises:
        ValueError: It breaks the contract (see the module); the message says what it gave and must give.
    """
    function = loaded("data.augment", name, "a batch of images")
    what = f"data.augment {name}"
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((_PROBE, *image), generator=generator).mul_(2).sub_(1).to(device)
    with own_random_numbers(0), torch.no_grad():
        asked = f"{what}, called with images of shape {tuple(images.shape)},"
        _check(what, called(asked, function, images.clone()), images)
    return function


def _check(what: str, found: object, given: Tensor) -> None:
    if not isinstance(found, Tensor):
        raise ValueError(f"{what} returned {described(found)}; it must return a batch of images")
    if (found.shape, found.dtype) != (given.shape, given.dtype):
        raise ValueError(
            f"{what} returned {tuple(found.shape)} of {found.dtype}; it must return what it is given, "
            f"{tuple(given.shape)} of {given.dtype}"
        )
    if not bool(torch.isfinite(found).all()) or float(found.abs().max()) > 1 + _BEYOND:
        least, most = float(found.min()), float(found.max())
        raise ValueError(
            f"{what} returned values from {least:g} to {most:g}; images must stay within -1 and 1"
        )
