"""The durable record: Optuna's storage, and the only file that opens it.

A study NAME is an Optuna study NAME without trials, which holds the spec, and one Optuna study NAME/ARM for
each arm, whose trials are the study's trials: parameters, scores, state, outcome, reason, MLflow run.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages._rdb.models import StudyModel, TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState

from search_spaces.space import SearchSpace
from study.errors import UserError
from study.faults import point
from study.trial_record import Outcome
from trainables.protocol import Measurement

logger = logging.getLogger(__name__)
T = TypeVar("T")

SPEC = "spec"
PARAMETERS = "parameters"
OUTCOME = "outcome"
REASON = "reason"
END_STEP = "end_step"
RUN_ID = "mlflow_run_id"
PUBLISHED = "published"
PATIENCE_SECONDS = 600.0
"""How long an unreachable record is waited for before a launch gives up."""
LAST_SECONDS = 5.0
"""How long it is waited for once the launch was asked to end."""


@dataclass(frozen=True)
class Entry:
    """One trial as the record has it; what :class:`study.trial_record.TrialRecord` is made from."""

    number: int
    sample: Mapping[str, Any]
    outcome: Outcome | None
    reason: str | None
    end_step: int | None
    mlflow_run_id: str | None
    published: bool
    scores: Mapping[int, float]
    started: float
    ended: float | None

    @property
    def counted(self) -> dict[int, float]:
        """The scores up to the trial's end, by step; one that came later (from a worker) does not count."""
        end = self.end_step
        return {step: score for step, score in self.scores.items() if end is None or step <= end}


@dataclass(frozen=True)
class Counts:
    """How far an arm is.

    Attributes:
        asked: Trials that were asked for, however they stand.
        ended: Those that ended, by outcome.
        unpublished: Ended ones whose end is not in MLflow.
    """

    asked: int
    ended: Counter[Outcome]
    unpublished: int


class Ledger:
    """The record's database.

    Args:
        url: An SQLAlchemy URL; ``postgresql://`` is taken to mean the psycopg driver.

    Attributes:
        patience: Waits for a database that is away; whoever holds the study's lease tells it more.

    Raises:
        UserError: The URL cannot be used or the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._storage = _open(url)
        self.patience = Patience()

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine, for tables beside Optuna's."""
        return self._storage.engine

    @property
    def storage(self) -> optuna.storages.RDBStorage:
        """Optuna's storage, for what shows it."""
        return self._storage

    def studies(self) -> list[str]:
        """Returns the names of the studies, sorted; other people's in the same database are none of ours."""
        found = self.patience(lambda: optuna.get_all_study_names(self._storage))
        ours = (name for name in found if "/" not in name)
        return sorted(name for name in ours if self.stored_spec(name) is not None)

    def stored_spec(self, study: str) -> dict[str, Any] | None:
        """Returns the spec that was stored for a study, or None if there is no such study."""
        try:
            root = self.patience(lambda: optuna.load_study(study_name=study, storage=self._storage))
        except KeyError:
            return None
        text = self.patience(lambda: root.user_attrs).get(SPEC)
        return None if text is None else dict(json.loads(text))

    def store_spec(self, study: str, spec: Mapping[str, Any]) -> None:
        """Stores a study's spec in place of the one before."""
        text = json.dumps(spec)

        def store() -> None:
            root = optuna.create_study(storage=self._storage, study_name=study, load_if_exists=True)
            root.set_user_attr(SPEC, text)

        self.patience(store)

    def shown(self, study: str) -> dict[str, int] | None:
        """Returns the budgets with which a study was last finished and wholly in MLflow, or None."""
        root = self.patience(lambda: optuna.load_study(study_name=study, storage=self._storage))
        budgets: dict[str, int] | None = self.patience(lambda: root.user_attrs).get(PUBLISHED)
        return budgets

    def keep_shown(self, study: str, budgets: Mapping[str, int]) -> None:
        """Stores that a study is finished with these budgets and wholly in MLflow, its arms too."""
        root = self.patience(lambda: optuna.load_study(study_name=study, storage=self._storage))
        self.patience(lambda: root.set_user_attr(PUBLISHED, dict(budgets)))

    def counts(self, study: str, arm: str) -> Counts:
        """Counts an arm's trials in the database: reading thousands of them would take seconds."""
        trial, attribute = TrialModel.__table__, TrialUserAttributeModel.__table__
        outcome, published = attribute.alias(), attribute.alias()
        query = (
            sa.select(trial.c.state, outcome.c.value_json, published.c.value_json, sa.func.count())
            .select_from(trial.join(StudyModel.__table__))
            .outerjoin(
                outcome, (outcome.c.trial_id == trial.c.trial_id) & (outcome.c.key == OUTCOME)
            )
            .outerjoin(
                published,
                (published.c.trial_id == trial.c.trial_id) & (published.c.key == PUBLISHED),
            )
            .where(
                StudyModel.__table__.c.study_name == f"{study}/{arm}",
                trial.c.state != TrialState.WAITING,
            )
            .group_by(trial.c.state, outcome.c.value_json, published.c.value_json)
        )

        def count() -> Counts:
            asked, unpublished, ended = 0, 0, Counter[Outcome]()
            with self.engine.connect() as connection:
                for state, how, shown, number in connection.execute(query):
                    asked += number
                    if state.is_finished():
                        ended[Outcome(json.loads(how)) if how else Outcome.FAILED] += number
                        unpublished += 0 if shown and json.loads(shown) else number
            return Counts(asked, ended, unpublished)

        return self.patience(count)

    def arm(
        self,
        study: str,
        arm: str,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
    ) -> ArmLedger:
        """Opens an arm's trials; the arm is made if it is new."""
        opened = self.patience(
            lambda: optuna.create_study(
                storage=self._storage,
                study_name=f"{study}/{arm}",
                direction="minimize",
                load_if_exists=True,
                sampler=sampler,
                pruner=pruner,
            )
        )
        return ArmLedger(opened, self.patience)

    def close(self) -> None:
        """Closes the connections."""
        self._storage.remove_session()
        self._storage.engine.dispose()


class ArmLedger:
    """The trials of one arm."""

    def __init__(self, study: optuna.Study, patience: Patience) -> None:
        self._study = study
        self._patience = patience
        self._open: dict[int, optuna.Trial] = {}
        self._reported: dict[int, set[int]] = {}

    def use(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """Sets who proposes and who prunes trials from now on."""
        self._study.sampler = sampler
        self._study.pruner = pruner

    def entries(self) -> list[Entry]:
        """Reads all trials that were asked for, in order of their numbers."""
        trials = self._patience(lambda: self._study.get_trials(deepcopy=False))
        return [_entry(trial) for trial in trials if trial.state != TrialState.WAITING]

    def entry(self, number: int) -> Entry:
        """Reads one trial."""
        storage = self._study._storage
        identity = self._patience(
            lambda: storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)
        )
        return _entry(self._patience(lambda: storage.get_trial(identity)))

    def ask(
        self, space: SearchSpace, first: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Asks the sampler for a new trial.

        Args:
            space: What may vary.
            first: A point to try instead of asking the sampler; names that are missing are sampled.

        Returns:
            The trial's number and its sample.
        """
        if first is not None and not self._patience(self._waiting):
            self._patience(lambda: self._study.enqueue_trial(dict(first)))
        known = set(self._open)
        try:
            trial = self._study.ask()
        except optuna.exceptions.StorageInternalError:
            # The trial may or may not have been made before the record went away.
            stray = [t for t in self._patience(self._running) if t.number not in known]
            if not stray:
                return self.ask(space, first)
            return stray[0].number, self.reopen(stray[0].number, space)
        point("asked")
        self._open[trial.number] = trial
        return trial.number, self._suggest(trial, space)

    def reopen(self, number: int, space: SearchSpace) -> dict[str, Any]:
        """Takes up a trial that was cut off, as the same trial, and returns its sample.

        A trial that was cut off while it was being asked for gets the values that it lacks.
        """
        frozen = next(t for t in self._patience(self._running) if t.number == number)
        if not frozen.params:
            self._patience(lambda: self._study.sampler.before_trial(self._study, frozen))
        trial = self._patience(lambda: optuna.Trial(self._study, frozen._trial_id))
        self._open[number] = trial
        self._reported[number] = set(frozen.intermediate_values)
        return self._suggest(trial, space)

    def report(self, number: int, measurement: Measurement) -> None:
        """Records an evaluation's score; one that is there already stays as it is."""
        steps = self._reported.setdefault(number, set())
        if measurement.step not in steps:
            self._patience(lambda: self._open[number].report(measurement.score, measurement.step))
            steps.add(measurement.step)

    def should_prune(self, number: int, step: int) -> bool:
        """Asks the pruner about an evaluation.

        The pruner judges by the newest one that the record has. While a trial that was cut off hands out
        its history again, earlier ones are not asked about: they were judged, or will be by that one.
        """
        if step < max(self._reported.get(number, ()), default=step):
            return False
        return self._patience(self._open[number].should_prune)

    def set_run(self, number: int, run_id: str, published: bool) -> None:
        """Keeps a trial's MLflow run.

        Args:
            number: The trial.
            run_id: Id of its run.
            published: Whether the run shows the trial's end and everything before it.
        """
        storage = self._study._storage

        def keep() -> None:
            identity = storage.get_trial_id_from_study_id_trial_number(
                self._study._study_id, number
            )
            for key, value in {RUN_ID: run_id, PUBLISHED: published}.items():
                if value:
                    try:
                        storage.set_trial_user_attr(identity, key, value)
                    except optuna.exceptions.UpdateFinishedTrialError:
                        _set_attribute_of_finished(self._study, identity, key, value)

        self._patience(keep)

    def end(
        self, number: int, outcome: Outcome, objective: float, reason: str | None, step: int
    ) -> float | None:
        """Ends a trial.

        Args:
            number: The trial.
            outcome: How it ended; a failed one has no objective.
            objective: Its lowest score, +inf if it has none.
            reason: One sentence, or None.
            step: Generator updates done.

        Returns:
            When it ended, as the record has it, seconds since the epoch.
        """
        trial = self._open.pop(number)
        attributes = {OUTCOME: outcome.value, END_STEP: step, REASON: reason}
        for name, value in attributes.items():
            # A reason may be there from an end that a kill kept from being told.
            if value is not None or name in trial.user_attrs:
                self._patience(lambda name=name, value=value: trial.set_user_attr(name, value))  # type: ignore[misc]
        failed = outcome is Outcome.FAILED
        point("telling")
        told = self._patience(
            lambda: self._study.tell(
                number,
                None if failed else objective,
                TrialState.FAIL if failed else TrialState.COMPLETE,
                skip_if_finished=True,
            )
        )
        self._reported.pop(number, None)
        point("told")
        return _entry(told).ended

    def _suggest(self, trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
        sample = {
            name: self._patience(lambda n=name, d=distribution: _suggested(trial, n, d))  # type: ignore[misc]
            for name, distribution in space.distributions.items()
        }
        if PARAMETERS not in trial.user_attrs:
            derived = space.derive(sample)
            self._patience(lambda: trial.set_user_attr(PARAMETERS, derived))
        return sample

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _waiting(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


class Patience:
    """Does things with the record, and waits for a database that is away for a while.

    Attributes:
        before_retry: Called before each further try; may raise to give up (the lease was lost meanwhile).
        given_up: Whether to stop waiting: the launch was asked to end.
    """

    def __init__(self) -> None:
        self.before_retry: Callable[[], None] = lambda: None
        self.given_up: Callable[[], bool] = lambda: False

    def __call__(self, operation: Callable[[], T]) -> T:
        """Returns what an operation returns, however often it has to be tried."""
        began, pause = time.monotonic(), 0.2
        while True:
            try:
                return operation()
            except (optuna.exceptions.StorageInternalError, sa.exc.OperationalError) as error:
                longest = LAST_SECONDS if self.given_up() else PATIENCE_SECONDS
                if time.monotonic() - began > longest or _hopeless(error):
                    raise
                logger.warning(
                    "The record cannot be reached (%s); trying again.",
                    type(error.__cause__ or error).__name__,
                )
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
            self.before_retry()


def _hopeless(error: BaseException) -> bool:
    """Whether waiting cannot help: nobody makes a database writable meanwhile."""
    return "readonly database" in f"{error} {error.__cause__}"


def _open(url: str) -> optuna.storages.RDBStorage:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite and parsed.database:
            Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        # A driver and a `ttur status` may meet in SQLite: wait instead of failing.
        arguments: dict[str, Any] = {"connect_args": {"timeout": 60}} if sqlite else {}
        storage = optuna.storages.RDBStorage(
            parsed.render_as_string(hide_password=False),
            engine_kwargs={"pool_pre_ping": True, **arguments},
        )
    except (
        sa.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
    ) as error:
        raise UserError(
            f"the record {_harmless(url)} cannot be opened ({_first_line(error)}); check the URL, that "
            "the database is up, and its password in PGPASSFILE or PGPASSWORD"
        ) from None
    if sqlite:
        with storage.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    return storage


def _harmless(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "URL"


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ImportError):
        return f"{cause}; pip install 'ttur-study[postgresql]'"
    if isinstance(cause, sa.exc.ArgumentError):
        return "it is no SQLAlchemy URL"
    original = getattr(cause, "orig", None) or cause
    return str(original).strip().splitlines()[0] if str(original).strip() else type(cause).__name__


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case FloatDistribution():
            return trial.suggest_float(
                name,
                distribution.low,
                distribution.high,
                step=distribution.step,
                log=distribution.log,
            )
        case IntDistribution():
            return trial.suggest_int(
                name,
                distribution.low,
                distribution.high,
                step=distribution.step,
                log=distribution.log,
            )
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
    raise TypeError(f"{name} has a {type(distribution).__name__}")


def _set_attribute_of_finished(study: optuna.Study, trial_id: int, key: str, value: object) -> None:
    """Sets an attribute of a trial that has ended, which Optuna's own call refuses.

    The run of a trial may be made after its end (MLflow was away), and its id belongs to the record.
    """
    engine = study._storage._backend.engine  # type: ignore[attr-defined]
    table = TrialUserAttributeModel.__table__
    where = (table.c.trial_id == trial_id) & (table.c.key == key)
    with engine.begin() as connection:
        changed = connection.execute(
            table.update().where(where).values(value_json=json.dumps(value))
        )
        if not changed.rowcount:
            connection.execute(
                table.insert().values(trial_id=trial_id, key=key, value_json=json.dumps(value))
            )


def _entry(trial: FrozenTrial) -> Entry:
    attributes = trial.user_attrs
    ended = trial.state.is_finished()
    outcome = attributes.get(OUTCOME, Outcome.FAILED.value) if ended else None
    return Entry(
        number=trial.number,
        sample=trial.params,
        outcome=Outcome(outcome) if outcome else None,
        reason=attributes.get(REASON) if ended else None,
        end_step=attributes.get(END_STEP) if ended else None,
        mlflow_run_id=attributes.get(RUN_ID),
        published=bool(attributes.get(PUBLISHED)),
        scores=trial.intermediate_values,
        started=trial.datetime_start.timestamp() if trial.datetime_start else 0.0,
        ended=trial.datetime_complete.timestamp() if trial.datetime_complete else None,
    )
