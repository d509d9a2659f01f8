"""Plain text tables of what a study found, and the sentence that answers its question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.results.comparison import ArmSummary, Comparison
from study.results.confirmation import Confirmation, Finalist
from study.results.verdict import of_seeds
from study.trial import Outcome, TrialRecord
from trainables.protocol import ParameterValue

if TYPE_CHECKING:
    from study.results.optimum import Optimum

_NONE = "-"


def best_table(rows: Sequence[TrialRecord]) -> str:
    """Trials as a table, in the order given; one line each, further parameters as columns."""
    if not rows:
        return "no trial has ended with a score yet"
    further = sorted({name for row in rows for name in row.further})
    names = sorted({row.score_name for row in rows})
    score = names[0] if len(names) == 1 else "score"
    header = ["arm", "trial", "b", "a", "a/b", "d_steps", *further, score, "at step", "outcome"]
    lines = [
        [
            row.arm,
            str(row.number),
            *_setting(row),
            *(_value(row.further[name]) if name in row.further else _NONE for name in further),
            _score(row.score),
            _NONE if row.step is None else str(row.step),
            "unfinished" if row.outcome is None else str(row.outcome),
        ]
        for row in rows
    ]
    return aligned([header, *lines], left=1)


def comparison_table(comparison: Comparison) -> str:
    """The arms side by side, where each is lowest, what it cost, what the intervals mean, and the answer."""
    if not comparison.arms:
        return "no trial has been published yet"
    score = comparison.score_name or "score"
    header = ["arm", "trials", "diverged", "failed", f"best {score}", "at step"]
    header += ["b", "a", "a/b", "d_steps"]
    lines = [_arm_line(arm, summary) for arm, summary in comparison.arms.items()]
    parts = [aligned([header, *lines], left=1), *_optima(comparison)]
    parts += ["\n".join(map(str, comparison.efforts))] if comparison.efforts else []
    parts += [*_methods(comparison), answer(comparison)]
    return "\n\n".join(parts)


def answer(comparison: Comparison) -> str:
    """The answer to the study's question: a line of one or two sentences for each arm but the first."""
    if not comparison.differences:
        return "The study has one arm, so there is nothing to compare it with."
    return "\n".join(dict.fromkeys(str(verdict) for verdict in comparison.verdicts))


def confirmation_table(found: Confirmation) -> str:
    """The finalists as a table, and what their seeds come to in a sentence or two."""
    header = ["finalist", "seeds", f"mean {found.score_name}", "95 %", "lowest", "highest"]
    header += ["b", "a", "d_steps"]
    parts = [aligned([header, *map(_finalist_line, found.finalists)], left=1)]
    parts += ["\n".join(str(of_seeds(each)) for each in found.differences)]
    return "\n\n".join(part for part in parts if part)


def _finalist_line(f: Finalist) -> list[str]:
    interval = f.interval
    return [
        f"{f.arm} #{f.number}",
        str(len(f.scores)) + (f" (+{f.without} without a score)" if f.without else ""),
        _score(f.mean if f.scores else None),
        f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else _NONE,
        _score(f.scores[0] if f.scores else None),
        _score(f.scores[-1] if f.scores else None),
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
    cells = [f"{optimum.score:.4g}", f"{low:.4g} to {high:.4g}"]
    cells += [_value(optimum.setting[name]) for name in ("b", "a", "d_steps")]
    cells += [" to ".join(f"{end:.2g}" for end in optimum.ranges[name]) for name in ("b", "a")]
    return [*cells, f"{optimum.share:.0%}".replace("%", " %")]


def _arm_line(arm: str, summary: ArmSummary) -> list[str]:
    best = summary.best
    counts = [summary.trials, summary.outcomes[Outcome.DIVERGED], summary.outcomes[Outcome.FAILED]]
    cells = [arm, *(str(count) for count in counts)]
    if best is None:
        return cells + [_NONE] * 6
    noise = f" ± {best.noise:.2g}" if best.noise > 0 else ""
    return [*cells, _score(best.score) + noise, str(best.step), *_setting(best)]


def _setting(row: TrialRecord) -> list[str]:
    return [f"{row.b:.3g}", f"{row.a:.3g}", f"{row.a / row.b:.3g}", str(row.d_steps)]


def _score(score: float | None) -> str:
    return _NONE if score is None else f"{score:.4g}"


def _value(value: ParameterValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
