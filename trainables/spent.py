"""The time of a trial, by what it went into: data, training, evaluations, files that it writes, waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PREFIX = "seconds_"
"""What the names of the parts begin with among the measures of an evaluation: ``seconds_training``."""
CHECKPOINT, WAITING = "checkpoint", "waiting"
PARTS = ("data", "training", "evaluation", CHECKPOINT, WAITING)


class Spent:
    """The seconds of one trial, of all workers that had it, from the moment that each took it.

    A trial knows how long it has trained. What is neither that nor writing files is waiting: until it is
    built or restored, for the driver's word between two turns, for its worker's process. Only the host's
    clock is read, at moments at which the host is there anyway: on a device that works on its own, what it
    has not done yet is part of what waits for it next (training, or an evaluation).
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._wrote = 0.0
        self._own_before = 0.0
        self._before = {CHECKPOINT: 0.0, WAITING: 0.0}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Inside, files are written."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._wrote += time.monotonic() - began

    def parts(self, own: Mapping[str, float]) -> dict[str, float]:
        """Returns all parts, seconds.

        Args:
            own: Those that the trial knows, in all: ``data``, ``training``, ``evaluation``.
        """
        here = sum(own.values()) - self._own_before
        waited = max(0.0, time.monotonic() - self._began - here - self._wrote)
        return {
            **own,
            CHECKPOINT: self._before[CHECKPOINT] + self._wrote,
            WAITING: self._before[WAITING] + waited,
        }

    def go_on(self, parts: Mapping[str, float], own: Mapping[str, float]) -> None:
        """Continues from the parts of a checkpoint; those of an earlier version are not known.

        Args:
            parts: What :meth:`parts` was then.
            own: Those that the restored trial knows.
        """
        self._before = {name: float(parts.get(name, 0.0)) for name in self._before}
        self._own_before = sum(own.values())


def split(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the parts among the measures of an evaluation, seconds by name; empty if they were not taken.

    Example:
        >>> split({"d_loss": 1.4, "seconds_training": 12.5, "seconds_data": 0.5})
        {'data': 0.5, 'training': 12.5}
    """
    return {part: metrics[PREFIX + part] for part in PARTS if PREFIX + part in metrics}
