"""The frame of the launching verbs: the spec is read, the launch followed, its result printed."""

from __future__ import annotations

import functools
import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from study.cli.ending import ending_in_time, leave_at
from study.errors import TrialsFail
from study.ground.confirming import confirming
from study.ground.credentials import hidden
from study.ground.faults import point
from study.ground.signals import handled
from study.places.locations import typed
from trainables.counting import counted

if TYPE_CHECKING:
    from study.cli.progress import Progress
    from study.driver.ending import LaunchResult
    from study.places.locations import Options
    from study.search.conductor import Conductor
    from study.spec.model import Spec


MANY = 2000
"""Trials whose comparison takes seconds to read: it is not shown again when nothing was run."""


def launching(verb: Callable[..., None]) -> Callable[..., None]:
    """Makes a verb that launches end by Ctrl-C as by any other signal, also before its launch begins."""

    @functools.wraps(verb)
    def call(*arguments: Any, **options: Any) -> None:
        with handled(leave_at, signal.SIGINT):
            verb(*arguments, **options)

    return call


def read(what: str, assignments: tuple[str, ...], name: str | None) -> Spec:
    """Reads the spec that a command line describes."""
    from study.api import read_spec

    changes = (*assignments, *([f"name={json.dumps(name)}"] if name is not None else []))
    return read_spec(what, changes)


def run_study(spec: Spec, options: Options) -> None:
    """Launches a study, here or as a job, and prints what came out."""
    if options.submits:
        _submit(spec, options)
        return
    from study.api.sites import site_of
    from study.driver.launch import launch

    site = site_of(spec, options)
    again = typed(options, "resume", spec.name)
    seconds = spec.resources.stop_seconds
    result = with_progress(lambda observe: launch(spec, site, observe, say), again, seconds)
    _conclude(result, options)


def say(sentence: str) -> None:
    """Says what a launch does, beside its progress."""
    click.echo(sentence, err=True)


def with_progress(
    run: Callable[[Callable[[Conductor], Progress]], LaunchResult], again: str, seconds: float
) -> LaunchResult:
    """Runs a launch that is followed on standard error, and ends it in time if a signal asks for it.

    Args:
        run: The launch, given what makes its observer.
        again: The command that goes on with it.
        seconds: How long the end may take after a signal.
    """
    from study.cli.progress import Progress

    shown: list[Progress] = []
    with ending_in_time(again, seconds) as ending:

        def observe(conductor: Conductor) -> Progress:
            ending.conductor = conductor
            for progress in shown:  # a terminal shows one table at a time
                progress.close()
            shown.append(Progress(conductor))
            return shown[-1]

        try:
            return run(observe)
        finally:
            for progress in shown:
                progress.close()


def _submit(spec: Spec, options: Options) -> None:
    from study.engine.jobs import next_lines, submit

    job, address = submit(spec, options), hidden(options.address or "")
    said = "was submitted as" if job.started else "is running already as"
    click.echo(
        f"{spec.name} {said} the job {job.name} of {address}; this machine is not needed any more."
    )
    click.echo(f"Log:  ray job logs {job.name} --address {address} --follow")
    for line in next_lines(spec, options):
        click.echo(line)


def _trials(result: LaunchResult, outcome: str | None = None) -> int:
    """Counts the trials that ended, or those of one outcome."""
    found = [counts.items() for counts in result.counts.values()]
    return sum(count for each in found for how, count in each if outcome in (None, how))


def _conclude(result: LaunchResult, options: Options) -> None:
    from study.api.sites import published
    from study.results.answers import compared
    from study.results.tables import comparison_table
    from study.tracking.reading import StudyNotFound
    from study.tracking.store import TrackingError

    name, confirmation = result.study, result.confirmation
    point("concluding")
    ran = result.ran + (confirmation.ran if confirmation else 0)
    if not ran:
        click.echo(f"{name} is finished already: every arm has its budget; nothing was run.")
    try:
        if ran or _trials(result) <= MANY:
            # Its name may be another record's: a server that was away could not say so when this began.
            with published(name, options) as uri:
                answer = result.answer or compared(name, tracking_uri=uri)
                click.echo(comparison_table(answer))
    except (TrackingError, StudyNotFound) as error:
        click.echo(f"MLflow cannot be read now ({error}); the record has everything.")
    _say_what_is_missing(name, [result, *([confirmation] if confirmation else [])], options)
    from study.tracking.store import without_credentials

    click.echo(f"MLflow: {without_credentials(result.places.tracking)}")
    asked = [typed(options, verb, name) for verb in ("best", "compare")]
    more = [
        typed(options, "extend", name, "--trials", "+8"),
        typed(options, "confirm", name, "--seeds", "+4"),
        typed(options, "ui"),
    ]
    click.echo(f"Next: {'    '.join(asked)}\n      {'    '.join(more)}")
    _check_any_ran(result, options)


def _check_any_ran(result: LaunchResult, options: Options) -> None:
    """Says how failed trials are run again; raises if there are no others."""
    failed = _trials(result, "failed")
    if not failed:
        return
    again = typed(options, "resume", result.study, "--failed")
    if failed < _trials(result):
        click.echo(f"      {counted(failed, 'trials')} failed; run again with: {again}")
        return
    arm = next(name for name, counts in result.counts.items() if counts)
    said = typed(options, "logs", result.study, f"{arm}/0")
    raise TrialsFail(
        f"every trial of {result.study} failed; what one of them said: {said}. Put that right and run them "
        f"again with: {again}"
    )


def conclude_confirmation(name: str, result: LaunchResult, options: Options) -> None:
    """Prints what the finalists of a study come to."""
    from study.api.sites import published
    from study.results.answers import compared
    from study.results.tables import comparison_table, confirmation_table
    from study.tracking.reading import StudyNotFound
    from study.tracking.store import TrackingError

    try:
        with published(name, options) as uri:
            found = result.answer or compared(name, tracking_uri=uri)
        longer = [each for each in found.longer if confirming(name, each.steps) == result.study]
        click.echo(confirmation_table(longer[0]) if longer else comparison_table(found))
    except (TrackingError, StudyNotFound) as error:
        click.echo(f"MLflow cannot be read now ({error}); the record has everything.")
    _say_what_is_missing(name, [result], options)


def _say_what_is_missing(name: str, results: list[LaunchResult], options: Options) -> None:
    for each in results:
        if each.missing:
            click.echo(f"{each.missing}; when it is back: {typed(options, 'sync', name)}")
        if each.unreported:
            click.echo(f"{each.unreported}; try again with: {typed(options, 'sync', name)}")
