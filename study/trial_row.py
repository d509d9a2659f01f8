"""One trial as a line of a table: what queries return, and what comparisons are computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from study.trial import Outcome
from trainables.protocol import ParameterValue

if TYPE_CHECKING:
    import pandas as pd

ONE, TWO = "one_timescale", "two_timescale"
"""The arms of the paper's question, the second being compared with the first."""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial, as MLflow shows it.

    Attributes:
        study: Name of the study.
        arm: Name of the arm.
        number: Position in the arm, from 0.
        b: Learning rate of the discriminator.
        a: Learning rate of the generator.
        d_steps: Discriminator updates per generator update.
        score: Lowest score of its evaluations, or None if it has none.
        score_name: Protocol of the score.
        step: Generator updates done at the lowest score, or None.
        noise: Standard deviation of a score over redrawn samples; 0 if unknown.
        seed: Seed of the trial's streams.
        outcome: How it ended, or None if it has not.
        reason: One sentence on why it ended as it did, or None.
        mlflow_run_id: Its run.
        started: When it was asked for, seconds since the epoch.
        seconds: Training and evaluation time, interruptions excluded; 0 before the first evaluation.
        further: Any further sampled setting, by its dotted path.
    """

    study: str
    arm: str
    number: int
    b: float
    a: float
    d_steps: int
    score: float | None
    score_name: str
    step: int | None
    seed: int
    outcome: Outcome | None
    mlflow_run_id: str
    noise: float = 0.0
    reason: str | None = None
    started: float = 0.0
    seconds: float = 0.0
    further: Mapping[str, ParameterValue] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it belongs to the search's result: it ended, and not because of an error."""
        return self.outcome in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED)

    @property
    def objective(self) -> float:
        """What the search minimised: the lowest score, +inf for a trial without one."""
        return math.inf if self.score is None else self.score

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; every name of :class:`TrialRow`."""
        return {
            "arm": self.arm,
            "number": self.number,
            "b": self.b,
            "a": self.a,
            "d_steps": self.d_steps,
            "score": self.score,
            "score_name": self.score_name,
            "step": self.step,
            "seed": self.seed,
            "outcome": None if self.outcome is None else str(self.outcome),
            "mlflow_run_id": self.mlflow_run_id,
            "study": self.study,
            "noise": self.noise,
            "reason": self.reason,
            "started": self.started,
            "seconds": self.seconds,
            "further": dict(self.further),
        }


def ranked(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials that count and have a score, best first; of equals the earlier one first."""
    scored = [row for row in rows if row.counts and row.score is not None]
    return sorted(scored, key=lambda row: (row.objective, row.number, row.arm))


def by_convention(arms: Iterable[str]) -> list[str]:
    """Arms whose order in the spec is not known: one_timescale, two_timescale, the others by name."""
    return sorted(arms, key=lambda arm: (arm != ONE, arm != TWO, arm))


def compared_order(arms: Iterable[str]) -> list[str]:
    """The order in which arms are compared: the paper's two first if both are there, else as given."""
    known = list(dict.fromkeys(arms))
    if ONE in known and TWO in known:
        known.sort(key=lambda arm: (arm != ONE, arm != TWO))
    return known


def to_frame(rows: Sequence[TrialRow]) -> pd.DataFrame:
    """The rows as a table: a column for each attribute of :class:`TrialRow`, whether there are rows or not.

    Further parameters are columns of their own, called by their dotted paths; ``further.`` is put before
    one that is called like an attribute (``noise``, ``score``, …).
    """
    import pandas as pd

    columns = [attribute.name for attribute in fields(TrialRow) if attribute.name != "further"]
    records = []
    for row in rows:
        record = row.to_json()
        further = record.pop("further")
        records.append(
            record | {f"further.{k}" if k in record else k: v for k, v in further.items()}
        )
    others = dict.fromkeys(name for record in records for name in record if name not in columns)
    return pd.DataFrame(records, columns=[*columns, *others])
