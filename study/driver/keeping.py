"""Keeps the generators of the best trials, and removes what ended trials need no more.

A trial that ended has no use for its checkpoints; those of a failed one stay, as it can be run again. Files
are removed in a thread of its own: a study must not wait for an object store. What a launch that was killed
left behind goes when the next one ends.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from study.places.locations import Places
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking.content import with_folder
from study.trial import Outcome, TrialRecord
from trainables import checkpoint
from trainables.assignment import Turn
from trainables.folder import Folder
from trainables.kept import kept_steps, steps_to_keep, tidy

logger = logging.getLogger(__name__)


class Keeping:
    """Observes a conductor and decides whose generators stay.

    Args:
        spec: The study.
        places: Where the trials' folders lie.
        conductor: The launch.
    """

    def __init__(self, spec: Spec, places: Places, conductor: Conductor) -> None:
        self._spec = spec
        self._places = places
        self._conductor = conductor
        self._keepers = {name: self._chosen(name) for name in conductor.arms}
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._warned = False
        # A daemon: a store that hangs must not keep a finished study's process alive.
        self._thread = threading.Thread(target=self._work, name="keeping", daemon=True)
        self._thread.start()

    def keeps(self, record: TrialRecord) -> bool:
        """Whether a trial that ended keeps its generators, as far as is known now."""
        return record.number in self._keepers[record.arm]

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out: nothing to do."""

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back: nothing to do."""

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run: all of it stays."""

    def ended(self, record: TrialRecord) -> None:
        """A trial ended; it may take the place of another one among the best."""
        before = self._keepers[record.arm]
        self._keepers[record.arm] = self._chosen(record.arm)
        for number in before - self._keepers[record.arm]:
            folder = self._places.folder(record.study, record.arm, number)
            self._tasks.put(lambda folder=folder: tidy(Folder(folder), ()))  # type: ignore[misc]
        if record.outcome is not Outcome.FAILED:
            wanted = steps_to_keep(record.measurements) if self.keeps(record) else set()
            self._tasks.put(lambda: tidy(Folder(record.folder), wanted))

    def close(self, seconds: float) -> None:
        """Does what is left to do; gives up after so many seconds, with 0 at once."""
        latest = time.monotonic() + seconds
        if seconds > 0:
            self._tasks.put(self._sweep)
        self._tasks.put(None)
        self._thread.join(max(0.0, latest - time.monotonic()))

    def _chosen(self, arm: str) -> set[int]:
        state = self._conductor.arms[arm]
        storage = self._spec.storage
        count = {"all": len(state.results), "best": storage.keep_best, "none": 0}[storage.keep]
        return state.lowest(count)

    def _sweep(self) -> None:
        """Looks through the folders of all ended trials for what a kill, or a late worker, left there."""
        for name, state in self._conductor.arms.items():
            files = self._files_of(name)
            for number in sorted(state.results.keys() & files.keys()):
                if checkpoint.names_among(files[number]) or kept_steps(files[number]):
                    self._tidy_again(name, number)

    def _files_of(self, arm: str) -> dict[int, list[str]]:
        """The names of the files directly in the folders of an arm's trials, by number."""
        files: dict[int, list[str]] = {}
        whole = f"{self._places.checkpoints.rstrip('/')}/{self._spec.name}/{arm}"
        for path in Folder(whole).below():
            trial, _, file = path.partition("/")
            if trial.isdigit() and "/" not in file:
                files.setdefault(int(trial), []).append(file)
        return files

    def _tidy_again(self, arm: str, number: int) -> None:
        wanted = set()
        if number in self._keepers[arm]:
            record = with_folder(self._conductor.stored(arm, number))
            wanted = steps_to_keep(record.measurements)
        tidy(Folder(self._places.folder(self._spec.name, arm, number)), wanted)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            # A disk or an object store that is away costs space, and not the study.
            except Exception as error:
                level = logging.DEBUG if self._warned else logging.WARNING
                self._warned = True
                logger.log(level, "files of ended trials were not removed: %s", error)
