"""The conductor of a launch: decides which trial is run next, what its turns mean, and when it ends.

It stands between the engine, which runs trials, and the record, which remembers them; it knows neither Ray
nor MLflow. Everything it needs after a restart is in the record and in the trials' folders.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import replace

from study.ground.faults import point
from study.places.locations import Places
from study.record.database import Ledger
from study.search.arm import ArmState, arm_state
from study.search.handing import Failure, Handing, Live, Observer
from study.search.joint import Trials
from study.search.samplers import make_pruner, make_sampler
from study.search.stopping import Judge
from study.spec.model import Spec
from study.trial import Outcome, TrialRecord
from trainables.assignment import Assignment, Turn
from trainables.folder import ERROR, remove_error, write_error
from trainables.levels import Levels, lowest
from trainables.protocol import Measurement, by_step

logger = logging.getLogger(__name__)


class Conductor:
    """One launch of one study.

    Attributes:
        begun: Whether a trial was handed out.
        stopping: Why the launch is to end early; empty while it is not.
        refusal: Why no trial of this spec can be built; empty if none was refused.
        fault: What the last of too many failures in a row said; empty if there were not too many.

    Args:
        spec: The study.
        ledger: The record.
        places: Where the trials' folders lie.
    """

    def __init__(self, spec: Spec, ledger: Ledger, places: Places) -> None:
        self.spec = spec
        self._ledger, self._levels = ledger, ledger.levels(spec.name)
        self._observers: tuple[Observer, ...] = ()
        self._live: dict[str, Live] = {}
        self._failures: dict[str, Failure] = {}
        """Failures in a row, without a trial that ended well since."""
        self.begun = False
        self.stopping = ""
        self.refusal = ""
        self.fault = ""
        self._handing = Handing(spec, places)
        pruner = make_pruner(spec.stopping, spec.settings)
        self.arms: dict[str, ArmState] = {}
        for name, arm in spec.arms.items():
            opened = ledger.arm(spec.name, name)
            others = self._trials_beside(name)
            opened.use(make_sampler(spec.search, name, arm, opened.asked(), others), pruner)
            self.arms[name] = arm_state(name, arm, opened)
        self._any_ran = any(state.any_ran for state in self.arms.values())
        self._judge = Judge(spec, self.arms)

    def _trials_beside(self, arm: str) -> Trials:
        """Reads the trials of the arms but one."""
        return lambda: [
            trial
            for name, state in self.arms.items()
            if name != arm
            for trial in state.ledger.frozen()
        ]

    @property
    def left(self) -> int:
        """Trials that are still to be handed out."""
        return sum(state.left for state in self.arms.values())

    @property
    def ended(self) -> int:
        """Trials that have ended, in all launches."""
        return sum(state.done for state in self.arms.values())

    @property
    def live(self) -> list[TrialRecord]:
        """The trials that are running."""
        return [live.known for live in self._live.values()]

    @property
    def unfinished(self) -> int:
        """Trials that have not ended: cut off ones and those never asked for."""
        return self.left + len(self._live) + len(self._failures)

    def observe(self, *observers: Observer) -> None:
        """Adds observers."""
        self._observers += observers

    def room(self, slots: int) -> None:
        """Takes note of how many trials can run at once, for whoever looks at the record meanwhile."""
        self._ledger.keep_slots(self.spec.name, slots)

    def interrupt(self, why: str) -> None:
        """Asks for an end: nothing more is handed out, and what runs is checkpointed."""
        self.stopping = self.stopping or why

    def next(self) -> Assignment | None:
        """Hands out the next trial: first those that were cut off, then new ones, arm by arm.

        Returns:
            What a worker needs to run it, or None if nothing is left (or an end was asked for).
        """
        open_arms = [state for state in self.arms.values() if state.left]
        if not open_arms or self.stopping:
            return None
        self.begun = True
        state = min(open_arms, key=lambda s: s.share)
        fresh = not state.interrupted
        if fresh:
            record = state.ledger.ask(state.space, state.points)
            state.asked += 1
        else:
            record = state.ledger.reopen(state.interrupted[0], state.space)
            state.interrupted.popleft()
        # A worker hands out the evaluations that it reads back, which are judged as they come.
        live = Live(state, replace(self._handing.completed(record), measurements=(), early=()))
        self._live[live.record.identity] = live
        if not fresh:  # it may have failed before
            with suppress(OSError):
                remove_error(live.record.folder)
        point("assigned")
        for observer in self._observers:
            observer.began(live.record, fresh)
        return self._handing.assignment(live.record)

    def turn(self, identity: str, turn: Turn) -> bool:
        """Takes in what one turn of a trial brought.

        Evaluations are judged one by one: those after the one at which the trial stops (it may have
        handed out several at once) do not count.

        Returns:
            Whether the trial is to be stopped now.
        """
        live = self._live.get(identity)
        if live is None:
            return True
        point("result")
        self._any_ran = True
        for note in turn.notes:
            logger.warning("%s: %s", identity, note)
        reason = None
        for measurement in turn.measurements:
            if not live.has(measurement):  # else a restored worker hands it out again
                reason = self._measured(live, measurement)
                if reason:
                    break
        self._update(live)
        for observer in self._observers:
            observer.turned(live.record, turn)
        if reason:
            self._end(live, Outcome.STOPPED, reason, live.step)
        elif turn.diverged:
            self._end(live, Outcome.DIVERGED, turn.diverged.reason, turn.diverged.step)
        elif turn.finished:
            self._end(live, Outcome.COMPLETE, None, turn.step)
        return identity not in self._live

    def refused(self, identity: str, sentence: str) -> None:
        """Takes in that a trial could not be built from what the spec says (data, networks).

        While no trial of the study has run, and the sample has no part in what is built, no other trial
        could be built either: the launch ends, with no trial used up.
        """
        live = self._live.get(identity)
        if live is not None and not self._any_ran and not live.record.parameters.further:
            self.refusal = self.refusal or sentence
            self.interrupt("its trials cannot be built")

    def failed(self, identity: str, error: str, traceback: str = "") -> None:
        """Takes in that a trial could not be run, after all retries.

        A fault of the environment (a full disk, a cache that cannot be written) fails every trial. So a
        failure is not written into the record before another trial has ended well; too many in a row end
        the launch, and then these trials are only cut off: the next launch runs them again.
        """
        live = self._live.get(identity)
        if live is None or self.stopping:
            return
        del self._live[identity]
        self._failures[identity] = Failure(live, error, live.step)
        try:
            write_error(live.record.folder, traceback or error)
        except OSError as failure:
            logger.warning("%s: %s was not written: %s", identity, ERROR, failure)
        for observer in self._observers:
            observer.failed(live.record, error)
        longest = self.spec.resources.stop_after_failures
        if longest is None:
            self._believe_failures()
        elif len(self._failures) >= longest:
            self._end_of_failures(f"{longest} trials in a row failed")

    def settle(self) -> None:
        """Says that nothing runs any more: failures count, unless no trial of the study ever ended well."""
        if self.stopping or not self._failures:
            return
        outcomes = {outcome for arm in self.arms.values() for outcome in arm.counts}
        if outcomes - {Outcome.FAILED}:
            self._believe_failures()
        else:
            self._end_of_failures("every trial failed")

    def _end_of_failures(self, why: str) -> None:
        self.fault = list(self._failures.values())[-1].error
        self.interrupt(why)

    def _believe_failures(self) -> None:
        """Another trial ended well, so those that failed had a fault of their own."""
        failures, self._failures = self._failures, {}
        for failure in failures.values():
            self._end(failure.live, Outcome.FAILED, failure.error, failure.step)

    def stored(self, arm: str, number: int) -> TrialRecord:
        """Reads a trial from the record; of its evaluations, that has the scores."""
        return self._handing.completed(self.arms[arm].ledger.trial(number))

    def keep_run(self, record: TrialRecord, run_id: str, whole: bool = True) -> None:
        """Stores in the record what was published of a trial.

        Args:
            record: The trial as it was published.
            run_id: Its MLflow run.
            whole: Its files were, too; else it does not count as published yet.
        """
        published = whole and record.outcome is not None
        failure = self._failures.get(record.identity)
        live = failure.live if failure else self._live.get(record.identity)
        known = live.known.mlflow_run_id if live else record.mlflow_run_id
        if known == run_id and not published:
            return
        self.arms[record.arm].ledger.set_run(record.number, run_id, published)
        point("run-stored")
        if live is not None:
            live.run_id = run_id

    def _measured(self, live: Live, measurement: Measurement) -> str | None:
        # Computed again from a checkpoint (see one_a_step): what came after it will be computed again too.
        live.take(measurement)
        number = live.record.number
        if measurement.early:
            live.arm.ledger.report_early(number, measurement)
            point("reported")
            return self._judge.early(live.arm, number, live.early, self._levels)
        if live.arm.ledger.report(number, measurement):
            live.arm.look_for_best()
        live.arm.note(measurement.score, number)
        self._note_levels(Levels.of(measurement.metrics))
        point("reported")
        return self._judge.reason(live.arm, number, live.measurements)

    def _note_levels(self, measured: Levels) -> None:
        """Stores what the scores can be seen against when a trial first tells, or has a lower ceiling."""
        levels = lowest([self._levels, measured])
        if levels != self._levels:
            self._levels = levels
            self._ledger.keep_levels(self.spec.name, levels)

    def _update(self, live: Live) -> None:
        live.record = replace(
            live.known, measurements=tuple(live.measurements), early=tuple(live.early)
        )

    def _end(self, live: Live, outcome: Outcome, reason: str | None, step: int) -> None:
        best = live.record.best
        objective = best.score if best else math.inf
        noise = best.noise if best and math.isfinite(best.noise) else 0.0
        ended = live.arm.ledger.end(live.record.number, outcome, objective, reason, step, noise)
        live.arm.counts[outcome] = live.arm.counts.get(outcome, 0) + 1
        live.arm.last_end = ended
        if outcome is not Outcome.FAILED:
            live.arm.results[live.record.number] = objective
        if outcome is Outcome.COMPLETE:
            live.arm.whole[live.record.number] = by_step(live.measurements)
            live.arm.early[live.record.number] = by_step(live.early)
        self._update(live)
        record = replace(live.record, outcome=outcome, reason=reason, end_step=step, ended=ended)
        self._live.pop(record.identity, None)  # a failure was taken out when it came
        for observer in self._observers:
            observer.ended(record)
        if outcome is not Outcome.FAILED:
            self._believe_failures()
