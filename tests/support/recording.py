"""Recordings of the pretend device (support/pretend.py), as strict as a CUDA graph.

While a function is recorded, each operation is noted with the memory that it reads and writes. Afterwards
all memory is as it was before, as if nothing had been computed, and what the function made holds NaN. A
replay runs the noted operations on that memory: numbers that the host gave are those of the recording. What
the host would have to wait for, and uploads, are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from support import pretend

_EMPTY = (torch.ops.aten.empty.memory_format, torch.ops.aten.empty_like.default)


class PretendCapture:
    """Records on the pretend device.

    Attributes:
        warmed: How many functions were called where one would be recorded.
        recorded: How many functions were recorded.
        replayed: How often one was replayed.
    """

    def __init__(self, device: str) -> None:
        assert torch.device(device).type == pretend.NAME
        self.warmed = self.recorded = self.replayed = 0

    def warm_up(self, step: Callable[[], None]) -> None:
        self.warmed += 1
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        gpu = pretend._entered
        assert gpu is not None
        tape = _Tape()
        stream = pretend._stream.get_state()
        with _instead(gpu, execute=tape.execute, _note=_refuse):
            try:
                step()
            finally:
                tape.undo()
                pretend._stream.set_state(stream)
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            tape.replay()

        return replay


class _Tape:
    def __init__(self) -> None:
        self._calls: list[tuple[Any, Any, dict[str, Any], list[Tensor]]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._born: dict[int, Tensor] = {}

    def execute(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in given:
            place = _place(tensor)
            if place not in self._born and place not in self._before:
                whole = _whole(tensor)
                self._before[place] = (whole, whole.clone())
        result = func(*args, **kwargs)
        known = {_place(tensor) for tensor in given}
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        new = [tensor for tensor in made if _place(tensor) not in known]
        self._born.update((_place(tensor), tensor) for tensor in new)
        if func not in _EMPTY:
            self._calls.append((func, args, kwargs, made if new else []))
        return result

    @torch.no_grad()
    def undo(self) -> None:
        for whole, before in self._before.values():
            whole.copy_(before)
        for tensor in self._born.values():
            if tensor.is_floating_point():
                tensor.fill_(torch.nan)

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self._calls:
            with pretend._drawing(func, kwargs, True):
                again = [
                    leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, Tensor)
                ]
            for place, value in zip(made, again, strict=False):
                place.copy_(value)


def _refuse(what: str, name: str) -> None:
    raise RuntimeError(f"{name}: a {what} cannot be recorded")


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _whole(tensor: Tensor) -> Tensor:
    """All that the tensor's storage holds, as bytes."""
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())


@contextmanager
def _instead(gpu: object, **methods: Any) -> Iterator[None]:
    vars(gpu).update(methods)
    try:
        yield
    finally:
        for name in methods:
            delattr(gpu, name)
