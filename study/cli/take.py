"""The verbs that are about one trial: it is shown, taken home, drawn from, trained again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.group import cli
from study.cli.options import located
from study.errors import UserError

if TYPE_CHECKING:
    from study.driver.taking import Subject
    from study.places.locations import Options
    from trainables.protocol import Measurement


def _which(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says which generator is meant."""
    for option in (
        click.option("--last", is_flag=True, help="That of its last evaluation, not of its best."),
        click.option("--best", is_flag=True, help="The trial with the lowest score (the default)."),
        click.argument("trial", required=False, metavar="[ARM/NUMBER]"),
        click.argument("name"),
    ):
        function = option(function)
    return function


@cli.command()
@click.argument("name")
@click.argument("trial", required=False, metavar="[ARM/NUMBER]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def show(name: str, trial: str | None, as_json: bool, options: Options) -> None:
    """Show one trial of the study NAME: its parameters, its curve, its files, how to run it again."""
    from study.driver.showing import story, to_json

    found = _subject(name, trial, options)
    click.echo(json.dumps(to_json(found), indent=2) if as_json else story(found, options))


@cli.command()
@_which
@click.option("--to", default=None, metavar="FOLDER", help="Where the files go (NAME-ARM-NUMBER).")
@located
def export(
    name: str, trial: str | None, best: bool, last: bool, to: str | None, options: Options
) -> None:
    """Write the generator of a trial of NAME: weights, code without this product, samples, a card."""
    from study.driver.giving import export

    found = _subject(name, _checked(trial, best), options)
    folder = Path(to or f"{name}-{found.trial.arm}-{found.trial.number}")
    written = export(found, folder, _evaluation(last))
    click.echo(f"{found.name} of {name} is in {folder}: {', '.join(written)}")
    if found.trial.doubt:
        click.echo(f"its score says {found.trial.doubt}")


@cli.command()
@_which
@click.option(
    "--count", default=64, type=click.IntRange(min=1), help="Samples (64; a .png has 64)."
)
@click.option(
    "--seed", default=0, type=click.IntRange(min=0), help="Which z; 0: those of the scores."
)
@click.option(
    "--to",
    default=None,
    metavar="FILE",
    help="samples.png, images.npz, lines.txt, or a folder for PNG files (NAME-samples.png or .txt).",
)
@located
def sample(
    name: str,
    trial: str | None,
    best: bool,
    last: bool,
    count: int,
    seed: int,
    to: str | None,
    options: Options,
) -> None:
    """Draw from the generator of a trial of the study NAME."""
    from study.driver.giving import samples

    taken = _subject(name, _checked(trial, best), options).taken(_evaluation(last))
    ending = "png" if taken.of_images else "txt"
    click.echo(samples(taken, Path(to or f"{name}-samples.{ending}"), count, seed))


@cli.command()
@click.argument("name")
@click.argument("trial", metavar="ARM/NUMBER")
@click.option(
    "--seed", default=None, type=click.IntRange(min=0), help="Another seed (the trial's)."
)
@click.option(
    "--steps", default=None, type=click.IntRange(min=1), help="Another number of updates."
)
@click.option(
    "--from-weights",
    is_flag=True,
    help="Begin with the generator that the trial kept; the discriminator begins afresh.",
)
@click.option(
    "--to", default=None, metavar="FOLDER", help="Where it is trained (NAME-ARM-NUMBER-again)."
)
@located
def train(
    name: str,
    trial: str,
    seed: int | None,
    steps: int | None,
    from_weights: bool,
    to: str | None,
    options: Options,
) -> None:
    """Train one trial of NAME once more, here: as it was, from another seed, longer.

    The study is not changed. The same command goes on with a training that was cut off.
    """
    from study.api.sites import looked_up
    from study.driver.again import train

    found = _subject(name, trial, options)
    folder = Path(to or f"{name}-{found.trial.arm}-{found.trial.number}-again")
    cache = looked_up(name, options)[1].places.cache
    ended = train(found, folder, cache, _say, seed=seed, steps=steps, from_weights=from_weights)
    if ended.best is None:
        raise UserError(f"{found.name} diverged before its first score: {ended.reason}")
    best = f"lowest {ended.score_name} {ended.best.score:.6g} at step {ended.best.step}"
    best += f" ({ended.doubt})" if ended.doubt else ""
    click.echo(
        f"{best}{f'; it diverged: {ended.reason}' if ended.reason else ''}; its files are in {folder}"
    )


def _say(measurement: Measurement) -> None:
    noise = f" ± {measurement.noise:.2g}" if measurement.noise else ""
    early = " (early)" if measurement.early else ""
    click.echo(f"step {measurement.step}: {measurement.score:.6g}{noise}{early}")


def _checked(trial: str | None, best: bool) -> str | None:
    if trial is not None and best:
        raise UserError(f"{trial} and --best are two ways to say which trial; give one of them")
    return trial


def _evaluation(last: bool) -> str:
    from study.driver.taking import BEST, LAST

    return LAST if last else BEST


def _subject(name: str, trial: str | None, options: Options) -> Subject:
    from study.api.sites import looked_up
    from study.driver.taking import subject

    fields, site = looked_up(name, options)
    return subject(fields, site.places, trial)
