"""The contents of a report, read from MLflow: trials, comparison, curves, samples and the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from study.page.curves import CURVES_AN_ARM, Band, Curves, bands, leaders
from study.page.importance import LINES, MOST, importances, parallel
from study.page.landscape import Landscape, landscape
from study.page.pictures import THUMBNAILS_AN_ARM, Sample, real, samples, thumbnails
from study.page.plane import MOST_POINTS
from study.results.answers import compared
from study.results.comparison import Comparison
from study.results.confirmation import Confirmation
from study.results.forecasts import searched
from study.spec.reader import mapping, parse_yaml
from study.tracking import query
from study.tracking.files import code_of, spec_text
from study.tracking.reading import StudyNotFound
from study.tracking.store import TrackingError
from study.trial import TrialRecord

PARALLEL, IMPORTANCES = "Parallel coordinates show", "Importances rest on"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a report shows.

    Attributes:
        comparison: The arms side by side.
        rows: All trials, arms in the order in which they are compared.
        ground: The surface over the plane of (b, a), if there is one.
        curves: Score curves of the trials that are drawn, by identity.
        bands: Score curves of the finalists over their seeds.
        spec: The spec as YAML, if it has been published.
        code: The version of the code that made the study, or "".
        thumbnails: Small samples of the best trials, by identity.
        samples: Samples of a finalist of each arm, and real ones.
        importances: How much each parameter of each arm matters, by Optuna.
        parallel: Optuna's parallel coordinates.
        game: The paper's figure of the game that was played, as PNG, or None.
        notes: Sentences on what is not shown.
    """

    comparison: Comparison
    rows: Sequence[TrialRecord]
    ground: Landscape | None = None
    curves: Curves = field(default_factory=dict)
    bands: Sequence[Band] = ()
    spec: str | None = None
    code: str = ""
    thumbnails: Mapping[str, Sample] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parallel: Mapping[str, Any] = field(default_factory=dict)
    game: bytes | None = None
    notes: Sequence[str] = ()

    @property
    def finalists(self) -> Confirmation | None:
        """The confirmation, if the study has been confirmed."""
        return self.comparison.confirmation

    @property
    def study(self) -> str:
        """Name of the study."""
        return self.comparison.study

    @property
    def score(self) -> str:
        """Name of its scores."""
        return self.comparison.score_name or "score"

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the spec; none if it has not been published."""
        return _fields(self.spec)

    @property
    def budgets(self) -> dict[str, int]:
        """Trials that each arm is to have, as far as the spec says."""
        arms = self.fields.get("arms")
        known = arms if isinstance(arms, Mapping) else {}
        found = {
            arm: each.get("trials") for arm, each in known.items() if isinstance(each, Mapping)
        }
        return {arm: trials for arm, trials in found.items() if isinstance(trials, int)}


def gather(study: str, *, tracking_uri: str, cache: str | None = None) -> Contents:
    """Reads what a report shows.

    Args:
        study: Name of the study.
        tracking_uri: MLflow tracking URI.
        cache: Folder of this machine for prepared data, which real samples are taken from.

    Raises:
        StudyNotFound: The store has no study of this name, or it has no trial yet.
        TrackingError: The store could not be read.
    """
    rows = searched(study, tracking_uri=tracking_uri)
    if not rows:
        raise StudyNotFound(f"study {study!r} has no trial yet; there is nothing to report")
    comparison = compared(study, tracking_uri=tracking_uri, rows=rows)
    arms = list(comparison.arms)
    # An arm has the same colour in every figure: they take arms as they come.
    rows = [row for arm in arms for row in rows if row.arm == arm]
    finalists = comparison.confirmation
    drawn = [row for arm in arms for row in leaders(rows, arm)]
    spec = spec_text(study, tracking_uri=tracking_uri)
    trial = _trial(spec)
    found, unread = thumbnails(rows, arms, tracking_uri=tracking_uri)
    shown = [] if unread else _finalists(comparison, finalists, rows, tracking_uri)
    true = real(trial, cache) if shown else None
    return Contents(
        comparison=comparison,
        rows=rows,
        ground=landscape(rows, comparison.surface),
        curves=query.histories(drawn, tracking_uri=tracking_uri),
        bands=_bands(finalists),
        spec=spec,
        code=code_of(study, tracking_uri=tracking_uri),
        thumbnails=found,
        samples=[*shown, *([true] if true else [])],
        importances=importances(rows, arms),
        parallel=parallel(rows, arms, comparison.score_name or "score"),
        game=_game(trial),
        notes=[*_left_out(rows, arms), *([unread] if unread else []), *_without_real(shown, true)],
    )


def _fields(spec: str | None) -> Mapping[str, Any]:
    if spec is None:
        return {}
    return mapping(parse_yaml(spec, "the published spec"), "the published spec")


def _trial(spec: str | None) -> Mapping[str, Any]:
    trial = _fields(spec).get("trial")
    return trial if isinstance(trial, Mapping) else {}


def _finalists(
    comparison: Comparison, found: Confirmation | None, rows: Sequence[TrialRecord], uri: str
) -> list[Sample]:
    """Samples of one trial of each arm: the confirmed finalist that is compared, else the best one."""
    numbers = {arm: s.best.number for arm, s in comparison.arms.items() if s.best is not None}
    numbers |= found.numbers if found else {}
    by_place = {(row.arm, row.number): row for row in rows}
    shown = []
    for place in numbers.items():
        row = by_place.get(place)
        try:
            sample = row and samples(row, _title(row), tracking_uri=uri)
        except (TrackingError, OSError):
            sample = None
        if sample:
            shown.append(sample)
    return shown


def _title(row: TrialRecord) -> str:
    score = "" if row.score is None else f", {row.score_name} {row.score:.4g}"
    return f"{row.arm} #{row.number}{score}"


def _bands(finalists: Confirmation | None) -> list[Band]:
    if finalists is None:
        return []
    rows = finalists.rows
    return bands(
        rows, {row.identity: [(m.step, m.score) for m in row.measurements] for row in rows}
    )


def _game(trial: Mapping[str, Any]) -> bytes | None:
    """The paper's figure of the game that the study played, if it is one."""
    from trainables.games.figures import FIGURES

    kind = trial.get("kind")
    return FIGURES[kind]() if isinstance(kind, str) and kind in FIGURES else None


def _left_out(rows: Sequence[TrialRecord], arms: Sequence[str]) -> list[str]:
    """What is not drawn of a large study."""
    notes = []
    ended = sum(row.counts for row in rows)
    if ended > MOST_POINTS:
        notes.append(
            f"The plane shows {MOST_POINTS:,} of {ended:,} trials: half of them the best, the others evenly "
            "from the rest. The surface is fitted to all of them."
        )
    if any(sum(row.arm == arm for row in rows) > CURVES_AN_ARM for arm in arms):
        notes.append(
            f"Score curves are those of {CURVES_AN_ARM} trials an arm: half of them the best, the others "
            "evenly from the rest."
        )
    scored = max(
        sum(row.counts and row.score is not None for row in rows if row.arm == arm) for arm in arms
    )
    for what, most in ((PARALLEL, LINES), (IMPORTANCES, MOST)):
        if scored > most:
            notes.append(
                f"{what} {most} trials an arm: a third of them the best, the others evenly from the rest."
            )
    if any(sum(row.arm == arm for row in rows) > THUMBNAILS_AN_ARM for arm in arms):
        notes.append(f"Samples are shown of the {THUMBNAILS_AN_ARM} best trials of each arm.")
    return notes


def _without_real(shown: Sequence[Sample], true: Sample | None) -> list[str]:
    if not shown or true is not None:
        return []
    return [
        "There are no real samples beside those of the finalists: the data are not prepared on the machine "
        "on which this report was made."
    ]
