"""The rows of ``ttur trials``: which trials of a study are looked at, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.results.answers import confirmed
from study.results.forecasts import searched, with_forecasts
from study.results.frame import COLUMNS, METRICS, to_frame
from study.results.where import Condition, check_names, condition
from study.tracking import query
from study.trial import UNFINISHED, Outcome, TrialRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for; by itself every trial, in the order of arm and number.

    Attributes:
        where: A condition (see :mod:`study.results.where`), or None.
        outcomes: Only trials that ended so; ``unfinished`` are those that have not ended; empty: all.
        confirmed: Only trials that were trained again from fresh seeds.
        sort: Fields to sort by, the first one first; ``-`` before one: the largest first. Trials without a
            value come last.
        metrics: Whether every metric is a column; else only those that ``where`` and ``sort`` name.
    """

    where: str | None = None
    outcomes: Sequence[str] = ()
    confirmed: bool = False
    sort: Sequence[str] = ()
    metrics: bool = False


@dataclass(frozen=True)
class Selection:
    """The trials that were asked for.

    Attributes:
        rows: The trials.
        metrics: The metrics of each that are to be shown, by their names in MLflow.
    """

    rows: tuple[TrialRecord, ...]
    metrics: tuple[Mapping[str, float], ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON values; a metric that is not finite is null."""
        return [
            row.to_json() | ({"metrics": _finite(metrics)} if metrics else {})
            for row, metrics in zip(self.rows, self.metrics, strict=True)
        ]

    def to_frame(self) -> pd.DataFrame:
        """The columns of :func:`study.to_frame`, and one for each metric (``metrics.NAME``)."""
        frame = to_frame(self.rows)
        for name in dict.fromkeys(name for metrics in self.metrics for name in metrics):
            frame[METRICS + name] = [metrics.get(name, math.nan) for metrics in self.metrics]
        return frame

    def to_parquet(self) -> bytes:
        """The table as a Parquet file; a column of numbers and texts becomes one of texts."""
        frame = self.to_frame()
        for name in (name for name in frame if frame[name].dtype == "object"):
            if {isinstance(value, str) for value in frame[name].dropna()} == {True, False}:
                frame[name] = frame[name].map(str, na_action="ignore")
        return frame.to_parquet(index=False)


def select(study: str, wanted: Wanted, *, tracking_uri: str) -> Selection:
    """Reads the trials of a study that are asked for.

    Args:
        study: Name of the study.
        wanted: Which ones, and in which order.
        tracking_uri: MLflow tracking URI.

    Raises:
        UserError: A field or an outcome is not known, or the condition cannot be read.
        StudyNotFound: The store has no study of this name.
        TrackingError: The store could not be read.
    """
    read = None if wanted.where is None else condition(wanted.where)
    _check_outcomes(wanted.outcomes)
    sort = [(name.removeprefix("-"), name.startswith("-")) for name in wanted.sort]
    named = {name for name, _ in sort} | (read.names if read else frozenset())
    measured = wanted.metrics or any(name.startswith(METRICS) for name in named)
    found = _read(study, measured, tracking_uri)
    known = list(dict.fromkeys([*COLUMNS, *(name for each in found for name in each.fields)]))
    if read is not None:
        check_names(read.names, known, "the condition", _hint(measured))
        _check_constants(read, found, query.arms(study, tracking_uri=tracking_uri))
        found = [each for each in found if read.holds(each.fields)]
    check_names([name for name, _ in sort], known, "the order", _hint(measured))
    if wanted.outcomes:
        found = [each for each in found if each.outcome in wanted.outcomes]
    if wanted.confirmed:
        again = _confirmed(study, tracking_uri)
        found = [each for each in found if (each.row.arm, each.row.number) in again]
    for name, falling in reversed(sort):
        found = _sorted(found, name, falling)
    shown = {name.removeprefix(METRICS) for name in named if name.startswith(METRICS)}
    return Selection(
        tuple(each.row for each in found),
        tuple(
            {k: v for k, v in each.metrics.items() if wanted.metrics or k in shown}
            for each in found
        ),
    )


@dataclass(frozen=True)
class _Trial:
    """A trial, and what a condition may ask of it."""

    row: TrialRecord
    metrics: Mapping[str, float]
    fields: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.row.outcome or UNFINISHED)


def _read(study: str, measured: bool, tracking_uri: str) -> list[_Trial]:
    if not measured:
        rows = searched(study, tracking_uri=tracking_uri)
        return [_Trial(row, {}, row.fields()) for row in rows]
    pairs = query.measured(study, tracking_uri=tracking_uri)
    rows = with_forecasts([row for row, _ in pairs], tracking_uri)
    return [
        _Trial(row, metrics, row.fields() | {METRICS + k: v for k, v in metrics.items()})
        for row, (_, metrics) in zip(rows, pairs, strict=True)
    ]


def _check_outcomes(outcomes: Iterable[str]) -> None:
    known = [*Outcome, UNFINISHED]
    for outcome in outcomes:
        if outcome not in known:
            raise UserError(f"outcome is {outcome!r}; it must be one of {', '.join(known)}")


def _check_constants(read: Condition, found: Sequence[_Trial], arms: Sequence[str]) -> None:
    """Checks that a condition asks for what there can be: the arms, the outcomes, texts of a text."""
    listed: dict[str, list[str]] = {"arm": list(arms), "outcome": list(Outcome)}
    for name, constants in read.constants.items():
        held = {isinstance(v, str) for each in found if (v := each.fields.get(name)) is not None}
        for constant in constants:
            if name in listed and constant not in listed[name]:
                values = ", ".join(listed[name]) or "none yet"
                raise UserError(f"the condition asks for {name} {constant!r}; there are: {values}")
            if held and isinstance(constant, str) not in held:
                holds, other = ("texts", "number") if held == {True} else ("numbers", "text")
                raise UserError(
                    f"the condition compares {name} with {constant!r}, a {other}, but {name} holds {holds}"
                )


def _hint(measured: bool) -> str:
    more = "" if measured else ", and metrics.NAME for what else was measured"
    return f"{more} (a text is put in quotes: arm = 'two_timescale')"


def _confirmed(study: str, tracking_uri: str) -> set[tuple[str, int]]:
    found = confirmed(study, tracking_uri=tracking_uri)
    return {(each.arm, each.number) for each in found.finalists} if found else set()


def _sorted(found: Sequence[_Trial], name: str, falling: bool) -> list[_Trial]:
    def there(each: _Trial) -> bool:
        value = each.fields.get(name)
        return value is not None and value == value

    def key(each: _Trial) -> tuple[bool, Any]:
        value = each.fields[name]
        return isinstance(value, str), value  # numbers before texts, should a parameter have both

    some = sorted(filter(there, found), key=key, reverse=falling)
    return [*some, *(each for each in found if not there(each))]


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
