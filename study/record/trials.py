"""The trials of one arm in the record: asked for, reported, ended, taken up again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, GridSampler
from optuna.trial import FrozenTrial, TrialState

from search_spaces.space import SearchSpace
from study.ground.faults import point
from study.record.attributes import (
    EARLY,
    END_STEP,
    NOISE,
    OUTCOME,
    PARAMETERS,
    PUBLISHED,
    REASON,
    REFUSED,
    RUN_ID,
    early_of,
    is_strange,
    set_attributes,
    suggested,
    trial_of,
)
from study.record.connection import Patience
from study.record.private import (
    begun,
    bring_to_disk,
    frozen,
    id_of,
    id_of_trial,
    open_ids,
    opened,
    storage_of,
    tell,
)
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

logger = logging.getLogger(__name__)


class ArmLedger:
    """The trials of one arm."""

    def __init__(self, study: optuna.Study, patience: Patience) -> None:
        self._study = study
        self._patience = patience
        self._open: dict[int, optuna.Trial] = {}
        self._reported: dict[int, dict[int, float]] = {}
        """The scores of the open trials by step, as the record has them."""
        self._early: dict[int, dict[int, float]] = {}
        """Their early evaluations."""

    def use(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """Sets who proposes and who prunes trials from now on."""
        self._study.sampler = sampler
        self._study.pruner = pruner

    @property
    def sampler(self) -> BaseSampler:
        """Who proposes."""
        return self._study.sampler

    def trials(self) -> list[TrialRecord]:
        """Reads all trials that were asked for here, by number, but those of :meth:`half_asked`."""
        return [self._known(trial) for trial in self._all() if PARAMETERS in trial.user_attrs]

    def frozen(self) -> list[FrozenTrial]:
        """Returns all trials as Optuna has them, for a sampler that learns from several arms."""
        return self._all()

    def strangers(self) -> int:
        """Counts trials with a value that another program added: the search learns from them, no more."""
        return sum(is_strange(t) and t.state == TrialState.COMPLETE for t in self._all())

    def untried(self, points: Sequence[Mapping[str, Any]]) -> deque[Mapping[str, Any]]:
        """Returns the points that no trial was asked for with, in their order."""
        left = [dict(point) for point in points]
        for trial in self._all():
            asked = trial.system_attrs.get("fixed_params", trial.params)
            if asked in left and REFUSED not in trial.user_attrs:
                left.remove(asked)
        return deque(left)

    def half_asked(self) -> list[int]:
        """The numbers of the trials that were cut off while they were asked for, without all parameters."""
        return [trial.number for trial in self._half_asked()]

    def asked(self) -> tuple[int, ...]:
        """States how far the asking is, for a seed: no two states in which a value is drawn are equal.

        Returns:
            How many trials were asked for, and of each of :meth:`half_asked` its number and how many of its
            values are drawn.
        """
        half = [part for t in self._half_asked() for part in (t.number, len(t.params))]
        return (sum(PARAMETERS in t.user_attrs for t in self._all()) + len(half) // 2, *half)

    def trial(self, number: int) -> TrialRecord:
        """Reads one trial."""
        identity = self._patience(lambda: id_of(self._study, number))
        storage = storage_of(self._study)
        return self._known(self._patience(lambda: storage.get_trial(identity)))

    def ask(
        self, space: SearchSpace, points: deque[Mapping[str, Any]] | None = None
    ) -> TrialRecord:
        """Asks the sampler for a new trial.

        Args:
            space: What may vary.
            points: What is to be tried before the sampler is asked, after what another program has
                enqueued; one that is tried is taken out. Names that are missing are sampled.
        """
        none_waits = self._only_mine()
        if points and (none_waits or not self._waiting(space)):
            first = points.popleft()
            self._patience(lambda: self._study.enqueue_trial(dict(first)))
            none_waits = False
        known = set(self._open)
        try:
            trial = begun(self._study) if none_waits else self._study.ask()
        except optuna.exceptions.StorageInternalError:
            # The trial may or may not have been made before the record went away.
            stray = [t for t in self._patience(self._running) if t.number not in known]
            if not stray:
                return self.ask(space)  # a point waits in the record since it was enqueued
            return self.reopen(stray[0].number, space)
        point("asked")
        self._open[trial.number] = trial
        self._suggest(trial, space)
        bring_to_disk(self._study)  # before its folder and its run are made
        return self._known(frozen(trial))

    def queue(self, space: SearchSpace) -> int:
        """Counts the trials that wait to be tried; those that cannot be are refused, each in a sentence.

        Another program (a script, Optuna's dashboard) may have enqueued anything, or begun it.
        """
        return 0 if self._only_mine() else self._waiting(space)

    def _only_mine(self) -> bool:
        """Whether no trial is open but those asked for here; False if only reading all of each tells."""
        mine = {id_of_trial(trial) for trial in self._open.values()}
        unended = self._patience(lambda: open_ids(self._study))
        return unended is not None and unended <= mine

    def _waiting(self, space: SearchSpace) -> int:
        # Optuna's grid samples no single value.
        partial = not isinstance(self._study.sampler, GridSampler)
        waiting = 0
        for trial in self._patience(self._open_ones):
            if PARAMETERS in trial.user_attrs or trial.number in self._open:
                continue
            given = trial.params or trial.system_attrs.get("fixed_params", {})
            reasons = space.violations(given, partial=partial or not given)
            if reasons:
                self._refuse(trial, given, "; ".join(reasons))
            else:
                waiting += trial.state == TrialState.WAITING
        return waiting

    def _refuse(self, trial: FrozenTrial, given: Mapping[str, Any], reasons: str) -> None:
        storage, identity = storage_of(self._study), id_of_trial(trial)
        self._patience(lambda: storage.set_trial_user_attr(identity, REFUSED, reasons))
        self._patience(lambda: storage.set_trial_state_values(identity, TrialState.FAIL))
        logger.warning(
            "a trial of %s that another program enqueued with %s is not run: %s",
            self._study.study_name,
            dict(given),
            reasons,
        )

    def reopen(self, number: int, space: SearchSpace) -> TrialRecord:
        """Takes up a trial that was cut off, as the same trial.

        A trial that was cut off while it was being asked for gets the values that it lacks.
        """
        found = next(t for t in self._patience(self._running) if t.number == number)
        trial = self._patience(lambda: opened(self._study, found))
        self._open[number] = trial
        self._reported[number] = dict(found.intermediate_values)
        self._early[number] = early_of(found)
        self._suggest(trial, space)
        return self._known(frozen(trial))

    def report(self, number: int, measurement: Measurement) -> bool:
        """Records an evaluation's score; tells whether it took the place of another one at its step."""
        scores, trial = self._reported.setdefault(number, {}), self._open[number]
        step, score = measurement.step, measurement.score
        replaces = step in scores and scores[step] != score
        if step not in scores:
            self._patience(lambda: trial.report(score, step))
        elif replaces:
            # Optuna's own call leaves the first one there; see trainables.protocol.one_a_step.
            storage, identity = storage_of(self._study), id_of_trial(trial)
            self._patience(lambda: storage.set_trial_intermediate_value(identity, step, score))
        scores[step] = score
        return replaces

    def report_early(self, number: int, measurement: Measurement) -> None:
        """Records an early evaluation; the later one of two at a step counts."""
        known = self._early.setdefault(number, {})
        if known.get(measurement.step) != measurement.score:
            known[measurement.step] = measurement.score
            self._patience(lambda: self._open[number].set_user_attr(EARLY, dict(known)))

    def is_newest(self, number: int, step: int) -> bool:
        """Whether the record has no evaluation of an open trial after this step."""
        known = (*self._reported.get(number, ()), *self._early.get(number, ()))
        return step >= max(known, default=step)

    def should_prune(self, number: int) -> bool:
        """Asks the pruner about the newest evaluation of an open trial."""
        return self._patience(self._open[number].should_prune)

    def set_run(self, number: int, run_id: str, published: bool) -> None:
        """Keeps a trial's MLflow run.

        Args:
            number: The trial.
            run_id: Id of its run.
            published: Whether the run shows the trial's end and everything before it.
        """
        attributes = {RUN_ID: run_id, PUBLISHED: published}
        attributes = {key: value for key, value in attributes.items() if value}
        self._patience(lambda: set_attributes(self._study, id_of(self._study, number), attributes))

    def end(
        self,
        number: int,
        outcome: Outcome,
        objective: float,
        reason: str | None,
        step: int,
        noise: float = 0.0,
    ) -> float:
        """Ends a trial.

        Args:
            number: The trial.
            outcome: How it ended; a failed one has no objective.
            objective: Its lowest score, +inf if it has none.
            reason: One sentence, or None.
            step: Generator updates done.
            noise: Of its lowest score (:class:`TrialRecord`).

        Returns:
            When it ended, as the record has it, seconds since the epoch.
        """
        trial = self._open.pop(number)
        attributes: dict[str, object] = {OUTCOME: outcome.value, END_STEP: step, NOISE: noise}
        # A reason may be there from an end that a kill kept from being told.
        if reason is not None or REASON in trial.user_attrs:
            attributes[REASON] = reason
        self._patience(lambda: set_attributes(self._study, id_of_trial(trial), attributes))
        point("telling")
        value = None if outcome is Outcome.FAILED else objective
        ended = self._patience(lambda: tell(self._study, trial, value))
        for known in (self._reported, self._early):
            known.pop(number, None)
        bring_to_disk(self._study)  # before its checkpoints go
        point("told")
        return ended.timestamp()

    def _suggest(self, trial: optuna.Trial, space: SearchSpace) -> None:
        """Gives a trial its sample and the parameters that are derived from it: here, and never again."""
        sample = {
            name: self._patience(lambda n=name, d=distribution: suggested(trial, n, d))  # type: ignore[misc]
            for name, distribution in space.distributions.items()
        }
        if PARAMETERS not in trial.user_attrs:
            derived = Parameters.of(space.derive(sample)).to_json()
            self._patience(lambda: trial.set_user_attr(PARAMETERS, derived))

    def _known(self, trial: FrozenTrial) -> TrialRecord:
        return trial_of(self._study.study_name, trial)

    def _half_asked(self) -> list[FrozenTrial]:
        return [t for t in self._patience(self._running) if PARAMETERS not in t.user_attrs]

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _open_ones(self) -> list[FrozenTrial]:
        states = (TrialState.WAITING, TrialState.RUNNING)
        return self._study.get_trials(deepcopy=False, states=states)

    def _all(self) -> list[FrozenTrial]:
        return self._patience(lambda: self._study.get_trials(deepcopy=False))
