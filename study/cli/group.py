"""The command ``ttur``: a verb is added to it by ``@cli.command()`` above its function."""

from __future__ import annotations

import logging

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show tracebacks and debug messages.")
@click.version_option(package_name="ttur-study")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Studies of GAN learning rates: one time scale (b = a) against two, on Ray, Optuna and MLflow."""
    context.obj = {"debug": debug}
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
