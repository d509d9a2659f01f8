"""The functions that look at a study: its state, its trials, what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from study.api.sites import Locations, anywhere, options_of, published, record_of, subject_of
from study.errors import UserError
from study.places.home import resolve
from study.tracking import query
from study.trial import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

    from study.driver.logs import TrialLog
    from study.record.status import StudyStatus
    from study.results.comparison import Comparison


def status(
    name: str | None = None, *, home: str | None = None, places: Locations | None = None
) -> list[StudyStatus]:
    """Reads the state of one study, or of all in the record.

    Examples:
        >>> study.status("quickstart")[0].state  # doctest: +SKIP
        'finished'
    """
    from study.record import status

    return status.status(name, record_of(name, options_of(home, places)))


def trials(
    name: str,
    *,
    where: str | None = None,
    outcome: str | Sequence[str] = (),
    confirmed: bool = False,
    sort: str | Sequence[str] = (),
    metrics: bool = False,
    home: str | None = None,
    tracking: str | None = None,
) -> pd.DataFrame:
    """Reads the trials of a study from MLflow, as a table with the columns of :func:`to_frame`.

    Args:
        name: The study.
        where: Only trials of which it is true: ``"d_steps = 1 and b < 1e-3"``; see
            :mod:`study.results.where`.
        outcome: Only trials that ended so (or in one of these ways); ``unfinished`` are those that have not.
        confirmed: Only trials that were trained again from new seeds.
        sort: The column to sort by, or several; ``-`` before one: the largest first. Trials without a value
            come last.
        metrics: Whether everything that was measured is there, as columns ``metrics.NAME``; else only what
            ``where`` and ``sort`` name.
        home: Folder of local state.
        tracking: MLflow tracking URI.

    Examples:
        >>> frame = study.trials("quickstart", where="b < 1e-3", sort="score")  # doctest: +SKIP
        >>> frame.groupby("arm").score.min()  # doctest: +SKIP
    """
    from study.results.selection import Wanted, select

    wanted = Wanted(
        where=where,
        outcomes=[outcome] if isinstance(outcome, str) else outcome,
        confirmed=confirmed,
        sort=[sort] if isinstance(sort, str) else sort,
        metrics=metrics,
    )
    with published(name, options_of(home, {"tracking": tracking})) as uri:
        return select(name, wanted, tracking_uri=uri).to_frame()


def best(
    name: str,
    *,
    arm: str | None = None,
    top: int | None = None,
    home: str | None = None,
    tracking: str | None = None,
) -> list[TrialRecord]:
    """Lists the configurations of a study, best first, from MLflow.

    Args:
        name: The study.
        arm: Only this arm.
        top: Only the best so many.
        home: Folder of local state.
        tracking: MLflow tracking URI.

    Examples:
        >>> [(row.score, row.b, row.a) for row in study.best("quickstart", top=3)]  # doctest: +SKIP
    """
    with published(name, options_of(home, {"tracking": tracking})) as uri:
        return query.best(name, arm=arm, top=top, tracking_uri=uri)


def show(
    name: str,
    trial: str | None = None,
    *,
    home: str | None = None,
    places: Locations | None = None,
) -> TrialRecord:
    """Reads one trial from the record and its folder, with all its evaluations.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        home: Folder of local state.
        places: Locations by name.

    Examples:
        >>> study.show("quickstart", "two_timescale/3").best.step  # doctest: +SKIP
        400
    """
    return subject_of(name, trial, home, places)[0].trial


def logs(
    name: str, trial: str, *, home: str | None = None, places: Locations | None = None
) -> TrialLog:
    """Reads what the trial ``ARM/NUMBER`` of a study printed, and the traceback if it failed.

    Examples:
        >>> print(study.logs("quickstart", "two_timescale/3").log)  # doctest: +SKIP
    """
    from study.driver import logs

    options = options_of(home, places)
    return logs.logs(name, trial, lambda storage: resolve(options, name, storage).places)


def compare(name: str, *, home: str | None = None, tracking: str | None = None) -> Comparison:
    """Compares the arms of a study, from MLflow: each later one with the first.

    Examples:
        >>> for verdict in study.compare("quickstart").verdicts:  # doctest: +SKIP
        ...     print(verdict)
    """
    from study.results.answers import compared

    with published(name, options_of(home, {"tracking": tracking})) as uri:
        return compared(name, tracking_uri=uri)


def compare_table(frame: pd.DataFrame) -> Comparison:
    """Compares the arms of a table of trials from any source, each later one with the first.

    Args:
        frame: A row a trial, with the columns of :func:`to_frame`: ``arm``, ``b``, ``a``, ``d_steps`` and
            ``score`` (empty: none) must be there; ``number``, ``outcome``, ``noise``, ``forecast``,
            ``forecast_noise``, ``seconds`` and ``end_step`` are looked at if they are. Any other column is a
            further parameter. Rows whose ``study`` confirms that of others (``trials("NAME.confirm")``) are
            the fresh seeds of its finalists.

    Returns:
        What :func:`compare` says of the same trials, but for what a table does not hold: arms without a
        trial, the evaluations besides each trial's lowest (so fresh seeds are read at each run's lowest, as
        the first look at them, and where nothing was learnt it isn't said how much longer to train), and
        confirmations by longer trials (``longer``).

    Raises:
        UserError: A column is missing or holds what it cannot; the sentence names it.

    Examples:
        >>> import pandas as pd
        >>> from study import compare_table
        >>> rates = {"b": [1e-3, 1e-4, 1e-3], "a": [1e-3, 1e-4, 1e-4], "d_steps": 1}
        >>> table = pd.DataFrame({"arm": ["one", "one", "two"], "score": [5.0, 7.0, 4.0], **rates})
        >>> compare_table(table).difference.absolute
        -1.0
    """
    from study.results import comparison
    from study.results.confirmation import confirmation
    from study.results.frame import arms_of, rows_of
    from study.results.fresh import told_apart

    rows, fresh = told_apart(rows_of(frame))
    study, arms = rows[0].study if rows else "table", arms_of(rows)
    try:
        return comparison.compare(study, rows, arms, None, confirmation(study, fresh, arms))
    except ValueError as error:
        raise UserError(str(error)) from error


def report(
    name: str,
    folder: str | Path | None = None,
    *,
    figures: str | Path | None = None,
    home: str | None = None,
    tracking: str | None = None,
) -> Path:
    """Writes a page on a study, from MLflow, and puts it there as an artifact; returns the page.

    Args:
        name: The study.
        folder: Where the page goes; None: ``NAME-report``.
        figures: Where figures (PDF, PNG) and a table (LaTeX, CSV) for a paper go; None: none are made.
        home: Folder of local state.
        tracking: MLflow tracking URI.

    Examples:
        >>> study.report("quickstart", "page", figures="paper")  # doctest: +SKIP
        PosixPath('page/report.html')
    """
    from study.page import report

    options = options_of(home, {"tracking": tracking})
    with published(name, options) as uri:
        made = report.report(
            name,
            tracking_uri=uri,
            folder=Path(folder) if folder is not None else Path(f"{name}-report"),
            cache=anywhere(options).places.cache,
            figures=Path(figures) if figures is not None else None,
        )
    return made.page
