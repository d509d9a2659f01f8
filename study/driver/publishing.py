"""Publishes a launch's trials to MLflow as they go, without ever holding the study up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import yaml

from study.driver.beginning import owner_of
from study.places.locations import Places
from study.record.publication import Publication
from study.search.conductor import Conductor
from study.tracking.content import ArmRecord
from study.tracking.outbox import Publisher
from study.tracking.writer import Tracking
from study.trial import TrialRecord
from trainables.assignment import Turn

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
        data: What the trials learn from, in words.
    """

    def __init__(
        self,
        publication: Publication,
        places: Places,
        conductor: Conductor,
        everything: bool = False,
        keeps: Callable[[TrialRecord], bool] = lambda _: False,
        data: str = "",
    ) -> None:
        self._spec = spec = conductor.spec
        self._data = data
        self._conductor = conductor
        self._publication = publication
        self._running: dict[str, TrialRecord] = {}
        """The trials that this launch handed out and has not ended."""
        shown = keeps if spec.storage.publish_generators else lambda _: False
        owner = owner_of(publication)
        writer = Tracking(places.tracking, places.artifacts, owner, self._opened, shown)
        self._publisher = Publisher(writer, conductor.keep_run)
        self._began = time.time()
        self._publish_arms(ended=self._began if everything else None)
        # What an earlier launch ended and could not publish to the end.
        for name, state in conductor.arms.items():
            self._submit_stored(name, state.ended if everything else state.unpublished)

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out."""
        self._running[record.identity] = record
        self._publisher.submit(record, fresh=fresh)

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back; one without an evaluation has nothing to publish."""
        if turn.measurements:
            self._running[record.identity] = record
            self._publisher.submit(record)

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run: its run is left as it is until it is known what that means."""

    def ended(self, record: TrialRecord) -> None:
        """A trial ended."""
        self._running.pop(record.identity, None)
        self._publisher.submit(record)

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Publishes what is left; trials that have not ended are shown as cut off.

        Args:
            seconds: Gives up when MLflow has taken nothing for so long; 0 publishes nothing more, for a
                study that another driver runs now.

        Returns:
            Trials and arms whose runs are not up to date, or lack files.
        """
        if seconds > 0:
            self._publish_ends()
        return self._publisher.close(
            seconds, at_most=math.inf if seconds >= CLOSE_SECONDS else HURRIED_SECONDS
        )

    @property
    def without_files(self) -> int:
        """Runs that are up to date but for their files."""
        return self._publisher.without_files

    def hurry(self, seconds: float) -> None:
        """Lets an end that waits for MLflow already wait no longer than this."""
        self._publisher.hurry(seconds)

    def _publish_ends(self) -> None:
        """Asks for the end of every arm, and of every trial that was cut off."""
        now = time.time()
        self._publish_arms(ended=now)
        for record in self._running.values():
            self._publisher.submit(replace(record, ended=now))
        self._running.clear()
        # Those of earlier launches that this one did not come to.
        for name, state in self._conductor.arms.items():
            self._submit_stored(name, state.cut_off)

    def _opened(self, place: str) -> None:
        """Publishes all anew where the experiment is not the one that was published to before."""
        if self._publication.moved_to(place):
            self._publish_arms(self._ended_arms)
            for name, state in self._conductor.arms.items():
                self._submit_stored(name, state.ended)

    def _submit_stored(self, arm: str, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._publisher.submit_stored(self._conductor.stored(arm, number))

    def _publish_arms(self, ended: float | None) -> None:
        self._ended_arms = ended
        looked = self._publication.looked()
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
                    data=self._data,
                    looked=looked,
                    started=self._began,
                    ended=arm_ended,
                    finished=state.finished,
                )
            )
