"""Figures and a table for a paper: PDF and PNG, LaTeX and CSV, in the form of the paper's Table 1."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from study.page import figures
from study.page.contents import Contents
from study.page.curves import leaders
from study.page.plane import points
from study.results.retrained import Finalist, mean_interval
from study.trial import ONE, TWO, TrialRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 300
"""Dots an inch of the PNG files."""

METHODS = {ONE: "orig", TWO: "TTUR"}
"""What the paper calls the two arms."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table: an arm at its best.

    Attributes:
        dataset: What was learnt from.
        method: The arm, by the paper's word if it has one.
        b: Learning rate of the discriminator.
        a: Learning rate of the generator.
        d_steps: Discriminator updates per generator update.
        updates: Generator updates at which the search saw the lowest score of that setting.
        score: The mean over fresh seeds, or the lowest score that the search saw.
        low: Lower end of the mean's 95 % interval; None without one.
        high: Its upper end.
        seeds: How many seeds the mean is of; 0 if it is of the search.
    """

    dataset: str
    method: str
    b: float
    a: float
    d_steps: int
    updates: int | None
    score: float
    low: float | None
    high: float | None
    seeds: int


def write(contents: Contents, folder: Path) -> list[Path]:
    """Writes every figure as PDF and PNG, and the table as LaTeX and CSV; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, figure in _figures(contents).items():
        for kind in ("pdf", "png"):
            made.append(folder / f"{name}.{kind}")
            figure.savefig(made[-1], dpi=DPI)
    lines = table(contents)
    for name, text in (("table.tex", latex(lines, contents.score)), ("table.csv", as_csv(lines))):
        made.append(folder / name)
        made[-1].write_text(text, encoding="utf-8")
    return made


def _figures(contents: Contents) -> Mapping[str, Figure]:
    comparison, rows = contents.comparison, contents.rows
    drawn = [row for arm in comparison.arms for row in leaders(rows, arm)]
    made = {
        "search": figures.search_curves(comparison, rows),
        "curves": figures.score_curves(drawn, contents.curves, contents.score),
    }
    if points(rows):
        made["plane"] = figures.settings_plane(points(rows), contents.score, contents.ground)
    if contents.bands:
        made["seeds"] = figures.seed_bands(contents.bands, list(comparison.arms), contents.score)
    return made


def table(contents: Contents) -> list[Line]:
    """The arms at their best: the finalist that is compared over fresh seeds, or the best of the search."""
    lines = []
    for arm, summary in contents.comparison.arms.items():
        finalist = _finalist(contents, arm)
        if finalist is not None:
            lines.append(_of_seeds(contents, finalist))
        elif summary.best is not None:
            lines.append(_of_search(contents, summary.best))
    return lines


def _finalist(contents: Contents, arm: str) -> Finalist | None:
    """The finalist of an arm that is compared, or the only one; None if none has a score."""
    found = contents.finalists
    if found is None:
        return None
    mine = [f for f in found.finalists if f.arm == arm and f.told]
    return next((f for f in mine if f.number == found.numbers.get(arm)), mine[0] if mine else None)


def _of_seeds(contents: Contents, found: Finalist) -> Line:
    scores = found.told
    low, high = mean_interval(scores) or (None, None)
    return Line(
        dataset=_dataset(contents),
        method=METHODS.get(found.arm, found.arm),
        b=found.b,
        a=found.a,
        d_steps=found.d_steps,
        updates=found.step,
        score=statistics.fmean(scores),
        low=low,
        high=high,
        seeds=len(scores),
    )


def _of_search(contents: Contents, best: TrialRecord) -> Line:
    return Line(
        dataset=_dataset(contents),
        method=METHODS.get(best.arm, best.arm),
        b=best.b,
        a=best.a,
        d_steps=best.d_steps,
        updates=best.step,
        score=best.objective,
        low=None,
        high=None,
        seeds=0,
    )


def _dataset(contents: Contents) -> str:
    """What was learnt from, as the spec names it; the kind of trial if it has no data."""
    trial = contents.fields.get("trial")
    known = trial if isinstance(trial, Mapping) else {}
    data = known.get("data")
    if isinstance(data, Mapping):
        data = data.get("name") if data.get("path") is None else Path(str(data["path"])).name
    return str(data or known.get("kind") or contents.study)


def latex(lines: Sequence[Line], score_name: str) -> str:
    """The table as LaTeX (package booktabs), in the columns of the paper's Table 1."""
    seeds = {line.seeds for line in lines}
    rows = [
        " & ".join(
            [
                _escaped(line.dataset),
                _escaped(line.method),
                f"{_rate(line.b)}, {_rate(line.a)}",
                str(line.d_steps),
                "--" if line.updates is None else str(line.updates),
                f"{line.score:.4g}" + _interval(line),
                str(line.seeds or "--"),
            ]
        )
        + r" \\"
        for line in lines
    ]
    head = ["dataset", "method", "$b$, $a$", "$D$ steps", "updates", _escaped(score_name), "seeds"]
    said = "The score is the lowest that the search saw."
    if any(seeds):
        said = "The score is the mean over fresh seeds, with its 95 % interval."
    return "\n".join(
        [
            f"% Needs \\usepackage{{booktabs}}. {said}",
            r"\begin{tabular}{llrrrrr}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def as_csv(lines: Sequence[Line]) -> str:
    """The table as CSV; numbers in full, empty where something is not known."""
    buffer = io.StringIO()
    names = [each.name for each in fields(Line)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return buffer.getvalue()


def _interval(line: Line) -> str:
    return "" if line.low is None else f" [{line.low:.3g}, {line.high:.3g}]"


def _rate(value: float) -> str:
    """A learning rate as the paper writes it: 5e-4."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _escaped(text: str) -> str:
    """Text in which no character means something to LaTeX."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {each: f"\\{each}" for each in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)
