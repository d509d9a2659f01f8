"""The verbs that list things as a table: recipes, trials."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import click

from study.cli.group import cli
from study.cli.options import width

if TYPE_CHECKING:
    from study.spec.recipes import Recipe


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
