"""Plain text tables of what a study found, and the sentence that answers its question."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from study.results.comparison import ArmSummary, Comparison
from study.results.confirmation import Confirmation
from study.results.frame import METRICS
from study.results.levels import OF_NOTHING
from study.results.retrained import Finalist, mean_interval
from study.results.verdict import of_seeds
from study.results.wording import percent, scored
from study.trial import UNFINISHED, Outcome, TrialRecord
from trainables.levels import Levels, lowest
from trainables.protocol import ParameterValue

if TYPE_CHECKING:
    from study.results.optimum import Optimum

_NONE = "-"

LEARNT = "learnt"
"""Header of the part of the way from noise to real data."""

SHARE_AT = 5
"""Its place in the table of arms."""


def best_table(rows: Sequence[TrialRecord]) -> str:
    """Trials as a table, in the order given; one line each, further parameters as columns."""
    if not rows:
        return "no trial has ended with a score yet"
    return "\n\n".join([_as_table(_columns(rows)), *_learnt_nothing(rows)])


def trials_table(
    rows: Sequence[TrialRecord], metrics: Sequence[Mapping[str, float]], width: int
) -> str:
    """Trials as a table that is no wider than a terminal, as far as leaving out columns can make it so.

    Args:
        rows: The trials.
        metrics: The metrics of each that are shown.
        width: Columns of the terminal.
    """
    if not rows:
        return "no trial is like that"
    columns = _columns(rows)
    for name in dict.fromkeys(name for each in metrics for name in each):
        columns[f"{METRICS}{name}"] = [_optional(each.get(name)) for each in metrics]
    spared = [name for name in columns if name not in (*_KEPT, *_FIRST_TO_GO, _score_name(rows))]
    left_out = []
    for name in (*_FIRST_TO_GO, *reversed(spared)):
        table = _as_table(columns)
        if len(table.partition("\n")[0]) <= width:
            break
        del columns[name]
        left_out.append(name)
    if not left_out:
        return table
    more = f"Left out for want of room: {', '.join(left_out)}; --json and --csv have everything."
    return f"{_as_table(columns)}\n\n{textwrap.fill(more, width, break_on_hyphens=False)}"


_FIRST_TO_GO = ("a/b", "at step")
"""Columns of a table of trials that are left out first where there is no room."""

_KEPT = ("arm", "trial", "b", "a", "d_steps", "outcome")
"""Columns of a table of trials that always stay, beside the score."""


def _columns(rows: Sequence[TrialRecord]) -> dict[str, list[str]]:
    """The columns of trials by their headers."""
    shared = any(row.levels.share(row.score) is not None for row in rows)
    settings = map(list, zip(*map(_setting, rows), strict=True))
    return {
        "arm": [row.arm for row in rows],
        "trial": [str(row.number) for row in rows],
        **dict(zip(("b", "a", "a/b", "d_steps"), settings, strict=True)),
        **{
            name: [_value(row.further[name]) if name in row.further else _NONE for row in rows]
            for name in sorted({name for row in rows for name in row.further})
        },
        _score_name(rows): [_score(row.score) for row in rows],
        **({LEARNT: [_share(row) for row in rows]} if shared else {}),
        "at step": [_optional(row.step) for row in rows],
        "outcome": [str(row.outcome or UNFINISHED) for row in rows],
    }


def _as_table(columns: Mapping[str, Sequence[str]]) -> str:
    return aligned([list(columns), *map(list, zip(*columns.values(), strict=True))], left=1)


def _score_name(rows: Sequence[TrialRecord]) -> str:
    names = {row.score_name for row in rows}
    return names.pop() if len(names) == 1 else "score"


def _optional(value: ParameterValue) -> str:
    return _NONE if value is None else _value(value)


def comparison_table(comparison: Comparison) -> str:
    """The arms side by side, their optima and costs, the finalists over fresh seeds, and the answer."""
    if not comparison.arms:
        return "no trial has been published yet"
    score = comparison.score_name or "score"
    header = ["arm", "trials", "diverged", "failed", f"best {score}", LEARNT, "at step"]
    header += ["b", "a", "a/b", "d_steps"]
    lines = [header, *(_arm_line(arm, summary) for arm, summary in comparison.arms.items())]
    if comparison.levels.floor is None or not comparison.levels.tell:
        lines = [[cell for at, cell in enumerate(line) if at != SHARE_AT] for line in lines]
    parts = [aligned(lines, left=1), *_levels(comparison.levels), *_optima(comparison)]
    parts += ["\n".join(map(str, comparison.efforts))] if comparison.efforts else []
    parts += [*_methods(comparison), *_confirmed(comparison), answer(comparison)]
    return "\n\n".join(parts)


def _confirmed(comparison: Comparison) -> list[str]:
    """The finalists over fresh seeds; of longer trials with what these come to."""
    found = comparison.confirmation
    parts = [] if found is None else [f"Trained again from fresh seeds:\n{finalists_table(found)}"]
    return parts + [
        f"Trained again for {each.steps} steps:\n{confirmation_table(each)}"
        for each in comparison.longer
    ]


def answer(comparison: Comparison) -> str:
    """The answer to the study's question: a line of one or two sentences for each arm but the first."""
    if not comparison.differences:
        return "The study has one arm, so there is nothing to compare it with."
    return "\n".join(dict.fromkeys(str(verdict) for verdict in comparison.verdicts))


def confirmation_table(found: Confirmation) -> str:
    """The finalists as a table, and what their seeds come to in a sentence or two."""
    parts = [finalists_table(found)]
    parts += ["\n".join(str(of_seeds(each)) for each in found.differences)]
    return "\n\n".join(part for part in parts if part)


def finalists_table(found: Confirmation) -> str:
    """The finalists as a table, one line each, and how much of the way to real data each has come."""
    header = ["finalist", "seeds", "at step", f"mean {found.score_name}", "95 %", "least", "most"]
    header += ["mean of lowest", "b", "a", "d_steps"]
    lines = [header, *map(_finalist_line, found.finalists)]
    return "\n\n".join([aligned(lines, left=1), *_shares(found)])


def _shares(found: Confirmation) -> list[str]:
    """How much of the way from noise to real data each finalist has come, on average over its seeds."""
    shares = [
        f"{f.arm} #{f.number} {signed_percent(f.share)}"
        for f in found.finalists
        if f.share is not None
    ]
    return [f"Of the way from noise to real data: {', '.join(shares)}."] if shares else []


def _finalist_line(f: Finalist) -> list[str]:
    read = f.told
    without, interval = len(f.runs) - len(read), mean_interval(read)
    return [
        f"{f.arm} #{f.number}",
        str(len(read)) + (f" (+{without} without a score)" if without else ""),
        "lowest" if f.step is None else str(f.step),
        _score(f.told_mean),
        f"{scored(interval[0])} to {scored(interval[1])}" if interval else _NONE,
        _score(read[0] if read else None),
        _score(read[-1] if read else None),
        _score(f.mean if f.scores else None),
        f"{f.b:.3g}",
        f"{f.a:.3g}",
        str(f.d_steps),
    ]


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Lines of cells as columns, two spaces apart.

    Args:
        lines: Equally long lines of cells, the header first.
        left: So many first columns are aligned to the left, the others to the right.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _methods(comparison: Comparison) -> list[str]:
    """What the intervals mean, said once; which pair has none, if others have one."""
    told = [difference for difference in comparison.differences if difference.interval is not None]
    methods: dict[str, list[str]] = {}
    for difference in told:
        methods.setdefault(difference.method, []).append(" against ".join(difference.arms[::-1]))
    if len(methods) < 2:
        return [f"Interval: {method}." for method in methods]
    return [f"Interval of {', '.join(pairs)}: {method}." for method, pairs in methods.items()]


def _optima(comparison: Comparison) -> list[str]:
    """Where each arm's surface is lowest, as a table."""
    found = {arm: s.optimum for arm, s in comparison.arms.items() if s.optimum is not None}
    if not found:
        return []
    header = ["lowest by the surface", "score", "95 %", "b", "a", "d_steps"]
    header += ["within 10 %: b", "a", "share"]
    lines = [[arm, *_optimum_line(optimum)] for arm, optimum in found.items()]
    return [aligned([header, *lines], left=1)]


def _optimum_line(optimum: Optimum) -> list[str]:
    low, high = optimum.interval
    cells = [scored(optimum.score), f"{scored(low)} to {scored(high)}"]
    cells += [_value(optimum.setting[name]) for name in ("b", "a", "d_steps")]
    cells += [" to ".join(f"{end:.2g}" for end in optimum.ranges[name]) for name in ("b", "a")]
    return [*cells, f"{optimum.share:.0%}".replace("%", " %")]


def _arm_line(arm: str, summary: ArmSummary) -> list[str]:
    best = summary.best
    counts = [summary.trials, summary.outcomes[Outcome.DIVERGED], summary.outcomes[Outcome.FAILED]]
    cells = [arm, *(str(count) for count in counts)]
    if best is None:
        return cells + [_NONE] * 7
    noise = f" ± {best.noise:.2g}" if best.noise > 0 else ""
    return [*cells, _score(best.score) + noise, _share(best), str(best.step), *_setting(best)]


def _share(row: TrialRecord) -> str:
    """How much of the way from noise to real data a trial has come."""
    share = row.levels.share(row.score)
    return _NONE if share is None else signed_percent(share)


def signed_percent(share: float) -> str:
    """A part of the way, which may be negative: 8.6 %, -1.4 %."""
    return f"-{percent(-share)}" if share < 0 else percent(share)


def _levels(levels: Levels) -> list[str]:
    """What the scores can be seen against, in a sentence."""
    if levels.ceiling is None or not levels.tell:
        return []
    if levels.floor is None:
        return [f"The lowest that {OF_NOTHING} scores is {levels.ceiling:.4g}."]
    return [
        f"{LEARNT}: the part of the way from {levels.ceiling:.4g} (noise) to {levels.floor:.4g} (real data)."
    ]


def _learnt_nothing(rows: Sequence[TrialRecord]) -> list[str]:
    """A sentence on the trials whose best score says nothing."""
    count = sum(not row.learnt for row in rows)
    if not count:
        return []
    which = "1 of these trials has" if count == 1 else f"{count} of these trials have"
    ceiling = lowest([row.levels for row in rows]).ceiling
    return [
        f"{which} learnt nothing yet: a score that is not clearly below {ceiling:.4g} is one that "
        f"{OF_NOTHING} has as well."
    ]


def _setting(row: TrialRecord) -> list[str]:
    return [f"{row.b:.3g}", f"{row.a:.3g}", f"{row.a / row.b:.3g}", str(row.d_steps)]


def _score(score: float | None) -> str:
    return _NONE if score is None else scored(score)


def _value(value: ParameterValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
