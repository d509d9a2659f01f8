"""The verbs as functions, for programs and notebooks.

What everything that works on a study takes, as far as it needs it:

- ``home``: the folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
- ``places``: locations by name (record, tracking, artifacts, checkpoints, cache) that count before what the
  spec and the environment say.
- ``address``: a running Ray cluster (``auto`` or ``host:port``); None: the embedded engine.
- ``tracking``: the MLflow tracking URI, for what reads MLflow only.

The examples of the functions begin with ``import study``.

Bad input raises :class:`study.errors.UserError`, whose text is the sentence that the command line prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.places.home import identity, resolve
from study.places.locations import Site
from study.places.options import Options, typed
from study.places.paths import located
from study.spec.continuation import changed, extended
from study.spec.model import Spec, Storage
from study.spec.reader import mapping, parse_spec, parse_yaml, read_spec_file, set_fields
from study.tracking import query
from study.trial import TrialRecord, to_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from study.driver.launch import LaunchResult
    from study.driver.logs import TrialLog
    from study.driver.taking import Subject
    from study.record.status import StudyStatus
    from study.results.comparison import Comparison
    from study.spec.recipes import Recipe

__all__ = [
    "best",
    "compare",
    "compare_table",
    "confirm",
    "delete",
    "export",
    "extend",
    "launch",
    "logs",
    "prepare",
    "read_spec",
    "recipes",
    "report",
    "resume",
    "sample",
    "schema",
    "show",
    "status",
    "stop",
    "sync",
    "to_frame",
    "train",
    "trials",
]

Locations = Mapping[str, str | None]
"""Locations by name."""


def read_spec(what: str | Path | Mapping[str, Any], changes: Sequence[str] = ()) -> Spec:
    """Reads a spec.

    A relative path in a spec file begins beside that file, any other one in the working folder.

    Args:
        what: A recipe's name, a spec file, or the fields themselves.
        changes: ``path.to.field=value``, as after ``--set``.

    Examples:
        >>> spec = study.read_spec("quickstart", ["trial.steps=200", "name=short"])
        >>> spec.name, list(spec.arms), spec.score_name
        ('short', ['one_timescale', 'two_timescale'], 'fd_digits_1k')
    """
    here = Path.cwd()
    if isinstance(what, Mapping):
        return parse_spec(located(set_fields(dict(what), changes), here))
    text = str(what)
    # os.path: a name that no file can have is no error there.
    if text.endswith((".yaml", ".yml")) or "/" in text or os.path.isfile(text):  # noqa: PTH113
        read = located(read_spec_file(Path(text)), here / Path(text).parent)
        return parse_spec(located(set_fields(read, changes), here))
    from study.spec.recipes import recipe_text

    source = f"recipe {text}"
    fields = set_fields(mapping(parse_yaml(recipe_text(text), source), source), changes)
    return parse_spec(located(fields, here))


def launch(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Brings a study to its spec; see :func:`study.driver.launch.launch`.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> result = study.launch("quickstart", home="results")  # doctest: +SKIP
        >>> result.ran  # doctest: +SKIP
        16
    """
    from study.driver import launch

    known = spec if isinstance(spec, Spec) else read_spec(spec)
    return launch.launch(known, site_of(known, _options(home, places, address)))


def resume(
    name: str,
    *,
    failed: bool = False,
    changes: Sequence[str] = (),
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Launches a study with its stored spec.

    Args:
        name: The study.
        failed: Whether trials that failed are run again, as the same trials.
        changes: ``path.to.field=value`` for what may change in a study, as after ``--set``.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> study.resume("quickstart", changes=["resources.cpus=4"])  # doctest: +SKIP
    """
    from study.driver import launch

    spec, site = stored(name, _options(home, places, address))
    changing = changed(spec, changes)
    if failed:
        launch.reopen_failed(spec, site)
    return launch.launch(changing, site)


def extend(
    name: str,
    trials: str | int,
    *,
    arm: str | None = None,
    changes: Sequence[str] = (),
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Gives a study a larger budget and runs it.

    Args:
        name: The study.
        trials: ``40``: a budget of 40 in all; ``"+40"``: 40 more.
        arm: The arm; None: every arm.
        changes: ``path.to.field=value`` for what else may change in a study, as after ``--set``.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> study.extend("quickstart", "+8", arm="two_timescale").ran  # doctest: +SKIP
        8
    """
    from study.driver import launch

    spec, site = stored(name, _options(home, places, address))
    return launch.launch(extended(changed(spec, changes), str(trials), arm), site)


def confirm(
    name: str,
    *,
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Trains the finalists of a study again from new seeds; its ``confirm`` part says how many.

    Examples:
        >>> study.confirm("quickstart").ran  # doctest: +SKIP
        16
    """
    from study.driver import confirm

    return confirm.confirm(*stored(name, _options(home, places, address)))


def prepare(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    home: str | None = None,
    places: Locations | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Fetches and converts the data and weights that a study needs; returns the folder they are in.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name; ``cache`` is that folder.
        say: Told what is being done, a sentence at a time.

    Examples:
        >>> study.prepare("dcgan-cifar10-cpu", places={"cache": "/data/ttur"}, say=print)  # doctest: +SKIP
    """
    from study.driver.preparing import check

    known = spec if isinstance(spec, Spec) else read_spec(spec)
    cache = resolve(_options(home, places), storage=known.storage).places.cache
    check(known, cache)
    try:
        known.settings.prepare(cache, "cpu", say)
        found = known.settings.contents(cache, say)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    if found is not None:
        say(f"{known.name} learns from {found.sentence}")
    return cache


def status(
    name: str | None = None, *, home: str | None = None, places: Locations | None = None
) -> list[StudyStatus]:
    """Reads the state of one study, or of all in the record.

    Examples:
        >>> study.status("quickstart")[0].state  # doctest: +SKIP
        'finished'
    """
    from study.record import status

    return status.status(name, record_of(name, _options(home, places)))


def logs(
    name: str, trial: str, *, home: str | None = None, places: Locations | None = None
) -> TrialLog:
    """Reads what the trial ``ARM/NUMBER`` of a study printed, and the traceback if it failed.

    Examples:
        >>> print(study.logs("quickstart", "two_timescale/3").log)  # doctest: +SKIP
    """
    from study.driver import logs

    options = _options(home, places)
    return logs.logs(name, trial, lambda storage: resolve(options, name, storage).places)


def sync(name: str, *, home: str | None = None, places: Locations | None = None) -> int:
    """Publishes to MLflow what it lacks; returns how many runs still lack something, if only files.

    Examples:
        >>> study.sync("quickstart")  # doctest: +SKIP
        0
    """
    from study.driver import launch

    return launch.sync(*stored(name, _options(home, places)))


def stop(name: str, *, home: str | None = None, places: Locations | None = None) -> bool:
    """Asks the driver of a study to checkpoint its trials and end; False if none runs.

    Examples:
        >>> study.stop("quickstart")  # doctest: +SKIP
        True
    """
    from study.record.opening import request_stop

    return request_stop(name, record_of(name, _options(home, places)))


def delete(name: str, *, home: str | None = None, places: Locations | None = None) -> list[str]:
    """Deletes a study for good: record, checkpoints, generators, and what MLflow has of it.

    The study that confirms it goes along. Nobody is asked; cut off, it is finished by the next call.

    Returns:
        What a tracking server keeps in its trash until ``mlflow gc`` is run there, by name.

    Examples:
        >>> study.delete("quickstart")  # doctest: +SKIP
        []
    """
    from study.driver import delete

    return delete.delete(name, stored(name, _options(home, places))[1])


def trials(name: str, *, home: str | None = None, tracking: str | None = None) -> list[TrialRecord]:
    """Reads every trial of a study from MLflow; :func:`to_frame` makes a DataFrame of them.

    Examples:
        >>> study.to_frame(study.trials("quickstart")).groupby("arm").score.min()  # doctest: +SKIP
    """
    with _published(name, home, tracking) as uri:
        return query.trials(name, tracking_uri=uri)


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
    with _published(name, home, tracking) as uri:
        return query.best(name, arm=arm, top=top, tracking_uri=uri)


def compare(name: str, *, home: str | None = None, tracking: str | None = None) -> Comparison:
    """Compares the arms of a study, from MLflow: each later one with the first.

    Examples:
        >>> for verdict in study.compare("quickstart").verdicts:  # doctest: +SKIP
        ...     print(verdict)
    """
    from study.results.answers import compared

    with _published(name, home, tracking) as uri:
        return compared(name, tracking_uri=uri)


def compare_table(frame: pd.DataFrame) -> Comparison:
    """Compares the arms of a table of trials from any source, each later one with the first.

    Args:
        frame: A row a trial, with the columns of :func:`to_frame`: ``arm``, ``b``, ``a``, ``d_steps`` and
            ``score`` (empty: none) must be there; ``number``, ``outcome`` and ``noise`` are looked at if they
            are. Any other column is a further parameter.

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
    from study.results.frame import arms_of, rows_of

    rows = rows_of(frame)
    study = rows[0].study if rows else "table"
    try:
        return comparison.compare(study, rows, arms_of(rows))
    except ValueError as error:
        raise UserError(str(error)) from error


def report(
    name: str,
    folder: str | Path | None = None,
    *,
    home: str | None = None,
    tracking: str | None = None,
) -> Path:
    """Writes a page on a study, from MLflow; returns the page.

    Args:
        name: The study.
        folder: Where the page and its figures go; None: ``NAME-report``.
        home: Folder of local state.
        tracking: MLflow tracking URI.

    Examples:
        >>> study.report("quickstart", "page")  # doctest: +SKIP
        PosixPath('page/report.html')
    """
    from study.results import report

    where = Path(folder) if folder is not None else Path(f"{name}-report")
    with _published(name, home, tracking) as uri:
        return report.report(name, tracking_uri=uri, folder=where)


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
    return _subject(name, trial, home, places)[0].trial


def export(
    name: str,
    trial: str | None = None,
    folder: str | Path | None = None,
    *,
    last: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> Path:
    """Writes the generator that a trial kept, with code that runs without this product; returns the folder.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        folder: Where the files go; None: ``NAME-ARM-NUMBER``.
        last: The generator of its last evaluation, not of its best.
        home: Folder of local state.
        places: Locations by name.

    Examples:
        >>> study.export("quickstart", folder="generator")  # doctest: +SKIP
        PosixPath('generator')
    """
    from study.driver import giving

    found = _subject(name, trial, home, places)[0]
    where = Path(folder or f"{name}-{found.trial.arm}-{found.trial.number}")
    giving.export(found, where, "last" if last else "best")
    return where


def sample(
    name: str,
    trial: str | None = None,
    *,
    count: int = 64,
    seed: int = 0,
    last: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> np.ndarray | list[str]:
    """Draws from the generator that a trial kept.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        count: How many samples.
        seed: Which latents; 0 are those of every score.
        last: The generator of its last evaluation, not of its best.
        home: Folder of local state.
        places: Locations by name.

    Returns:
        Images, uint8, (count, height, width, channels), or lines of text.

    Examples:
        >>> study.sample("quickstart", count=16, seed=1).shape  # doctest: +SKIP
        (16, 8, 8, 1)
    """
    import numpy as np

    taken = _subject(name, trial, home, places)[0].taken("last" if last else "best")
    if not taken.of_images:
        return taken.lines(count, seed)
    batches = taken.images(count, seed)
    return np.concatenate([batch.permute(0, 2, 3, 1).cpu().numpy() for batch in batches])


def train(
    name: str,
    trial: str | None = None,
    folder: str | Path | None = None,
    *,
    seed: int | None = None,
    steps: int | None = None,
    from_weights: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> TrialRecord:
    """Trains one trial once more, in this process and in a folder of its own; the study is not changed.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        folder: Where it is trained; None: ``NAME-ARM-NUMBER-again``. What was cut off there goes on.
        seed: Another one than the trial's.
        steps: Another number of generator updates.
        from_weights: Begin with the generator that the trial kept; the discriminator begins afresh.
        home: Folder of local state.
        places: Locations by name.

    Examples:
        >>> study.train("quickstart", "two_timescale/3", seed=7, steps=1000).score  # doctest: +SKIP
    """
    from study.driver import again

    found, site = _subject(name, trial, home, places)
    where = Path(folder or f"{name}-{found.trial.arm}-{found.trial.number}-again")
    cache = site.places.cache
    return again.train(
        found, where, cache, lambda _: None, seed=seed, steps=steps, from_weights=from_weights
    )


def recipes() -> list[Recipe]:
    """Lists the recipes: studies that come with the product.

    Examples:
        >>> "quickstart" in [recipe.name for recipe in study.recipes()]
        True
    """
    from study.spec import recipes

    return recipes.recipes()


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of specs.

    Examples:
        >>> study.schema()["properties"]["name"]["type"]
        'string'
    """
    from study.spec import schema

    return schema.schema()


def _subject(
    name: str, trial: str | None, home: str | None, places: Locations | None
) -> tuple[Subject, Site]:
    from study.driver.taking import subject

    fields, site = looked_up(name, _options(home, places))
    return subject(fields, site.places, trial), site


def anywhere(options: Options) -> Site:
    """Resolves where things are for no study in particular."""
    return resolve(options)


def site_of(spec: Spec, options: Options) -> Site:
    """Resolves where a study is run."""
    return resolve(options, spec.name, spec.storage)


def record_of(name: str | None, options: Options) -> str:
    """Resolves where the record of a study is, before its spec is known; None: of no study in particular."""
    return resolve(options, name).places.record


def looked_up(name: str, options: Options) -> tuple[dict[str, Any], Site]:
    """Reads the fields of a study's spec, and resolves where it is; no code that they name is imported.

    Raises:
        UserError: There is no such study in this record.
    """
    from study.record.opening import stored_fields

    fields = stored_fields(name, record_of(name, options))
    storage = Storage.model_validate(fields.get("storage") or {})
    return fields, resolve(options, name, storage)


def stored(name: str, options: Options) -> tuple[Spec, Site]:
    """Reads a study's spec from the record, and resolves where it is run.

    Raises:
        UserError: There is no such study in this record.
    """
    from study.record.opening import stored_spec

    spec = stored_spec(name, record_of(name, options))
    return spec, site_of(spec, options)


@contextmanager
def published(name: str, options: Options) -> Iterator[str]:
    """Gives the tracking URI of a study to a body that reads MLflow, and looks that it is this home's there.

    Raises:
        StudyNotFound: The store has no study of this name, or another record's, as seen here or by the body.
            If the record has it, the sentence says how it is published.
        TrackingError: The store could not be read.
    """
    uri = resolve(options, name).places.tracking
    try:
        query.check_record(name, identity(name, options), tracking_uri=uri)
        yield uri
    except query.StudyNotFound as error:
        if not _in_record(name, options):
            raise
        raise query.StudyNotFound(
            f"{error}; the record has it, and {typed(options, 'sync', name)} publishes it"
        ) from None


def _in_record(name: str, options: Options) -> bool:
    from study.record.opening import existing

    try:
        ledger = existing(record_of(name, options))
    except UserError:  # what MLflow lacks was asked for, and not the record
        return False
    if ledger is None:
        return False
    try:
        return ledger.stored_spec(name) is not None
    finally:
        ledger.close()


def _published(name: str, home: str | None, tracking: str | None) -> AbstractContextManager[str]:
    return published(name, _options(home, {"tracking": tracking}))


def _options(home: str | None, places: Locations | None, address: str | None = None) -> Options:
    return Options(home=home, given=places or {}, address=address)
