"""Trials as a table, and trials from a table of any source with the columns of ``to_frame``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.trial import Outcome, TrialRecord
from trainables.protocol import ParameterValue

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "study",
    "arm",
    "number",
    "b",
    "a",
    "d_steps",
    "score",
    "score_name",
    "step",
    "seed",
    "outcome",
    "mlflow_run_id",
    "noise",
    "reason",
    "started",
    "seconds",
    "end_step",
    "floor",
    "ceiling",
    "share",
    "forecast",
    "forecast_noise",
)
"""The columns of a table of trials, in order; further parameters follow."""

NEEDED = ("arm", "b", "a", "d_steps", "score")
"""Columns that a table must have."""

TEXTS = ("study", "score_name", "reason", "mlflow_run_id")
"""Columns of texts, all of them optional."""

LEVELS = ("floor", "ceiling")
"""Columns of the score's levels; ``share`` follows from them and is not read."""

FURTHER = "further."
"""What the name of a further parameter begins with that is called like a column with a meaning."""

METRICS = "metrics."
"""What the name of a metric of MLflow begins with as a field or column: its newest value."""


def to_frame(rows: Sequence[TrialRecord] | pd.DataFrame) -> pd.DataFrame:
    """Trials as a table: a column for each of :data:`COLUMNS`, whether there are trials or not.

    A table is returned as it is.

    Further parameters are columns of their own, called by their dotted paths; ``further.`` is put before
    one that is called like a column (``noise``, ``score``, …).

    Examples:
        >>> list(study.to_frame([]).columns[:3])
        ['study', 'arm', 'number']
    """
    import pandas as pd

    if isinstance(rows, pd.DataFrame):  # study.trials returned trials once
        return rows
    records = [row.fields() for row in rows]
    others = dict.fromkeys(name for record in records for name in record if name not in COLUMNS)
    return pd.DataFrame(records, columns=[*COLUMNS, *others])


def rows_of(frame: pd.DataFrame) -> list[TrialRecord]:
    """The trials of a table.

    Args:
        frame: A row a trial. It must have ``arm`` (text), ``b`` and ``a`` (> 0), ``d_steps`` (a whole number
            >= 1) and ``score`` (empty or infinite: none). It may have ``number``, ``outcome`` (complete,
            stopped, diverged, failed; empty: not ended; without the column, a trial with a score is complete
            and one without diverged), ``noise`` (>= 0) and the other columns of ``to_frame``; each further
            column is a further parameter, empty for trials that do not have it. Columns ``metrics.NAME``
            (what was measured beside the score) have no part in a comparison.

    Raises:
        UserError: A column is missing, or a value is not what its column holds.
    """
    columns = [str(name) for name in frame.columns]
    for name in NEEDED:
        if name not in columns:
            raise UserError(
                f"the table has no column {name!r}; it needs {', '.join(NEEDED)}, one row a trial"
            )
    for name in columns:
        if columns.count(name) > 1:
            raise UserError(f"the table has two columns {name!r}; remove or rename one of them")
    records = [dict(zip(columns, values, strict=True)) for values in frame.itertuples(index=False)]
    rows: list[TrialRecord] = []
    seen: dict[str, int] = {}
    taken = set()
    for place, record in enumerate(records):
        row = _Record(record, place).row(default=seen.get(str(record["arm"]), 0))
        if (row.arm, row.number) in taken:
            raise UserError(
                f"column 'number' holds {row.number} twice for arm {row.arm!r}; number the trials of an arm"
            )
        taken.add((row.arm, row.number))
        seen[row.arm] = row.number + 1
        rows.append(row)
    return rows


class _Record:
    """One line of a table, whose values are checked as they are read."""

    def __init__(self, values: Mapping[str, Any], place: int) -> None:
        self._values, self._place = values, place

    def row(self, default: int) -> TrialRecord:
        score = self._number("score", empty=math.inf)
        scored = math.isfinite(score)
        known = {
            "study": "table",
            "score_name": "score",
            **{name: self._get(name) for name in TEXTS if self._get(name) is not None},
            "arm": self._text("arm"),
            "number": self._whole("number", least=0, empty=default),
            "b": self._number("b", positive=True),
            "a": self._number("a", positive=True),
            "d_steps": self._whole("d_steps", least=1),
            "score": score if scored else None,
            "step": self._whole("step", least=0, empty=0),
            "seed": self._whole("seed", least=0, empty=0),
            "outcome": self._outcome(scored),
            "noise": self._number("noise", empty=0.0, least=0.0),
            "started": self._number("started", empty=0.0),
            "seconds": self._number("seconds", empty=0.0, least=0.0),
            "end_step": self._end_step(),
            **{level: self._level(level) for level in LEVELS},
            **self._forecast(),
            "further": self._further(),
        }
        return TrialRecord.from_json(known)

    def _get(self, name: str) -> Any:
        """The value of a column, None if it is empty or not there."""
        value = self._values.get(name)
        # NaN and NaT are not equal to themselves; of pandas' own NA not even that is true.
        if value is None or type(value).__name__ == "NAType" or value != value:
            return None
        return value.item() if hasattr(value, "item") else value

    def _text(self, name: str) -> str:
        value = self._get(name)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "the name of an arm")
        return value

    def _number(
        self,
        name: str,
        *,
        empty: float | None = None,
        positive: bool = False,
        least: float = -math.inf,
    ) -> float:
        value = self._get(name)
        if value is None and empty is not None:
            return empty
        wanted = "a number > 0" if positive else "a number >= 0" if least == 0 else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, wanted)
        number = float(value)
        endless = math.isinf(number) and not (name == "score" and number > 0)
        if endless or number < least or (positive and number <= 0):
            raise self._wrong(name, wanted)
        return number

    def _level(self, name: str) -> float | None:
        """What real data, or pictures of nothing, score; None if it is not known."""
        return None if self._get(name) is None else self._number(name)

    def _forecast(self) -> dict[str, float]:
        """What a stopped trial would have come to; nothing if that is not known."""
        if self._get("forecast") is None or self._get("outcome") != Outcome.STOPPED:
            return {}
        return {
            "forecast": self._number("forecast", positive=True),
            "forecast_noise": self._number("forecast_noise", empty=0.0, least=0.0),
        }

    def _end_step(self) -> int | None:
        """How many updates it had made when it ended; None if that is not known."""
        return None if self._get("end_step") is None else self._whole("end_step", least=0)

    def _whole(self, name: str, *, least: int, empty: int | None = None) -> int:
        value = self._get(name)
        if value is None and empty is not None:
            return empty
        number = (
            value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        )
        if not (number >= least and math.isfinite(number) and number == int(number)):
            raise self._wrong(name, f"a whole number >= {least}")
        return int(number)

    def _outcome(self, scored: bool) -> Outcome | None:
        if "outcome" not in self._values:
            return Outcome.COMPLETE if scored else Outcome.DIVERGED
        value = self._get("outcome")
        if value is None:
            return None
        if str(value) not in list(Outcome):
            raise self._wrong("outcome", f"one of {', '.join(Outcome)}, or empty")
        return Outcome(str(value))

    def _further(self) -> dict[str, ParameterValue]:
        found: dict[str, ParameterValue] = {}
        for name in self._values:
            if name in COLUMNS or name.startswith(METRICS):
                continue
            value = self._get(name)
            if value is None:
                continue
            if not isinstance(value, str | int | float | bool) or value in (math.inf, -math.inf):
                raise self._wrong(name, "a number, a text or true or false, as a further parameter")
            bare = name.removeprefix(FURTHER)
            found[bare if bare in COLUMNS else name] = value
        return found

    def _wrong(self, name: str, wanted: str) -> UserError:
        value = self._values.get(name)
        return UserError(
            f"column {name!r} holds {value!r} in row {self._place}, which is not {wanted}"
        )


def arms_of(rows: Sequence[TrialRecord]) -> list[str]:
    """The arms of a table in the order in which they come."""
    return list(dict.fromkeys(row.arm for row in rows))
