"""Arithmetic on lists of tensors with a number that may lie on their device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Number = float | Tensor
"""A plain number, or one of shape () on a device, where a recorded step finds it changed."""


def move_towards(values: Sequence[Tensor], ends: Sequence[Tensor], weight: Number) -> None:
    """Adds weight (ends - values) to the values, as :func:`torch.lerp` does: weight 1 gives the ends.

    Args:
        values: Changed in place.
        ends: As many, of the same shapes.
        weight: In [0, 1].
    """
    if isinstance(weight, Tensor):
        cast = {dtype: weight.to(dtype) for dtype in {value.dtype for value in values}}
        torch._foreach_lerp_(list(values), list(ends), [cast[value.dtype] for value in values])
    else:
        torch._foreach_lerp_(list(values), list(ends), weight)
