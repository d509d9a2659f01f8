"""What a confirmation says: every finalist's mean over seeds, and how sure the difference is.

Pure functions of the rows of a study ``NAME.confirm`` (see confirming.py).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from study.results.difference import LEVEL
from study.results.tables import aligned
from study.spec.model import CONFIRMING
from study.trial import TrialRecord, by_convention, compared_order

SUFFIX = CONFIRMING
"""What the name of a confirming study ends with."""


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """One configuration over its seeds.

    Attributes:
        arm: The arm of the study that it comes from.
        number: The trial that it was.
        b: Learning rate of the discriminator.
        a: Learning rate of the generator.
        d_steps: Discriminator updates per generator update.
        scores: Lowest score of each seed's run, sorted; runs without a score are left out.
        without: Runs that ended without a score (they diverged, or failed).
    """

    arm: str
    number: int
    b: float
    a: float
    d_steps: int
    scores: tuple[float, ...]
    without: int

    @property
    def mean(self) -> float:
        """Mean score, NaN without scores."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the mean; None for fewer than two scores."""
        if len(self.scores) < 2:
            return None
        from scipy import stats

        spread = statistics.stdev(self.scores) / math.sqrt(len(self.scores))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, len(self.scores) - 1)) * spread
        return self.mean - half, self.mean + half

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        interval = self.interval
        return asdict(self) | {
            "scores": list(self.scores),
            "mean": self.mean if self.scores else None,
            "interval": None if interval is None else list(interval),
        }


@dataclass(frozen=True, kw_only=True)
class SeedDifference:
    """The best finalist of a later arm against that of the first.

    Attributes:
        arms: The study's first arm, and the one that is compared with it; None if there is only one.
        absolute: Mean score of the second's best finalist minus that of the first's; None if one has none.
        interval: Welch's 95 % interval of ``absolute``; None for fewer than two scores on a side.
    """

    arms: tuple[str, str] | None
    absolute: float | None = None
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "arms": None if self.arms is None else list(self.arms),
            "absolute": self.absolute,
            "interval": None if self.interval is None else list(self.interval),
            "level": LEVEL,
            "method": "Welch's t interval of the difference of means over seeds",
        }


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Every finalist, and the best one of each later arm against that of the first.

    Attributes:
        study: The study that was confirmed.
        score_name: Protocol of the scores.
        finalists: By arm, then by mean score.
        differences: Each later arm against the first; empty if there is only one.
    """

    study: str
    score_name: str
    finalists: tuple[Finalist, ...]
    differences: tuple[SeedDifference, ...]

    @property
    def difference(self) -> SeedDifference:
        """The second arm against the first."""
        return self.differences[0] if self.differences else SeedDifference(arms=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": self.study,
            "score_name": self.score_name,
            "finalists": [finalist.to_json() for finalist in self.finalists],
            "difference": self.difference.to_json(),
            "differences": [difference.to_json() for difference in self.differences],
        }


def confirmation(
    study: str, rows: Sequence[TrialRecord], arms: Sequence[str] = ()
) -> Confirmation | None:
    """Summarises the rows of a confirming study; None without a row that has ended.

    Args:
        study: The study that was confirmed.
        rows: The rows of its confirming study.
        arms: The arms of the study that was confirmed, in the order in which they are compared; others
            follow by convention.
    """
    ended = [row for row in rows if row.outcome is not None]
    if not ended:
        return None
    groups: dict[str, list[TrialRecord]] = {}
    for row in ended:
        groups.setdefault(row.arm, []).append(row)
    finalists = [_finalist(name, group) for name, group in groups.items()]
    have = {finalist.arm for finalist in finalists}
    order = [arm for arm in compared_order([*arms, *by_convention(have)]) if arm in have]
    finalists.sort(key=lambda f: (order.index(f.arm), math.isnan(f.mean), f.mean, f.number))
    return Confirmation(
        study=study,
        score_name=ended[0].score_name,
        finalists=tuple(finalists),
        differences=tuple(_difference(finalists, (order[0], arm)) for arm in order[1:]),
    )


def confirmation_table(found: Confirmation) -> str:
    """The finalists as a table, and the difference in one sentence."""
    header = ["finalist", "seeds", f"mean {found.score_name}", "95 %", "lowest", "highest"]
    header += ["b", "a", "d_steps"]
    parts = [aligned([header, *map(_line, found.finalists)], left=1)]
    parts += ["\n".join(map(_sentence, found.differences))] if found.differences else []
    return "\n\n".join(parts)


def _sentence(difference: SeedDifference) -> str:
    first, second = difference.arms or ("", "")
    if difference.absolute is None:
        return f"Over new seeds, {second} and {first} cannot be compared: one has no score."
    sentence = f"Over new seeds, {second} minus {first}: {difference.absolute:+.4g}"
    if difference.interval is not None:
        low, high = difference.interval
        sure = "the two differ" if low > 0 or high < 0 else "no difference can be told"
        sentence += f" (95 % interval {low:+.4g} to {high:+.4g}: {sure})"
    return f"{sentence}."


def _finalist(name: str, rows: Sequence[TrialRecord]) -> Finalist:
    arm, _, number = name.rpartition("-")
    scores = sorted(row.objective for row in rows if row.counts and row.score is not None)
    return Finalist(
        arm=arm,
        number=int(number),
        b=rows[0].b,
        a=rows[0].a,
        d_steps=rows[0].d_steps,
        scores=tuple(scores),
        without=len(rows) - len(scores),
    )


def _difference(finalists: Sequence[Finalist], arms: tuple[str, str]) -> SeedDifference:
    one, two = (next(f for f in finalists if f.arm == arm) for arm in arms)
    if not one.scores or not two.scores:
        return SeedDifference(arms=arms)
    absolute = two.mean - one.mean
    if len(one.scores) < 2 or len(two.scores) < 2:
        return SeedDifference(arms=arms, absolute=absolute)
    from scipy import stats

    low, high = stats.ttest_ind(two.scores, one.scores, equal_var=False).confidence_interval(LEVEL)
    return SeedDifference(arms=arms, absolute=absolute, interval=(float(low), float(high)))


def _line(f: Finalist) -> list[str]:
    interval = f.interval
    return [
        f"{f.arm} #{f.number}",
        str(len(f.scores)) + (f" (+{f.without} without a score)" if f.without else ""),
        f"{f.mean:.4g}" if f.scores else "-",
        f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else "-",
        f"{f.scores[0]:.4g}" if f.scores else "-",
        f"{f.scores[-1]:.4g}" if f.scores else "-",
        f"{f.b:.3g}",
        f"{f.a:.3g}",
        str(f.d_steps),
    ]
