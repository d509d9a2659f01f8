"""The durable record: Optuna's storage, and the only file that opens it.

A study NAME is an Optuna study NAME without trials, which holds the spec, and one Optuna study NAME/ARM for
each arm, whose trials are the study's trials: parameters, scores, state, outcome, reason, MLflow run.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from study.credentials import hidden
from study.errors import Unreachable, UserError
from study.record.private import STUDIES, STUDY_ATTRIBUTES, TRIAL_ATTRIBUTES, TRIALS
from study.record.retry import Patience, made_once
from study.record.trials import (
    END_STEP,
    OUTCOME,
    PARAMETERS,
    PUBLISHED,
    REASON,
    ArmLedger,
    outcome_of,
)
from study.trial import Outcome

SPEC = "spec"
CONTENTS = "data"


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
        self._storage = None if look else _open(url)
        parsed = _parsed(url)
        self._engine = (
            self._storage.engine if self._storage else sa.create_engine(parsed, **_settings(parsed))
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
            self._storage = _open(self._url)
        return self._storage

    def studies(self) -> list[str]:
        """Returns the names of the studies, sorted; other people's in the same database are none of ours."""
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
        studies, attribute = STUDIES, STUDY_ATTRIBUTES
        query = (
            sa.select(attribute.c.value_json)
            .select_from(studies.join(attribute))
            .where(attribute.c.key == CONTENTS, studies.c.study_name == study)
        )

        def read() -> dict[str, Any] | None:
            with self.engine.connect() as connection:
                text = connection.execute(query).scalar()
            return None if text is None else dict(json.loads(text))

        return self.patience(read)

    def keep_contents(self, study: str, contents: Mapping[str, Any]) -> None:
        """Stores what a study's data are."""
        root = self.patience(lambda: optuna.load_study(study_name=study, storage=self.storage))
        self.patience(lambda: root.set_user_attr(CONTENTS, dict(contents)))

    def counts(self, study: str, arm: str) -> Counts:
        """Counts an arm's trials in the database: reading thousands of them would take seconds."""
        name = f"{study}/{arm}"
        return self.all_counts(name).get(name, Counts(0, Counter(), 0))

    def all_counts(self, name: str | None = None) -> dict[str, Counts]:
        """Counts the trials of every arm that has one in one question, by ``study/arm``; or of one arm."""
        trial, attribute = TRIALS, TRIAL_ATTRIBUTES
        studies = STUDIES
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
        trial, attribute = TRIALS, TRIAL_ATTRIBUTES
        studies = STUDIES

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

    def knows(self, study: str) -> bool:
        """Whether anything of a study is here: its spec, or an arm."""
        names = self.patience(lambda: optuna.get_all_study_names(self.storage))
        return any(name == study or name.startswith(f"{study}/") for name in names)

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


def is_made(url: str) -> bool | None:
    """Whether a database has a record's tables, which opening it would make; None if it does not answer."""
    try:
        engine = sa.create_engine(_parsed(url))
    except (UserError, sa.exc.SQLAlchemyError, ImportError):
        return None  # opening it says what is wrong
    try:
        return sa.inspect(engine).has_table(STUDIES.name)
    except sa.exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # a ValueError: the port is not a number
        raise UserError(
            f"the record {_harmless(url)} cannot be opened (it is not an SQLAlchemy URL); write "
            "sqlite:///FILE or postgresql://HOST/DATABASE"
        ) from None
    return (
        parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
    )


def _open(url: str) -> optuna.storages.RDBStorage:
    parsed = _parsed(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if sqlite and parsed.database:
            Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        storage = made_once(
            lambda: optuna.storages.RDBStorage(
                parsed.render_as_string(hide_password=False), engine_kwargs=_settings(parsed)
            )
        )
    except RuntimeError as error:  # Optuna: the tables are of another version
        raise UserError(_other_version(url, error)) from None
    except (
        sa.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
    ) as error:
        # What a server answers now, or does not, it may answer later; a wrong URL stays wrong.
        said = isinstance(error, sa.exc.DBAPIError) or isinstance(
            error.__cause__, sa.exc.DBAPIError
        )
        away = said and not sqlite
        raise (Unreachable if away else UserError)(
            f"the record {_harmless(url)} cannot be opened ({hidden(_first_line(error), url)}); check the "
            "URL, that the database is up, and its password in PGPASSFILE or PGPASSWORD"
        ) from None
    if sqlite:
        with storage.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    return storage


def _settings(parsed: sa.URL) -> dict[str, Any]:
    # A driver and a `ttur status` may meet in SQLite: wait instead of failing.
    sqlite = parsed.get_backend_name() == "sqlite"
    return {"pool_pre_ping": True, **({"connect_args": {"timeout": 60}} if sqlite else {})}


def _other_version(url: str, error: RuntimeError) -> str:
    """What Optuna says of tables that another version of it made, with the URL in its place."""
    said = str(error).replace("$STORAGE_URL", shlex.quote(_harmless(url)))
    return f"the record {_harmless(url)} cannot be opened: {said.strip()} Copy it first."


def _harmless(url: str) -> str:
    """A record's URL without its secrets; what is not a URL may be anything, and is not repeated."""
    return hidden(url) if "://" in url else "URL"


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ImportError):
        return f"{cause}; pip install 'ttur-study[postgresql]'"
    if isinstance(cause, sa.exc.ArgumentError):
        return "it is not an SQLAlchemy URL"
    original = getattr(cause, "orig", None) or cause
    return str(original).strip().splitlines()[0] if str(original).strip() else type(cause).__name__
