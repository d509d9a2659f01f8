"""The durable record of all studies, in Optuna's storage.

A study NAME is an Optuna study NAME without trials, which holds the spec, and one Optuna study NAME/ARM for
each arm, whose trials are the study's trials: parameters, scores, state, outcome, reason, MLflow run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from study.record.attributes import END_STEP, OUTCOME, PARAMETERS, PUBLISHED, REASON, outcome_of
from study.record.connection import Patience, engine_settings, open_storage, parsed_url
from study.record.private import STUDIES, STUDY_ATTRIBUTES, TRIAL_ATTRIBUTES, TRIALS
from study.record.trials import ArmLedger
from study.trial import Outcome
from trainables.levels import Levels

SPEC = "spec"
CONTENTS = "data"
LEVELS = "levels"
SLOTS = "slots"


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
        look: It is there and answers, and is only looked at: Optuna's storage, whose opening takes longer
            than most looks, is opened when it is first needed.

    Attributes:
        patience: Waits for a database that is away; whoever holds the study's lease tells it more.

    Raises:
        UserError: The URL cannot be used.
        Unreachable: The database server does not answer, or refuses this client.
    """

    def __init__(self, url: str, look: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._url = url
        self._storage = None if look else open_storage(url)
        parsed = parsed_url(url)
        self._engine = (
            self._storage.engine
            if self._storage
            else sa.create_engine(parsed, **engine_settings(parsed))
        )
        self.patience = Patience()

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine, for tables beside Optuna's."""
        return self._engine

    @property
    def storage(self) -> optuna.storages.RDBStorage:
        """Optuna's storage."""
        if self._storage is None:
            self._storage = open_storage(self._url)
        return self._storage

    def studies(self) -> list[str]:
        """Returns the names of the studies, sorted; without those of other people in the same database."""
        return sorted(self.stored_specs())

    def stored_spec(self, study: str) -> dict[str, Any] | None:
        """Returns the spec that was stored for a study, or None if there is no such study."""
        return self.stored_specs(study).get(study)

    def stored_specs(self, study: str | None = None) -> dict[str, dict[str, Any]]:
        """Returns the stored spec of every study, or of one if it is there, in one question."""
        studies, attribute = STUDIES, STUDY_ATTRIBUTES
        query = (
            sa.select(studies.c.study_name, attribute.c.value_json)
            .select_from(studies.join(attribute))
            .where(attribute.c.key == SPEC, sa.not_(studies.c.study_name.contains("/")))
        )
        if study is not None:
            query = query.where(studies.c.study_name == study)

        def read() -> dict[str, dict[str, Any]]:
            with self.engine.connect() as connection:
                # The spec is text, and Optuna keeps an attribute as JSON.
                return {
                    name: dict(json.loads(json.loads(text)))
                    for name, text in connection.execute(query)
                }

        return self.patience(read)

    def store_spec(self, study: str, spec: Mapping[str, Any]) -> None:
        """Stores a study's spec in place of the one before."""
        text = json.dumps(spec)

        def store() -> None:
            root = optuna.create_study(storage=self.storage, study_name=study, load_if_exists=True)
            root.set_user_attr(SPEC, text)

        self.patience(store)

    def contents(self, study: str) -> dict[str, Any] | None:
        """Returns what the record holds of a study's data, or None: counts and fingerprints."""
        contents: dict[str, Any] | None = self.noted(study, CONTENTS)
        return contents

    def keep_contents(self, study: str, contents: Mapping[str, Any]) -> None:
        """Stores what a study's data are."""
        self.note(study, CONTENTS, dict(contents))

    def levels(self, study: str) -> Levels:
        """Returns what a study's scores can be seen against, as far as its trials have told."""
        return Levels(**(self.noted(study, LEVELS) or {}))

    def keep_levels(self, study: str, levels: Levels) -> None:
        """Stores what a study's scores can be seen against."""
        self.note(study, LEVELS, levels.to_json())

    def slots(self, study: str) -> int | None:
        """Returns how many trials the study's last launch could run at once, None if it did not say."""
        slots: int | None = self.noted(study, SLOTS)
        return slots

    def keep_slots(self, study: str, slots: int) -> None:
        """Stores how many trials this launch can run at once."""
        self.note(study, SLOTS, slots)

    def noted(self, study: str, key: str) -> Any:
        """Returns what was noted of a study under a key, or None."""
        return self.notes([key], study).get(study, {}).get(key)

    def notes(self, keys: Sequence[str], study: str | None = None) -> dict[str, dict[str, Any]]:
        """Returns what was noted of every study, or of one, under some keys, in one question."""
        studies, attribute = STUDIES, STUDY_ATTRIBUTES
        query = (
            sa.select(studies.c.study_name, attribute.c.key, attribute.c.value_json)
            .select_from(studies.join(attribute))
            .where(attribute.c.key.in_(keys))
        )
        if study is not None:
            query = query.where(studies.c.study_name == study)

        def read() -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = {}
            with self.engine.connect() as connection:
                for name, key, text in connection.execute(query):
                    found.setdefault(name, {})[key] = json.loads(text)
            return found

        return self.patience(read)

    def note(self, study: str, key: str, value: Any) -> None:
        """Notes something of a study in place of what was noted under the key."""
        root = self.patience(lambda: optuna.load_study(study_name=study, storage=self.storage))
        self.patience(lambda: root.set_user_attr(key, value))

    def counts(self, study: str, arm: str) -> Counts:
        """Counts an arm's trials in the database: reading thousands of them would take seconds."""
        name = f"{study}/{arm}"
        return self.all_counts(name).get(name, Counts(0, Counter(), 0))

    def all_counts(self, name: str | None = None) -> dict[str, Counts]:
        """Counts the trials of every arm that has one in one question, by ``study/arm``; or of one arm."""
        trial, attribute, studies = TRIALS, TRIAL_ATTRIBUTES, STUDIES
        outcome, published, ours = attribute.alias(), attribute.alias(), attribute.alias()
        kinds = (trial.c.state, outcome.c.value_json, published.c.value_json)
        query = (
            sa.select(studies.c.study_name, *kinds, sa.func.count())
            .select_from(trial.join(studies))
            .outerjoin(
                outcome, (outcome.c.trial_id == trial.c.trial_id) & (outcome.c.key == OUTCOME)
            )
            .outerjoin(
                published,
                (published.c.trial_id == trial.c.trial_id) & (published.c.key == PUBLISHED),
            )
            .outerjoin(ours, (ours.c.trial_id == trial.c.trial_id) & (ours.c.key == PARAMETERS))
            .where(
                trial.c.state != TrialState.WAITING,
                # As is_strange has it: another program's.
                ours.c.key.is_not(None) | (trial.c.state == TrialState.RUNNING),
            )
            .group_by(studies.c.study_name, *kinds)
        )
        if name is not None:
            query = query.where(studies.c.study_name == name)
        return self.patience(lambda: self._counted(query))

    def _counted(self, query: sa.Select[Any]) -> dict[str, Counts]:
        found: dict[str, Counts] = {}
        with self.engine.connect() as connection:
            for name, state, how, shown, number in connection.execute(query):
                before = found.get(name, Counts(0, Counter(), 0))
                ended, left = Counter(before.ended), before.unpublished
                if state.is_finished():
                    ended[outcome_of(state, json.loads(how) if how else None)] += number
                    left += 0 if shown and json.loads(shown) else number
                found[name] = Counts(before.asked + number, ended, left)
        return found

    def reopen_failed(self, study: str, arm: str) -> int:
        """Makes an arm's failed trials running ones, as those of a driver that died; returns how many.

        Optuna refuses to change a trial that has ended, and offers only a new one with another number. A
        failed trial has no value, so its state and the time of its end are all that says that it ended.
        The arm must not be open: Optuna reads trials that have ended only once.
        """
        trial, attribute, studies = TRIALS, TRIAL_ATTRIBUTES, STUDIES

        def reopen() -> int:
            with self.engine.begin() as connection:
                failed = connection.scalars(
                    sa.select(trial.c.trial_id)
                    .join(studies, studies.c.study_id == trial.c.study_id)
                    .join(attribute, attribute.c.trial_id == trial.c.trial_id)
                    .where(
                        studies.c.study_name == f"{study}/{arm}",
                        trial.c.state == TrialState.FAIL,
                        attribute.c.key == PARAMETERS,
                    )
                ).all()
                for identity in failed:
                    mine = trial.c.trial_id == identity
                    connection.execute(
                        trial.update()
                        .where(mine)
                        .values(state=TrialState.RUNNING, datetime_complete=None)
                    )
                    connection.execute(
                        attribute.delete().where(
                            attribute.c.trial_id == identity,
                            attribute.c.key.in_((OUTCOME, REASON, END_STEP, PUBLISHED)),
                        )
                    )
            return len(failed)

        return self.patience(reopen)

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
                storage=self.storage,
                study_name=f"{study}/{arm}",
                direction="minimize",
                load_if_exists=True,
                sampler=sampler,
                pruner=pruner,
            )
        )
        return ArmLedger(opened, self.patience)

    def delete(self, study: str) -> None:
        """Deletes a study: first its arms, and last what says that it is there."""
        names = self.patience(lambda: optuna.get_all_study_names(self.storage))
        arms = [name for name in names if name.startswith(f"{study}/")]
        for name in [*arms, *([study] if study in names else [])]:
            self.patience(
                lambda name=name: optuna.delete_study(study_name=name, storage=self.storage)  # type: ignore[misc]
            )

    def close(self) -> None:
        """Closes the connections."""
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
        self._engine.dispose()
