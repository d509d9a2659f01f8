"""The page as HTML: one file with its styles, its script, Plotly and all data; it asks for nothing else."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import math
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader

from study.page import intervals, progress, tables
from study.page.chart import Chart, Json
from study.page.contents import Contents
from study.page.pictures import Sample
from study.page.plane import NAME, keys, plane, points
from study.trial import TrialRecord
from trainables.counting import counted

NAMED = ("ttur-study", "ray", "optuna", "mlflow", "torch", "numpy", "plotly")
"""Packages whose versions are at the page's foot."""


def render(contents: Contents, *, made: datetime | None = None) -> str:
    """The page; a pure function of what it shows, and of the time at which it is made."""
    environment = Environment(
        loader=PackageLoader("study.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    charts = {chart.name: chart for chart in _charts(contents)}
    ended, more = tables.ended_table(contents.rows)
    found = contents.finalists
    return environment.get_template("page.html").render(
        study=contents.study,
        score=contents.score,
        made=(made or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        verdicts=contents.comparison.verdicts,
        running=_running(contents),
        charts=charts,
        curves=[chart for name, chart in charts.items() if name.startswith("curves-")],
        ground=contents.ground,
        d_steps=_d_steps(contents),
        keys=keys(list(contents.comparison.arms), contents.ground),
        arms=tables.arms_table(contents.comparison),
        finalists=tables.finalists_table(found) if found else None,
        best=tables.best_table(contents.rows),
        ended=ended,
        more=more,
        effort=tables.effort_table(contents.comparison, contents.rows, contents.budgets),
        efforts=[str(each) for each in contents.comparison.efforts],
        methods=sorted({d.method for d in contents.comparison.differences if d.interval}),
        samples=[_shown(sample, "png") for sample in contents.samples],
        game=None if contents.game is None else _uri(contents.game, "png"),
        notes=contents.notes,
        spec=contents.spec,
        code=contents.code,
        versions=_versions(),
        data=_embedded(_data(contents, charts)),
        plotly=_plotly(),
    )


def _charts(contents: Contents) -> list[Chart]:
    """Every chart that there is something for."""
    comparison, found, arms = (
        contents.comparison,
        contents.finalists,
        list(contents.comparison.arms),
    )
    levels = comparison.levels.floor, comparison.levels.ceiling
    made = [
        intervals.answer(comparison, found),
        plane(contents.rows, arms, contents.score, contents.ground)
        if points(contents.rows)
        else None,
        *progress.curve_charts(contents.rows, contents.curves, comparison, levels),
        progress.search(comparison),
        progress.seed_bands(contents.bands, arms, contents.score, levels),
        intervals.finalists(found, arms) if found else None,
        intervals.importances(contents.importances, arms),
        intervals.parallel(contents.parallel),
    ]
    return [chart for chart in made if chart is not None]


def _running(contents: Contents) -> str:
    """A sentence on a study that has not ended; "" if it has, or its spec is not known."""
    budget = sum(contents.budgets.values())
    ended = sum(arm.trials for arm in contents.comparison.arms.values())
    if not budget or ended >= budget:
        return ""
    open_ = sum(row.outcome is None for row in contents.rows)
    return (
        f"The study is not finished: {ended} of {counted(budget, 'trials')} ended, {open_} more begun. "
        "What is here will change."
    )


def _d_steps(contents: Contents) -> list[tuple[int, bool]]:
    """The values that the plane can be seen at, and whether it is seen at it first."""
    values = sorted({row.d_steps for row in points(contents.rows)})
    if contents.ground is not None:
        first = contents.ground.best
    else:
        best = [s.best for s in contents.comparison.arms.values() if s.best is not None]
        first = min(best, key=lambda row: row.objective).d_steps if best else 0
    return [(value, value == first) for value in values]


def _shown(sample: Sample, kind: str) -> Json:
    image = None if sample.image is None else _uri(sample.image, kind)
    return {"title": sample.title, "image": image, "lines": list(sample.lines)}


def _uri(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _data(contents: Contents, charts: dict[str, Chart]) -> Json:
    """What the script works with: charts, the trials that the plane shows, and the comparison."""
    arms = list(contents.comparison.arms)
    shown = {row.identity for row in points(contents.rows)} if NAME in charts else set()
    trials = {
        place: _trial(row, contents)
        for place, row in enumerate(contents.rows)
        if row.identity in shown
    }
    return {
        "charts": [chart.to_json() for chart in charts.values()],
        "trials": trials,
        "arms": arms,
        "score": contents.score,
        "compare": contents.comparison.to_json(),
    }


def _trial(row: TrialRecord, contents: Contents) -> Json:
    """One trial as the panel beside the plane shows it."""
    settings = {"b": tables.rate(row.b), "a": tables.rate(row.a), "d_steps": str(row.d_steps)}
    settings |= {name: tables.rate(value) for name, value in row.further.items()}
    noise = f" ± {row.noise:.2g}" if row.noise > 0 else ""
    score = tables.NONE if row.score is None else f"{row.score:.4g}{noise}"
    made: Json = {
        "title": f"{row.arm} #{row.number}",
        "rank": row.objective if math.isfinite(row.objective) else None,
        "facts": {contents.score: score}
        | ({} if row.step is None else {"at update": str(row.step)})
        | settings
        | {"outcome": str(row.outcome), "time": tables.duration(row.seconds)}
        | ({"reason": row.reason} if row.reason else {}),
    }
    if (sample := contents.thumbnails.get(row.identity)) is not None:
        made |= _shown(sample, "webp")
    return made


def _embedded(data: Any) -> str:
    """JSON that can stand in a script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@functools.cache
def _plotly() -> str:
    """Plotly's script, compressed to a third; the page unpacks it."""
    from plotly.offline import get_plotlyjs

    packed = gzip.compress(get_plotlyjs().encode("utf-8"), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in NAMED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # run from its folder, without having been installed
            continue
    return ", ".join(found)
