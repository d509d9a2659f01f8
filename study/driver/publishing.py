"""Publishes a launch's trials to MLflow as they go, without ever holding the study up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import yaml

from study.driver.claiming import owner_of
from study.places.locations import Places
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.tracking.content import ArmRecord, last_moment
from study.tracking.outbox import Publisher
from study.tracking.writer import Tracking
from study.trial import TrialRecord
from trainables.run import Turn

CLOSE_SECONDS = 60.0
"""How long the end of a launch waits for MLflow to take a record; what is left is for ``ttur sync``."""

HURRIED_SECONDS = 3.0
"""How long an end that waits less than that (somebody wants to stop) may take in all."""


class Publishing:
    """Observes a conductor and keeps MLflow up with it.

    Args:
        publication: What the record keeps about MLflow.
        places: Where MLflow is.
        conductor: The launch.
        everything: Nothing is run, and every ended trial is looked at, also those that the record
            knows to be published (the MLflow store may have been lost since).
        keeps: Tells of a trial that ended whether it keeps its generators; published if the spec says so.
    """

    def __init__(
        self,
        publication: Publication,
        places: Places,
        conductor: Conductor,
        everything: bool = False,
        keeps: Callable[[TrialRecord], bool] = lambda _: False,
    ) -> None:
        self._spec = spec = conductor.spec
        self._conductor = conductor
        self._publication = publication
        self._running: set[str] = set()
        self._cut_off: dict[str, float] = {}
        """When this launch ended without ending these trials, seconds since the epoch."""
        shown = keeps if spec.storage.publish_generators else lambda _: False
        owner = owner_of(publication)
        writer = Tracking(places.tracking, places.artifacts, owner, self._opened, shown)
        self._publisher = Publisher(writer, self._shown, conductor.keep_run)
        self._began = time.time()
        self._publish_arms(ended=self._began if everything else None)
        # What an earlier launch ended and could not publish to the end.
        for name, state in conductor.arms.items():
            for number in state.ended if everything else state.unpublished:
                self._publisher.submit(f"{spec.name}/{name}/{number}")

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out."""
        self._running.add(record.identity)
        self._publisher.submit(record.identity, fresh=fresh)

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back; one without an evaluation has nothing to publish."""
        if turn.measurements:
            self._publisher.submit(record.identity)

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run: its run is left as it is until it is known what that means."""

    def ended(self, record: TrialRecord) -> None:
        """A trial ended."""
        self._running.discard(record.identity)
        self._publisher.submit(record.identity)

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Publishes what is left; trials that have not ended are shown as cut off.

        Args:
            seconds: Gives up when MLflow has taken nothing for so long; 0 publishes nothing more, for a
                study that another driver runs now.

        Returns:
            Trials and arms whose runs are not up to date.
        """
        if seconds > 0:
            self._publish_ends()
        return self._publisher.close(
            seconds, at_most=math.inf if seconds >= CLOSE_SECONDS else HURRIED_SECONDS
        )

    def hurry(self, seconds: float) -> None:
        """Lets an end that waits for MLflow already wait no longer than this."""
        self._publisher.hurry(seconds)

    def _publish_ends(self) -> None:
        """Asks for the end of every arm, and of every trial that was cut off."""
        now = time.time()
        self._publish_arms(ended=now)
        self._cut_off = dict.fromkeys(self._running, now)
        self._running.clear()
        for identity in self._cut_off:
            self._publisher.submit(identity)
        # Those of earlier launches that this one did not come to.
        for name, state in self._conductor.arms.items():
            for number in state.interrupted:
                self._publisher.submit(f"{self._spec.name}/{name}/{number}")

    def _opened(self, place: str) -> None:
        """Publishes all anew where the experiment is not the one that was published to before."""
        if self._publication.moved_to(place):
            self._publish_arms(self._ended_arms)
            for name, state in self._conductor.arms.items():
                for number in state.ended:
                    self._publisher.submit(f"{self._spec.name}/{name}/{number}")

    def _shown(self, identity: str) -> TrialRecord:
        """The record of a trial; one that neither runs nor has an outcome ended by being cut off."""
        running = identity in self._running  # before the look at the record: it may end meanwhile
        record = self._conductor.lookup(identity)
        if running or record.outcome is not None:
            return record
        return replace(record, ended=self._cut_off.get(identity, last_moment(record)))

    def _publish_arms(self, ended: float | None) -> None:
        self._ended_arms = ended
        text = yaml.safe_dump(self._spec.model_dump(mode="json"), sort_keys=False)
        for position, (name, state) in enumerate(self._conductor.arms.items()):
            # A finished arm ended with its last trial, however often the study is launched again.
            arm_ended = state.last_end if state.finished else ended
            self._publisher.submit_arm(
                ArmRecord(
                    study=self._spec.name,
                    arm=name,
                    position=position,
                    spec=text,
                    spec_fingerprint=self._spec.fingerprint,
                    score_name=self._spec.score_name,
                    started=self._began,
                    ended=arm_ended,
                    finished=state.finished,
                )
            )
