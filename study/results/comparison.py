"""The question a study asks: how much better is the best of one arm than the best of another?

Pure functions of a table of trials; the same table always gives the same answer. What the search says comes
first; the verdict is that of fresh seeds where there are some (confirmation.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study.results.difference import ArmDifference
from study.results.effort import Effort, effort
from study.results.fresh import repeats
from study.results.levels import Curves, NothingLearnt, nothing_learnt, of_trial
from study.trial import Outcome, TrialRecord, by_convention, compared_order, ranked
from trainables.levels import UNKNOWN, Levels, lowest

if TYPE_CHECKING:
    from study.results.confirmation import Confirmation
    from study.results.optimum import Optimum
    from study.results.verdict import Verdict
    from study.surface.surface import Surface


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """What one arm found.

    Attributes:
        trials: Trials that ended, failed ones included.
        outcomes: How many ended in each way, and ``unfinished``.
        best: The trial with the lowest score, or None if none has a score.
        curve: Lowest score so far after each trial that ended, by number; None before the first.
        optimum: Where the surface of its trials is lowest, or None without a surface.
    """

    trials: int
    outcomes: Mapping[str, int]
    best: TrialRecord | None
    curve: tuple[float | None, ...]
    optimum: Optimum | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "trials": self.trials,
            "best": None if self.best is None else self.best.to_json(),
            "curve": list(self.curve),
            "outcomes": dict(self.outcomes),
            "optimum": None if self.optimum is None else self.optimum.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arms of a study side by side.

    Attributes:
        study: Name of the study.
        score_name: Protocol of all its scores, or None while it has no trial.
        arms: Summary of each arm by name, in the order of the spec; if the study has a one-timescale
            and a two-timescale arm, these come first.
        differences: Each later arm against the first; empty for a study of one arm.
        efforts: What each later arm and the first cost.
        levels: What its scores can be seen against: what real data and what samples of nothing score.
        confirmation: The finalists over fresh seeds, if the study was confirmed.
        longer: The same by longer trials, each from a study of its own.
        surface: What the search's part of all this was read from; None if no arm has enough trials.
    """

    study: str
    score_name: str | None
    arms: Mapping[str, ArmSummary]
    differences: tuple[ArmDifference, ...]
    efforts: tuple[Effort, ...] = ()
    levels: Levels = UNKNOWN
    confirmation: Confirmation | None = None
    longer: tuple[Confirmation, ...] = ()
    surface: Surface | None = field(default=None, repr=False, compare=False)

    @property
    def difference(self) -> ArmDifference | None:
        """The second arm against the first, or None for a study of one arm."""
        return self.differences[0] if self.differences else None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What fresh seeds say of each later arm against the first, or else the search."""
        from study.results.verdict import concluded

        seeds = self.confirmation.differences if self.confirmation else ()
        return concluded(self.differences, seeds)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": self.study,
            "score_name": self.score_name,
            "levels": self.levels.to_json(),
            "arms": {name: summary.to_json() for name, summary in self.arms.items()},
            "difference": None if self.difference is None else self.difference.to_json(),
            "differences": [difference.to_json() for difference in self.differences],
            "efforts": [each.to_json() for each in self.efforts],
            "confirmation": None if self.confirmation is None else self.confirmation.to_json(),
            "longer": [each.to_json() for each in self.longer],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }


def compare(
    study: str,
    rows: Sequence[TrialRecord],
    arms: Sequence[str] = (),
    curves: Curves | None = None,
    confirmation: Confirmation | None = None,
) -> Comparison:
    """Compares each arm of a study with the first one.

    Args:
        study: Name of the study.
        rows: Its trials, in any order, ended or not.
        arms: Names of its arms in the order of the spec, those without a trial included; arms that
            only the trials name follow by convention (one_timescale, two_timescale, the others).
        curves: Looks up the scores of a trial, where its row has the lowest alone.
        confirmation: The finalists over fresh seeds, if the study was confirmed.

    Raises:
        ValueError: The scores were taken by different protocols.
    """
    names = sorted({row.score_name for row in rows})
    if len(names) > 1:
        raise ValueError(
            f"study {study!r} has scores of different protocols ({', '.join(names)}), which must not "
            "be compared; give each protocol a study of its own"
        )
    order = compared_order([*arms, *by_convention({row.arm for row in rows})])
    grouped: dict[str, list[TrialRecord]] = {arm: [] for arm in order}
    for row in rows:
        grouped[row.arm].append(row)
    levels = lowest([row.levels for row in rows])
    nothing = {arm: _nothing((order[0], arm), grouped, levels, curves) for arm in order[1:]}
    surface = _surface(rows, order, confirmation)
    summaries = {arm: summarise(found) for arm, found in grouped.items()}
    return Comparison(
        study=study,
        score_name=names[0] if names else None,
        arms={arm: _with_optimum(found, surface, arm) for arm, found in summaries.items()},
        differences=tuple(
            _difference(surface, (order[0], arm), grouped, nothing[arm]) for arm in order[1:]
        ),
        efforts=tuple(
            effort((order[0], arm), grouped[order[0]], grouped[arm]) for arm in order[1:]
        ),
        levels=levels,
        confirmation=_confirmation(confirmation, surface, rows),
        surface=surface,
    )


def summarise(rows: Sequence[TrialRecord]) -> ArmSummary:
    """What one arm found.

    Args:
        rows: Trials of one arm, in any order, ended or not.
    """
    ended = sorted((row for row in rows if row.outcome is not None), key=lambda row: row.number)
    best = ranked(ended)
    outcomes = Counter(str(row.outcome) for row in ended)
    counts = {str(outcome): outcomes[str(outcome)] for outcome in Outcome}
    return ArmSummary(
        trials=len(ended),
        outcomes=counts | {"unfinished": len(rows) - len(ended)},
        best=best[0] if best else None,
        curve=_curve(ended),
    )


def _surface(
    rows: Sequence[TrialRecord], arms: Sequence[str], fresh: Confirmation | None
) -> Surface | None:
    """The surface of all trials and of their finalists' fresh seeds; what fits it is imported only here."""
    if not rows:
        return None
    from study.surface.surface import surface_of

    return surface_of(rows, arms, repeats(rows, fresh.rows) if fresh is not None else ())


def _confirmation(
    found: Confirmation | None, surface: Surface | None, rows: Sequence[TrialRecord]
) -> Confirmation | None:
    """Adds to a confirmation what the search leaves open."""
    if found is None or surface is None:
        return found
    from study.results.unexplored import with_unexplored

    return with_unexplored(found, surface, rows)


def _with_optimum(summary: ArmSummary, surface: Surface | None, arm: str) -> ArmSummary:
    if surface is None or arm not in surface.arms:
        return summary
    from study.results.optimum import optimum

    return replace(summary, optimum=optimum(surface, arm))


def _nothing(
    arms: tuple[str, str],
    grouped: Mapping[str, Sequence[TrialRecord]],
    levels: Levels,
    curves: Curves | None,
) -> NothingLearnt | None:
    """Why two arms are not compared, if the best of one has learnt nothing yet."""
    best = [ranked(grouped[arm])[:1] for arm in dict.fromkeys(arms)]
    return nothing_learnt([of_trial(trial, curves) for found in best for trial in found], levels)


def _difference(
    surface: Surface | None,
    arms: tuple[str, str],
    grouped: Mapping[str, Sequence[TrialRecord]],
    nothing: NothingLearnt | None,
) -> ArmDifference:
    """The best of the second arm against the best of the first."""
    first, second = grouped[arms[0]], grouped[arms[1]]
    one, two = ranked(first), ranked(second)
    trials = sum(row.counts for row in (*first, *second))
    seen = two[0].objective - one[0].objective if one and two else None
    noise = math.hypot(one[0].noise, two[0].noise) if one and two else 0.0
    few = _few(arms, grouped)
    if nothing is not None:
        return ArmDifference(
            arms=arms,
            method=nothing.sentence,
            seen=seen,
            noise=noise,
            trials=trials,
            nothing=nothing,
            few=few,
        )
    if surface is not None and set(arms) <= set(surface.arms):
        from study.results.advice import advised

        return replace(advised(surface, arms), seen=seen, noise=noise, trials=trials)
    from study.surface.surface import lacking

    reasons = [lacking(rows, arm) for arm, rows in zip(arms, (first, second), strict=True)]
    return ArmDifference(
        arms=arms,
        method="; ".join(reason for reason in reasons if reason),
        absolute=seen,
        relative=seen / one[0].objective if seen is not None and one[0].objective > 0 else None,
        seen=seen,
        noise=noise,
        trials=trials,
        few=few,
    )


def _few(arms: tuple[str, str], grouped: Mapping[str, Sequence[TrialRecord]]) -> str:
    """Why two arms have too few trials for an answer; empty if they have enough."""
    from study.surface.surface import too_few

    return "; ".join(few for arm in dict.fromkeys(arms) if (few := too_few(grouped[arm], arm)))


def _curve(ended: Sequence[TrialRecord]) -> tuple[float | None, ...]:
    """Lowest score so far; a trial that failed or has no score repeats the value before it."""
    curve: list[float | None] = []
    lowest = math.inf
    for row in ended:
        lowest = min(lowest, row.objective if row.counts else math.inf)
        curve.append(lowest if math.isfinite(lowest) else None)
    return tuple(curve)
