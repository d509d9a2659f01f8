"""The things that a step may change outside of tensors: attributes, and the host's random numbers."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

_CONTAINERS = (list, dict, set, deque)


class Outside:
    """What is there now.

    Args:
        networks: Whose attributes are kept; tensors are kept as the objects that they are, not by value.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        modules = [module for network in networks for module in network.modules()]
        holders = [h for m in modules for h in (vars(m), m._parameters, m._buffers)]
        self._held: list[tuple[dict[str, Any], dict[str, Any]]] = [(h, dict(h)) for h in holders]
        self._contents: list[tuple[Any, Any]] = [
            (value, copy.copy(value))
            for _, held in self._held
            for value in held.values()
            if isinstance(value, _CONTAINERS)
        ]
        self._numbers = _numbers()

    def changed(self) -> bool:
        """Whether any of it is another now."""
        same = all(_same(now, was) for now, was in (*self._held, *self._contents))
        return not same or repr(_numbers()) != repr(self._numbers)

    def restore(self) -> None:
        """Brings back what was there."""
        for now, was in self._held:
            if not _same(now, was):
                now.clear()
                now.update(was)
        for container, was in self._contents:
            if not _same(container, was):
                container.clear()
                add = container.extend if isinstance(container, list | deque) else container.update
                add(was)
        python, numpy, torchs = self._numbers
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch.tensor(torchs, dtype=torch.uint8))


def _numbers() -> tuple[Any, Any, list[int]]:
    """Where the streams of Python, NumPy and torch stand."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()


def _items(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [*container.keys(), *container.values()]
    return list(container)


def _same(now: Any, was: Any) -> bool:
    """Whether a container holds what it held, in the same order."""
    one, other = _items(now), _items(was)
    return len(one) == len(other) and all(map(_is, one, other))


def _is(one: object, other: object) -> bool:
    plain = isinstance(one, int | float | str) and type(one) is type(other)
    return one is other or (plain and one == other)
