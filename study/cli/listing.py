"""The verbs that list things as a table: recipes, trials."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from study.cli.group import cli
from study.cli.options import brief, located, width
from study.errors import UserError
from study.trial import UNFINISHED, Outcome

if TYPE_CHECKING:
    from study.places.locations import Options
    from study.spec.recipes import Recipe


@cli.command()
@click.argument("name")
@click.option(
    "--where", default=None, metavar="CONDITION", help='Such as "d_steps = 1 and b < 1e-3".'
)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice([*map(str, Outcome), UNFINISHED]),
    help="Only trials that ended so; may be given again.",
)
@click.option(
    "--confirmed", is_flag=True, help="Only trials that were trained again from new seeds."
)
@click.option(
    "--sort",
    multiple=True,
    metavar="FIELD",
    help="Sort by it; -FIELD: the largest first; again: among equals.",
)
@click.option("--metrics", is_flag=True, help="Everything that was measured, as further columns.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--parquet", "form", flag_value="parquet", help="Write Parquet to standard output.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@located
@brief
def trials(name: str, form: str | None, options: Options, **wanted: Any) -> None:
    """List the trials of the study NAME; reads MLflow only.

    A condition compares fields with numbers and quoted texts, by =, !=, <, <=, >, >=, in (…) and is null, and
    joins that by and, or and not. Fields are arm, number, b, a, d_steps, score, step, noise, seconds,
    outcome, reason, seed, further parameters (optimiser.beta1), and what was measured (metrics.NAME).
    """
    from study.api.sites import published
    from study.results.selection import Wanted, select
    from study.results.tables import trials_table

    if form == "parquet" and sys.stdout.isatty():
        raise UserError("--parquet writes bytes that are not for a terminal; add > trials.parquet")
    with published(name, options) as uri:
        found = select(name, Wanted(**wanted), tracking_uri=uri)
    if form == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
    elif form == "csv":
        click.echo(found.to_frame().to_csv(index=False), nl=False)
    elif form == "parquet":
        sys.stdout.buffer.write(found.to_parquet())
    else:
        click.echo(trials_table(found.rows, found.metrics, width()))


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes, which are studies that come with the product, or show the card of NAME."""
    from study import api
    from study.results.tables import aligned
    from study.spec.recipes import load_recipe

    if name is not None:
        found = load_recipe(name)
        click.echo(json.dumps(_told(found), indent=2) if as_json else card(found))
        return
    listed = api.recipes()
    if as_json:
        click.echo(json.dumps([_told(recipe) for recipe in listed], indent=2))
        return
    lines = [[r.name, r.data, r.card.cost, r.card.summary] for r in listed]
    click.echo(aligned([["recipe", "data", "cost", "what it asks"], *lines], left=4))
    click.echo("\nCost: on 2 CPU cores, or on a GPU where it says so.")
    click.echo("`ttur recipes NAME` tells more, `ttur launch NAME` runs it.")


def _told(recipe: Recipe) -> dict[str, Any]:
    return {"name": recipe.name, "data": recipe.data, **recipe.card.model_dump()}


def card(recipe: Recipe) -> str:
    """What a recipe asks, costs and shows, as wide as the terminal."""
    known = recipe.card
    parts = {
        "data": recipe.data,
        "budget": known.budget,
        "time": known.expected_time,
        "result": known.expected_result,
        "run it": known.command,
    }
    lines = [recipe.name, *textwrap.wrap(known.question, width()), ""]
    for what, text in parts.items():
        # Its words stay whole: a command that was cut at a hyphen could not be typed.
        lines += textwrap.wrap(
            text,
            width(),
            initial_indent=f"{what:8}",
            subsequent_indent=" " * 8,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return "\n".join(lines)
