"""One trial being run: restored from its folder, advanced in short turns, checkpointed, its history kept.

This is all that a worker does for a trial, without the framework that called it (see tune.py for Ray).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from trainables import checkpoint
from trainables.assignment import Assignment, Turn
from trainables.faults import held
from trainables.folder import MEASUREMENTS, Folder, line_of, read_measurements, sample_name
from trainables.kept import KeptGenerators
from trainables.kinds import AnotherTrialError, build_trial
from trainables.own_code import of_the_moment
from trainables.plain import taken
from trainables.protocol import (
    Context,
    Diverged,
    MakesGenerator,
    Measurement,
    Parameters,
    State,
    TellsHow,
    TellsTimes,
    Trial,
    scores_among,
)
from trainables.spent import PREFIX, Spent

CHECKPOINT_SHARE = 0.05
"""Largest share of a trial's time that may go into writing checkpoints."""
LONG_TURN_SECONDS = 3.0
"""A turn that took longer (a slow evaluation) is followed by a checkpoint, if that is cheap."""
HELD_SECONDS = 0.1
"""How long a turn of a trial that a test holds takes."""


class TrialRun:
    """A trial with its history and its files."""

    def __init__(
        self,
        assignment: Assignment,
        device: str = "cpu",
        build: Callable[[Mapping[str, Any], Parameters, Context], Trial] = build_trial,
    ) -> None:
        """Builds the trial and continues it from its newest usable checkpoint, if there is one."""
        self._spent = Spent()
        self.assignment = assignment
        self.history: list[Measurement] = []
        self._diverged: Diverged | None = None
        self._folder = Folder(assignment.folder)
        self._context = Context(seed=assignment.seed, device=device, cache=assignment.cache)
        self._build = build
        self._notes: list[str] = []
        self._said: str | None = None
        self._unfit = False
        self._seconds = 0.0
        self._handed_out = 0
        self._measurements_whole = False
        self._folder.remove_partial()
        self.trial = self._restored() or self._fresh()
        self._kept = KeptGenerators(self._folder) if assignment.keep else None
        self._checkpoint_step = self.trial.step if self.history or self.trial.step else -1
        self._checkpoint_time = time.monotonic()
        self._checkpoint_cost = 0.0
        self._write_measurements()

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.trial.finished or self._diverged is not None

    def turn(self) -> Turn:
        """Advances until an evaluation is due to be judged, or until the turn's time is over.

        Evaluations that come within a fifth of a second are handed out together. The first turn after
        a restore trains nothing: it hands out the history, so that whoever stops trials judges it first.
        """
        began = time.monotonic()
        if self._handed_out == len(self.history):
            self._advance()
        self._checkpoint_if_due(long=time.monotonic() - began > LONG_TURN_SECONDS)
        self._note_how()
        new = tuple(self.history[self._handed_out :])
        self._handed_out = len(self.history)
        notes, self._notes = tuple(self._notes), []
        return Turn(
            step=self.trial.step,
            steps=int(self.assignment.trial["steps"]),
            measurements=new,
            diverged=self._diverged,
            finished=self.finished,
            notes=notes,
        )

    def checkpoint(self) -> None:
        """Writes a checkpoint now, unless nothing was done since the last one.

        A disk that is full or gone costs the checkpoint, not the trial: the sentence is in the next
        turn's notes, and the checkpoints before it are untouched.
        """
        if self._checkpoint_step == self.trial.step:
            return
        began = time.monotonic()
        try:
            with self._spent.writing():
                checkpoint.save(self._folder, self.trial.step, self._state())
            self._checkpoint_step = self.trial.step
        except OSError as error:
            self._notes.append(f"no checkpoint was written at step {self.trial.step}: {error}")
        except checkpoint.CheckpointError as error:
            if not self._unfit:  # once: it will be so at the next one, too
                self._notes.append(
                    f"no checkpoint can be written, and cut off it would start anew: {error}"
                )
            self._unfit = True
        self._checkpoint_time = time.monotonic()
        self._checkpoint_cost = self._checkpoint_time - began

    def _advance(self) -> None:
        self._prune()
        began, asked = time.monotonic(), itertools.count()

        def over() -> bool:
            # Not at the first question, however short a turn is: each must get on.
            return next(asked) > 0 and time.monotonic() - began > self.assignment.turn_seconds

        while not self.finished:
            if held(self.trial.step):
                time.sleep(HELD_SECONDS)
                break
            event = self.trial.advance(over)
            if event is not None:
                self._keep(taken(event), self._seconds + time.monotonic() - began)
            if time.monotonic() - began > 0.2:
                break
        self._seconds += time.monotonic() - began

    def _keep(self, event: Measurement | Diverged, seconds: float) -> None:
        if isinstance(event, Diverged):
            self._diverged = event
        else:
            self._check_step(event.step)
            parts = {PREFIX + name: value for name, value in self._parts().items()}
            measurement = replace(event, seconds=seconds, metrics={**event.metrics, **parts})
            self.history.append(measurement)
            with self._spent.writing():
                self._write_measurements()
                for name, content in self.trial.artifacts().items():
                    if not isinstance(content, bytes):
                        raise ValueError(
                            f"the trial's artifact {name} is {content!r:.40}; make it bytes"
                        )
                    self._write(sample_name(name, event.step), content)
                if not measurement.early:  # the best one is never among those
                    self._keep_generator(measurement)

    def _check_step(self, step: int) -> None:
        """Refuses what would never end: a trial that gets no further, or that goes on after its last step."""
        before = self.history[-1].step if self.history else -1
        last = int(self.assignment.trial["steps"])
        if step <= before:
            raise ValueError(
                f"the trial evaluated step {step} after step {before}; its step must rise each time"
            )
        if step > last:
            raise ValueError(
                f"the trial evaluated step {step} of {last}; it must be finished at its last step (steps)"
            )

    def _note_how(self) -> None:
        """Notes once why the trial is made in another way than it was meant to be."""
        said = self.trial.said if isinstance(self.trial, TellsHow) else None
        if said is not None and said != self._said:
            self._notes.append(said)
            self._said = said

    def _parts(self) -> dict[str, float]:
        """What the trial's time went into, seconds; empty if its kind does not tell."""
        return self._spent.parts(self.trial.times) if isinstance(self.trial, TellsTimes) else {}

    def _keep_generator(self, measurement: Measurement) -> None:
        if self._kept is None or not isinstance(self.trial, MakesGenerator):
            return
        facts = {
            "identity": self.assignment.identity,
            "step": str(measurement.step),
            "score": repr(measurement.score),
            "score_name": self.trial.score_name,
            **self.trial.makes,
        }
        try:
            self._kept.keep(self.trial.weights(), facts, measurement.step)
        except (OSError, ValueError) as error:
            self._notes.append(f"the generator of step {measurement.step} was not kept: {error}")

    def _prune(self) -> None:
        """Removes generators that are not wanted; what was handed out is judged, as the trial goes on."""
        if self._kept is None:
            return
        try:
            self._kept.prune(scores_among(self.history))
        except OSError as error:
            self._notes.append(f"an old generator was not removed: {error}")

    def _checkpoint_if_due(self, long: bool) -> None:
        # A launch that is asked to end in the next turn may not wait for it, if it is as long.
        least = 0.0 if long else self.assignment.checkpoint_seconds
        share = self._checkpoint_cost / CHECKPOINT_SHARE
        due = max(least, share) if self.assignment.checkpoint_seconds else 0.0
        is_due = time.monotonic() - self._checkpoint_time >= due
        if not self.finished and (is_due or held(self.trial.step)):
            self.checkpoint()

    def _write_measurements(self) -> None:
        """Adds the newest evaluation to the file; after a failure all of them, as a line may be torn."""
        if self._measurements_whole:
            line = line_of(self.history[-1])
            self._measurements_whole = self._write(MEASUREMENTS, line, append=True)
        else:
            content = b"".join(line_of(measurement) for measurement in self.history)
            self._measurements_whole = self._write(MEASUREMENTS, content)

    def _write(self, name: str, content: bytes, append: bool = False) -> bool:
        try:
            (self._folder.append if append else self._folder.write)(name, content)
        except OSError as error:
            self._notes.append(f"{name} was not written: {error}")
            return False
        return True

    def _state(self) -> State:
        return {
            "identity": self.assignment.identity,
            "trial": self.trial.save(),
            "history": [measurement.to_json() for measurement in self.history],
            "diverged": asdict(self._diverged) if self._diverged else None,
            "seconds": self._seconds,
            "spent": self._parts(),
        }

    def _fresh(self) -> Trial:
        return self._build(self.assignment.trial, self.assignment.parameters, self._context)

    def _take_in(self, state: State, trial: Trial) -> None:
        """Brings a fresh trial and this run to a checkpoint; the run, only if all of it is usable."""
        trial.load(state["trial"])
        history = [Measurement.from_json(m) for m in state["history"]]
        diverged = Diverged(**state["diverged"]) if state["diverged"] else None
        self.history, self._diverged, self._seconds = history, diverged, float(state["seconds"])
        if isinstance(trial, TellsTimes):
            self._spent.go_on(state.get("spent", {}), trial.times)

    def _restored(self) -> Trial | None:
        for state in checkpoint.newest_first(self._folder):
            if isinstance(state, checkpoint.CheckpointError):
                self._notes.append(f"{state}; the one before it is used, or the trial starts anew")
                continue
            if state["identity"] != self.assignment.identity:
                raise ValueError(
                    f"the checkpoints in {self.assignment.folder} are of {state['identity']}, not of "
                    f"{self.assignment.identity}; give this study another checkpoint location"
                )
            trial = self._fresh()  # if this fails, the checkpoint is not what is wrong
            try:
                self._take_in(state, trial)
                return trial
            except AnotherTrialError:
                raise
            except Exception as error:
                if of_the_moment(error):
                    raise
                # Its digest is right: somebody made it, or another version did.
                said = f"{type(error).__name__}: {error}".splitlines()[0]
                self._notes.append(
                    f"a checkpoint cannot be continued ({said}); the one before it is used, or the trial "
                    "starts anew"
                )
        if not self._notes and read_measurements(self.assignment.folder):
            self._notes.append("it has no checkpoint any more and starts anew")
        return None
