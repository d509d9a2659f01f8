"""Publishes in the background: the study never waits for MLflow, and nothing is lost if it is away.

A thread takes what has changed from a queue in which a trial stands at most once, in its newest state,
and publishes that. What fails goes back into the queue and is tried again after a pause that grows
while MLflow is away; what is left at the end is counted, and published by a later launch or ``sync``.

Files may have a store of their own, which can be away alone. Then all else is published at once, what lacks
its files waits in a second queue, and one of it at a time finds out whether that store is back.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from study.errors import UserError
from study.tracking.content import ArmRecord, with_folder
from study.tracking.files import FilesLacking
from study.tracking.jobs import CLOSING_PAUSE, Closing, FileStore, Job, pause_after
from study.trial import TrialRecord

_log = logging.getLogger(__name__)


class Writer(Protocol):
    """What publishes: :class:`study.tracking.writer.Tracking`."""

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool) -> str:
        """Brings a trial's run to the state of its record; returns the run's id.

        Raises:
            FilesLacking: All is there but files; always so if they may not be sent and are not there.
        """
        ...

    def publish_arm(self, record: ArmRecord, *, files: bool) -> str:
        """Brings an arm's parent run to the state of its record; returns the run's id.

        Raises:
            FilesLacking: As for :meth:`publish`.
        """
        ...


KEPT_WHOLE = 200
"""Trials that wait with all that was measured; of more, it is read from their folders in their turn."""


class Publisher:
    """A queue of trials and arms to publish, and the thread that works it off.

    Args:
        writer: Does the writing; used by this thread only.
        stored: Told of each publication: the record as it was published, the id of its run, and whether
            all of it is there, its files too; called in the thread.
    """

    def __init__(
        self,
        writer: Writer,
        stored: Callable[[TrialRecord, str, bool], None],
    ) -> None:
        self._writer = writer
        self._stored = stored
        self._queue: dict[str, Job] = {}
        self._lacking: dict[str, Job] = {}
        """What is published but for its files."""
        self._files = FileStore()
        self._in_hand: Job | None = None
        self._closing: Closing | None = None
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
            self._put(Job(record.scores_alone() if many else record, fresh or known, many))

    def submit_stored(self, record: TrialRecord) -> None:
        """Asks for a trial of an earlier launch to be published, with what its folder has of it.

        One that has no outcome was cut off: it ended with its last evaluation.

        Args:
            record: The trial, as the record has it.
        """
        with self._changed:
            self._put(Job(record, stored=True))

    def submit_arm(self, record: ArmRecord) -> None:
        """Asks for an arm's parent run to be published; of several records the latest counts."""
        with self._changed:
            self._put(Job(record))

    def _put(self, job: Job) -> None:
        self._lacking.pop(job.identity, None)
        self._queue[job.identity] = job
        self._changed.notify_all()

    @property
    def unpublished(self) -> int:
        """Trials and arms that are not, or not wholly, in MLflow in their latest state."""
        with self._changed:
            in_hand = self._in_hand
            again = in_hand is None or in_hand.identity in self._queue
            return len(self._queue) + len(self._lacking) + (not again)

    @property
    def without_files(self) -> int:
        """Those of :attr:`unpublished` that lack nothing but files."""
        with self._changed:
            in_hand = self._in_hand
            counts = in_hand is not None and in_hand.files and in_hand.identity not in self._queue
            return len(self._lacking) + counts

    def close(self, patience: float, at_most: float = math.inf) -> int:
        """Publishes what is left, and ends the thread.

        Args:
            patience: Gives up when nothing could be published for so many seconds; 0: at once.
            at_most: Gives up after so many seconds in all.

        Returns:
            How many trials and arms are left unpublished, or without files.
        """
        with self._changed:
            now = time.monotonic()
            latest = now + min(at_most, self._hurried)
            closing = self._closing = Closing(patience, latest, now)
            self._files.asked_again = now
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
            began = time.monotonic()
            try:
                self._publish(job)
            except FilesLacking as error:
                self._without_files(job, error, time.monotonic() - began)
            except UserError as error:
                # Somebody else's experiment has the name: no later try would do better.
                self._put_back(job, error)
                return
            # Whatever goes wrong here, the study must not notice: it is logged, and tried again.
            except Exception as error:
                self._put_back(job, error)
                self._rest()
            else:
                self._sent_files() if job.files else self._done()

    def _publish(self, job: Job) -> None:
        files = self._files_wanted(job)
        if isinstance(job.record, ArmRecord):
            self._writer.publish_arm(job.record, files=files)
            return
        record = with_folder(job.record) if job.stored else job.record
        try:
            run_id = self._writer.publish(record, fresh=job.fresh, files=files)
        except FilesLacking as error:
            self._stored(record, error.run_id, False)
            raise
        self._stored(record, run_id, True)

    def _files_wanted(self, job: Job) -> bool:
        """Whether the store of files is asked: it took the last ones, or this is to find out."""
        with self._changed:
            return job.files or not self._files.failures

    def _take(self) -> Job | None:
        """Waits for the next thing to publish; None when closing and done, or out of time."""
        with self._changed:
            while (source := self._source()) is None:
                if self._closing is not None and (not self._lacking or self._files.given_up):
                    return None
                wait = self._files.asked_again - time.monotonic() if self._lacking else None
                if self._seconds_left() <= 0:
                    return None
                self._changed.wait(None if wait is None else max(wait, 0))
            if self._seconds_left() <= 0:
                return None
            self._in_hand = source.pop(next(iter(source)))
            return self._in_hand

    def _source(self) -> dict[str, Job] | None:
        """The queue that the next thing is taken from: files wait, unless nothing else is taken now."""
        closing = self._closing is not None
        ready = time.monotonic() >= self._files.asked_again and not (
            closing and self._files.given_up
        )
        if self._lacking and ready and (self._failures or not self._queue):
            return self._lacking
        return self._queue or None

    def _put_back(self, job: Job, error: Exception) -> None:
        with self._changed:
            self._in_hand = None
            # Never fresh again: the attempt may have made the run before it failed. To the end of
            # the queue, so that one record that is refused does not hold up the others.
            later = self._queue.pop(job.identity, job)
            self._queue[job.identity] = replace(later, fresh=False, files=False)
            self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        then = "nothing is published" if isinstance(error, UserError) else "it is tried again"
        _log.log(level, "%s; the study goes on, and %s", error, then)

    def _without_files(self, job: Job, error: FilesLacking, took: float) -> None:
        """Takes note that a job is done but for its files."""
        asked = self._files_wanted(job)
        with self._changed:
            self._in_hand = None
            if asked:
                self._files.failed(took, self._closing is not None)
            if job.identity not in self._queue:
                self._lacking[job.identity] = job.for_files(error.run_id)
        if asked:
            level = logging.WARNING if self._files.failures == 1 else logging.DEBUG
            _log.log(level, "%s; the study goes on, and files are sent later", error)
        if not job.files:
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._in_hand = None
            if self._closing is not None:
                self._closing.success = time.monotonic()
            failures, self._failures = self._failures, 0
            left = len(self._queue)
        if failures:
            _log.info("MLflow takes records again after %d failures; %d wait", failures, left)

    def _sent_files(self) -> None:
        """Takes note that the store of files took some."""
        with self._changed:
            self._in_hand = None
            failures, self._files = self._files.failures, FileStore()
            if self._closing is not None:
                self._closing.success = time.monotonic()
            left = len(self._lacking)
        if failures:
            _log.info("files are taken again after %d failures; those of %d wait", failures, left)

    def _rest(self) -> None:
        """Pauses after a failure, longer after each; less when the publisher is closing."""
        pause = pause_after(self._failures)
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
