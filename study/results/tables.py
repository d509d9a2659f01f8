"""Plain text tables of what a study found, and the sentence that answers its question."""

from __future__ import annotations

from collections.abc import Sequence

from study.results.comparison import ArmDifference, ArmSummary, Comparison
from study.trial import Outcome, TrialRecord
from trainables.protocol import ParameterValue

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
    """The arms side by side, the answer in one sentence, and what its error bars mean."""
    if not comparison.arms:
        return "no trial has been published yet"
    score = comparison.score_name or "score"
    header = ["arm", "trials", "diverged", "failed", f"best {score}", "at step"]
    header += ["b", "a", "a/b", "d_steps"]
    lines = [_arm_line(arm, summary) for arm, summary in comparison.arms.items()]
    parts = [aligned([header, *lines], left=1), answer(comparison), *_methods(comparison)]
    return "\n\n".join(parts)


def answer(comparison: Comparison) -> str:
    """The answer to the study's question: a line of one or two sentences for each arm but the first."""
    if not comparison.differences:
        return "The study has one arm, so there is nothing to compare it with."
    return "\n".join(dict.fromkeys(_answer(comparison, d) for d in comparison.differences))


def _answer(comparison: Comparison, difference: ArmDifference) -> str:
    first, second = difference.arms
    one, two = comparison.arms[first].best, comparison.arms[second].best
    if difference.absolute is None or one is None or two is None:
        return f"No answer yet: {difference.method}."
    scores = f"{_score(two.score)} against {_score(one.score)}"
    if difference.absolute == 0:
        sentence = f"{second}'s best {one.score_name} equals {first}'s ({scores})"
    else:
        sentence = (
            f"{second}'s best {one.score_name} is {_amount(difference)} than {first}'s ({scores})"
        )
    return f"{sentence}{_certainty(difference, second)}."


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
    told = [difference for difference in comparison.differences if difference.absolute is not None]
    methods: dict[str, list[str]] = {}
    for difference in told:
        methods.setdefault(difference.method, []).append(" against ".join(difference.arms[::-1]))
    if len(methods) < 2:
        return [f"Interval: {method}." for method in methods]
    return [f"Interval of {', '.join(pairs)}: {method}." for method, pairs in methods.items()]


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


def _amount(difference: ArmDifference) -> str:
    direction = "lower" if difference.absolute is not None and difference.absolute < 0 else "higher"
    if difference.relative is None:
        return f"{abs(difference.absolute or 0.0):.3g} {direction}"
    return f"{abs(difference.relative):.1%} {direction}".replace("%", " %")


def _certainty(difference: ArmDifference, second: str) -> str:
    """The error bars as the rest of a sentence, and what follows if they include zero."""
    if difference.interval is None or difference.probability is None:
        return f"; difference {difference.absolute:+.3g}"
    low, high = difference.interval
    text = f"; difference {difference.absolute:+.3g}, 95 % interval {low:+.3g} to {high:+.3g}"
    text += f", {second} lower in {difference.probability:.0%} of resampled searches".replace(
        "%", " %"
    )
    if low <= 0 <= high:
        text += ". These trials cannot tell the difference from luck in sampling"
    return text
