"""Publishes in the background: the study never waits for MLflow, and nothing is lost if it is away.

A thread takes what has changed from a queue in which a trial stands at most once, in its newest state,
and publishes that. What fails goes back into the queue and is tried again after a pause that grows
while MLflow is away; what is left at the end is counted, and published by a later launch or ``sync``.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from study.errors import UserError
from study.tracking.content import ArmRecord, with_folder
from study.trial import TrialRecord

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE, CLOSING_PAUSE = 0.5, 60.0, 1.0
"""Seconds between attempts: after the first failure, at most, and at most while closing."""


class Writer(Protocol):
    """What publishes: :class:`study.tracking.writer.Tracking`."""

    def publish(self, record: TrialRecord, *, fresh: bool) -> str:
        """Brings a trial's run to the state of its record; returns the run's id."""
        ...

    def publish_arm(self, record: ArmRecord) -> str:
        """Brings an arm's parent run to the state of its record; returns the run's id."""
        ...


KEPT_WHOLE = 200
"""Trials that wait with all that was measured; of more, it is read from their folders in their turn."""


@dataclass(frozen=True)
class _Job:
    """One thing to publish: a trial, or an arm.

    Attributes:
        record: Its newest state.
        fresh: It is a trial that was asked for just now.
        stored: It is a trial as the record has it, with more in its folder.
    """

    record: TrialRecord | ArmRecord
    fresh: bool = False
    stored: bool = False

    @property
    def identity(self) -> str:
        return self.record.identity


@dataclass
class _Closing:
    """How long the end may still take; times are of :func:`time.monotonic`.

    MLflow that takes one record after the other is well, however many wait: what ends the waiting is
    that nothing was taken for a while.
    """

    patience: float
    latest: float
    success: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the publisher gives up."""
        return min(self.success + self.patience, self.latest) - time.monotonic()


class Publisher:
    """A queue of trials and arms to publish, and the thread that works it off.

    Args:
        writer: Does the writing; used by this thread only.
        stored: Told of each publication: the record as it was published, and the id of its run;
            called in the thread.
    """

    def __init__(
        self,
        writer: Writer,
        stored: Callable[[TrialRecord, str], None],
    ) -> None:
        self._writer = writer
        self._stored = stored
        self._queue: dict[str, _Job] = {}
        self._in_hand: _Job | None = None
        self._closing: _Closing | None = None
        self._hurried = math.inf
        self._failures = 0
        self._changed = threading.Condition()
        # A daemon: a request that hangs must not keep a finished study's process alive.
        self._thread = threading.Thread(target=self._work, name="mlflow-publisher", daemon=True)
        self._thread.start()

    def submit(self, record: TrialRecord, *, fresh: bool = False) -> None:
        """Asks for a trial to be published in this state, unless a newer one comes first; returns at once.

        Args:
            record: The trial.
            fresh: It was asked for just now, so that it has no run yet.
        """
        with self._changed:
            waiting = self._queue.get(record.identity)
            known = waiting is not None and waiting.fresh
            # While MLflow is away, all that a long launch measures must not pile up in memory.
            many = record.outcome is not None and len(self._queue) >= KEPT_WHOLE
            self._put(_Job(record.scores_alone() if many else record, fresh or known, many))

    def submit_stored(self, record: TrialRecord) -> None:
        """Asks for a trial of an earlier launch to be published, with what its folder has of it.

        One that has no outcome was cut off: it ended with its last evaluation.

        Args:
            record: The trial, as the record has it.
        """
        with self._changed:
            self._put(_Job(record, stored=True))

    def submit_arm(self, record: ArmRecord) -> None:
        """Asks for an arm's parent run to be published; of several records the latest counts."""
        with self._changed:
            self._put(_Job(record))

    def _put(self, job: _Job) -> None:
        self._queue[job.identity] = job
        self._changed.notify_all()

    @property
    def unpublished(self) -> int:
        """Trials and arms whose latest state is not in MLflow."""
        with self._changed:
            identities = set(self._queue)
            if self._in_hand is not None:
                identities.add(self._in_hand.identity)
            return len(identities)

    def close(self, patience: float, at_most: float = math.inf) -> int:
        """Publishes what is left, and ends the thread.

        Args:
            patience: Gives up when nothing could be published for so many seconds; 0: at once.
            at_most: Gives up after so many seconds in all.

        Returns:
            How many trials and arms are left unpublished.
        """
        with self._changed:
            now = time.monotonic()
            latest = now + min(at_most, self._hurried)
            closing = self._closing = _Closing(patience, latest, now)
            self._changed.notify_all()
        # A request that hangs is not waited for any longer than one that fails.
        while self._thread.is_alive() and (seconds := closing.seconds_left) > 0:
            self._thread.join(min(seconds, CLOSING_PAUSE))
        closing.latest = -math.inf  # should the request come back after all, it was the last one
        return self.unpublished

    def hurry(self, seconds: float) -> None:
        """Lets :meth:`close` take no longer than this, also one that waits already."""
        with self._changed:
            self._hurried = seconds
            if self._closing is not None:
                self._closing.latest = min(self._closing.latest, time.monotonic() + seconds)

    def _work(self) -> None:
        while (job := self._take()) is not None:
            try:
                self._publish(job)
            except UserError as error:
                # Somebody else's experiment has the name: no later try would do better.
                self._put_back(job, error)
                return
            # Whatever goes wrong here, the study must not notice: it is logged, and tried again.
            except Exception as error:
                self._put_back(job, error)
                self._rest()
            else:
                self._done()

    def _publish(self, job: _Job) -> None:
        if isinstance(job.record, ArmRecord):
            self._writer.publish_arm(job.record)
            return
        record = with_folder(job.record) if job.stored else job.record
        self._stored(record, self._writer.publish(record, fresh=job.fresh))

    def _take(self) -> _Job | None:
        """Waits for the next thing to publish; None when closing and done, or out of time."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing is not None)
            if not self._queue or self._seconds_left() <= 0:
                return None
            self._in_hand = self._queue.pop(next(iter(self._queue)))
            return self._in_hand

    def _put_back(self, job: _Job, error: Exception) -> None:
        with self._changed:
            self._in_hand = None
            # Never fresh again: the attempt may have made the run before it failed. To the end of
            # the queue, so that one record that is refused does not hold up the others.
            later = self._queue.pop(job.identity, job)
            self._queue[job.identity] = replace(later, fresh=False)
            self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        then = "nothing is published" if isinstance(error, UserError) else "it is tried again"
        _log.log(level, "%s; the study goes on, and %s", error, then)

    def _done(self) -> None:
        with self._changed:
            self._in_hand = None
            if self._closing is not None:
                self._closing.success = time.monotonic()
            failures, self._failures = self._failures, 0
            left = len(self._queue)
        if failures:
            _log.info("MLflow takes records again after %d failures; %d wait", failures, left)

    def _rest(self) -> None:
        """Pauses after a failure, longer after each; less when the publisher is closing."""
        # Jitter: the drivers of several studies must not come back to a server at the same instant.
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        pause *= random.uniform(0.5, 1.0)
        with self._changed:
            if self._closing is None and self._changed.wait_for(
                lambda: self._closing is not None, pause
            ):
                return
            if self._closing is not None:
                ends = time.monotonic() + min(pause, CLOSING_PAUSE, max(self._seconds_left(), 0))
                self._changed.wait_for(lambda: time.monotonic() >= ends, ends - time.monotonic())

    def _seconds_left(self) -> float:
        return math.inf if self._closing is None else self._closing.seconds_left
