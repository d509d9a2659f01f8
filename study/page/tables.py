"""The tables of the page and of a paper: what is in each cell, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from study.results.comparison import ArmSummary, Comparison
from study.results.confirmation import Confirmation
from study.results.effort import Effort, Reached
from study.results.optimum import Optimum
from study.results.retrained import mean_interval
from study.trial import Outcome, TrialRecord, ranked
from trainables.counting import counted
from trainables.protocol import ParameterValue

NONE = "–"
"""What stands in a cell that has nothing to say."""

BEST_SHOWN = 10
"""Trials in the table of the best."""

ENDED_SHOWN = 40
"""Trials in the table of those that ended before their time, failed ones first."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose first cell of each row says what the row is of.

    Attributes:
        caption: What the table is of.
        head: Titles of the columns.
        rows: Equally long lines of cells.
        left: Places of further columns of words, which are aligned to the left; others are numbers.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[int] = ()


def number(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits."""
    return NONE if value is None else f"{value:.{digits}g}"


def rate(value: ParameterValue) -> str:
    """A parameter in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in the units in which people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours / 24:.1f} days"


def span(ends: tuple[float, float] | None, digits: int = 4) -> str:
    """An interval."""
    return NONE if ends is None else f"{ends[0]:.{digits}g} to {ends[1]:.{digits}g}"


def arms_table(comparison: Comparison) -> Table:
    """The arms side by side, an arm a column: what each has tried and found, and where it is lowest."""
    score = comparison.score_name or "score"
    summaries = list(comparison.arms.values())
    lines: list[tuple[str, Callable[[ArmSummary], str]]] = [
        ("trials ended", lambda s: str(s.trials)),
        *((f"… {name}", _outcome(name)) for name in _outcomes(summaries)),
        (f"lowest {score} seen", _lowest),
        *((("… way from nothing to real", _way),) if _known(summaries) else ()),
        ("at generator update", lambda s: NONE if s.best is None else str(s.best.step)),
        ("with b, a", lambda s: NONE if s.best is None else f"{s.best.b:.3g}, {s.best.a:.3g}"),
        ("with d_steps", lambda s: NONE if s.best is None else str(s.best.d_steps)),
        *((f"with {name}", _further(name)) for name in _names(summaries)),
    ]
    if any(s.optimum for s in summaries):
        lines += [
            ("lowest by the surface", _of(lambda o: number(o.score))),
            ("… its 95 % interval", _of(lambda o: span(o.interval))),
            ("… at b, a", _of(lambda o: f"{rate(o.setting['b'])}, {rate(o.setting['a'])}")),
            ("… at d_steps", _of(lambda o: str(o.setting["d_steps"]))),
            ("within 10 % of it: b", _of(lambda o: span(o.ranges["b"], 2))),
            ("within 10 % of it: a", _of(lambda o: span(o.ranges["a"], 2))),
            ("… share of what is searched", _of(lambda o: f"{o.share * 100:.0f} %")),
        ]
    rows = [[title, *map(cell, summaries)] for title, cell in lines]
    return Table(caption="The arms side by side", head=["", *comparison.arms], rows=rows)


def _outcomes(summaries: Sequence[ArmSummary]) -> list[str]:
    names = [*map(str, Outcome), "unfinished"]
    return [name for name in names if any(s.outcomes.get(name) for s in summaries)]


def _outcome(name: str) -> Callable[[ArmSummary], str]:
    return lambda summary: str(summary.outcomes.get(name, 0))


def _lowest(summary: ArmSummary) -> str:
    best = summary.best
    if best is None:
        return NONE
    return number(best.score) + (f" ± {best.noise:.2g}" if best.noise > 0 else "")


def _known(summaries: Sequence[ArmSummary]) -> bool:
    return any(
        s.best is not None and s.best.levels.share(s.best.score) is not None for s in summaries
    )


def _way(summary: ArmSummary) -> str:
    return NONE if summary.best is None else _share(summary.best)


def _share(row: TrialRecord) -> str:
    """The part of the way from what pictures of nothing score to what real data do."""
    share = row.levels.share(row.score)
    return NONE if share is None else f"{share * 100:.0f} %"


def _names(summaries: Sequence[ArmSummary]) -> list[str]:
    return sorted({name for s in summaries if s.best for name in s.best.further})


def _further(name: str) -> Callable[[ArmSummary], str]:
    return lambda s: rate(s.best.further[name]) if s.best and name in s.best.further else NONE


def _of(cell: Callable[[Optimum], str]) -> Callable[[ArmSummary], str]:
    return lambda summary: NONE if summary.optimum is None else cell(summary.optimum)


def finalists_table(found: Confirmation) -> Table:
    """The finalists over fresh seeds."""
    head = ["finalist", "seeds", "without a score", "read at update", f"mean {found.score_name}"]
    head += ["95 % interval", "lowest", "highest", "b", "a", "d_steps"]
    rows = []
    for each in found.finalists:
        scores = each.told
        rows.append(
            [
                f"{each.arm} #{each.number}",
                str(len(each.runs)),
                str(len(each.runs) - len(scores)),
                "the lowest" if each.step is None else str(each.step),
                number(each.told_mean),
                span(mean_interval(scores)),
                number(scores[0] if scores else None),
                number(scores[-1] if scores else None),
                rate(each.b),
                rate(each.a),
                str(each.d_steps),
            ]
        )
    return Table(caption="The finalists, trained again from fresh seeds", head=head, rows=rows)


def best_table(rows: Sequence[TrialRecord]) -> Table:
    """The trials with the lowest scores."""
    best = ranked(rows)[:BEST_SHOWN]
    further = sorted({name for row in best for name in row.further})
    score = best[0].score_name if best else "score"
    head = ["trial", score, "noise (sd)", "at update", "b", "a", "a/b", "d_steps", *further]
    lines = [
        [
            f"{row.arm} #{row.number}",
            number(row.score),
            number(row.noise, 2) if row.noise > 0 else NONE,
            str(row.step),
            rate(row.b),
            rate(row.a),
            f"{row.a / row.b:.3g}",
            str(row.d_steps),
            *(rate(row.further[name]) if name in row.further else NONE for name in further),
            str(row.outcome),
        ]
        for row in best
    ]
    return Table(
        caption=f"The {counted(len(best), 'trials')} with the lowest scores",
        head=[*head, "outcome"],
        rows=lines,
        left=[len(head)],
    )


def ended_table(rows: Sequence[TrialRecord]) -> tuple[Table, int]:
    """Trials that diverged, were stopped or failed, with the reason; how many more there are."""
    kinds = (Outcome.FAILED, Outcome.DIVERGED, Outcome.STOPPED)
    ended = [row for kind in kinds for row in rows if row.outcome is kind]
    lines = [
        [
            f"{row.arm} #{row.number}",
            str(row.outcome),
            row.reason or NONE,
            number(row.score),
            rate(row.b),
            rate(row.a),
            str(row.d_steps),
        ]
        for row in ended[:ENDED_SHOWN]
    ]
    head = ["trial", "outcome", "reason", "lowest score", "b", "a", "d_steps"]
    caption = "Trials that diverged, were stopped early or failed"
    table = Table(caption=caption, head=head, rows=lines, left=[1, 2])
    return table, len(ended) - len(lines)


def effort_table(
    comparison: Comparison, rows: Sequence[TrialRecord], budgets: Mapping[str, int]
) -> Table:
    """What each arm cost: trials of its budget, training time, what early stopping saved."""
    efforts: dict[str, tuple[Effort, int]] = {}
    for each in comparison.efforts:
        for place, arm in enumerate(each.arms):
            efforts.setdefault(arm, (each, place))
    lines = []
    for arm, summary in comparison.arms.items():
        seconds = [row.seconds for row in rows if row.arm == arm and row.outcome is not None]
        known = efforts.get(arm)
        saved = known[0].saved[known[1]] if known else None
        lines.append(
            [
                arm,
                f"{summary.trials} of {budgets[arm]}" if arm in budgets else str(summary.trials),
                duration(sum(seconds)),
                duration(sum(seconds) / len(seconds)) if seconds else NONE,
                str(summary.outcomes.get(str(Outcome.STOPPED), 0)),
                NONE if saved is None else duration(saved),
                _reached(known[0].reached[known[1]]) if known else NONE,
            ]
        )
    head = ["arm", "trials", "training time", "per trial", "stopped early", "time saved by that"]
    head += ["as low as the other's lowest after"]
    return Table(caption="What each arm cost", head=head, rows=lines, left=[6])


def _reached(when: Reached | None) -> str:
    if when is None:
        return "never"
    return f"{counted(when.trials, 'trials')}, {duration(when.seconds)}"
