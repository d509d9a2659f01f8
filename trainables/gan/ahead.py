"""Random numbers that are drawn on the CPU and needed on a device: uploaded many draws at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.devices import kind_of, uploaded

_DRAWS = 64
"""Draws in one upload."""


class Ahead:
    """Draws of one kind from a stream of the trial's.

    They are made one by one, so that they are the same however many are uploaded together.

    Args:
        draw: Makes one draw on the CPU; always of one shape.
        stream: Where from; it runs ahead of what was handed out.
        device: Where they are needed.
    """

    def __init__(
        self, draw: Callable[[torch.Generator], Tensor], stream: torch.Generator, device: str
    ) -> None:
        self._draw = draw
        self._stream = stream
        self._device = device
        self._many = 1 if kind_of(device) == "cpu" else _DRAWS
        self.restart()

    def restart(self) -> None:
        """Goes on from where the stream is set."""
        self._began = self._stream.get_state()
        self._drawn: tuple[Tensor, ...] = ()
        self._given = 0

    def next(self) -> Tensor:
        """Returns the next draw, on the device."""
        if self._many == 1:
            return self._draw(self._stream)
        if self._given == len(self._drawn):
            self.restart()
            draws = torch.stack([self._draw(self._stream) for _ in range(self._many)])
            self._drawn = uploaded(draws, self._device).unbind()
        self._given += 1
        return self._drawn[self._given - 1]

    def state(self) -> Tensor:
        """The state of the stream after what was handed out."""
        if self._many == 1:
            return self._stream.get_state()
        replayed = torch.Generator().set_state(self._began)
        for _ in range(self._given):
            self._draw(replayed)
        return replayed.get_state()
