"""The command line: ``ttur VERB``. What a verb does is a function elsewhere; here it gets its words."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from study.cli import listing, look, take
from study.cli.group import cli
from study.cli.options import address, changes, located
from study.cli.run import (
    conclude_confirmation,
    launching,
    read,
    run_study,
    say,
    with_progress,
)
from study.errors import Interrupted, StudyBusy, TrialsFail, Unreachable, UserError
from study.places.locations import typed
from trainables.counting import counted

if TYPE_CHECKING:
    from study.places.locations import Options

QUICKSTART = "quickstart"


@cli.command()
@click.argument("what", default=QUICKSTART)
@changes
@click.option("--name", default=None, help="Give the study another name.")
@click.option("--dry-run", is_flag=True, help="Print the resolved spec and what would run.")
@address
@located
@launching
def launch(
    what: str, assignments: tuple[str, ...], name: str | None, dry_run: bool, options: Options
) -> None:
    """Bring a study to its spec. WHAT is a recipe or a spec file; without it, the quickstart runs.

    A study that exists under the name is continued; a finished one is left as it is.
    """
    spec = read(what, assignments, name)
    if dry_run:
        from study.api.sites import site_of
        from study.driver.dry_run import describe

        click.echo(describe(spec, site_of(spec, options).places))
        return
    run_study(spec, options)


@cli.command()
@click.argument("what", default=QUICKSTART)
@changes
@located
def prepare(what: str, assignments: tuple[str, ...], options: Options) -> None:
    """Fetch and convert the data and weights that WHAT (a recipe or spec file) needs, ahead of time."""
    from study import api

    spec = read(what, assignments, None)
    cache = api.prepare(spec, home=options.home, places=options.given, say=click.echo)
    click.echo(f"{spec.name} is ready to launch: its data are in {cache}")


@cli.command()
@click.argument("name")
@click.option("--failed", is_flag=True, help="Run trials that failed again, as the same trials.")
@changes
@address
@located
@launching
def resume(name: str, failed: bool, assignments: tuple[str, ...], options: Options) -> None:
    """Continue the study NAME with its stored spec."""
    from study.api.sites import stored
    from study.spec.continuation import changed

    spec, site = stored(name, options)
    changing = changed(spec, assignments)
    if failed:
        from study.driver.mending import reopen_failed

        click.echo(
            f"{name}: {counted(reopen_failed(spec, site), 'failed trials')} to be run again."
        )
    run_study(changing, options)


@cli.command()
@click.argument("name")
@click.option("--trials", required=True, metavar="[+]N", help="New budget of an arm, or +N more.")
@click.option("--arm", default=None, help="Only this arm.")
@changes
@address
@located
@launching
def extend(
    name: str, trials: str, arm: str | None, assignments: tuple[str, ...], options: Options
) -> None:
    """Give the study NAME a larger budget and run it."""
    from study.api.sites import stored
    from study.spec.continuation import changed, extended

    spec = changed(stored(name, options)[0], assignments)
    run_study(extended(spec, trials, arm), options)


@cli.command()
@click.argument("name")
@click.option(
    "--seeds", default=None, metavar="[+]N", help="Seeds to compare by in all, or +N more."
)
@click.option(
    "--steps", default=None, type=click.IntRange(min=1), help="Train so long, in a study beside."
)
@address
@located
@launching
def confirm(name: str, seeds: str | None, steps: int | None, options: Options) -> None:
    """Train the finalists of the study NAME again from fresh seeds; its confirm part says how many."""
    from study.api.sites import stored
    from study.driver.confirm import confirm

    spec, site = stored(name, options)
    again = typed(options, "confirm", name, *(["--steps", str(steps)] if steps else []))
    result = with_progress(
        lambda observe: confirm(spec, site, observe, say, seeds=seeds, steps=steps),
        again,
        spec.resources.stop_seconds,
    )
    conclude_confirmation(name, result, options)


@cli.command()
@click.argument("name")
@located
def sync(name: str, options: Options) -> None:
    """Publish to MLflow what the study NAME has and MLflow lacks; twice is the same as once."""
    from study import api

    left = api.sync(name, home=options.home, places=options.given)
    if left:
        raise RuntimeError(
            f"{counted(left, 'runs')} of {name} could not be published with all files; try again when "
            "MLflow, and where it keeps files, is back"
        )
    click.echo(f"MLflow has every trial of {name}.")


@cli.command()
@click.argument("name")
@located
def stop(name: str, options: Options) -> None:
    """Ask the driver of the study NAME to checkpoint its trials and end."""
    from study import api

    if api.stop(name, home=options.home, places=options.given):
        again = typed(options, "resume", name)
        click.echo(f"{name} was asked to stop; its trials are checkpointed. Go on with: {again}")
    else:
        click.echo(f"{name} is not running.")


@cli.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@located
def delete(name: str, yes: bool, options: Options) -> None:
    """Delete the study NAME for good: its record, checkpoints, generators, and its runs in MLflow."""
    from study import api
    from study.api.sites import forgotten, stored
    from study.driver.delete import extent
    from study.tracking.store import without_credentials

    if forgotten(name, options):
        click.echo(f"{name} is deleted.")
        return
    found = extent(name, stored(name, options)[1])
    where = without_credentials(found.tracking)
    what = (
        f"{' and '.join(found.studies)}: {counted(found.trials, 'trials')} in the record, all below "
        f"{' and '.join(found.folders)}, and the runs in MLflow at {where}"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"{what} would be deleted for good; say so with --yes")
        click.confirm(f"Delete for good {what}?", abort=True)
    left = api.delete(name, home=options.home, places=options.given)
    click.echo(f"{name} is deleted.")
    for each in left:
        click.echo(f"MLflow at {where} has {each!r} in its trash until `mlflow gc` is run there.")


VERBS = (listing, look, take)
"""The modules that add verbs when they are imported, beside this one."""


def main() -> NoReturn:
    """Runs the command line and exits.

    0 done, 2 bad input, 3 trial after trial failed, 128 + n ended by signal n, 1 anything else.
    """
    try:
        code = cli(standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        code = 130
    except (Exception, SystemExit) as error:
        cause = _cause(error)
        if "--debug" in sys.argv and cause is not None and not isinstance(cause, _EXPECTED):
            raise
        code = 0
        if cause is not None:
            code = _code(cause)
            _complain(_sentence(cause))
    sys.exit(code)


def _cause(error: Exception | SystemExit) -> Exception | None:
    """What ended the command line; None if the reader of its output has enough (``| head``)."""
    if isinstance(error, SystemExit):  # click's answer to any broken pipe, without a word
        error = BrokenPipeError("the other end of a pipe or connection was closed")
    if isinstance(error, BrokenPipeError):
        output = select.poll()
        output.register(1, 0)
        if any(event & select.POLLERR for _, event in output.poll(0)):
            # Python would write what is left as it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return None
    return error


_EXPECTED = (Interrupted, UserError, StudyBusy, TrialsFail)


def _code(error: Exception) -> int:
    from study.tracking.reading import StudyNotFound

    if isinstance(error, Interrupted):
        return error.code
    if isinstance(error, TrialsFail):
        return 3
    if isinstance(
        error, Unreachable
    ):  # nothing is wrong with the input: a job's driver tries again
        return 1
    return 2 if isinstance(error, (UserError, StudyNotFound)) else 1


def _sentence(error: Exception) -> str:
    """One line: what we raise says what to do, of anything else the first line and its class must do."""
    from study.tracking.reading import StudyNotFound

    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, (*_EXPECTED, StudyNotFound)):
        return " ".join(lines)
    if isinstance(error, RuntimeError) and lines[0]:
        return lines[0]
    return f"{type(error).__name__}: {lines[0]} (--debug shows where)"


def _complain(sentence: str) -> None:
    with suppress(OSError):  # a terminal that was closed
        click.echo(f"ttur: {sentence}", err=True)


if __name__ == "__main__":
    main()
