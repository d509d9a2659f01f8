"""Real images as batches, in an order of the trial's own."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.counting import counted
from trainables.devices import kind_of, uploaded
from trainables.gan.ahead import Ahead
from trainables.gan.own_augment import Augment
from trainables.gan.streams import Streams

RESIDENT_BYTES = 2**28
"""Largest array that lies on the device whole: several trials may share it."""
_EPOCHS_ORDER = 64
"""Batches whose order goes to the device at once, where the rows lie there."""
_BATCHES = 8
"""Batches that go to the device at once, where they do not."""


def to_network(images: Tensor) -> Tensor:
    """Returns uint8 images in [0, 255] as float32 in [-1, 1], same shape."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Returns float images in [-1, 1] as uint8, rounded to the nearest of 256 levels."""
    return images.add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def require_a_batch(count: int, batch_size: int, what: str) -> None:
    """Refuses data that do not fill one batch.

    Raises:
        ValueError: They do not.
    """
    if count < batch_size:
        raise ValueError(
            f"batch_size is {batch_size}, but the data are {counted(count, what)}; lower it"
        )


class Batches(Protocol):
    """Real samples in an order of the trial's own."""

    def next(self) -> Tensor:
        """Returns the next batch, (B, ...), as the discriminator takes it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Where the order stands."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        ...


class EpochOrder:
    """Which samples make the next batch: every epoch a new permutation, its incomplete rest left out."""

    def __init__(self, count: int, batch_size: int, what: str, streams: Streams) -> None:
        require_a_batch(count, batch_size, what)
        self._count = count
        self._batch_size = batch_size
        self._stream = streams.data
        self._begin_epoch()

    def next(self) -> np.ndarray:
        """Returns the indices of the next batch, shape (batch_size,)."""
        if self._position + self._batch_size > self._count:
            self._begin_epoch()
        chosen = self._order[self._position : self._position + self._batch_size]
        self._position += self._batch_size
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """The stream at the epoch's start, and the place in the epoch."""
        return {"epoch": self._epoch_state, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        self._stream.set_state(state["epoch"])
        self._begin_epoch()
        self._position = state["position"]

    def _begin_epoch(self) -> None:
        self._epoch_state = self._stream.get_state()
        self._order: np.ndarray = torch.randperm(self._count, generator=self._stream).numpy()
        self._position = 0


class RowBatches:
    """Batches of the rows of an array, on a device, in an epoch's order.

    On a CPU the array stays as it is, shared with other trials. A small array lies on another device whole,
    and only the order goes there; of a large one the rows of several batches go at once.

    Args:
        rows: The array, (N, ...).
        order: Which rows make the next batch.
        device: Where the batches are needed.
        as_type: Of the rows on the device, None for the array's own.
    """

    def __init__(
        self, rows: np.ndarray, order: EpochOrder, device: str, as_type: type | None = None
    ) -> None:
        self._rows = rows
        self._order = order
        self._device = device
        self._as_type = as_type
        self._ready: deque[tuple[Tensor, dict[str, Any]]] = deque()
        self._state = order.state_dict()
        self._resident: Tensor | None = None
        self._many = 1
        if kind_of(device) != "cpu":
            small = rows.nbytes <= RESIDENT_BYTES
            self._resident = uploaded(self._taken(slice(None)), device) if small else None
            self._many = _EPOCHS_ORDER if small else _BATCHES

    def next(self) -> Tensor:
        """Returns the rows of the next batch, (B, ...)."""
        if not self._ready:
            self._fetch()
        batch, self._state = self._ready.popleft()
        return batch if self._resident is None else self._resident.index_select(0, batch)

    def state_dict(self) -> dict[str, Any]:
        """Where the order stands, after the batches that were handed out."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        self._order.load_state_dict(state)
        self._ready.clear()
        self._state = self._order.state_dict()

    def _fetch(self) -> None:
        """Makes the next batches ready: their rows, or where these lie on the device."""
        chosen, states = [], []
        for _ in range(self._many):
            chosen.append(self._order.next())
            states.append(self._order.state_dict())
        together = np.stack(chosen)
        host = self._taken(together) if self._resident is None else torch.from_numpy(together)
        self._ready.extend(zip(uploaded(host, self._device).unbind(), states, strict=True))

    def _taken(self, which: np.ndarray | slice) -> Tensor:
        rows = np.ascontiguousarray(self._rows[which], self._as_type)
        return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


class ImageBatches:
    """Batches of real images; only a batch at a time is converted to floats."""

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        flip: bool,
        streams: Streams,
        device: str,
        augment: Augment | None = None,
    ) -> None:
        order = EpochOrder(len(images), batch_size, "images", streams)
        self._batches = RowBatches(images, order, device)
        self._size = batch_size
        self._mirrored = Ahead(self._drawn, streams.flip, device) if flip else None
        self._streams = streams
        self._augment = augment

    def next(self) -> Tensor:
        """Returns the next batch, float32 in [-1, 1], shape (B, C, H, W), channels last in memory."""
        batch = self._batches.next().permute(0, 3, 1, 2)
        if self._mirrored is not None:
            batch = torch.where(self._mirrored.next(), batch.flip(3), batch)
        batch = to_network(batch)
        if self._augment is None:
            return batch
        with self._streams.inside_networks(), torch.no_grad():
            return self._augment(batch).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        """Where the data order stands; ``flip`` is where the stream of that name does."""
        flip = {} if self._mirrored is None else {"flip": self._mirrored.state()}
        return {**self._batches.state_dict(), **flip}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`; the stream of the mirroring is where it goes on already."""
        self._batches.load_state_dict(state)
        if self._mirrored is not None:
            self._mirrored.restart()

    def _drawn(self, stream: torch.Generator) -> Tensor:
        return torch.rand((self._size, 1, 1, 1), generator=stream) < 0.5
