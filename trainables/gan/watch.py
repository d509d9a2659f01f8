"""The watch over a trial's updates: their losses, and whether all that they need is finite.

On a CPU a value that is not finite is noticed before the update that would use it. On another device the host
would have to wait for it, several times a step. There the device itself remembers that it met such a value
(``stop``), optimisers make no update any more from then on, and the host reads what happened when it has to
read anyway, at an evaluation or a pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from trainables.devices import kind_of

_CHUNK = 2**16
"""Values that are kept on the device in one piece."""
_GROUPS = ("loss", "weight", "gradient")


class NonFiniteError(ArithmeticError):
    """A value that an update needs is not finite; the message says which, in one sentence.

    Attributes:
        done: Generator updates done before that update; None if it is the update that was asked for last.
    """

    def __init__(self, message: str, done: int | None = None) -> None:
        super().__init__(message)
        self.done = done


@dataclass(frozen=True)
class _Row:
    """What one update needs, as it lies in a chunk: its loss, the largest of each weight and gradient."""

    player: str
    update: int
    weights: int
    length: int


@dataclass
class Noted:
    """What was noted on the device and not read yet: chunks of values, and the rows of each."""

    chunks: list[Tensor] = field(default_factory=list)
    rows: list[list[_Row]] = field(default_factory=list)
    used: int = 0

    def space(self, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Where so many values go, (length,)."""
        fits = self.chunks and self.used + length <= len(self.chunks[-1])
        if not (fits and self.chunks[-1].dtype == dtype):
            self.chunks.append(torch.empty(max(_CHUNK, length), dtype=dtype, device=device))
            self.rows.append([])
            self.used = 0
        self.used += length
        return self.chunks[-1][self.used - length : self.used]


class Watch:
    """The updates since the last evaluation.

    Attributes:
        stop: On the device, 1.0 from the first value on that is not finite; None on a CPU.
        update: The generator update (1, 2, ...) that is being made.
    """

    def __init__(self, device: str) -> None:
        self.stop: Tensor | None = None
        if kind_of(device) != "cpu":
            self.stop = torch.zeros((), device=device)
        self.update = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._noted = Noted()

    @torch.no_grad()
    def check(
        self, player: str, loss: Tensor, weights: Sequence[Tensor], gradient: Sequence[Tensor]
    ) -> None:
        """Takes note of an update's loss, and of whether it may be made.

        Raises:
            NonFiniteError: On a CPU, if it may not.
        """
        weights = [weight for weight in weights if weight.numel()]
        tensors = [*weights, *(term for term in gradient if term.numel())]
        # The largest magnitude is finite exactly if all values are; unlike a sum it cannot overflow.
        values = [loss.detach(), *torch._foreach_norm(tensors, torch.inf)]
        double = any(value.dtype == torch.float64 for value in values)
        dtype = torch.float64 if double else torch.float32
        values = [value if value.dtype is dtype else value.to(dtype) for value in values]
        row = _Row(player, self.update, len(weights), len(values))
        if self.stop is None:
            self._take(row, torch.stack(values).tolist())
        else:
            place = self._noted.space(row.length, dtype, self.stop.device)
            self._noted.rows[-1].append(row)
            torch.stack(values, out=place)
            self.stop.logical_or_(place.mul(0).sum())  # 0, or NaN if one of them is not finite

    @contextmanager
    def apart(self) -> Iterator[Noted]:
        """Inside, what is noted lies in a place of its own, from which :meth:`take` takes it."""
        held, self._noted = self._noted, Noted()
        try:
            yield self._noted
        finally:
            self._noted = held

    @torch.no_grad()
    def take(self, noted: Noted) -> None:
        """Takes note of what the updates of this step have left in their place."""
        for chunk, rows in zip(noted.chunks, noted.rows, strict=True):
            length = sum(row.length for row in rows)
            self._noted.space(length, chunk.dtype, chunk.device).copy_(chunk[:length])
            self._noted.rows[-1].extend(replace(row, update=self.update) for row in rows)

    def settle(self) -> None:
        """Reads what was not read yet.

        Raises:
            NonFiniteError: An update could not be made; neither were those after it.
        """
        noted, self._noted = self._noted, Noted()
        for chunk, held in zip(noted.chunks, noted.rows, strict=True):
            values, start = chunk.tolist(), 0
            for row in held:
                self._take(row, values[start : start + row.length])
                start += row.length

    def begin_means(self) -> None:
        """Starts the mean losses afresh."""
        self.settle()
        self._sums, self._counts = {}, {}

    def mean_loss(self, player: str) -> float:
        """The mean of a player's losses since :meth:`begin_means`, penalties included, decay not."""
        self.settle()
        return self._sums.get(player, 0.0) / max(1, self._counts.get(player, 0))

    def totals(self, player: str) -> tuple[float, int]:
        """Sum and number of a player's losses."""
        self.settle()
        return self._sums.get(player, 0.0), self._counts.get(player, 0)

    def set_totals(self, player: str, total: float, count: int) -> None:
        """Continues from :meth:`totals`."""
        self._sums[player], self._counts[player] = total, count

    def _take(self, row: _Row, values: list[float]) -> None:
        self._sums[row.player] = self._sums.get(row.player, 0.0) + values[0]
        self._counts[row.player] = self._counts.get(row.player, 0) + 1
        for index, value in enumerate(values):
            if not math.isfinite(value):
                group = _GROUPS[(index > 0) + (index > row.weights)]
                raise NonFiniteError(f"the {row.player}'s {group} is {value}", row.update - 1)


def require_finite(owner: str, what: str, tensors: Sequence[Tensor]) -> None:
    """Raises NonFiniteError if any tensor has a value that is not finite; costs one read."""
    largest = torch._foreach_norm([t.detach() for t in tensors if t.numel()], torch.inf)
    for value in torch.stack([norm.float() for norm in largest]).tolist():
        if not math.isfinite(value):
            raise NonFiniteError(f"the {owner}'s {what} is {value}")
