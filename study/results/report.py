"""A study as one page: the answer, the tables, the figures, the best samples and the spec.

Everything is read from MLflow, so a report can be made on any machine. The page is one HTML file that
needs nothing else; its figures are also written beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path

from study.results import figures
from study.results.answers import confirmed
from study.results.comparison import Comparison, compare
from study.results.tables import answer, best_table, comparison_table, confirmation_table
from study.spec.reader import mapping, parse_yaml
from study.tracking import query
from study.tracking.files import samples_of_run, spec_text
from study.tracking.reading import StudyNotFound
from study.tracking.store import TrackingError
from study.trial import TrialRecord, rank, ranked

CURVES_AN_ARM = 60
"""Trials an arm whose score curves are drawn, the best ones: each costs a request."""

BEST_SHOWN = 10
"""Trials in the table of the best."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a report shows.

    Attributes:
        comparison: The arms side by side.
        rows: All trials.
        confirmed: The table of the confirmation, if the study has been confirmed.
        spec: The spec as YAML, if it has been published.
        images: Figures as PNG, by file name.
        samples: Samples of the best trial of each arm, by arm and file name.
        notes: Sentences on what could not be shown.
    """

    comparison: Comparison
    rows: Sequence[TrialRecord]
    confirmed: str | None = None
    spec: str | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    notes: Sequence[str] = ()


CAPTIONS = {
    "search.png": "Best score so far by trial.",
    "settings.png": "Every trial by its two learning rates, coloured by its best score; crosses are "
    "trials without a score, rings the best of each arm. On the dashed line both rates are equal.",
    "scores.png": f"Score by generator updates (at most {CURVES_AN_ARM} trials an arm): every trial "
    "(grey), the best (bold, its best evaluation a star), and the range of the best quarter (band).",
    "game.png": "The game itself, as the paper shows it: computed for this page, not by this study.",
}
"""What is under each figure, in the order in which they are shown."""


def report(study: str, *, tracking_uri: str, folder: Path) -> Path:
    """Writes a report of a study.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.
        folder: Where ``report.html`` and the figures go; made if need be, files in it are replaced.

    Returns:
        The page.

    Raises:
        StudyNotFound: The store has no study of this name, or it has no trial yet.
        UserError: Matplotlib is not installed.
        TrackingError: The store could not be read.
    """
    contents = gather(study, tracking_uri=tracking_uri)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in contents.images.items():
        (folder / name).write_bytes(image)
    page = folder / "report.html"
    page.write_text(render(study, contents), encoding="utf-8")
    return page


def gather(study: str, *, tracking_uri: str) -> Contents:
    """Reads what a report shows, and draws its figures; raises what :func:`report` does."""
    rows = query.trials(study, tracking_uri=tracking_uri)
    if not rows:
        raise StudyNotFound(f"study {study!r} has no trial yet; there is nothing to report")
    curve = partial(query.curve, tracking_uri=tracking_uri)
    comparison = compare(study, rows, query.arms(study, tracking_uri=tracking_uri), curve)
    # An arm has the same colour in every figure: they take arms as they come.
    rows = [row for arm in comparison.arms for row in rows if row.arm == arm]
    finalists = confirmed(study, tracking_uri=tracking_uri)
    spec = spec_text(study, tracking_uri=tracking_uri)
    samples, notes = _samples(comparison, tracking_uri)
    return Contents(
        comparison=comparison,
        rows=rows,
        confirmed=None if finalists is None else confirmation_table(finalists),
        spec=spec,
        images=_images(comparison, rows, tracking_uri) | _game(spec),
        samples=samples,
        notes=notes,
    )


def render(study: str, contents: Contents) -> str:
    """The page as HTML; a pure function of what it shows."""
    parts = [
        f"<h1>{escape(study)}</h1>",
        f'<p class="answer">{escape(answer(contents.comparison))}</p>',
    ]
    parts.append(_tables_and_text("The arms", comparison_table(contents.comparison)))
    if contents.confirmed is not None:
        parts.append(
            _tables_and_text("The finalists, trained again from new seeds", contents.confirmed)
        )
    for name, caption in CAPTIONS.items():
        if name in contents.images:
            parts.append(_figure(contents.images[name], caption))
    parts.extend(_sample(arm, files) for arm, files in contents.samples.items())
    parts.extend(f"<p>{escape(note)}</p>" for note in contents.notes)
    parts.append(_text("The best trials", best_table(ranked(contents.rows)[:BEST_SHOWN])))
    if contents.spec is not None:
        parts.append(_text("The spec", contents.spec))
    return _PAGE.format(title=escape(study), body="\n".join(parts))


def _images(comparison: Comparison, rows: Sequence[TrialRecord], uri: str) -> dict[str, bytes]:
    name = comparison.score_name or "score"
    drawn = [row for arm in comparison.arms for row in _leaders(rows, arm)]
    curves = query.histories(drawn, tracking_uri=uri)
    return {
        "search.png": figures.search_curves(comparison, rows),
        "settings.png": figures.settings_plane(rows, name),
        "scores.png": figures.score_curves(drawn, curves, name),
    }


def _leaders(rows: Sequence[TrialRecord], arm: str) -> list[TrialRecord]:
    """The trials of an arm whose curves are drawn: the best, whether they have ended or not."""
    mine = [row for row in rows if row.arm == arm]
    return sorted(mine, key=rank)[:CURVES_AN_ARM]


def _samples(
    comparison: Comparison, uri: str
) -> tuple[dict[str, Mapping[str, bytes]], Sequence[str]]:
    found: dict[str, Mapping[str, bytes]] = {}
    notes = []
    for arm, summary in comparison.arms.items():
        if summary.best is None:
            continue
        # Files may lie where only the cluster can read them; the rest of the report does without.
        try:
            files = samples_of_run(summary.best, tracking_uri=uri)
        except (TrackingError, OSError) as error:
            notes.append(f"The samples of {arm} cannot be read here: {error}")
            continue
        if files:
            found[arm] = files
    return found, notes


def _game(spec: str | None) -> dict[str, bytes]:
    """The paper's figure of the game that the study played, if it is one."""
    from trainables.games.figures import FIGURES

    if spec is None:
        return {}
    trial = mapping(parse_yaml(spec, "the published spec"), "the published spec").get("trial")
    kind = trial.get("kind") if isinstance(trial, Mapping) else None
    return {"game.png": FIGURES[kind]()} if kind in FIGURES else {}


def _text(title: str, text: str) -> str:
    return f"<section><h2>{escape(title)}</h2><pre>{escape(text)}</pre></section>"


def _tables_and_text(title: str, text: str) -> str:
    """Parts of several lines as they are aligned, sentences as paragraphs: a long line is never cut off."""
    parts = [
        f"<pre>{escape(part)}</pre>" if "  " in part else f"<p>{escape(part)}</p>"
        for part in text.split("\n\n")
    ]
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _figure(image: bytes, caption: str) -> str:
    data = base64.b64encode(image).decode("ascii")
    source = f"data:image/png;base64,{data}"
    return (
        f'<figure><img src="{source}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _sample(arm: str, files: Mapping[str, bytes]) -> str:
    parts = []
    for name, content in files.items():
        caption = f"{name} of the best trial of {arm}"
        if name.endswith(".png"):
            parts.append(_figure(content, caption).replace("<figure>", '<figure class="samples">'))
        else:
            text = content.decode("utf-8", errors="replace")
            parts.append(
                f"<figure><pre>{escape(text)}</pre><figcaption>{escape(caption)}</figcaption></figure>"
            )
    return "\n".join(parts)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1c2126; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; margin-bottom: .3rem; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
.answer {{ font-size: 1.1rem; border-left: 4px solid #1f6fb4; padding-left: .8rem; }}
pre {{ background: #f5f6f8; padding: .8rem; overflow-x: auto; font-size: .82rem; white-space: pre-wrap; }}
section pre {{ white-space: pre; }}
figure {{ margin: 2rem 0; }}
figure img {{ max-width: 100%; height: auto; }}
figure.samples {{ display: inline-block; margin-right: 1.5rem; vertical-align: top; }}
figure.samples img {{ width: 20rem; image-rendering: pixelated; }}
figcaption {{ color: #525a63; font-size: .88rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
