"""Checkpoints as plain values: taking a state out of live objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def snapshot(value: Any) -> Any:
    """Copies nested dicts, lists, tuples and tensors (to the CPU), so that training can go on.

    All tensors of a device are fetched together: each fetch makes the host wait.
    """
    elsewhere = {id(tensor): tensor for tensor in _tensors(value) if tensor.device.type != "cpu"}
    fetched = dict(zip(elsewhere, _fetched(list(elsewhere.values())), strict=True))
    return _copied(value, fetched)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _copied(value: Any, fetched: Mapping[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return fetched[id(value)] if id(value) in fetched else value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _copied(item, fetched) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item, fetched) for item in value)
    return value


@torch.no_grad()
def _fetched(tensors: list[Tensor]) -> list[Tensor]:
    """Copies on the CPU, made by one transfer; strides are kept where a tensor fills its memory."""
    if not tensors:
        return []
    # The widest first, so that each begins where its type may begin.
    order = sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())
    flat = [_flat(tensors[i].detach()) for i in order]
    host = torch.cat([values.view(torch.uint8) for values in flat]).cpu()
    found, start = {}, 0
    for index, values in zip(order, flat, strict=True):
        size = values.numel() * values.element_size()
        part = host[start : start + size].clone().view(values.dtype)
        found[index] = part.as_strided(tensors[index].shape, _strides(tensors[index]))
        start += size
    return [found[index] for index in range(len(tensors))]


def _flat(tensor: Tensor) -> Tensor:
    """The values in the order in which they lie in memory, (numel,)."""
    if _strides(tensor) == tensor.stride():
        return tensor.as_strided((tensor.numel(),), (1,))
    return tensor.contiguous().view(-1)


def _strides(tensor: Tensor) -> tuple[int, ...]:
    return torch.empty_like(tensor, device="meta").stride()
