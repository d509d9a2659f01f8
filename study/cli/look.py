"""The verbs that only look: nothing is run and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.group import cli
from study.cli.options import address, brief, located
from study.cli.run import read
from study.errors import UserError
from trainables.counting import counted

if TYPE_CHECKING:
    from study.places.locations import Options
    from study.record.status import StudyStatus


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
@brief
def status(name: str | None, as_json: bool, options: Options) -> None:
    """Show how far the study NAME is, or every study of the record."""
    from study import api

    found = api.status(name, home=options.home, places=options.given)
    if as_json:
        data = [state.to_json() for state in found]
        _echo_json(data[0] if name else data)
    else:
        click.echo(status_table(found) if found else "no studies in this record")


def status_table(studies: Sequence[StudyStatus]) -> str:
    """How far each arm of each study is."""
    from study.results.tables import aligned

    header = ["study", "state", "arm", "done", "budget", "complete", "diverged", "failed"]
    header += ["running", "interrupted"]
    lines = []
    shown = {study.study: study for each in studies for study in (each, each.confirmation) if study}
    for study in shown.values():
        for name, arm in study.arms.items():
            done = arm.complete + arm.diverged + arm.failed
            counts = [done, arm.budget, arm.complete, arm.diverged, arm.failed]
            counts += [arm.running, arm.interrupted]
            lines.append([study.study, study.state, name, *(str(count) for count in counts)])
    busy = [
        f"{study.study}: {study.busy} of {counted(study.slots, 'slots')} busy"
        for study in studies
        if study.slots
    ]
    return "\n".join([aligned([header, *lines], left=3), *([""] if busy else []), *busy])


@cli.command()
@click.argument("name")
@click.option("--arm", default=None, help="Only this arm.")
@click.option("--top", default=None, type=click.IntRange(min=1), help="Only the best so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
@brief
def best(name: str, arm: str | None, top: int | None, as_json: bool, options: Options) -> None:
    """List the configurations of the study NAME, best first; reads MLflow only."""
    from study.api.sites import published
    from study.results.tables import best_table
    from study.tracking import query

    try:
        with published(name, options) as uri:
            rows = query.best(name, arm=arm, top=top, tracking_uri=uri)
    except ValueError as error:  # no such study, or no such arm
        raise UserError(str(error)) from error
    if as_json:
        _echo_json([row.to_json() for row in rows])
    else:
        click.echo(best_table(rows))


@cli.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
@brief
def compare(name: str, as_json: bool, options: Options) -> None:
    """Compare the arms of the study NAME; reads MLflow only."""
    from study.api.sites import published
    from study.results.answers import compared
    from study.results.tables import comparison_table

    with published(name, options) as uri:
        comparison = compared(name, tracking_uri=uri)
    if as_json:
        _echo_json(comparison.to_json())
    else:
        click.echo(comparison_table(comparison))


@cli.command()
@click.argument("name")
@click.option("--output", default=None, help="Folder of the page (NAME-report).")
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--figures",
    default=None,
    metavar="FOLDER",
    help="Write figures (PDF, PNG) and a table (LaTeX, CSV) for a paper there.",
)
@located
@brief
def report(
    name: str, output: str | None, open_it: bool, figures: str | None, options: Options
) -> None:
    """Write a page on the study NAME: the answer, charts, samples, tables; also while it runs.

    It is read from MLflow, and put there as report.html of each arm's run.
    """
    from study.api.sites import anywhere, published
    from study.page import report

    with published(name, options) as uri:
        made = report.report(
            name,
            tracking_uri=uri,
            folder=Path(output or f"{name}-report"),
            cache=anywhere(options).places.cache,
            figures=None if figures is None else Path(figures),
        )
    click.echo(made.page)
    for path in made.figures:
        click.echo(path)
    if made.unpublished is not None:
        click.echo(made.unpublished, err=True)
    if open_it and click.launch(made.page.resolve().as_uri()) != 0:
        click.echo(f"no browser could be opened here; open {made.page}", err=True)


@cli.command()
@click.argument("name")
@click.argument("trial", metavar="ARM/NUMBER")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def logs(name: str, trial: str, as_json: bool, options: Options) -> None:
    """Print what a trial of the study NAME printed, and the traceback if it failed."""
    from study import api

    found = api.logs(name, trial, home=options.home, places=options.given)
    if as_json:
        _echo_json(asdict(found))
        return
    click.echo(found.log if found.log is not None else f"{found.trial} printed nothing.")
    if found.error is not None:
        click.echo(f"{found.trial} failed:\n{found.error}")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of specs."""
    from study import api

    _echo_json(api.schema())


@cli.command()
@click.option(
    "--dashboard", is_flag=True, help="optuna-dashboard on the record, not MLflow's page."
)
@click.option("--port", default=None, type=click.IntRange(1, 65535), help="Default: 5000 or 8080.")
@located
def ui(dashboard: bool, port: int | None, options: Options) -> None:
    """Serve MLflow's page (or optuna-dashboard) on this machine's stores, on the loopback address."""
    from study.api.sites import anywhere
    from study.cli.web import show

    show(
        anywhere(options).places,
        dashboard=dashboard,
        port=port or (8080 if dashboard else 5000),
        say=click.echo,
    )


@cli.command()
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@address
@located
@click.pass_context
def doctor(context: click.Context, what: str | None, as_json: bool, options: Options) -> None:
    """Look whether studies can run here; with WHAT (a recipe or spec file), whether that one can."""
    from study.api.sites import anywhere, site_of
    from study.driver.doctor import examine

    spec = read(what, (), None) if what else None
    found = []
    for finding in examine(site_of(spec, options) if spec else anywhere(options), spec):
        found.append(finding)
        if not as_json:
            click.echo(
                f"{'ok   ' if finding.good else 'WRONG'}  {finding.what}: {finding.sentence}"
            )
    if as_json:
        _echo_json([asdict(finding) for finding in found])
    context.exit(0 if all(finding.good for finding in found) else 1)


def _echo_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, allow_nan=False))
