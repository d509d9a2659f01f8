"""The record's side of MLflow: its identity there, and where and how far it was published."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import optuna
import sqlalchemy as sa

from study.record.attributes import PUBLISHED, RUN_ID
from study.record.database import Ledger
from study.record.private import STUDIES, TRIAL_ATTRIBUTES, TRIALS

IDENTITY = "identity"
PLACE = "published_to"
DELETING = "deleting"
REPORTED = "reported"
LOOKED = "looked"


class Publication:
    """One study's dealings with MLflow, as its record has them.

    A name is not enough to tell studies apart: two records may share a server. So each has an identity,
    made once, which its experiments and runs carry. And that a trial is published is true of one store: the
    place that is kept here says of which.

    Args:
        ledger: The record.
        study: The study.
    """

    def __init__(self, ledger: Ledger, study: str) -> None:
        self._ledger = ledger
        self._study = study

    @property
    def study(self) -> str:
        """Name of the study."""
        return self._study

    def known_identity(self) -> str | None:
        """The study's identity, or None if it has none yet (it is new, or of an earlier version)."""
        found: str | None = self._attributes().get(IDENTITY)
        return found

    def identity(self, given: str | None = None) -> str:
        """The study's identity, made if need be; only for who holds the study's lease.

        Args:
            given: What to take for one that is still to be made.
        """
        known = self.known_identity()
        if known is None:
            known = given or uuid.uuid4().hex
            self._set(IDENTITY, known)
        return known

    def runs(self) -> set[str]:
        """The MLflow runs whose ids are kept with the study's trials."""
        attribute = TRIAL_ATTRIBUTES
        query = sa.select(attribute.c.value_json).where(
            attribute.c.key == RUN_ID, attribute.c.trial_id.in_(self._trials())
        )

        def read() -> set[str]:
            with self._ledger.engine.connect() as connection:
                return {str(json.loads(text)) for (text,) in connection.execute(query)}

        return self._ledger.patience(read)

    def trials(self) -> dict[str, int]:
        """How many trials the record has of each arm: the number that the arm's next trial gets."""
        number = sa.func.max(TRIALS.c.number)
        arms = STUDIES.outerjoin(TRIALS, STUDIES.c.study_id == TRIALS.c.study_id)
        query = sa.select(STUDIES.c.study_name, number).select_from(arms).where(self._is_mine())
        query = query.group_by(STUDIES.c.study_name)

        def read() -> dict[str, int]:
            with self._ledger.engine.connect() as connection:
                found = connection.execute(query)
                return {
                    name.split("/", 1)[1]: 0 if last is None else last + 1 for name, last in found
                }

        return self._ledger.patience(read)

    def moved_to(self, place: str) -> bool:
        """Takes note of the store that trials are published to from now on.

        Args:
            place: What tells this study's experiment from any other, in this store and in others.

        Returns:
            Whether it is another one than before: then no trial counts as published any more.
        """
        if self._attributes().get(PLACE) == place:
            return False
        self._ledger.patience(self._forget_published)
        self._set(PLACE, place)
        return True

    @property
    def deleting(self) -> bool:
        """Whether the study was to be deleted, and that was cut off."""
        return bool(self._attributes().get(DELETING))

    def intend_deletion(self) -> None:
        """Writes down that the study is to go."""
        self._set(DELETING, True)

    def shown(self) -> dict[str, int] | None:
        """The budgets with which the study was last finished and wholly in MLflow, or None."""
        budgets: dict[str, int] | None = self._attributes().get(PUBLISHED)
        return budgets

    def keep_shown(self, budgets: Mapping[str, int] | None) -> None:
        """Stores that the study is finished with these budgets and wholly in MLflow, its arms too."""
        self._set(PUBLISHED, None if budgets is None else dict(budgets))

    def reported(self) -> dict[str, Any] | None:
        """Of which state of the study MLflow has the report, or None."""
        state: dict[str, Any] | None = self._attributes().get(REPORTED)
        return state

    def keep_reported(self, state: Mapping[str, Any] | None) -> None:
        """Stores that MLflow has the report of this state of the study."""
        self._set(REPORTED, None if state is None else dict(state))

    def looked(self) -> tuple[int, ...]:
        """How many trials it had each time that it had come to its end; kept of a confirming study alone."""
        return tuple(self._attributes().get(LOOKED, ()))

    def keep_looked(self, trials: int) -> None:
        """Stores that it has come to its end with so many trials; once is as good as twice."""
        known = self.looked()
        if trials not in known:
            self._set(LOOKED, sorted([*known, trials]))

    def _forget_published(self) -> None:
        # The study's own mark goes first: cut off in between, the trials are looked at once more.
        self.keep_shown(None)
        self.keep_reported(None)
        attribute = TRIAL_ATTRIBUTES
        with self._ledger.engine.begin() as connection:
            connection.execute(
                attribute.delete().where(
                    attribute.c.key == PUBLISHED, attribute.c.trial_id.in_(self._trials())
                )
            )

    def _trials(self) -> sa.Select[Any]:
        both = TRIALS.join(STUDIES)
        return sa.select(TRIALS.c.trial_id).select_from(both).where(self._is_mine())

    def _is_mine(self) -> sa.ColumnElement[bool]:
        """Which of Optuna's studies are arms of this one."""
        prefix = f"{self._study}/"
        # Not LIKE: SQLite's takes capitals and small letters for the same.
        return sa.func.substr(STUDIES.c.study_name, 1, len(prefix)) == prefix

    def _attributes(self) -> dict[str, Any]:
        try:
            root = self._root()
        except KeyError:
            return {}
        return self._ledger.patience(lambda: root.user_attrs)

    def _root(self) -> optuna.Study:
        storage = self._ledger.storage
        return self._ledger.patience(
            lambda: optuna.load_study(study_name=self._study, storage=storage)
        )

    def _set(self, key: str, value: object) -> None:
        storage = self._ledger.storage

        def store() -> None:
            root = optuna.create_study(storage=storage, study_name=self._study, load_if_exists=True)
            root.set_user_attr(key, value)

        self._ledger.patience(store)
